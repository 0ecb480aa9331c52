"""What stands over and under a list of cases: outcomes to choose from, the order, pages."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from warehouse.queries.facts import OUTCOMES
from warehouse.queries.rollups import SUSPICIOUS, Order, Selection
from warehouse.records.scoring import Run
from workbench.analysis.charts import theme
from workbench.pages.ui import address, reads
from workbench.pages.ui.reads import Snapshot


def choose_outcome(now: Snapshot, selection: Selection, page: str) -> None:
    """One button per outcome there is; pressing the chosen one again shows all."""
    held = dict(selection.facets).get("outcome")
    counted = dict(reads.counts(now, address.without(selection, "outcome"), ("outcome",)).iter_rows())
    key = f"{page}.outcome.{held}"  # a widget per value: one that is set from here would echo its old value back
    st.segmented_control(
        "Outcome",
        [name for name in OUTCOMES if name in counted or name == held],
        default=held,
        key=key,
        on_change=lambda: address.put(outcome=st.session_state[key]),
        label_visibility="collapsed",
        format_func=lambda name: f"{theme.GLYPHS[name][0]} {name} {counted.get(name, 0):,}",
    )


def order_in_words(selection: Selection) -> str:
    """What a list of cases begins with."""
    return "worst outcome first, then highest entropy" if selection.order == "worst" else f"{selection.order} first"


def one_per_picture(run: Run) -> dict[str, str]:
    """What of an address lists the run's pictures by suspicion, each once: by its one question about a defect.

    Empty where the run asks several such questions, or none.
    """
    detecting = [each.name for each in run.subtasks if each.detects]
    return {"order": SUSPICIOUS, "subtask": detecting[0]} if len(detecting) == 1 else {}


def offer_one_per_picture(run: Run, selection: Selection, page: str) -> None:
    """A button that lists each picture once, where a list by suspicion holds several questions of it."""
    wanted, facets = one_per_picture(run), dict(selection.facets)
    if wanted and selection.order == SUSPICIOUS and len(run.subtasks) > 1 and not {"subtask", "outcome"} & set(facets):
        st.button("One per picture", key=f"{page}.once", on_click=address.put, kwargs=wanted)


def choose_order(now: Snapshot, run: Run, page: str) -> None:
    """What the list begins with; it goes along to the other pages."""
    held = address.order(run)
    compared = held == SUSPICIOUS or reads.is_compared(now, run.run_id)
    offered = [name for name in get_args(Order) if name != SUSPICIOUS or compared]
    address.choose(
        "Order",
        offered,
        held,
        f"{page}.order",
        lambda order: address.put(order=None if order == address.usual_order(run) else order),
        width=170,
        format_func=lambda order: f"{order} first",
        label_visibility="collapsed",
    )


def turn_pages(page: str, first: int, shown: int, total: int) -> None:
    """Earlier and later cases of a list that shows so many of them at once."""
    if total <= shown:
        return
    with st.container(horizontal=True, gap="xsmall", horizontal_alignment="center"):
        for key, label, to, off in (
            ("k", "Earlier", first - shown, first == 0),
            ("j", "Later", first + shown, first + shown >= total),
        ):
            st.button(
                label,
                shortcut=key,
                key=f"{page}.{label}",
                disabled=off,
                on_click=lambda to=to: address.write(**{"from": str(max(to, 0))}),
            )
