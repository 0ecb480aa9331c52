"""Gallery: the cases of a selection as thumbnails, a page at a time.

In the address: `run`, the filters (`address.py`), `from`; `mask=on` and `patches=on`; `map`, the opacity in
percent of the map of the comparison with normal pictures.
"""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from warehouse.queries import rollups
from warehouse.queries.facts import OUTCOMES
from warehouse.queries.rollups import SUSPICIOUS, Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import cell_totals
from workbench.pages.runs import cards
from workbench.pages.ui import (
    address,
    by_piece,
    called_defective,
    case_list,
    components,
    embedding,
    measure_filter,
    ranking_warning,
    reads,
    run_choice,
    score_caption,
    thumbnails,
)
from workbench.pages.ui.components import header, html

SHOWN = 60
FAINTEST, OPACITY = 5, 60  # percent of the map: at least, and until somebody chooses another

now = reads.snapshot()
runs = reads.runs(now)


def flip(what: str) -> None:
    """Draw or hide the contours or the patches."""
    address.put(**{what: None if what in address.asked() else "on"})


def choose_map(run: Run) -> int:
    """The opacity in percent at which the map of the comparison with normal pictures is drawn; 0 where it is not."""
    if not reads.is_compared(now, run.run_id):
        return 0
    asked = address.number("map", at_most=100)
    percent = max(asked, FAINTEST) if asked else 0
    components.toggle("Map", "h", "gallery.map", percent > 0, lambda _: _show_map(0 if percent else OPACITY), "map")
    if percent:
        key = f"gallery.opacity.{percent}"  # a widget per value: it follows a link and Back
        st.slider(
            "Opacity of the map in percent", FAINTEST, 100, percent, 5, key=key,
            width=150, label_visibility="collapsed", on_change=lambda: address.write(map=f"{st.session_state[key]}"),
        )  # fmt: skip
    return percent


def _show_map(percent: int) -> None:
    address.put(map=f"{percent}" if percent else None)


def finding(total: int, selection: Selection) -> Markup:
    """The page's one sentence."""
    if not total:
        return Markup("<b>No case passes the filters.</b>")
    if address.by_piece():
        return Markup("<b>{}.</b>").format(wording.counted(total, "case")) + by_piece.sentence(now, selection)
    counted = dict(reads.counts(now, selection, ("outcome",)).iter_rows())
    words = Markup(", ").join(
        components.glyph(name) + f" {counted[name]:,} {name}" for name in OUTCOMES if name in counted
    )
    said = Markup("<b>{}:</b> {}.").format(wording.counted(total, "case"), words)
    return said + cards.called(reads.cells(now, address.without(selection, "outcome")))


def choose_lot(selection: Selection) -> None:
    """A list of the run's lots; none where the archive names none."""
    lots = reads.cells(now, address.without(selection, "lot"))["lot"].drop_nulls().unique().sort().to_list()
    held = dict(selection.facets).get("lot")
    if lots or held:
        offered = ["", *dict.fromkeys([*lots, *([held] if held else [])])]  # a list shows no word of its own for None
        address.choose(
            "Lot", offered, held or "", "gallery.lot", lambda lot: address.put(lot=lot or None),
            width=130, label_visibility="collapsed", format_func=lambda lot: lot or "any lot",
        )  # fmt: skip


def caption(case: thumbnails.Row) -> str:
    """What stands under a case."""
    return score_caption.with_score(now, run, cards.caption(run, case, st.query_params.get("subtask")), case)


def show_cases(selection: Selection) -> None:
    """A page of cases."""
    found = reads.listed(now, selection, SHOWN, first)
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            upto = f"{first + 1:,}–{first + found.height:,}" if first else f"{found.height:,}"
            note = f"showing {upto} of {total:,}, {case_list.order_in_words(selection)}" if found.height else ""
            html(Markup('<div class="title">Cases<i>{}</i></div>').format(note), width="stretch")
            case_list.choose_outcome(now, selection, "gallery")
            case_list.offer_one_per_picture(run, selection, "gallery")
            case_list.choose_order(now, run, "gallery")
        if found.is_empty():
            components.empty("No case to show", "The filters leave none; Esc clears them.")
        if selection.order == SUSPICIOUS:
            ranking_warning.show(now, run.run_id)
        thumbnails.grid(
            now,
            run,
            found,
            caption,
            masks="mask" in st.query_params,
            patches="patches" in st.query_params,
            map_percent=map_percent,
        )
        case_list.turn_pages("gallery", first, SHOWN, total)


run = components.need_run("Gallery", runs, address.chosen_run(runs))
selection = embedding.selection(now, runs, run)
archive = reads.archives(now).get(run.archive_id)
total = cell_totals.total(reads.cells(now, selection), "questions")
first = address.number("from", at_most=max(total - 1, 0))

with header("Gallery", finding(total, selection), cards.under(run, archive, reads.beside(now, selection))):
    run_choice.choose_run(now, runs, run)
    by_piece.choose(now, run)
    for key, name, label in (("m", "mask", "Mask"), ("p", "patches", "Patches")):
        components.toggle(label, key, f"gallery.{name}", name in st.query_params, flip, name)
    map_percent = choose_map(run)
    components.computed(
        {"order": case_list.order_in_words(selection), "n": wording.counted(total, "case")}, rollups.sql(selection)
    )
    measure_filter.choose(now, run.run_id)
    components.export(
        "gallery",
        {
            "cases": lambda: reads.export(now, selection, rollups.ANALYSED),
            "measures": lambda: reads.measures(now, run.run_id),
        },
    )
address.chips()
called_defective.show_groups(now, address.without(selection, "outcome"))
choose_lot(selection)

if address.by_piece():
    by_piece.show(now, selection)
    by_piece.show_cases(now, run, selection, "gallery", SHOWN, caption)
else:
    show_cases(selection)
reads.follow(now, refresh=run.state == "running")
