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
        shared.choose_outcome(now, chosen, "gallery")
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
    shared.turn_pages("gallery", first, SHOWN, total)
shared.follow(now, refresh=run.state == "running")
