"""Choosing cases by what was measured of their pictures, and by their score beside normal pictures; the range goes to
the address, as `brightness=0.1-0.3`.
"""

from __future__ import annotations

import math

import polars as pl
import streamlit as st

from warehouse.queries.comparisons import SCORE
from warehouse.queries.measures import CHOSEN_BY
from workbench import wording
from workbench.pages.ui import address, reads
from workbench.pages.ui.reads import Snapshot

MEANS = {
    SCORE: "score of the comparison with normal pictures: larger is farther from them",
    "brightness": "mean grey, as a share of the file's range",
    "contrast": "standard deviation of grey, as a share of the file's range",
    "sharpness": "difference of neighbouring pixels over contrast; compares within a product and camera",
    "clipped_bright": "share of pixels with a channel at the top of the range",
    "clipped_dark": "share of pixels with all channels at 0",
    "colour": "mean distance between a pixel's channels; 0 is grey",
    "width": "pixels",
    "height": "pixels",
    "fill": "share of the picture that the object takes, before a plain background",
    "centre_x": "where the object's middle lies: 0 is left, 1 is right",
    "centre_y": "where the object's middle lies: 0 is the top, 1 is the bottom",
}
WHOLE = ("width", "height")  # numbers, in pixels
_STEPS = 1000  # of a share


def choose(now: Snapshot, run_id: str) -> None:
    """The button under which a measure and its range are chosen; none where no picture of the run was measured."""
    measured: dict[str, pl.Series] = {SCORE: pl.Series(reads.scores(now, run_id).values(), dtype=pl.Float64)}
    measured |= {name: values for name, values in reads.measures(now, run_id).to_dict().items() if name in CHOSEN_BY}
    offered = [name for name in (SCORE, *CHOSEN_BY) if measured[name].count()]
    if not offered:
        return
    with st.popover("Measures", width="content"):
        name = st.selectbox("Measure", offered, key="measures.name", format_func=address.word)
        low, high = _ends(float(measured[name].min()), float(measured[name].max()), name)  # type: ignore[arg-type]
        pictures = wording.counted(measured[name].count(), "picture")
        st.caption(f"{MEANS[name]}. Here {low:g} to {high:g}, of {pictures}.")
        if low == high:
            return
        held = address.range_of(name)
        begin, end = (max(low, min(held[0], high)), min(high, max(held[1], low))) if held else (low, high)
        key = f"measures.{name}.{begin:g}.{end:g}"  # a widget per value: it follows a link, Back and Esc

        def pick() -> None:
            first, last = st.session_state[key]
            address.put(**{name: None if (first, last) == (low, high) else f"{first:g}-{last:g}"})

        step = 1.0 if name in WHOLE else 1 / _STEPS
        st.slider(
            address.word(name), low, high, (begin, end), step, "%.0f" if name in WHOLE else "%.3f", key, None, pick
        )


def _ends(least: float, most: float, name: str) -> tuple[float, float]:
    """Values that a slider's steps reach and that hold all pictures."""
    if name in WHOLE:
        return least, most
    return math.floor(least * _STEPS) / _STEPS, math.ceil(most * _STEPS) / _STEPS
