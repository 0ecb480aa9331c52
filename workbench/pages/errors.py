"""Errors: where a run is wrong, down to the cases.

In the address: `run` and the filters (`address.py`); `by`, what the ranked slices are cut by; `heat=expectation`, the
heat map against expectation; `confused`, the subtask whose confusions are shown. A click on a cell, a slice or a
confusion sets filters; every card follows all filters but its own. The sentence is of the selection, and so is what
the ranked slices are cut by as long as nobody chose it.
"""

from __future__ import annotations

import polars as pl
import streamlit as st
from markupsafe import Markup, escape

from warehouse.queries import rollups
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import cell_totals, confusion, error_concentration, slices, subtasks
from workbench.analysis.charts import errors
from workbench.pages.runs import cards
from workbench.pages.ui import (
    address,
    by_piece,
    called_defective,
    case_list,
    components,
    reads,
    run_choice,
    score_caption,
    thumbnails,
)
from workbench.pages.ui.caching import cached
from workbench.pages.ui.components import card, chart, header, html
from workbench.pages.ui.reads import Snapshot

CUTS: dict[str, tuple[str, ...]] = {
    "product × subtask": ("product", "subtask"),
    "product": ("product",),
    "subtask": ("subtask",),
    "defect": ("defect",),
    "retrieval": ("retrieval",),
    "description": ("description",),
    "camera": ("camera",),
    "line": ("line",),
    "lot": ("lot",),
    "night": ("night",),
    "trace shape": ("shape",),
    "confidence": ("confidence_band",),
    "entropy": ("entropy_band",),
    "right letter": ("letter",),
}
CAUSES = ("retrieval", "camera", "line", "lot", "defect", "night")  # known before the model answers
RANKED, CASES, ALARMS = 12, 24, 12
SURE = 0.05  # the false discovery rate
DIMENSIONS = ("cluster_id", "right", "subtask")

now = reads.snapshot()
runs = reads.runs(now)


@cached(32)
def ranked(now: Snapshot, selection: Selection, by: tuple[str, ...]) -> pl.DataFrame:
    """The slices of a selection, worst first."""
    columns = tuple(dict.fromkeys((*DIMENSIONS, *by)))
    return slices.table(reads.facts(now, selection, columns), by)


@cached(32)
def concentrations(now: Snapshot, selection: Selection, cuts: tuple[tuple[str, ...], ...]) -> pl.DataFrame:
    """The slices of a selection, by share of its errors."""
    return cell_totals.error_slices(reads.cells(now, selection), cuts)


@cached(32)
def taken_for(now: Snapshot, selection: Selection) -> pl.DataFrame:
    """What is taken for what in each subtask, by option texts, over all questions with the same texts."""
    columns = ("cluster_id", "right", "status", "answer_text", "correct_text", "subtask")
    counts = confusion.by_option(reads.facts(now, selection, columns), by=("subtask",))
    return counts.filter(pl.col("truth").is_not_null()).with_columns(pl.col("subtask").cast(pl.String))


def pick_cell(subtask: str, product: str) -> None:
    """A cell of the heat map names a subtask and a product."""
    address.put(subtask=subtask, product=product)


def pick_slice(cut: str, *values: str) -> None:
    """A ranked slice names a value per dimension of its cut, in their order."""
    address.put(**dict(zip(CUTS[cut], values, strict=True)), by=cut)


def telling_cut(selection: Selection) -> tuple[str, int]:
    """What to cut by when nobody asked, and among how many cuts it was chosen by the data.

    It is the cut of the slice that the sentence names; within one cell of the heat map what divides it most.
    """
    held = dict(selection.facets)
    if not {"subtask", "product"} <= set(held):
        named = next((cut for cut, by in CUTS.items() if leading and tuple(leading["cut"]) == by), None)
        return (named, len(open_cuts)) if named else (next(c for c, by in CUTS.items() if not set(by) & set(held)), 1)
    tables = {cut: ranked(now, address.without(selection, *CUTS[cut]), CUTS[cut]) for cut in CAUSES}
    surest = {cut: table.filter("enough")["p"].drop_nulls().min() for cut, table in tables.items()}
    known = {cut: p for cut, p in surest.items() if isinstance(p, float)}
    return min(known, key=known.__getitem__, default=CAUSES[0]), len(CAUSES)


def pick_confusion(subtask: str, truth: str, answer: str) -> None:
    """A mark names the truth and the answer, and stands in the card of a subtask."""
    address.put(subtask=subtask, correct_text=truth, answer_text=answer)


def flip_heat(name: str) -> None:
    """Plain accuracy, or accuracy against expectation."""
    address.write(heat=None if st.query_params.get("heat") == name else name)


def ringed(selection: Selection, expectation: bool) -> set[tuple[str, str]]:
    """(product, subtask) of the cells that stand out, after false-discovery control over all cells."""
    open_cells = address.without(selection, "subtask", "product")
    if expectation:
        below = ranked(now, open_cells, ("product", "subtask")).filter("enough", pl.col("q") < SURE)
        return set(below.select("product", "subtask").cast(pl.String).iter_rows())
    more = concentrations(now, open_cells, (("product", "subtask"),))
    return {(product, subtask) for product, subtask in more.filter(pl.col("q") < SURE, pl.col("ratio") > 0)["values"]}


def show_heat(selection: Selection) -> None:
    """Subtasks by products: accuracy, or accuracy against expectation."""
    open_cells = address.without(selection, "subtask", "product")
    cells = cell_totals.heat(reads.cells(now, open_cells))
    expectation = st.query_params.get("heat") == "expectation"
    note = "points; a ring survives false-discovery control; click a cell"
    if not expectation:
        note = "% right; a ring has more than its share of the errors, q below 5 %; click a cell"
    title = "Accuracy against expectation" if expectation else "Accuracy"
    with card("heat", title, note, fill=False):
        if cells.is_empty():
            components.empty("Nothing here can be right or wrong", "No labelled answer passes the filters.")
            return
        facets = dict(selection.facets)
        size = f"{cells['subtask'].n_unique()} subtasks by {cells['product'].n_unique()} products"
        figure = errors.heat(
            components.ink(),
            cells,
            ringed(selection, expectation),
            (facets.get("subtask"), facets.get("product")),
            run.subtasks,
            expectation,
        )
        alt = f"{'Accuracy minus expectation' if expectation else 'Accuracy'}, {size}"
        chart(figure, "errors.heat", alt, pick_cell, fields=2)
        html(_key() if expectation else _plain_key())
        components.toggle("Against expectation", "x", "errors.expectation", expectation, flip_heat, "expectation")


def _plain_key() -> Markup:
    ramp = ",".join(f"var(--d{place})" for place in range(4))
    return Markup(
        '<div class="note" style="display:flex;gap:1.2rem;flex-wrap:wrap"><span>≤ {:.0f} %&ensp;'
        '<span style="display:inline-block;vertical-align:-1px;width:7.5rem;height:.65rem;border-radius:.2rem;'
        'background:linear-gradient(90deg,{})"></span>&ensp;100 % right</span>'
        '<span><span class="faint">■</span> fewer than {} effective images</span></div>'
    ).format(100 * errors.LEAST_ACCURACY, ramp, slices.ENOUGH)


def _key() -> Markup:
    ramp = ",".join(f"var(--d{place})" for place in range(7))
    return Markup(
        '<div class="note" style="display:flex;gap:1.2rem;flex-wrap:wrap"><span>worse −20&ensp;'
        '<span style="display:inline-block;vertical-align:-1px;width:7.5rem;height:.65rem;border-radius:.2rem;'
        'background:linear-gradient(90deg,{})"></span>&ensp;+20 better</span>'
        '<span><span class="faint">■</span> fewer than {} effective images</span>'
        "<span>expected: product's rate + subtask's rate − overall</span></div>"
    ).format(
        ramp,
        slices.ENOUGH,
    )


def show_ranked(selection: Selection) -> None:
    """The worst slices of one cut."""
    named = st.query_params.get("by")
    cut, among = (named, 1) if named in CUTS else telling_cut(selection)
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
        table = ranked(now, address.without(selection, *by), by)
        enough = table.filter("enough", pl.col("difference").is_not_null())
        # A family that is selected among others is tested at its share of 5 % (Benjamini and Bogomolov 2014).
        rows = enough.head(RANKED).with_columns(q=(pl.col("q") * among).clip(upper_bound=1.0))
        if rows.is_empty():
            count = wording.counted(table.height, "slice")
            few = f"{count}, none with {slices.ENOUGH} effective images and something beside it to compare with."
            components.empty(
                "No slice can be judged", few if table.height else "No labelled answer passes the filters."
            )
            return
        names = [
            tuple(rollups.NONE if value is None else str(value) for value in row) for row in rows.select(by).iter_rows()
        ]
        facets = dict(selection.facets)
        here = tuple(facets.get(name, "") for name in by)
        worst = rows.row(0, named=True)
        rates = f"{wording.percent(worst['rate'])} right, expected {wording.percent(worst['expected'])}"
        alt = f"Worst of {wording.counted(enough.height, 'slice')}: {' · '.join(names[0])}, {rates}"
        chart(
            errors.ranked(components.ink(), rows, names, here),
            f"errors.ranked.{cut}",
            alt,
            lambda *values: pick_slice(cut, *values),
            fields=len(by),
        )
        all_of_them = wording.counted(enough.height, "slice")
        some = f"showing {rows.height} of {all_of_them}, worst first; " if enough.height > rows.height else ""
        of_cuts = f" over {among} cuts, of which the data chose this one" if among > 1 else ""
        html(
            Markup(
                '<div class="note">{}┊ expected, <span class="escape">◀</span> worse at a false-discovery rate '
                "of 5 %{}, ○ not enough evidence; shows: the least loss in points that so few questions would show"
                "</div>"
            ).format(some, of_cuts)
        )


def show_confusion(selection: Selection) -> None:
    """What is taken for what in one subtask: the chosen one, else the one with the most wrong answers."""
    counts = taken_for(now, address.without(selection, "correct_text", "answer_text"))
    with card("confusion", "Taken for", "% of a truth's answers; ● right, ■ wrong; click a mark", fill=False):
        if counts.is_empty():
            components.empty("Nothing to confuse", "No labelled answer with options passes the filters.")
            return
        mistaken = counts.group_by("subtask").agg(wrong=pl.col("n").filter(~pl.col("hit")).sum())
        offered = subtasks.names_in_order(counts["subtask"], run.subtasks)
        most = mistaken.sort("wrong", "subtask", descending=[True, False])["subtask"][0]
        named = st.query_params.get("confused")
        subtask = named if named in offered else most
        address.choose(
            "Subtask",
            offered,
            subtask,
            "errors.confused",
            lambda name: address.write(confused=name),
            label_visibility="collapsed",
            format_func=lambda name: f"{name}, {mistaken.row(by_predicate=pl.col('subtask') == name)[1]:,} wrong",
        )
        counts = counts.filter(pl.col("subtask") == subtask)
        wrong = counts.filter(~pl.col("hit"))
        worst = f"{wrong['truth'][0]} for {wrong['answer'][0]}, {wrong['n'][0]:,} times" if wrong.height else "nothing"
        chart(
            errors.confusion(components.ink(), counts),
            f"errors.confusion.{offered.index(subtask)}",
            f"{subtask}: most often mistaken: {worst}",
            lambda truth, answer: pick_confusion(subtask, truth, answer),
            fields=2,
        )
        truths = counts["truth"].n_unique()
        every = "one truth" if truths == 1 else f"all {truths} truths"
        note = f"showing the 8 truths most often mistaken, of {truths:,}" if truths > 8 else every
        html(Markup('<div class="note">{}</div>').format(note))


def caption(run: Run, case: thumbnails.Row, subtask: str | None) -> str:
    """What stands under a case."""
    return score_caption.with_score(now, run, cards.caption(run, case, subtask), case)


def show_cases(run: Run, selection: Selection) -> None:
    """The first cases of the selection, or one of each piece, and the door to all of them."""
    if address.by_piece():
        subtask = dict(selection.facets).get("subtask")
        by_piece.show_cases(now, run, selection, "errors", CASES, lambda case: caption(run, case, subtask))
        return
    found = reads.listed(now, selection, CASES)
    total = cell_totals.total(everything, "questions")
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            note = f"showing {found.height} of {total:,}, {case_list.order_in_words(selection)}" if found.height else ""
            html(Markup('<div class="title">Cases<i>{}</i></div>').format(note), width="stretch")
            st.page_link(components.GALLERY, label="Open in Gallery", query_params=address.going())
        if found.is_empty():
            components.empty("No case to show", "The filters leave none.")
            return
        thumbnails.grid(now, run, found, lambda case: caption(run, case, dict(selection.facets).get("subtask")))


def finding(concentrated: pl.DataFrame, tested: pl.DataFrame, cells: pl.DataFrame) -> Markup:
    """The page's one sentence: where the errors are, and what is worse than expected.

    Args:
        concentrated: the selection's slices by share of errors, see `error_concentration.table`.
        tested: the selection's slices against expectation that can be judged.
        cells: what the page counts.
    """
    if not cell_totals.total(cells, "questions"):
        return Markup("<b>No answer passes the filters.</b>")
    if not cell_totals.total(cells, "counted"):
        why = Markup("<b>No labelled answer here:</b> without labels nothing is right or wrong.")
        return why + cards.detection(cells)
    rate = cell_totals.rates(cells).row(0, named=True)
    judged = wording.counted(int(rate["n"]), "answer is", "answers are")
    level = escape(f"{cards.percent(rate['rate'])} of {judged} right.") + cards.detection(cells)
    if rate["right"] == rate["n"]:
        return Markup("<b>No answer is wrong:</b> {}").format(level)
    if concentrated.is_empty():
        return Markup("<b>No slice can be judged:</b> none has {} effective images and something beside it; {}").format(
            slices.ENOUGH, level
        )
    wrong = wording.counted(round(rate["n"] - rate["right"]), "wrong answer")
    first = concentrated.row(0, named=True)
    if first["q"] is None or first["q"] >= SURE or not first["ratio"]:
        where = Markup("<b>Not enough evidence that a slice has more than its share of the {};</b>").format(wrong)
    else:
        where = Markup(
            "{} <b>{} of the {} are in {}</b>, which has {} of the questions: {} right, elsewhere {};"
        ).format(
            components.glyph("escape"), cards.percent(first["share"]), wrong,
            error_concentration.in_words(first["cut"], first["values"]), cards.percent(first["share_of_questions"]),
            cards.percent(first["rate"]), cards.percent(first["elsewhere"]),
        )  # fmt: skip
    return Markup("{} {}{}").format(where, level, _below_expectation(tested))


def _below_expectation(tested: pl.DataFrame) -> Markup:
    """How many cells are worse than their product and subtask lead one to expect, and the worst; nothing for none."""
    worse = tested.filter(pl.col("q") < SURE, pl.col("difference") < 0)
    if worse.is_empty():
        return Markup()
    first = worse.row(0, named=True)
    many = wording.counted(worse.height, "slice is", "slices are")
    where = error_concentration.in_words(("product", "subtask"), (first["product"], first["subtask"]))
    gap = f"{wording.percent(first['rate'])} right where {wording.percent(first['expected'])} were expected"
    return Markup(" {} worse than expected. The worst is <b>{}</b>, {}.").format(many, where, gap)


run = components.need_run("Errors", runs, address.chosen_run(runs))
base = address.base_run(runs, run)
selection = address.selection(run, base)
archive = reads.archives(now).get(run.archive_id)
everything = reads.cells(now, selection)
open_cuts = tuple(
    cut
    for cut in (*error_concentration.CUTS, CUTS["lot"])
    if not set(cut) & {name for name, _ in selection.facets} and all(everything[name].count() for name in cut)
)
concentrated = concentrations(now, selection, open_cuts)
named_first = concentrated.head(1).filter(pl.col("q") < SURE, pl.col("ratio") > 0)
leading = named_first.row(0, named=True) if named_first.height else None
tested = ranked(now, selection, ("product", "subtask")).filter("enough", pl.col("difference").is_not_null())

with header(
    "Errors",
    finding(concentrated, tested, everything) + by_piece.sentence(now, selection),
    cards.under(run, archive, reads.beside(now, selection)),
):
    run_choice.choose_run(now, runs, run)
    by_piece.choose(now, run)
    components.computed(
        {
            "headline": "the slice of the largest likelihood ratio of a Bernoulli scan over its design effect; pooled "
            "test with design effects, Benjamini–Hochberg over all "
            f"{wording.counted(concentrated.height, 'slice')} of all cuts",
            "against expectation": "rate − (product's rate + subtask's rate − overall), intervals clustered by image",
            "test": "cluster-robust t of residuals against all questions outside the slice; "
            "Benjamini–Hochberg over the slices with enough images",
            "n": wording.counted(cell_totals.total(everything, "counted"), "judged question"),
            "clusters": wording.counted(int(cell_totals.rates(everything)["images"].sum() or 0), "image"),
            "left out": "unlabelled, failed and open questions; invalid answers count as wrong",
        },
        rollups.sql(selection),
    )
    components.export(
        "errors",
        {
            "answers": lambda: reads.export(now, selection, rollups.ANALYSED),
            "slices": lambda: concentrated.with_columns(pl.col("cut", "values").list.join(" · ", ignore_nulls=True)),
        },
    )
address.chips()
by_piece.show(now, selection)

if everything["unlabelled_images"].sum():
    called_defective.show(now, run, selection)
    pictures = reads.called_defective(now, selection, ALARMS)
    called_defective.show_pictures(now, [(run, pictures)], reads.alarms(now, selection).called.defective)
if not cell_totals.total(everything, "counted"):
    show_cases(run, selection)
    reads.follow(now, refresh=run.state == "running")
    st.stop()

products = reads.cells(now, address.without(selection, "subtask", "product"))["product"].n_unique()
many = products > errors.MANY  # the heat map then needs the whole width
if many:
    show_heat(selection)
with st.grid(3, min_column_width=300, gap=12, dense=True) as grid:
    with grid.cell(column_span=2), st.container(gap=12):
        if not many:
            show_heat(selection)
        show_confusion(selection)
    with grid.cell():
        show_ranked(selection)
show_cases(run, selection)
reads.follow(now, refresh=run.state == "running")
