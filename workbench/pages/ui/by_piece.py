"""Counting by piece instead of by picture: the switch, the sentence, the table, and a list of one case for each.

In the address: `count=piece`, which goes along from page to page; `outcome` then means that of the piece.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.facts import OUTCOMES
from warehouse.queries.pieces import PIECE_OUTCOMES
from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import pieces
from workbench.analysis.charts import theme
from workbench.pages.ui import address, case_list, components, reads, thumbnails
from workbench.pages.ui.components import card, html
from workbench.pages.ui.reads import Snapshot

GROUPS = 8  # rows of the table
_HEAD = ("", "pieces", "called defective", "undecided", "escapes", "of defective", "overkill", "of good")


def choose(now: Snapshot, run: Run) -> None:
    """The switch; none where every piece of the run has one picture."""
    if address.by_piece() or reads.has_pieces(now, run.run_id):
        components.toggle("By piece", "b", "choose.count", address.by_piece(), _flip, "count")


def _flip(name: str) -> None:
    address.put(**{name: None if address.by_piece() else "piece"})


def sentence(now: Snapshot, selection: Selection) -> Markup:
    """How many pieces of a selection were called defective; nothing where pictures are counted."""
    if not address.by_piece():
        return Markup()
    found = reads.pieces(now, address.without(selection, "outcome"))
    if found.is_empty():
        return Markup(" No piece was asked whether it has a defect.")
    return Markup(" {}").format(pieces.counted(found).sentence)


def show(now: Snapshot, selection: Selection) -> None:
    """Pieces by product and by lot; nothing where pictures are counted, or without a piece."""
    found = reads.pieces(now, address.without(selection, "outcome")) if address.by_piece() else pl.DataFrame()
    if found.is_empty():
        return
    groups = [name for name in ("product", "lot") if found[name].count()]
    with card("pieces", "Pieces", "a piece is called what its worst picture is", fill=False):
        rows = []
        for name in groups:
            table = pieces.table(found, (name,))
            for row in table.head(GROUPS).iter_rows():
                what = f"{name} {row[0]}" if row[0] is not None else f"no {name}"
                rows.append([what.replace("_", " "), *(f"{count:,}" for count in _ordered(row))])
            if table.height > GROUPS:
                rows.append([f"showing {GROUPS} of {wording.counted(table.height, name)}", *[""] * (len(_HEAD) - 1)])
        html(components.table(rows, _HEAD, numbers=len(_HEAD) - 1))


def _ordered(row: tuple[object, ...]) -> tuple[int, ...]:
    """The counts of a row of `pieces.table` in the order of the head."""
    _, all_pieces, called, undecided, defective, escapes, good, overkills = row
    return (all_pieces, called, undecided, escapes, defective, overkills, good)  # type: ignore[return-value]


def show_cases(
    now: Snapshot, run: Run, selection: Selection, page: str, at_most: int, caption: Callable[[thumbnails.Row], str]
) -> None:
    """One case for each piece, so many at once, and a button for each outcome that there is.

    Args:
        now: the warehouse.
        run: whose they are.
        selection: which pieces.
        page: whose list it is.
        at_most: pieces at once.
        caption: what stands under a case, Markdown escaped.
    """
    held = dict(selection.facets).get("outcome")
    held = held if held in PIECE_OUTCOMES else None
    open_selection = address.without(selection, "outcome")
    counted = dict(reads.pieces(now, open_selection)["outcome"].value_counts().iter_rows())
    total = counted.get(held, 0) if held else sum(counted.values())
    first = address.number("from", at_most=max(total - 1, 0))
    found = reads.listed_pieces(now, open_selection, held, at_most, first)
    with st.container(key="card-cases", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            upto = f"{first + 1:,}–{first + found.height:,}" if first else f"{found.height:,}"
            note = f"showing {upto} of {wording.counted(total, 'piece')}, each by its worst picture"
            html(Markup('<div class="title">Pieces<i>{}</i></div>').format(note), width="stretch")
            key = f"{page}.piece.outcome.{held}"  # a widget per value: one that is set from here would echo its old one
            st.segmented_control(
                "Outcome",
                [name for name in OUTCOMES if name in counted or name == held],
                default=held,
                key=key,
                on_change=lambda: address.put(outcome=st.session_state[key]),
                label_visibility="collapsed",
                format_func=lambda name: f"{theme.GLYPHS[name][0]} {name} {counted.get(name, 0):,}",
            )
        if found.is_empty():
            components.empty("No piece to show", "The filters leave none; Esc clears them.")
        thumbnails.grid(now, run, found, lambda case: _with_pictures(caption(case), case))
        case_list.turn_pages(page, first, at_most, total)


def _with_pictures(caption: str, case: thumbnails.Row) -> str:
    return f"{caption} · {wording.counted(case['pictures'], 'picture')}"
