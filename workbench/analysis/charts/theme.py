"""One look for every chart and page: two palettes, the shape that goes with each colour, a Plotly template.

The style sheet of the pages takes its colours from the same palettes, so a colour is written down here and, for
Streamlit's own widgets, in `workbench/pages/assets/config.toml`; a test holds the two together. No meaning is carried
by colour alone: every outcome and run state has a glyph too.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
import polars as pl

FONT = '"Source Sans", "Source Sans 3", system-ui, sans-serif'  # shipped inside Streamlit: no font host is asked

Mode = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one mode, as #RRGGBB."""

    ink: str  # this run, primary text
    muted: str  # secondary text, axis labels
    faint: str  # baselines, reference lines
    line: str  # hairlines of cards and tables
    grid: str  # hairlines inside charts
    card: str  # the surface a chart lies on
    tint: str  # empty part of a bar, a chosen row
    accent: str  # selection, links, "better", what was injected
    escape: str  # a missed defect; any wrong answer
    overkill: str  # a false alarm
    other: str  # answers that could not be read
    tint_bad: str
    tint_good: str


LIGHT = Palette(
    ink="#17202B",
    muted="#5F6B7A",
    faint="#87919E",
    line="#DFE3E8",
    grid="#E9ECF0",
    card="#FFFFFF",
    tint="#EEF0F3",
    accent="#0B7A75",
    escape="#C2410C",
    overkill="#2563B0",
    other="#7B5BB0",
    tint_bad="#FBEDE6",
    tint_good="#E3F2F1",
)
DARK = Palette(
    ink="#E4E8ED",
    muted="#9AA6B4",
    faint="#6B7785",
    line="#2A323B",
    grid="#252D36",
    card="#171C22",
    tint="#20262D",
    accent="#3DB8B0",
    escape="#FF8A5B",
    overkill="#78ADF5",
    other="#B79BE8",
    tint_bad="#3A2118",
    tint_good="#13302F",
)

# The second code beside colour. The class is both a style class and, for outcomes, the palette's field.
GLYPHS: dict[str, tuple[str, str]] = {
    "escape": ("▲", "escape"),
    "overkill": ("■", "overkill"),
    "wrong": ("✕", "escape"),
    "invalid": ("◇", "other"),
    "failed": ("⊘", "ink"),
    "right": ("✓", "accent"),
    "alarm": ("△", "ink"),
    "pass": ("▽", "muted"),
    "unlabelled": ("○", "muted"),
    "running": ("◐", "accent"),
    "finished": ("●", "accent"),
    "stopped": ("❚❚", "muted"),
    "cancelled": ("□", "muted"),
}


# From worse over as expected to better.
_DIVERGING_LIGHT = ("#B23A08", "#D9703F", "#F0B698", "#F0F0EE", "#B5D9D6", "#5FABA5", "#0B7A75")
_DIVERGING_DARK = ("#FF9468", "#D4693C", "#7F4631", "#2A3037", "#255553", "#2F8680", "#45C7BE")


def diverging(p: Palette) -> tuple[str, ...]:
    """Seven colours from worse to better; the middle says as expected."""
    return _DIVERGING_DARK if p is DARK else _DIVERGING_LIGHT


def scale(colours: tuple[str, ...]) -> list[tuple[float, str]]:
    """Colours as Plotly takes a colour scale."""
    return [(place / (len(colours) - 1), colour) for place, colour in enumerate(colours)]


def escape(text: str) -> str:
    """Text for a chart: Plotly reads tags in labels and hover texts, and draws `&quot;` as it is written."""
    return html.escape(text, quote=False)


def minus(text: str) -> str:
    """A number's text with a true minus."""
    return text.replace("-", "−")


def percents(low: float, high: float) -> dict[str, object]:
    """Tick marks of an axis of shares between two ends, labelled as everywhere else: "60 %"."""
    step = next((step for step in (1, 2, 5, 10, 20) if 100 * (high - low) / step <= 6), 25)
    ticks = range(step * math.ceil(100 * low / step - 1e-9), math.floor(100 * high + 1e-9) + 1, step)
    return {"tickvals": [tick / 100 for tick in ticks], "ticktext": [f"{tick} %" for tick in ticks]}


def palette(mode: Mode) -> Palette:
    """The colours of a mode."""
    return DARK if mode == "dark" else LIGHT


def soft(colour: str, alpha: float) -> str:
    """A palette colour, `alpha` (0..1) opaque."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


# Widths of the font's letters in hundredths of its size, rounded up.
_WIDTHS = {
    letter: width
    for width, letters in (
        (20, " "), (25, "\"',.:;ijl|"), (30, "!()I[]f{}"), (35, "-/\\rt"), (45, "*?sxz"),
        (50, "0123456789#$+<=>FJLY^_acegkvy~×−–"), (55, "AESTVXZ`bdhnopqu"), (60, "BCKPR"), (65, "&DGHNU"),
        (70, "OQ"), (75, "Mw"), (80, "W"), (85, "%@m"), (95, "…"),
    )
    for letter in letters
}  # fmt: skip
_TAG = re.compile(r"<[^>]*>")
_SIZE = re.compile(r"font-size:(\d+)px")
_TICK, _LABEL, _TITLE = 17, 36, 52  # pixels: tick and gaps; tick labels under an axis; those and its title


def wide(label: str, size: float) -> float:
    """About how many pixels a label in Plotly's markup takes, its widest line, at a font size in pixels."""
    found = 0.0
    for line in label.split("<br>"):
        own = _SIZE.search(line)
        letters = html.unescape(_TAG.sub("", line))
        hundredths = sum(_WIDTHS.get(letter, 60 if letter < "\u1100" else 100) for letter in letters)
        found = max(found, hundredths / 100 * (float(own[1]) if own else size))
    return found


def beside(labels: Iterable[str], size: float = 12.5) -> int:
    """The margin in pixels that tick labels left of a chart need.

    Plotly finds out by itself (`automargin`), but only by drawing everything a second time: a margin that is given is
    worth two thirds of a chart's time in the browser.
    """
    return math.ceil(max((wide(label, size) for label in labels), default=0)) + _TICK


@cache
def template(p: Palette) -> go.layout.Template:
    """The Plotly template of a palette: no legend, no mode bar space, quiet axes."""
    axis = {
        "gridcolor": p.grid,
        "gridwidth": 1,
        "zeroline": False,
        "linecolor": p.grid,
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": "rgba(0,0,0,0)",
        "automargin": True,
        "tickfont": {"color": p.muted, "size": 11.5},
        "title": {"font": {"color": p.muted, "size": 11.5}, "standoff": 8},
    }
    # Plotly makes markers with a list of sizes 70 % opaque and fades what a selection leaves out: both off.
    dot = go.Scatter(marker={"opacity": 1}, unselected={"marker": {"opacity": 1}}, selected={"marker": {"opacity": 1}})
    return go.layout.Template(
        data={"scatter": [dot]},
        layout={
            "font": {"family": FONT, "size": 12.5, "color": p.ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [p.ink, p.accent, p.escape, p.overkill, p.faint, p.other],
            "showlegend": False,
            "hovermode": "closest",
            "dragmode": False,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": axis,
            "yaxis": axis,
            "separators": ". ",
            "annotationdefaults": {"showarrow": False, "font": {"color": p.muted, "size": 11.5}},
            "hoverlabel": {
                "bgcolor": p.card,
                "bordercolor": p.faint,
                "font": {"family": FONT, "size": 12.5, "color": p.ink},
                "align": "left",
            },
        },
    )


def figure(p: Palette, height: int, **layout: object) -> go.Figure:
    """An empty figure in the palette's template; its height is fixed, its width the card's."""
    return go.Figure(layout={"template": template(p), "height": height, **layout})


class _Unchecked(go.Figure):  # type: ignore[misc]  # Plotly has no types
    """A figure that is sent as it is: Plotly's own is copied once more, which takes as long as making it."""

    def to_dict(self) -> dict[str, object]:
        """Its properties, shared."""
        return {"data": list(self._data), "layout": self._layout}


def unchecked(traces: list[dict[str, object]], layout: Mapping[str, object]) -> go.Figure:
    """A figure of whole properties, lists and no arrays, that Plotly takes as they are."""
    return _Unchecked(data=traces, layout=layout, _validate=False)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return (
        value.tolist() if isinstance(value, np.ndarray) else value.to_list() if isinstance(value, pl.Series) else value
    )


class Draft:
    """A figure put together piece by piece and made at once, with room for its tick labels.

    Plotly checks everything that is there again with each shape or annotation that is added: a chart of forty takes a
    fifth of a second that way, and a hundredth this way. The methods are those of a figure.
    """

    def __init__(self, p: Palette, height: int, margin: Mapping[str, int], **layout: object) -> None:
        self._layout: dict[str, object] = {"template": template(p), "height": height, **layout}
        self._margin = dict(margin)  # l, r, t, b in pixels
        self._traces: list[dict[str, object]] = []
        self._shapes: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []
        self._axes: dict[str, dict[str, Any]] = {"xaxis": {}, "yaxis": {}}

    def add_scatter(self, **trace: object) -> None:
        """Marks, lines or texts."""
        self._traces.append({"type": "scatter", **{name: _plain(value) for name, value in trace.items()}})

    def add_shape(self, **shape: object) -> None:
        """A line, rectangle or path."""
        self._shapes.append(shape)

    def add_lines(self, ends: Iterable[tuple[float, float, float, float]], line: Mapping[str, object]) -> None:
        """Straight lines of one look, each from x0, y0 to x1, y1: one shape for the browser to draw."""
        path = " ".join(f"M{x0},{y0}L{x1},{y1}" for x0, y0, x1, y1 in ends)
        if path:
            self._shapes.append({"type": "path", "path": path, "line": line})

    def add_annotation(self, **annotation: object) -> None:
        """A text."""
        self._annotations.append(annotation)

    def update_traces(self, **more: object) -> None:
        """What all marks share."""
        for trace in self._traces:
            trace.update(more)

    def update_xaxes(self, **axis: object) -> None:
        """The x axis."""
        self._axes["xaxis"].update(axis)

    def add_panel(self, place: int, **axis: object) -> None:
        """The x axis of one of several panels side by side, numbered from 1, over the same y axis."""
        self._axes.setdefault("xaxis" if place == 1 else f"xaxis{place}", {}).update(axis)

    def update_yaxes(self, **axis: object) -> None:
        """The y axis."""
        self._axes["yaxis"].update(axis)

    def figure(self) -> go.Figure:
        """All of it as a figure, unchecked: a page has its figures checked by tests, which takes ten times as long.

        So an inner property stands in its own mapping (`title={"text": "nat"}`, never `title_text`).
        """
        drawn = {"shapes": self._shapes, "annotations": self._annotations, "margin": self._roomy()}
        return unchecked(self._traces, {**self._layout, **self._axes, **drawn})

    def _roomy(self) -> dict[str, int]:
        """The margins asked for, wider where the axes' labels need more."""
        margin, x, y = dict(self._margin), self._axes["xaxis"], self._axes["yaxis"]
        labels = y.get("ticktext") or y.get("categoryarray") or ()
        if labels and y.get("visible", True) and "tickangle" not in y:
            room = beside(labels, y.get("tickfont", {}).get("size", 11.5))
            margin["l"] = max(margin["l"], room + _TITLE - _LABEL if "title" in y else room)
        if x.get("visible", True) and x.get("side") != "top" and not x.get("tickangle"):
            margin["b"] = max(margin["b"], _TITLE if "title" in x else _LABEL)
        return margin
