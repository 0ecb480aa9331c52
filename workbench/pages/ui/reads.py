"""The pages' reads: cached by the warehouse's stamp, so that a page asks for the same thing once per change.

Connections are never cached: a Store opens, reads and closes. `Snapshot` goes into every cached call as the data
folder's name and stamp, so a new stamp is a new entry and old ones fall out.
"""

from __future__ import annotations

import atexit
import gc
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse import schema
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.comparisons import Comparisons
from warehouse.queries.groundings import Groundings
from warehouse.queries.measures import PictureMeasures
from warehouse.queries.normals import Normals
from warehouse.queries.pieces import Pieces
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.run_notes import RunNotes
from warehouse.queries.signals import SignalName
from warehouse.queries.thresholds import Thresholds
from warehouse.queries.truth import Truth
from warehouse.records.comparisons import StoredComparison
from warehouse.records.measures import Measures
from warehouse.records.run_notes import RunNote
from warehouse.records.scoring import Archive, Description, Entry, Prediction, Run
from warehouse.store import Store
from workbench.analysis import alarm_rule_words, review_coverage
from workbench.analysis import alarms as unlabelled
from workbench.analysis.alarms import Alarms
from workbench.analysis.metrics import Key, Neighbours
from workbench.pages.ui import address, components
from workbench.pages.ui import run_cache as held
from workbench.pages.ui.caching import cached
from workbench.review import threshold_sentences

_FEW, _SOME, _MANY = 8, 64, 256  # cached answers: whole runs, counts of them, single cases
LISTED = (
    "image_id", "image_path", "dataset", "product", "label", "defect", "question_id", "subtask", "outcome", "error",
    "failure", "confidence", "settled_entropy", "shape", "line", "camera", "defect_probability", "claim", "answer",
)  # fmt: skip


class Snapshot(NamedTuple):
    """The warehouse as it is now."""

    data: str
    stamp: str


def snapshot() -> Snapshot:
    """What the cached reads below are asked with; WORKBENCH_DATA says where, else ./data."""
    data = os.environ.get("WORKBENCH_DATA", "data")
    return Snapshot(data, _store(data).stamp())


def _store(data: str) -> Store:
    return Store(Path(data))


def together(now: Snapshot) -> AbstractContextManager[None]:
    """A block of reads that open the database once; writers wait meanwhile, so nothing is drawn within."""
    return _store(now.data).together()


@cached(_FEW)
def rollups(now: Snapshot) -> Rollups:
    """What is asked of facts and cells, over what is in memory (`run_cache.py`)."""
    return Rollups(Path(now.data), held.CachedRuns(*now, _stored(now), settled(now), _threshold_changes(now)))


@cached(_FEW)
def _stored(now: Snapshot) -> dict[str, int]:
    """Run to how many predictions it has."""
    return {run.run_id: run.answered + run.invalid + run.failed for run in runs(now)}


@st.cache_data(show_spinner=False, max_entries=_FEW)
def settled(now: Snapshot) -> int:
    """A number that grows with every settlement; 0 where people settled nothing."""
    return _store(now.data).settled_changes()


@st.cache_data(show_spinner=False, max_entries=_FEW)
def _threshold_changes(now: Snapshot) -> int:
    """A number that grows with every version of a threshold."""
    return Thresholds(Path(now.data)).changes()


@st.cache_data(show_spinner=False, max_entries=_FEW)
def saved_signals(now: Snapshot) -> list[SignalName]:
    """The signals on which a threshold is saved."""
    return Thresholds(Path(now.data)).signals() if _threshold_changes(now) else []


@st.cache_data(show_spinner=False, max_entries=_SOME)
def alarm_rule_sentence(now: Snapshot, run_id: str, rule: AlarmRule) -> str:
    """What calls a run's pictures defective, where that is not their answers; else empty."""
    return threshold_sentences.of_runs(_store(now.data), [run_id], rule).get(run_id, "")


def beside(now: Snapshot, selection: Selection) -> Markup:
    """What stands beside numbers that go by another truth or another alarm rule than usual: how many answers people
    verified, by which rule; which thresholds call pictures defective. Nothing beside others.
    """
    lines = []
    if said := alarm_rule_sentence(now, selection.run_id, selection.alarm_rule):
        lines.append(components.glyph("alarm") + f" {said}")
    if selection.truth == "reviewed":
        found = review_coverage.of_facts(facts(now, selection, ("verified", "basis", "right")))
        lines.append(components.glyph("finished") + f" {review_coverage.sentence(found)}")
    return Markup("<br>").join(lines)


def choose_truth(now: Snapshot) -> None:
    """A button that holds answers against what people settled; none where they settled nothing."""
    if settled(now) or address.truth() == "reviewed":
        components.toggle("Reviewed truth", "t", "choose.truth", address.truth() == "reviewed", _flip_truth, "truth")


def choose_alarm_rule(now: Snapshot) -> None:
    """A list of what may call pictures defective; none where no threshold is saved."""
    held = address.alarm_rule()
    offered: list[AlarmRule] = ["answers", *saved_signals(now)]
    if held not in offered:
        offered.append(held)
    if len(offered) > 1:
        address.choose(
            "Calls",
            offered,
            held,
            "choose.alarms",
            lambda rule: address.put(alarms=None if rule == "answers" else rule),
            width=215,
            label_visibility="collapsed",
            format_func=lambda rule: f"Calls {alarm_rule_words.NAMES[rule]}",
        )


def _flip_truth(name: str) -> None:
    address.put(**{name: None if address.truth() == "reviewed" else "reviewed"})


@st.cache_data(show_spinner=False, max_entries=_FEW)
def archives(now: Snapshot) -> dict[str, Archive]:
    """Registered archives by id."""
    return {archive.archive_id: archive for archive in _store(now.data).archives()}


@cached(_FEW)  # shared: copying hundreds takes longer than drawing a page
def runs(now: Snapshot) -> tuple[Run, ...]:
    """All runs, newest first; those that somebody hid come last."""
    found, notes = schema.records(Run, _store(now.data).runs()), run_notes(now)
    return tuple(sorted(found, key=lambda run: run.run_id in notes and notes[run.run_id].hidden))


@cached(_FEW)
def run_notes(now: Snapshot) -> dict[str, RunNote]:
    """By run_id what people wrote on runs."""
    return RunNotes(Path(now.data)).all()


@st.cache_data(show_spinner=False, max_entries=_FEW)
def question_named(now: Snapshot, name: str) -> str:
    """The question that an address names, which may be an old one."""
    return _store(now.data).question_named(name)


@cached(_SOME)
def cells(now: Snapshot, selection: Selection) -> pl.DataFrame:
    """Counts of a selection per kind of image and subtask, see `warehouse.queries.facts.Cell`."""
    return rollups(now).cells(selection)


@cached(_SOME)
def counts(now: Snapshot, selection: Selection, by: tuple[str, ...]) -> pl.DataFrame:
    """How many predictions of a selection there are by these columns: the columns and `n`."""
    return rollups(now).counts(selection, by)


@cached(_SOME)
def listed(now: Snapshot, selection: Selection, limit: int, offset: int = 0) -> pl.DataFrame:
    """A page of a selection's cases, in its order."""
    return rollups(now).facts(selection, LISTED, limit, offset)


@cached(_SOME)
def alarms(now: Snapshot, selection: Selection) -> Alarms:
    """How many pictures without truth a selection calls defective, and where; none is named."""
    return unlabelled.of(cells(now, selection).filter(pl.col("subtask").is_null()))


class RunCounts(NamedTuple):
    """What a run's answers come to."""

    counted: int  # judged questions
    correct: int
    unlabelled_images: int  # pictures without truth
    alarm_images: int  # of them called defective

    @property
    def accuracy(self) -> float | None:
        """Of the judged questions; None without any."""
        return self.correct / self.counted if self.counted else None

    @property
    def alarm_share(self) -> float | None:
        """Of the pictures without truth those called defective; None without any."""
        return self.alarm_images / self.unlabelled_images if self.unlabelled_images else None


@cached(_SOME)
def run_counts(now: Snapshot, run_ids: tuple[str, ...], truth: Truth, alarm_rule: AlarmRule) -> dict[str, RunCounts]:
    """By run_id what the answers of these runs come to; of runs that have some."""
    found = rollups(now).run_counts(run_ids, truth, alarm_rule).select("run_id", *RunCounts._fields)
    return {run_id: RunCounts(*counts) for run_id, *counts in found.iter_rows()}


@cached(_SOME)
def called_defective(now: Snapshot, selection: Selection, limit: int) -> pl.DataFrame:
    """The pictures without truth that a selection calls defective, the likeliest defect first: LISTED."""
    return rollups(now).alarms(selection, LISTED, limit)


@cached(_FEW)
def facts(now: Snapshot, selection: Selection, columns: tuple[str, ...]) -> pl.DataFrame:
    """A selection's rows in no order, with columns of `rollups.ANALYSED`. Images are numbers: only identity counts.

    The frame is shared between sessions: never changed.
    """
    return rollups(now).facts(selection, columns, numbered=True)


@cached(_FEW)
def pairs(now: Snapshot, base: str, selection: Selection) -> pl.DataFrame:
    """The judged questions of a selection that the base was asked too; images are numbers."""
    return rollups(now).pairs(base, selection, numbered=True)


@cached(_FEW)
def groundings(now: Snapshot, selection: Selection) -> pl.DataFrame:
    """A selection's judged questions of which it was measured whether they point at the defect."""
    return Groundings(Path(now.data)).of_selection(selection)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def place(now: Snapshot, selection: Selection, here: Key) -> Neighbours:
    """Where a case stands in a selection, and who stands beside it."""
    found = rollups(now).place(selection, *here)
    before, after = (Key(*key) if key else None for key in (found.before, found.after))
    return Neighbours(found.place, found.total, before, after)


@cached(_FEW)
def has_pieces(now: Snapshot, run_id: str) -> bool:
    """Whether some pictures of a run share a piece."""
    return rollups(now).has_pieces(run_id)


@cached(_SOME)
def pieces(now: Snapshot, selection: Selection) -> pl.DataFrame:
    """The pieces of which a selection has an answer, see `warehouse.queries.pieces`."""
    return Pieces(Path(now.data)).of_selection(selection)


@cached(_SOME)
def listed_pieces(now: Snapshot, selection: Selection, outcome: str | None, limit: int, offset: int) -> pl.DataFrame:
    """A page of a selection's pieces, each as the case that stands for it: LISTED and pictures."""
    return Pieces(Path(now.data)).listed(selection, outcome, limit, offset).select(*LISTED, "pictures")


@cached(_FEW)
def measures(now: Snapshot, run_id: str) -> pl.DataFrame:
    """What was measured of a run's pictures, see `warehouse.records.measures`."""
    return PictureMeasures(Path(now.data)).of_run(run_id)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def measures_of(now: Snapshot, content: str) -> Measures | None:
    """What was measured of one picture; None where it wasn't."""
    return PictureMeasures(Path(now.data)).of_content(content)


def pairs_export(now: Snapshot, base: str, selection: Selection) -> pl.DataFrame:
    """All pairs with their names, answers, truth and alarm rule, to be written to a file: not kept."""
    found = rollups(now).pairs(base, selection).sort("image_id", "question_id")
    return found.with_columns(truth=pl.lit(selection.truth), alarms=pl.lit(selection.alarm_rule))


def with_scores(now: Snapshot, run_id: str, cases: pl.DataFrame) -> pl.DataFrame:
    """Cases with what comparing their pictures came to, see `Comparisons.of_run`; as they are where nothing was."""
    compared = Comparisons(Path(now.data)).of_run(run_id)
    return cases if compared.is_empty() else cases.join(compared, on="image_id", how="left", maintain_order="left")


def export(now: Snapshot, selection: Selection, columns: tuple[str, ...]) -> pl.DataFrame:
    """A selection's rows with the truth and the alarm rule they go by, to be written to a file: not kept."""
    found = with_scores(now, selection.run_id, rollups(now).facts(selection, columns))
    return found.with_columns(truth=pl.lit(selection.truth), alarms=pl.lit(selection.alarm_rule))


@st.cache_data(show_spinner=False, max_entries=_FEW)
def failures(now: Snapshot, run_id: str, failed: int) -> pl.DataFrame:
    """Why so many questions of a run failed, as `Store.failures` says; reads nothing for none."""
    if not failed:
        return pl.DataFrame(schema=["failure", "questions", "images", "texts", "error", "image_path"])
    return _store(now.data).failures(run_id)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def predictions(now: Snapshot, run_id: str, image_id: str, truth: Truth) -> list[Prediction]:
    """Everything about one image's questions, in the plan's order."""
    return _store(now.data).case(run_id, image_id, truth)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def patches(now: Snapshot, run_id: str, image_id: str) -> pl.DataFrame:
    """The patches that the loops of one image's questions proposed, in order."""
    return _store(now.data).patches(run_id, image_id)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def entry(now: Snapshot, image_id: str) -> Entry | None:
    """The archive's entry of an image: where its mask is."""
    return _store(now.data).entry(image_id)


@st.cache_data(show_spinner=False, max_entries=_SOME)
def entries_at(now: Snapshot, archive_id: str, path: str) -> list[Entry]:
    """The archive's newest entries of a path: one, or all tiles of a large picture."""
    return _store(now.data).entries_at(archive_id, path)


@st.cache_data(show_spinner=False, max_entries=_SOME)
def mask_paths(now: Snapshot, image_ids: tuple[str, ...]) -> dict[str, str]:
    """Where the masks of these images are, relative to their archive; those that have one."""
    return rollups(now).mask_paths(image_ids)


@st.cache_data(show_spinner=False, max_entries=_SOME)
def entries(now: Snapshot, image_ids: tuple[str, ...]) -> dict[str, Entry]:
    """The entries of these images; of those that a registered archive has."""
    return rollups(now).entries(image_ids)


@st.cache_data(show_spinner=False, max_entries=_FEW)
def texts(now: Snapshot, version: str) -> dict[str, Description]:
    """A knowledge version's descriptions by id."""
    return {text.description_id: text for text in _store(now.data).knowledge(version)}


def comparison(now: Snapshot, run_id: str, image_id: str) -> StoredComparison | None:
    """What comparing an image with normal pictures came to; None where the run compared nothing."""
    return Comparisons(Path(now.data)).of_picture(run_id, image_id)


@cached(_FEW)
def comparisons(now: Snapshot, run_id: str, image_ids: tuple[str, ...]) -> dict[str, StoredComparison]:
    """What comparing these images came to, by image_id; of those that were compared."""
    return Comparisons(Path(now.data)).of_pictures(run_id, image_ids)


@st.cache_data(show_spinner=False, max_entries=_SOME)
def entries_of_contents(now: Snapshot, contents: tuple[str, ...]) -> dict[str, Entry]:
    """By content the pictures of registered archives that have it."""
    return Normals(Path(now.data)).entries_of(contents)


@st.cache_data(show_spinner=False, max_entries=_SOME)
def scores(now: Snapshot, run_id: str) -> dict[str, float]:
    """Scores of a run's images in a comparison with normal pictures, by image_id; empty where it compared nothing."""
    return dict(Comparisons(Path(now.data)).of_run(run_id).select("image_id", "comparison_score").iter_rows())


@st.cache_data(show_spinner=False, max_entries=_SOME)
def is_compared(now: Snapshot, run_id: str) -> bool:
    """Whether a run compared its pictures with normal ones."""
    return bool(scores(now, run_id))


def follow(now: Snapshot, refresh: bool) -> None:
    """Run the page again when the browser's theme changes and, with `refresh`, when the warehouse isn't any more what
    the page was drawn from.

    A theme switch doesn't rerun a script by itself: charts would keep the colours of the other mode. Each look carries
    the address as the browser had it. One that was sent while a click was changing that would draw the page as it was
    before the click, so it is left to the next look; and looks are rare where nothing is being written.
    """

    @st.fragment(run_every=2 if refresh else 10)
    def watch() -> None:
        seen = (st.context.theme.type, snapshot().stamp if refresh else None)
        drawn, shown = st.session_state.get("shared.drawn", (seen, address.asked()))
        if drawn != seen and shown == address.asked() and not drawing:
            st.rerun()

    st.session_state["shared.drawn"] = ((st.context.theme.type, now.stamp if refresh else None), address.asked())
    drawing = True  # what was written meanwhile is left to the next look: else a busy warehouse gives a page no rest
    watch()
    drawing = False


@st.cache_resource(show_spinner=False)
def set_aside(modules: int) -> None:  # noqa: ARG001
    """Spare the collector what so many imported modules hold; it is called anew when a page has imported more.

    Streamlit collects garbage after every script, before the browser gets the rest of the page. Going over all that
    torch, plotly and the like keep in memory takes a quarter of a second each time.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # else a library complains at the end that its objects are still there


def warehouse_state(now: Snapshot) -> Markup:
    """The sidebar's lines: which data folder, how much is in it, whether something is being added."""
    known, found = archives(now), runs(now)
    names = ", ".join(archive.name for archive in list(known.values())[:3]) or "no archive yet"
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    stored = sum(run.answered + run.invalid + run.failed for run in found)
    running = sum(run.state == "running" for run in found)
    state = components.glyph("running") + f" {running} running" if running else components.glyph("finished") + " idle"
    return Markup(
        '<div class="note" style="padding-top:.2rem"><b>{}</b>{}<br>'
        '<span class="number">{:,}</span> predictions<br>{}<br><span title="{}">data folder {}</span></div>'
    ).format(
        names,
        more,
        stored,
        state,
        Path(now.data).absolute(),
        Path(now.data).name,
    )
