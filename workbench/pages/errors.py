"""Errors: where a run is wrong more often than expected, down to the cases.

In the address: `run` and the filters (`address.py`); `by`, what the ranked slices are cut by. A click on a cell, a
slice or a confusion sets filters; every card follows all filters but its own.
"""

from __future__ import annotations

from html import escape

import polars as pl
import streamlit as st

from warehouse import rollups
from warehouse.records import Run
from warehouse.rollups import Selection
from workbench.analysis import charts_errors, confusion, overview, slices
from workbench.pages import address, parts, run_cards, shared, thumbnails
from workbench.pages.parts import card, chart, header, html
from workbench.pages.shared import Snapshot

CUTS: dict[str, tuple[str, ...]] = {
    "product × subtask": ("product", "subtask"),
    "product": ("product",),
    "subtask": ("subtask",),
    "defect": ("defect",),
    "retrieval": ("retrieval",),
    "description": ("description",),
    "camera": ("camera",),
    "line": ("line",),
    "night": ("night",),
    "trace shape": ("shape",),
    "confidence": ("confidence_band",),
    "entropy": ("entropy_band",),
    "right letter": ("letter",),
}
CAUSES = ("retrieval", "camera", "line", "defect", "night")  # known before the model answers
RANKED, CASES = 12, 24
SURE = 0.05  # the false discovery rate
DIMENSIONS = ("image_id", "right", "subtask")

now = shared.snapshot()
runs = shared.runs(now)


@st.cache_resource(show_spinner=False, max_entries=32)
def ranked(now: Snapshot, selection: Selection, by: tuple[str, ...]) -> pl.DataFrame:
    """The slices of a selection, worst first."""
    columns = tuple(dict.fromkeys((*DIMENSIONS, *by)))
    return slices.table(shared.facts(now, selection, columns), by)


@st.cache_resource(show_spinner=False, max_entries=32)
def taken_for(now: Snapshot, selection: Selection) -> pl.DataFrame:
    """What is taken for what, by option texts, over all questions with the same texts."""
    return confusion.by_option(
        shared.facts(now, selection, ("image_id", "right", "status", "answer_text", "correct_text")), by=()
    )


def pick_cell(what: str) -> None:
    """A cell of the heat map names a subtask and a product."""
    subtask, _, product = what.partition("|")
    address.put(subtask=subtask, product=product)


def pick_slice(what: str, cut: str) -> None:
    """A ranked slice names a value per dimension of its cut, in their order."""
    address.put(**dict(zip(CUTS[cut], what.split("|"), strict=True)), by=cut)


def telling_cut(chosen: Selection) -> str:
    """What to cut by when nobody asked: within one cell of the heat map, what divides it most; else the cells."""
    held = dict(chosen.facets)
    if not {"subtask", "product"} <= set(held):
        return next(iter(CUTS))
    tables = {cut: ranked(now, address.without(chosen, *CUTS[cut]), CUTS[cut]) for cut in CAUSES}
    surest = {cut: table.filter("enough")["p"].drop_nulls().min() for cut, table in tables.items()}
    known = {cut: p for cut, p in surest.items() if isinstance(p, float)}
    return min(known, key=known.__getitem__, default=CAUSES[0])


def pick_confusion(what: str) -> None:
    """A mark names the truth and the answer."""
    truth, _, answer = what.partition("|")
    address.put(correct_text=truth, answer_text=answer)


def show_heat(chosen: Selection, sure: pl.DataFrame) -> None:
    """Subtasks by products; `sure` are the slices that survive the test."""
    open_cells = address.without(chosen, "subtask", "product")
    cells = overview.heat(shared.cells(now, open_cells))
    note = "points; a ring survives false-discovery control; click a cell"
    with card("heat", "Accuracy against expectation", note, fill=False):
        if cells.is_empty():
            parts.empty("Nothing here can be right or wrong", "No labelled answer passes the filters.")
            return
        facets = dict(chosen.facets)
        size = f"{cells['subtask'].n_unique()} subtasks by {cells['product'].n_unique()} products"
        figure = charts_errors.heat(
            parts.ink(),
            cells,
            set(sure.select("product", "subtask").iter_rows()),
            (facets.get("subtask"), facets.get("product")),
        )
        chart(figure, "errors.heat", f"Accuracy minus expectation, {size}", pick_cell)
        html(_key())


def _key() -> str:
    ramp = ",".join(f"var(--d{place})" for place in range(7))
    return (
        '<div class="note" style="display:flex;gap:1.2rem;flex-wrap:wrap"><span>worse −20&ensp;'
        '<span style="display:inline-block;vertical-align:-1px;width:7.5rem;height:.65rem;border-radius:.2rem;'
        f'background:linear-gradient(90deg,{ramp})"></span>&ensp;+20 better</span>'
        f'<span><span class="faint">■</span> fewer than {slices.ENOUGH} images</span>'
        "<span>expected: product's rate + subtask's rate − overall</span></div>"
    )


def show_ranked(chosen: Selection) -> None:
    """The worst slices of one cut."""
    named = st.query_params.get("by")
    cut = named if named in CUTS else telling_cut(chosen)
    by = CUTS[cut]
    with card("ranked", "Worst slices", "against all other questions of the same subtask"):
        key = f"errors.by.{cut}"  # a widget per value: one that is set from here would echo its old value back
        st.selectbox(
            "Cut by",
            list(CUTS),
            index=list(CUTS).index(cut),
            key=key,
            label_visibility="collapsed",
            on_change=lambda: address.write(by=st.session_state[key]),
        )
        table = ranked(now, address.without(chosen, *by), by)
        enough = table.filter("enough", pl.col("difference").is_not_null())
        rows = enough.head(RANKED)
        if rows.is_empty():
            few = f"{table.height:,} slices, none with {slices.ENOUGH} images and something beside it to compare with."
            parts.empty("No slice can be judged", few if table.height else "No labelled answer passes the filters.")
            return
        names = [
            "|".join(rollups.NONE if value is None else str(value) for value in row)
            for row in rows.select(by).iter_rows()
        ]
        facets = dict(chosen.facets)
        here = "|".join(facets.get(name, "") for name in by)
        worst = rows.row(0, named=True)
        alt = (
            f"Worst of {enough.height} slices: {names[0]}, {worst['rate']:.0%} right, expected {worst['expected']:.0%}"
        )
        chart(
            charts_errors.ranked(parts.ink(), rows, names, here),
            f"errors.ranked.{cut}",
            alt,
            lambda what: pick_slice(what, cut),
        )
        some = (
            f"showing {rows.height} of {enough.height:,} slices, worst first; " if enough.height > rows.height else ""
        )
        html(
            f'<div class="note">{some}┊ expected, <span class="escape">◀</span> worse at a false-discovery rate '
            "of 5 %, ○ not enough evidence; shows: the least loss in points that so few questions would show</div>"
        )


def show_confusion(chosen: Selection) -> None:
    """What is taken for what, in the chosen subtask or over all."""
    counts = taken_for(now, address.without(chosen, "correct_text", "answer_text"))
    counts = counts.filter(pl.col("truth").is_not_null())
    with card("confusion", "Taken for", "% of a truth's answers; ● right, ■ wrong; click a mark", fill=False):
        if counts.is_empty():
            parts.empty("Nothing to confuse", "No labelled answer with options passes the filters.")
            return
        wrong = counts.filter(~pl.col("hit"))
        worst = f"{wrong['truth'][0]} for {wrong['answer'][0]}, {wrong['n'][0]:,} times" if wrong.height else "nothing"
        chart(
            charts_errors.confusion(parts.ink(), counts),
            "errors.confusion",
            f"Most often mistaken: {worst}",
            pick_confusion,
        )
        truths = counts["truth"].n_unique()
        note = f"showing the 8 truths most often mistaken, of {truths:,}" if truths > 8 else f"all {truths} truths"
        html(f'<div class="note">{note}</div>')


def show_cases(run: Run, chosen: Selection) -> None:
    """The first cases of the selection and the door to all of them."""
    found = shared.listed(now, chosen, CASES)
    total = overview.total(everything, "questions")
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            note = f"showing {found.height} of {total:,}, wrong first, then highest entropy" if found.height else ""
            st.html(f'<div class="title">Cases<i>{note}</i></div>', width="stretch")
            st.page_link(parts.GALLERY, label="Open in Gallery", query_params=address.going())
        if found.is_empty():
            parts.empty("No case to show", "The filters leave none.")
            return
        thumbnails.grid(now, run, found, lambda case: run_cards.caption(case, dict(chosen.facets).get("subtask")))


def finding(tested: pl.DataFrame, cells: pl.DataFrame) -> str:
    """The page's one sentence.

    Args:
        tested: the slices that can be judged.
        cells: what the page counts.
    """
    if not overview.total(cells, "counted"):
        return "<b>No labelled answer here:</b> without labels nothing is right or wrong. Traces and Gallery need none."
    worse = tested.filter(pl.col("q") < SURE, pl.col("difference") < 0)
    rate = overview.rates(cells).row(0, named=True)
    level = f"{run_cards.percent(rate['rate'])} of {rate['n']:,.0f} answers are right.{run_cards.detection(cells)}"
    if tested.is_empty():
        return f"<b>No slice can be judged:</b> none has {slices.ENOUGH} images and something beside it; {level}"
    if worse.is_empty():
        return f"<b>No slice is worse than expected</b> after false-discovery control; {level}"
    first = worse.row(0, named=True)
    many = "1 slice is" if worse.height == 1 else f"{worse.height} slices are"
    where = f"{escape(first['subtask'])} of <b>{escape(first['product'].replace('_', ' '))}</b>"
    gap = f"{100 * first['rate']:.0f} % right where {100 * first['expected']:.0f} % were expected"
    return f"{parts.glyph('escape')} <b>{many} worse than expected.</b> The worst is {where}, {gap}; {level}"


run = parts.need_run("Errors", runs, address.chosen_run(runs))
base = address.base_run(runs, run)
chosen = address.selection(run, base)
archive = shared.archives(now).get(run.archive_id)
everything = shared.cells(now, chosen)
tested = ranked(now, address.without(chosen, "subtask", "product"), ("product", "subtask")).filter(
    "enough", pl.col("difference").is_not_null()
)
worst = tested.filter(pl.col("q") < SURE)

with header("Errors", finding(tested, everything), run_cards.under(run, archive)):
    shared.choose_run(now, runs, run)
    parts.computed(
        {
            "heat map": "rate − (product's rate + subtask's rate − overall), intervals clustered by image",
            "test": "cluster-robust t of residuals against all questions outside the slice; "
            "Benjamini–Hochberg over the slices with enough images",
            "n": f"{overview.total(everything, 'counted'):,} judged questions",
            "clusters": f"{overview.rates(everything)['images'].sum() or 0:,} images",
            "left out": "unlabelled, failed and open questions; invalid answers count as wrong",
        },
        rollups.sql(chosen),
    )
    parts.export("errors", {"answers": lambda: shared.export(now, chosen, rollups.ANALYSED)})
address.chips()

products = shared.cells(now, address.without(chosen, "subtask", "product"))["product"].n_unique()
many = products > 24  # the heat map then needs the whole width
if many:
    show_heat(chosen, worst)
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2), st.container(gap=12):
        if not many:
            show_heat(chosen, worst)
        show_confusion(chosen)
    with grid.cell():
        show_ranked(chosen)
show_cases(run, chosen)
shared.follow(now, refresh=run.state == "running")
