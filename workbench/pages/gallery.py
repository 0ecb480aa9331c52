"""Gallery: the cases of a selection as thumbnails, a page at a time.

In the address: `run`, the filters (`address.py`), `from`; `mask=on` and `patches=on`.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from warehouse import rollups
from warehouse.rollups import Selection
from workbench.analysis import look, overview
from workbench.pages import address, embedding, parts, run_cards, shared, thumbnails
from workbench.pages.parts import header

SHOWN = 60

now = shared.snapshot()
runs = shared.runs(now)


def flip(what: str) -> None:
    """Draw or hide the contours or the patches."""
    address.put(**{what: None if what in address.asked() else "on"})


def choose_outcome(chosen: Selection) -> None:
    """One button per outcome there is; pressing the chosen one again shows all."""
    held = dict(chosen.facets).get("outcome")
    counted = dict(shared.counts(now, address.without(chosen, "outcome"), ("outcome",)).iter_rows())
    key = f"gallery.outcome.{held}"  # a widget per value: one that is set from here would echo its old value back
    st.segmented_control(
        "Outcome",
        [name for name in look.OUTCOMES if name in counted or name == held],
        default=held,
        key=key,
        on_change=lambda: address.put(outcome=st.session_state[key]),
        label_visibility="collapsed",
        format_func=lambda name: f"{look.GLYPHS[name][0]} {name} {counted.get(name, 0):,}",
    )


def turn_pages(first: int, total: int) -> None:
    """Earlier and later cases."""
    if total <= SHOWN:
        return
    with st.container(horizontal=True, gap="xsmall", horizontal_alignment="center"):
        for key, label, to, off in (
            ("k", "Earlier", first - SHOWN, first == 0),
            ("j", "Later", first + SHOWN, first + SHOWN >= total),
        ):
            st.button(
                label,
                shortcut=key,
                key=f"gallery.{label}",
                disabled=off,
                on_click=lambda to=to: address.write(**{"from": str(max(to, 0))}),
            )


def finding(total: int, chosen: Selection) -> str:
    """The page's one sentence."""
    if not total:
        return "<b>No case passes the filters.</b>"
    counted = dict(shared.counts(now, chosen, ("outcome",)).iter_rows())
    words = ", ".join(
        f"{parts.glyph(name)} {counted[name]:,} {escape(name)}" for name in look.OUTCOMES if name in counted
    )
    return f"<b>{total:,} {'case' if total == 1 else 'cases'}:</b> {words}."


run = parts.need_run("Gallery", runs, address.chosen_run(runs))
chosen = embedding.selection(now, runs, run)
archive = shared.archives(now).get(run.archive_id)
total = overview.total(shared.cells(now, chosen), "questions")
first = address.number("from", at_most=max(total - 1, 0))

with header("Gallery", finding(total, chosen), run_cards.under(run, archive)):
    shared.choose_run(now, runs, run)
    for key, name, label in (("m", "mask", "Mask"), ("p", "patches", "Patches")):
        parts.toggle(label, key, f"gallery.{name}", name in st.query_params, flip, name)
    parts.computed({"order": "worst outcome first, then highest entropy", "n": f"{total:,} cases"}, rollups.sql(chosen))
    parts.export("gallery", {"cases": lambda: shared.export(now, chosen, rollups.ANALYSED)})
address.chips()

found = shared.listed(now, chosen, SHOWN, first)
with st.container(key="card-cases", gap="small"):
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        upto = f"{first + 1:,}–{first + found.height:,}" if first else f"{found.height:,}"
        note = f"showing {upto} of {total:,}, wrong first, then highest entropy" if found.height else ""
        st.html(f'<div class="title">Cases<i>{note}</i></div>', width="stretch")
        choose_outcome(chosen)
    if found.is_empty():
        parts.empty("No case to show", "The filters leave none; Esc clears them.")
    thumbnails.grid(
        now,
        run,
        found,
        lambda case: run_cards.caption(case, dict(chosen.facets).get("subtask")),
        masks="mask" in st.query_params,
        patches="patches" in st.query_params,
    )
    turn_pages(first, total)
shared.follow(now, refresh=run.state == "running")
