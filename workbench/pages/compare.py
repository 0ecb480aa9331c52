"""Compare: a run against a baseline on the questions both were asked; what was won and lost, and one verdict.

In the address: `run` (B), `base` (A), the filters (`address.py`), `flip`, which pairs are shown below.
"""

from __future__ import annotations

import re
from html import escape

import polars as pl
import streamlit as st

from warehouse import rollups
from warehouse.records import Run
from warehouse.rollups import Selection
from workbench.analysis import charts_compare, compare, intervals, metrics, overview, published
from workbench.analysis.charts_compare import Row
from workbench.analysis.compare import Pairs, Verdict
from workbench.pages import address, embedding, parts, run_cards, shared, thumbnails
from workbench.pages.parts import card, chart, header, html

CASES = 24
_MINUS = re.compile(r"-(?=\d)")
GLYPHS = {"better": ("↑", "accent"), "worse": ("↓", "escape"), "not enough evidence": ("○", "muted")}

now = shared.snapshot()
runs = shared.runs(now)


@st.cache_resource(show_spinner=False, max_entries=16)
def by_subtask(now: shared.Snapshot, base: str, chosen: Selection) -> pl.DataFrame:
    """The paired differences, largest gain first."""
    rows = compare.table(shared.pairs(now, base, chosen), ("subtask",))
    return rows.sort("difference", descending=True, nulls_last=True)


@st.cache_resource(show_spinner=False, max_entries=16)
def judged(now: shared.Snapshot, base: str, chosen: Selection) -> Verdict:
    """The verdict over all shared pairs."""
    return compare.verdict(Pairs(shared.pairs(now, base, chosen), 0, 0), "A", "B")


def unpaired(base: Run, chosen: Selection, pairs: int) -> str:
    """How many judged questions could not be paired; nothing where a filter is of B's answers, which A doesn't have."""
    if not chosen.counted_beforehand:
        return ""
    asked = [
        int(shared.cells(now, Selection(run_id, chosen.facets)).filter(pl.col("subtask").is_null())["counted"].sum())
        for run_id in (base.run_id, chosen.run_id)
    ]
    said = compare.unpaired(Pairs(pl.DataFrame(), *(max(n - pairs, 0) for n in asked)), "A", "B")
    return f" {escape(said)}" if said else ""


@st.cache_resource(show_spinner=False, max_entries=16)
def flipped(now: shared.Snapshot, base: str, chosen: Selection) -> dict[tuple[str, str], int]:
    """(was, now) to pairs."""
    rows = compare.flips(shared.pairs(now, base, chosen)).select("was", "now", "n")
    return {(was, is_now): n for was, is_now, n in rows.iter_rows()}


def finding(verdict: Verdict, rows: pl.DataFrame) -> str:
    """The page's one sentence, and what the subtasks say."""
    glyph, colour = GLYPHS[verdict.word]
    words = {"better": "gains in", "worse": "loses in"}
    more = []
    for word, verb in words.items():
        names = [metrics.SHORT.get(name, name) for name in rows.filter(pl.col("word") == word)["subtask"]]
        if names:
            more.append(f"{verb} {', '.join(escape(name) for name in names)}")
    unsure = rows.filter(pl.col("word") == "not enough evidence").height
    told = f" It {' and '.join(more)}." if more else ""
    rest = f" {unsure} of {rows.height} subtasks: not enough evidence." if unsure and rows.height > 1 else ""
    return f'<span class="{colour}">{glyph}</span> <b>{_MINUS.sub("−", escape(verdict.sentence))}</b>{told}{rest}'


def show_flips(base: Run, chosen: Selection, held: str) -> None:
    """Won, lost, kept and still wrong."""
    counts = flipped(now, base.run_id, chosen)
    total = sum(counts.values())
    with card("flips", "Flips", f"{total:,} shared questions; click a square"):
        won, lost = counts.get(("wrong", "right"), 0), counts.get(("right", "wrong"), 0)
        figure = charts_compare.flips(parts.ink(), counts, held)
        chart(figure, "compare.flips", f"{won:,} won, {lost:,} lost of {total:,}", lambda what: address.put(flip=what))
        verdict = judged(now, base.run_id, chosen)
        p = "" if verdict.p is None else f": <b>p {'< 0.001' if verdict.p < 0.001 else f'= {verdict.p:.3f}'}</b>"
        html(f'<div class="note">Won against lost, {verdict.test}{p}.</div>')


def show_flipped(run: Run, chosen: Selection, held: str) -> None:
    """The cases of the chosen square."""
    of_flip = Selection(run.run_id, chosen.facets, chosen.ranges, held, base.run_id, chosen.images)  # type: ignore[arg-type]
    found = shared.listed(now, of_flip, CASES)
    total = flipped(now, base.run_id, chosen).get(
        next((was, is_now) for was, is_now, word in charts_compare.FLIPS if word == held), 0
    )
    with st.container(key="card-flipped", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            note = f"showing {found.height} of {total:,}, wrong first, then highest entropy" if found.height else ""
            st.html(f'<div class="title">{held.capitalize()}<i>{note}</i></div>', width="stretch")
            target = address.going(run=run.run_id, base=base.run_id, flip=held)
            st.page_link(parts.GALLERY, label="Open in Gallery", query_params=target)
        if found.is_empty():
            parts.empty("No flip of this kind", "Among the shared questions that pass the filters there is none.")
            return
        thumbnails.grid(
            now, run, found, lambda case: run_cards.caption(case, None), width=88, base=base.run_id, flip=held
        )


def show_published(run: Run, base: Run, chosen: Selection) -> None:
    """Both macro averages among published rows."""
    rows = [Row(f"{one.method}, {one.setting}", one.average, 0) for one in published.ROWS]
    for one, name, own in ((base, "A, baseline", 1), (run, "B, this run", 2)):
        value = overview.average(
            shared.cells(now, Selection(one.run_id, chosen.facets)) if _images_only(chosen) else _none()
        )
        if value is not None:
            rows.append(Row(name, value, own))
    with card("published", "Beside published rows", "MMAD's macro average, strict scorer"):
        alt = ", ".join(f"{row.name} {row.value:.1f}" for row in rows if row.own) or "no average of our own"
        chart(charts_compare.published(parts.ink(), rows), "compare.published", alt)
        demo = " The embedded model answers drawn images: no comparison." if run.demo or base.demo else ""
        html(f'<div class="note">Comparable only for runs over MMAD with the same shots; rows are quoted.{demo}</div>')


def _images_only(chosen: Selection) -> bool:
    return chosen.counted_beforehand


def _none() -> pl.DataFrame:
    return shared.cells(now, Selection("")).clear()


run = parts.need_run("Compare", runs, address.chosen_run(runs))
found_base = address.base_run(runs, run)
if found_base is None:
    parts.instead(
        "Compare",
        "There is one run, and a comparison needs two.",
        "Nothing to compare with",
        "Score the same archive again, with other settings or another model.",
        "workbench score ARCHIVE --think-tokens 0   # the plain model",
    )
base = found_base
resolved = embedding.selection(now, runs, run)
held = resolved.flip or "lost"
chosen = Selection(run.run_id, resolved.facets, resolved.ranges, images=resolved.images)
rows = by_subtask(now, base.run_id, chosen)
verdict = judged(now, base.run_id, chosen)
level = rows["coverage"][0] if rows.height else 0.95
archives = shared.archives(now)
under = f"A {parts.model_chip(base)}&ensp;B {parts.model_chip(run)}&ensp;{run_cards.between(base, run)}"

with header("Compare", finding(verdict, rows) + unpaired(base, chosen, verdict.n), under):
    shared.choose_run(now, runs, base, "base", "A, baseline")
    shared.choose_run(now, runs, run, "run", "B, run")
    parts.computed(
        {
            "test": f"{verdict.test}, two-sided; subtasks after Benjamini–Hochberg",
            "interval": f"of the same flips: 95 %, of subtasks {compare.percent(level)}, which excludes 0 if q < 5 %",
            "n": f"{verdict.n:,} pairs judged in both runs",
            "clusters": f"{verdict.images:,} images",
            "pairs": "same image, subtask, question and option texts; the reference may differ",
        },
        rollups.sql(chosen) + f"  -- joined with run {base.run_id} on (image_id, asked)",
    )
    of_base = Selection(base.run_id, chosen.facets, chosen.ranges, images=chosen.images)
    parts.export(
        "compare",
        {
            "pairs": lambda: shared.pairs_export(now, base.run_id, chosen),
            "answers of A": lambda: shared.export(now, of_base, rollups.ANALYSED),
            "answers of B": lambda: shared.export(now, chosen, rollups.ANALYSED),
        },
    )
address.chips()

if rows.is_empty():
    with card("none", "", fill=False):
        why = "No question that passes the filters was judged in both runs: choose another baseline or fewer filters."
        parts.empty("No shared question", why)
    st.stop()
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2):
        note = f"points, {compare.percent(level)} interval; shaded: differences this many pairs cannot show"
        with card("forest", "Paired difference, B − A", note):
            said = "; ".join(
                f"{row['subtask']} {intervals.in_points(row['difference'])} {row['word']}"
                for row in rows.iter_rows(named=True)
            )
            chart(charts_compare.forest(parts.ink(), rows), "compare.forest", said)
    with grid.cell():
        show_flips(base, chosen, held)
    with grid.cell(column_span=2), card("slopes", "Accuracy per subtask", "dotted: not enough evidence"):
        chart(charts_compare.slopes(parts.ink(), rows, "A", "B"), "compare.slopes", said)
    with grid.cell():
        show_published(run, base, chosen)
show_flipped(run, chosen, held)
shared.follow(now, refresh=run.state == "running")
