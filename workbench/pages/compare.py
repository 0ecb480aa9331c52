"""Compare: a run against a baseline on the questions both were asked; what was won and lost, and one verdict.

In the address: `run` (B), `base` (A), the filters (`address.py`), `flip`, which pairs are shown below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries import rollups
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import (
    alarms,
    cell_totals,
    compare,
    error_concentration,
    loss_by_slice,
    mmad,
    published_results,
    run_differences,
    subtasks,
)
from workbench.analysis.alarms import Disagreement
from workbench.analysis.charts import compare as charts_compare
from workbench.analysis.charts.compare import Row
from workbench.analysis.compare import Pairs, Verdict
from workbench.analysis.intervals import Estimate
from workbench.pages.runs import cards
from workbench.pages.ui import (
    address,
    called_defective,
    case_list,
    components,
    embedding,
    reads,
    right_reason_card,
    run_choice,
    thumbnails,
)
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html

CASES = 24
LOSING = 8  # slices that are drawn
_MINUS = re.compile(r"-(?=\d)")
GLYPHS = {"better": ("↑", "accent"), "worse": ("↓", "escape"), "not enough evidence": ("○", "muted")}

now = reads.snapshot()
runs = reads.runs(now)


@cached(16)
def by_subtask(now: reads.Snapshot, base: str, selection: Selection) -> pl.DataFrame:
    """The paired differences, largest gain first."""
    rows = compare.table(reads.pairs(now, base, selection), ("subtask",))
    return rows.sort("difference", descending=True, nulls_last=True)


@cached(16)
def slices_looked_at(now: reads.Snapshot, base: str, selection: Selection) -> pl.DataFrame:
    """Every slice that was looked at for losses, those that lose first, with the unpaired questions of images."""
    old, new = (
        _judged(now, replace(selection.whole_run(run_id), facets=selection.facets))
        if selection.counted_beforehand
        else None
        for run_id in (base, selection.run_id)
    )
    return loss_by_slice.table(reads.pairs(now, base, selection), old, new)


def _judged(now: reads.Snapshot, selection: Selection) -> pl.DataFrame:
    return reads.counts(now, selection, ("right", *loss_by_slice.DIMENSIONS)).filter(pl.col("right").is_not_null())


@cached(16)
def judged(now: reads.Snapshot, base: str, selection: Selection) -> Verdict:
    """The verdict over all shared pairs."""
    return compare.verdict(Pairs(reads.pairs(now, base, selection), 0, 0), "A", "B")


def unpaired(base: Run, selection: Selection, pairs: int) -> str:
    """How many judged questions could not be paired; nothing where a filter is of B's answers, which A doesn't have."""
    if not selection.counted_beforehand:
        return ""
    asked = [
        int(
            reads.cells(now, replace(selection.whole_run(run_id), facets=selection.facets))
            .filter(pl.col("subtask").is_null())["counted"]
            .sum()
        )
        for run_id in (base.run_id, selection.run_id)
    ]
    said = compare.unpaired(Pairs(pl.DataFrame(), *(max(n - pairs, 0) for n in asked)), "A", "B")
    return f" {said}" if said else ""


@cached(16)
def other_evidence(now: reads.Snapshot, base: str, selection: Selection) -> str:
    """How many pairs were shown different evidence, as a sentence; empty where there are none."""
    return compare.other_evidence(reads.pairs(now, base, selection))


@cached(16)
def flipped(now: reads.Snapshot, base: str, selection: Selection) -> dict[tuple[str, str], int]:
    """(was, now) to pairs."""
    rows = compare.flips(reads.pairs(now, base, selection)).select("was", "now", "n")
    return {(was, is_now): n for was, is_now, n in rows.iter_rows()}


@cached(16)
def disagreement(now: reads.Snapshot, base: str, selection: Selection) -> Disagreement:
    """Which pictures without a label only one of the runs calls defective."""
    found = reads.rollups(now)
    new = found.calls(selection, ("image_id", "cluster_id", "outcome", *alarms.DIMENSIONS))
    same_pictures = replace(selection.whole_run(base), images=tuple(new["image_id"].unique()))
    return alarms.disagreement(found.calls(same_pictures, ("image_id", "cluster_id", "outcome")), new)


def show_disagreement(calls: Disagreement, base: Run, run: Run, selection: Selection) -> None:
    """How the runs call the pictures without a label; nothing without any."""
    if calls.share is None:
        return
    with card("disagreement", "Called defective", "pictures without a label, by what A and B call them", fill=False):
        counts = [("all pictures", calls.images, len(calls.only_old), len(calls.only_new), calls.both, calls.share)]
        counts += [
            (one.name, one.images, one.only_old, one.only_new, one.both,
             Estimate(one.rate, one.low, one.high))
            for one in calls.most()
        ]  # fmt: skip
        rows = [
            [
                where,
                *(f"{n:,}" for n in (only_old, only_new, both, images - only_old - only_new - both)),
                f"{only_old + only_new:,} of {images:,}",
                wording.percent(share.value),
                wording.percent_interval(share.low, share.high),
            ]
            for where, images, only_old, only_new, both, share in counts
        ]
        heads = ["Called defective by", "only A", "only B", "both", "neither", "Differently", "Share", "95 %"]
        html(components.table(rows, heads, numbers=7))
    for one, images, title in ((base, calls.only_old, "Only A"), (run, calls.only_new, "Only B")):
        of_one = replace(selection.whole_run(one.run_id), images=images)
        pictures = reads.called_defective(now, of_one, alarms.SHOWN)
        called_defective.show_pictures(now, [(one, pictures)], len(images), f"{title} calls defective")


def finding(verdict: Verdict, rows: pl.DataFrame, short: Mapping[str, str]) -> Markup:
    """The page's one sentence, and what the subtasks say."""
    glyph, colour = GLYPHS[verdict.word]
    words = {"better": "gains in", "worse": "loses in"}
    more = []
    for word, verb in words.items():
        names = [short.get(name, name) for name in rows.filter(pl.col("word") == word)["subtask"]]
        if names:
            more.append(f"{verb} {', '.join(names)}")
    unsure = rows.filter(pl.col("word") == "not enough evidence").height
    told = f" It {' and '.join(more)}." if more else ""
    rest = f" {unsure} of {rows.height} subtasks: not enough evidence." if unsure and rows.height > 1 else ""
    return Markup('<span class="{}">{}</span> <b>{}</b>{}{}').format(
        colour, glyph, _MINUS.sub("−", verdict.sentence), told, rest
    )


def loss(slices: pl.DataFrame) -> str:
    """Where B loses most, as a sentence; empty where no loss is sure."""
    said = loss_by_slice.sentence(slices)
    return f" {_MINUS.sub('−', said)}" if said else ""


def show_losses(slices: pl.DataFrame) -> None:
    """The slices where B loses, the most telling first."""
    losing = loss_by_slice.losing(slices)
    rows = losing.head(LOSING)
    looked = wording.counted(slices.height, "slice")
    note = f"q below 5 % over all {looked} looked at; click one to filter" if slices.height else ""
    with card("losses", "Where B loses", note, fill=False):
        if slices.is_empty():
            components.empty(
                "No slice to look at", f"In none did the answers about {loss_by_slice.LEAST} images change."
            )
            return
        if rows.is_empty():
            components.empty(
                "Not enough evidence that a slice loses",
                f"Of {looked} with at least {loss_by_slice.LEAST} changed images "
                "none loses after false-discovery control.",
            )
            return
        names = [error_concentration.in_words(cut, values) for cut, values in rows.select("cut", "values").iter_rows()]

        def pick(place: str) -> None:
            row = rows.row(int(place), named=True)
            values = [rollups.NONE if value is None else value for value in row["values"]]
            address.put(**dict(zip(row["cut"], values, strict=True)))

        chart(
            charts_compare.losses(components.ink(), rows, names),
            "compare.losses",
            "B loses in " + "; ".join(names),
            pick,
        )
        some = f"showing {rows.height} of {losing.height}; " if losing.height > rows.height else ""
        cuts = "subtask, product, camera, defect, retrieval, product by subtask"
        html(Markup('<div class="note">{}looked at: {}; the most telling first</div>').format(some, cuts))


def show_differences(differences: list[run_differences.Difference]) -> None:
    """What A and B were made with differently."""
    with card("differences", "What differs", "of what can change answers", fill=False):
        if not differences:
            components.empty("Nothing that is stored", run_differences.sentence(differences, base.digest == run.digest))
            return
        html(components.table([[row.name, row.old, row.new] for row in differences], ["", "A", "B"], numbers=0))


def show_flips(base: Run, selection: Selection, held: str) -> None:
    """Won, lost, kept and still wrong."""
    counts = flipped(now, base.run_id, selection)
    total = sum(counts.values())
    with card("flips", "Flips", f"{wording.counted(total, 'shared question')}; click a square"):
        won, lost = counts.get(("wrong", "right"), 0), counts.get(("right", "wrong"), 0)
        figure = charts_compare.flips(components.ink(), counts, held)
        chart(figure, "compare.flips", f"{won:,} won, {lost:,} lost of {total:,}", lambda what: address.put(flip=what))
        verdict = judged(now, base.run_id, selection)
        p = "" if verdict.p is None else Markup(": <b>{}</b>").format(wording.p_value(verdict.p))
        html(Markup('<div class="note">Won against lost, {}{}.</div>').format(verdict.test, p))


def show_flipped(run: Run, selection: Selection, held: str) -> None:
    """The cases of the chosen square."""
    of_flip = replace(selection, flip=held, base=base.run_id)  # type: ignore[arg-type]
    found = reads.listed(now, of_flip, CASES)
    total = flipped(now, base.run_id, selection).get(
        next((was, is_now) for was, is_now, word in charts_compare.FLIPS if word == held), 0
    )
    with st.container(key="card-flipped", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            note = f"showing {found.height} of {total:,}, {case_list.order_in_words(selection)}" if found.height else ""
            html(Markup('<div class="title">{}<i>{}</i></div>').format(held.capitalize(), note), width="stretch")
            target = address.going(run=run.run_id, base=base.run_id, flip=held)
            st.page_link(components.GALLERY, label="Open in Gallery", query_params=target)
        if found.is_empty():
            components.empty("No flip of this kind", "Among the shared questions that pass the filters there is none.")
            return
        thumbnails.grid(
            now, run, found, lambda case: cards.caption(run, case, None), width=88, base=base.run_id, flip=held
        )


def show_published(run: Run, base: Run, selection: Selection) -> None:
    """Both macro averages among published rows; nothing where neither run asks MMAD's subtasks."""
    asking = [one for one in (base, run) if mmad.asks_the_benchmark(one.subtasks)]
    if not asking:
        with card("published", "Beside published rows"):
            components.empty(
                "No average to compare", "Neither run asks MMAD's subtasks, and MMAD's average is over these."
            )
        return
    rows, apart = [], []
    for own_run, name, setting, own in ((base, "A", "baseline", 1), (run, "B", "this run", 2)):
        if own_run not in asking:
            continue
        cells = (
            reads.cells(now, replace(selection.whole_run(own_run.run_id), facets=selection.facets))
            if _images_only(selection)
            else _none()
        )
        value = cell_totals.average(cells, own_run.subtasks)
        if value is not None:
            rows.append(Row(name, value, own, setting))
            datasets, judged = cells.filter(pl.col("counted") > 0)["dataset"], cell_totals.total(cells, "counted")
            apart.append(published_results.why_apart(own_run, datasets, judged))
    why = next(filter(None, apart), None)
    quoted = published_results.table()
    if rows and why is None:
        rows = [*(Row(row.method, row.average, 0, row.setting) for row in quoted.rows), *rows]
    title = "Macro average" if why else "Beside published rows"
    with card("published", title, "over subtasks, then data sets; strict scorer"):
        alt = ", ".join(f"{row.title} {row.value:.1f}" for row in rows if row.own) or "no average of our own"
        chart(charts_compare.published(components.ink(), rows), "compare.published", alt)
        note = (
            f"Published rows are left out: {why}."
            if why
            else "Comparable only with the same shots. Published rows are quoted, by the official scorer, as of "
            f"{quoted.dated}."
        )
        html(Markup('<div class="note">{}</div>').format(note))


def _images_only(selection: Selection) -> bool:
    return selection.counted_beforehand


def _none() -> pl.DataFrame:
    return reads.cells(now, Selection("")).clear()


run = components.need_run("Compare", runs, address.chosen_run(runs))
found_base = address.base_run(runs, run)
if found_base is None:
    components.instead(
        "Compare",
        "There is one run, and a comparison needs two.",
        "Nothing to compare with",
        "Score the same archive again, with other settings or another model.",
        "workbench score ARCHIVE --think-tokens 0   # the plain model",
    )
base = found_base
resolved = embedding.selection(now, runs, run)
held = resolved.flip or "lost"
selection = replace(resolved, flip=None, base=None)
rows = by_subtask(now, base.run_id, selection)
verdict = judged(now, base.run_id, selection)
level = rows["coverage"][0] if rows.height else 0.95
archives = reads.archives(now)
short = subtasks.short(run.subtasks)
under = Markup("A {}&ensp;B {}&ensp;{}").format(
    components.model_chip(base), components.model_chip(run), cards.between(base, run)
)
if beside := reads.beside(now, selection):
    under += Markup("<br>{}").format(beside)

if base.archive_id != run.archive_id:
    name = archives[base.archive_id].name if base.archive_id in archives else base.archive_id
    under += Markup(
        "<br>A is a run of another archive, {}: only questions about the same pictures are compared."
    ).format(name)
of_base = replace(selection, run_id=base.run_id)
evidence = other_evidence(now, base.run_id, selection)
looked_at = slices_looked_at(now, base.run_id, selection)
differing = disagreement(now, base.run_id, selection)
differs = differing.sentence("A", "B")
if differing.images and not verdict.n:
    lead = Markup("<b>{}</b>").format(differs)
else:
    lead = finding(verdict, rows, short) + loss(looked_at) + unpaired(base, selection, verdict.n)
    lead += right_reason_card.lead_compared(now, of_base, selection)
    lead += f" {evidence}" if evidence else ""
    lead += Markup(" {}").format(differs) if differs else ""
differences = run_differences.between(base, run, {one.archive_id: one.name for one in archives.values()})
under += Markup("<br>{}").format(run_differences.sentence(differences, base.digest == run.digest))

with header("Compare", lead, under):
    run_choice.choose_run(now, runs, base, "base", "A, baseline")
    run_choice.choose_run(now, runs, run, "run", "B, run")
    components.computed(
        {
            "test": f"{verdict.test}, two-sided; subtasks after Benjamini–Hochberg",
            "interval": f"of the same flips: 95 %, of subtasks {wording.level(level)}, which excludes 0 if q < 5 %",
            "n": f"{wording.counted(verdict.n, 'pair')} judged in both runs",
            "clusters": wording.counted(verdict.images, "image"),
            "where B loses": f"sign flips per slice, Benjamini–Hochberg over all "
            f"{wording.counted(looked_at.height, 'slice')} in which at least {loss_by_slice.LEAST} images changed",
            "called differently": "of pictures without a label that both runs call defective or good; Wilson's 95 % "
            "interval over pictures, clustered where pictures are copies or of one piece",
            "pairs": "same image, subtask, question and option texts; reference and retrieved texts may differ",
        },
        rollups.sql(selection) + f"  -- joined with run {base.run_id} on (image_id, question_id)",
    )
    components.export(
        "compare",
        {
            "pairs": lambda: reads.pairs_export(now, base.run_id, selection),
            "slices": lambda: looked_at.with_columns(pl.col("cut", "values").list.join(" · ", ignore_nulls=True)),
            "right reason of A": lambda: reads.groundings(now, of_base),
            "right reason of B": lambda: reads.groundings(now, selection),
            "answers of A": lambda: reads.export(now, of_base, rollups.ANALYSED),
            "answers of B": lambda: reads.export(now, selection, rollups.ANALYSED),
        },
    )
address.chips()

show_disagreement(differing, base, run, selection)
if rows.is_empty() and differing.images:
    show_differences(differences)
    reads.follow(now, refresh=run.state == "running")
    st.stop()
if rows.is_empty():
    with card("none", "", fill=False):
        why = (
            "No question that passes the filters has a known right answer and an answer in both runs: choose another "
            "baseline or fewer filters. In an archive without labels, settle cases in Disputes, then choose Reviewed "
            "truth."
        )
        components.empty("No shared question", why)
    st.stop()
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        note = f"points, {wording.level(level)} interval; shaded: differences this many pairs cannot show"
        with card("forest", "Paired difference, B − A", note):
            said = "; ".join(
                f"{row['subtask']} {wording.points(row['difference'])} {row['word']}"
                for row in rows.iter_rows(named=True)
            )
            chart(charts_compare.forest(components.ink(), rows), "compare.forest", said)
    with grid.cell():
        show_flips(base, selection, held)
    with grid.cell(column_span=2):
        show_losses(looked_at)
    with grid.cell():
        show_differences(differences)
    with grid.cell(column_span=2), card("slopes", "Accuracy per subtask", "dotted: not enough evidence"):
        chart(charts_compare.slopes(components.ink(), rows, "A", "B", short), "compare.slopes", said)
    with grid.cell():
        show_published(run, base, selection)
right_reason_card.show_compared(now, of_base, selection, run)
show_flipped(run, selection, held)
reads.follow(now, refresh=run.state == "running")
