"""Runs, newest first; the chosen one's accuracy, time, failures, manifest, and its cases, wrong ones first.

In the address: `run`, the filters (`address.py`), `from`; `state` and `archive`, which runs are listed;
`tag`, `hidden=1`, `sort` likewise; `board=1`, the leaderboard is open.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries import rollups
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import cell_totals, right_reason
from workbench.analysis.charts import common
from workbench.pages.runs import board, cards
from workbench.pages.runs import notes as run_note
from workbench.pages.ui import (
    address,
    by_piece,
    called_defective,
    case_list,
    components,
    embedding,
    reads,
    right_reason_card,
    score_caption,
    thumbnails,
)
from workbench.pages.ui.components import card, chart, header, html
from workbench.settings import COMPARE

RUNS_SHOWN = 8
# What the list of runs can be sorted by; runs without the number come last.
SORTS: dict[str, Callable[[reads.RunCounts], float]] = {
    "accuracy": lambda counts: math.inf if counts.accuracy is None else -counts.accuracy,
    "called defective": lambda counts: math.inf if counts.alarm_share is None else -counts.alarm_share,
}
SORT_WORDS = {"accuracy": "the most accurate first", "called defective": "the most called defective first"}
CASES_SHOWN = 30
_OF_THE_LIST = ("state", "archive", "tag", "hidden", "sort", "truth", "board")  # stay when another run is opened
ALARMS = 12

now = reads.snapshot()
runs = reads.runs(now)
notes = reads.run_notes(now)


def open_run(run: Run) -> None:
    """Another run begins without filters. A link to the page it stands on would not change the address."""
    gone = {name: None for name in address.asked() if name not in _OF_THE_LIST}
    address.write(**{**gone, "run": run.run_id})


def list_runs(current: Run) -> None:
    """The first runs that the list's own filters let through, and the chosen one wherever it stands."""
    wanted = {name: st.query_params.get(name) for name in ("state", "archive", "tag")}
    hidden = [run for run in runs if run.run_id in notes and notes[run.run_id].hidden]
    with_hidden = st.query_params.get("hidden") == "1"
    found = [
        run
        for run in runs
        if wanted["state"] in (None, run.state)
        and wanted["archive"] in (None, _archive_name(run))
        and (wanted["tag"] is None or wanted["tag"] in _tags(run))
        and (with_hidden or run not in hidden)
    ]
    sort = st.query_params.get("sort")
    truth, rule = address.truth(), address.alarm_rule()
    if sort in SORTS:  # all of them have to be counted
        counts = reads.run_counts(now, tuple(run.run_id for run in found), truth, rule)
        found.sort(key=lambda run: SORTS[sort](counts[run.run_id]) if run.run_id in counts else math.inf)
    shown = found[:RUNS_SHOWN]
    if current not in shown:
        shown = [*shown[: RUNS_SHOWN - 1], current]
    order = SORT_WORDS.get(sort or "", "newest first")
    with card("runs", "Runs", f"showing {len(shown)} of {len(found)}, {order}" if len(shown) < len(found) else order):
        offers: dict[str, list[str]] = {
            "state": sorted({str(run.state) for run in runs}),
            "archive": sorted({_archive_name(run) for run in runs}),
            "tag": sorted({tag for note in notes.values() for tag in note.tags}),
        }
        with st.container(horizontal=True, gap="xsmall"):
            for name, offered in offers.items():
                if len(offered) > (name != "tag") or wanted[name]:
                    _choose(name, offered, wanted[name], f"any {name}")
            if len(runs) > 1:
                _choose("sort", list(SORTS), sort, "newest first")
        if hidden:
            label = wording.counted(len(hidden), "hidden run")
            components.toggle(f"Show {label}", "h", "runs.hidden", with_hidden, _turn_hidden, "hidden")
        counted = reads.run_counts(now, tuple(run.run_id for run in shown), truth, rule)
        for place, run in enumerate(shown):
            key = f"link-run-chosen-{place}" if run == current else f"link-run-{place}"
            with st.container(key=key, gap=None):
                st.button(
                    cards.moment(run.started_at),
                    key=f"runs.{run.run_id}",
                    type="tertiary",
                    on_click=open_run,
                    args=[run],
                )
                written = run_note.line(notes.get(run.run_id))
                html(written + cards.line(run, archives.get(run.archive_id), counted.get(run.run_id)))


def _tags(run: Run) -> tuple[str, ...]:
    return notes[run.run_id].tags if run.run_id in notes else ()


def _turn_hidden(name: str) -> None:
    address.write(**{name: None if st.query_params.get(name) == "1" else "1"})


def _archive_name(run: Run) -> str:
    archive = archives.get(run.archive_id)
    return archive.name if archive else "unknown archive"


def _choose(name: str, offered: list[str], held: str | None, placeholder: str) -> None:
    """One filter of the list of runs, or its order."""
    address.choose(
        name,
        offered,
        held if held in offered else None,
        f"runs.by.{name}",
        lambda picked: address.put(**{name: picked}),
        index=None,
        placeholder=placeholder,
        label_visibility="collapsed",
    )


def show_accuracy(cells: pl.DataFrame, subtask: str | None) -> None:
    """Accuracy per subtask; a click chooses the subtask's cases."""
    rows = cell_totals.accuracy_by_subtask(cells, run.subtasks)
    if rows.is_empty():
        with card("accuracy", "Answers per subtask"):
            html(cards.subtasks_without_labels(cells))
        return
    with card("accuracy", "Accuracy per subtask", "95 % interval by image; click a row for its cases"):
        sentence = "; ".join(
            f"{row['subtask']} {wording.percent(row['rate'])} of {row['n']}" for row in rows.iter_rows(named=True)
        )
        chart(
            common.accuracy(components.ink(), rows, subtask),
            "runs.accuracy",
            sentence,
            lambda name: address.put(subtask=name),
        )
        html(
            Markup(
                '<div class="note">● rate&emsp;<span class="muted">┃</span> guessing among the options&emsp;'
                "invalid counts as not right, failed is left out</div>"
            )
        )


def show_cases(run: Run, selection: Selection) -> None:
    """Thumbnails of the chosen cases; a click opens one."""
    total = cell_totals.total(reads.cells(now, selection), "questions")
    first = address.number("from", at_most=max(total - 1, 0))
    shown = reads.listed(now, selection, CASES_SHOWN, first)
    subtask = dict(selection.facets).get("subtask")
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            upto = f"{first + 1:,}–{first + shown.height:,}" if first else f"{shown.height:,}"
            note = f"showing {upto} of {total:,}, {case_list.order_in_words(selection)}" if shown.height else ""
            html(Markup('<div class="title">{}<i>{}</i></div>').format(subtask or "Cases", note), width="stretch")
            case_list.choose_outcome(now, selection, "runs")
        if shown.is_empty():
            stored = run.answered + run.invalid + run.failed
            why = "The filters leave none." if stored else "No prediction of this run is stored yet."
            components.empty("No case to show", why)
        thumbnails.grid(
            now, run, shown, lambda case: score_caption.with_score(now, run, cards.caption(run, case, subtask), case)
        )
        case_list.turn_pages("runs", first, CASES_SHOWN, total)


def manifest(run: Run) -> None:
    """Everything that was recorded about how the run was made."""
    with card("manifest", "Manifest", f"run {run.run_id}", fill=False):
        html(cards.facts("Where and with what", cards.circumstances(run, archive)))
        for title, pairs in cards.settings(run).items():
            html(cards.facts(title, pairs))
        if run.state != "finished":
            html(Markup('<div class="note" style="margin-top:.5rem"><b>Continue this run</b></div>'))
            st.code(cards.resume(run, archive, now.data), language="bash", wrap_lines=True)


run = components.need_run("Runs", runs, address.chosen_run(runs))
archives = reads.archives(now)
archive = archives.get(run.archive_id)
selection = embedding.selection(now, runs, run)
everything = selection.whole_run()
cells = reads.cells(now, everything)

reason = right_reason_card.of_run(now, everything)
asked_about_defects = bool(cells.filter(pl.col("label") == "defective")["counted"].sum())

lead = cards.finding(run, cells) + right_reason_card.lead(reason) + by_piece.sentence(now, everything)
with header("Runs", lead, cards.under(run, archive, reads.beside(now, everything))):
    reads.choose_alarm_rule(now)
    reads.choose_truth(now)
    by_piece.choose(now, run)
    run_note.edit(now, run, notes.get(run.run_id))
    if run.model == COMPARE and (once := case_list.one_per_picture(run)):
        here = address.going(run=run.run_id, **once)
        st.page_link(components.GALLERY, label="Most suspicious", query_params=here)
    for target, label in ((components.ERRORS, "Errors"), (components.COMPARE, "Compare")):
        st.page_link(target, label=label, query_params=address.going(run=run.run_id))
    components.computed(
        {
            "rate": "right / judged questions; 95 % interval clustered by image",
            "n": f"{cell_totals.total(cells, 'counted'):,} judged questions of "
            f"{cell_totals.total(cells, 'questions'):,}",
            "mean accuracy": "unweighted over subtasks; strict: invalid counts as wrong",
            "right for the right reason": right_reason.HOW,
            "left out": "unlabelled, failed and open questions",
        },
        rollups.sql(selection),
    )
    components.export(
        "run",
        {
            "answers": lambda: reads.export(now, selection, (*rollups.ANALYSED, "error", "seconds")),
            "run": lambda: cards.as_row(run),
            "right reason": lambda: reads.groundings(now, everything),
        },
    )
address.chips()

with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    unlabelled = bool(cells["unlabelled_images"].sum())
    with grid.cell(row_span=3 + unlabelled + asked_about_defects):
        list_runs(run)
    with grid.cell(column_span=2):
        show_accuracy(cells, dict(selection.facets).get("subtask"))
    if asked_about_defects:
        with grid.cell(column_span=2):
            right_reason_card.show(now, run, everything)
    if unlabelled:
        with grid.cell(column_span=2):
            called_defective.show(now, run, everything)
    with grid.cell(), card("progress", "Progress", cards.state_words(run)):
        html(cards.progress(run, cells))
    with grid.cell(), card("time", "Where the time went", "seconds of work, waiting left out"):
        html(cards.time_spent(run.timings))
    with grid.cell(column_span=2), card("failures", "Failures and invalid answers"):
        html(cards.trouble(run, reads.failures(now, run.run_id, run.failed)))
    with grid.cell(column_span=3), card("passed-over", "Passed over", "in the archive and its questions"):
        html(cards.passed_over(run.passed_over))

pictures = reads.called_defective(now, selection, ALARMS)
called_defective.show_pictures(now, [(run, pictures)], reads.alarms(now, selection).called.defective)
board.show(now, run, runs, selection.truth)
by_piece.show(now, everything)
if address.by_piece():
    asked_for = dict(selection.facets).get("subtask")
    by_piece.show_cases(now, run, selection, "runs", CASES_SHOWN, lambda case: cards.caption(run, case, asked_for))
else:
    show_cases(run, selection)
manifest(run)
reads.follow(now, refresh=any(run.state == "running" for run in runs))
