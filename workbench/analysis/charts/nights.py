"""The charts of the Tonight page: nights in, figures out; knows nothing of Streamlit or storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import plotly.graph_objects as go

from workbench import wording
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, soft

_HIGH = 118  # pixels of one rate's row
_NAMED = 8  # nights at most that the axis names, and one
_SYMBOLS = {"escape": "triangle-up", "overkill": "square"}


@dataclass(frozen=True, slots=True)
class Point:
    """A rate or a mean on one night."""

    night: datetime  # when it was due, by the schedule's clocks; without a zone
    value: float
    low: float  # 95 % interval
    high: float
    baseline: float
    images: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class Strand:
    """One rate over many nights, oldest first."""

    name: str
    points: Sequence[Point]
    is_rate: bool  # shown in percent


def strip(p: Palette, strands: Sequence[Strand]) -> go.Figure:
    """One row per rate over the nights: value and 95 % interval; filled where the night's report raised an alarm.

    The dotted line is what each night was compared with.
    """
    rows = len(strands)
    gap = 0.06
    share = (1 - gap * (rows - 1)) / rows
    named = _named({point.night for strand in strands for point in strand.points})
    dense = {"type": "date", "showgrid": False, "tickvals": list(named), "ticktext": list(named.values())}
    axes: dict[str, object] = {"xaxis": {**dense, "anchor": "y" if rows == 1 else f"y{rows}"}}
    marks: list[dict[str, object]] = []
    words: list[dict[str, object]] = []
    for place, strand in enumerate(strands):
        colour = {"escape": p.escape, "overkill": p.overkill, "invalid": p.other, "unreadable": p.other}.get(
            strand.name, p.ink
        )
        axis = "y" if place == 0 else f"y{place + 1}"
        top = 1 - place * (share + gap)
        symbol = _SYMBOLS.get(strand.name, "circle")
        x = [point.night for point in strand.points]
        unit = 100 if strand.is_rate else 1
        y = [unit * point.value for point in strand.points]
        line = {"color": p.faint, "width": 1.2, "dash": "2px,3px"}
        before = [unit * point.baseline for point in strand.points]
        marks.append({"x": x, "y": before, "mode": "lines", "yaxis": axis, "hoverinfo": "skip", "line": line})
        mark: dict[str, object] = {
            "x": x,
            "y": y,
            "mode": "lines+markers",
            "yaxis": axis,
            "line": {"color": soft(colour, 0.5), "width": 1.5},
            "marker": {
                "color": [colour if point.alarm else p.card for point in strand.points],
                "size": [9 if point.alarm else 6 for point in strand.points],
                "symbol": symbol,
                "line": {"color": colour, "width": 1.5},
            },
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [unit * (point.high - point.value) for point in strand.points],
                "arrayminus": [unit * (point.value - point.low) for point in strand.points],
                "color": soft(colour, 0.4),
                "width": 0,
                "thickness": 1.5,
            },
            "customdata": [[f"{point.images:,}"] for point in strand.points],
            "hovertemplate": "%{x|%a %d %b, %H:%M}<br><b>%{y:.2f}"
            + (" %" if strand.is_rate else "")
            + f"</b> {strand.name}<br>%{{customdata[0]}} images<extra></extra>",
        }
        marks.append(mark)
        last = strand.points[-1]
        shown = wording.percent(last.value, 1) if strand.is_rate else f"{last.value:.2f} nat"
        label = f"<b>{strand.name.capitalize()}</b><br>{shown}"
        place_of = {"x": 1.01, "xref": "paper", "xanchor": "left", "y": y[-1], "yref": axis, "align": "left"}
        words.append({**place_of, "text": label, "font": {"color": colour, "size": 12.5}})
        axes["yaxis" if place == 0 else f"yaxis{place + 1}"] = {
            "domain": [max(0.0, top - share), top],
            "nticks": 4,
            "ticksuffix": " %" if strand.is_rate else " nat",
            "rangemode": "tozero",
            "gridcolor": p.grid,
            "zeroline": False,
            "tickfont": {"color": p.muted, "size": 11.5},
            "automargin": True,
        }
    layout = {"margin": {"l": 54, "r": 96, "t": 18, "b": 38}, "annotations": words, **axes}
    return theme.unchecked(
        [{"type": "scatter", **mark} for mark in marks],
        {"template": theme.template(p), "height": _HIGH * rows + 44, **layout},
    )


def _named(nights: Collection[datetime]) -> dict[datetime, str]:
    """The nights that have room for their name, each under its mark, newest first; with its time where dates repeat.

    Plotly's own ticks stand at midnight, beside the evening before, or name a date twice.
    """
    times = Counter(night.date() for night in nights)
    room = (max(nights) - min(nights)) / _NAMED if nights else timedelta()
    named: dict[datetime, str] = {}
    for night in sorted(nights, reverse=True):
        if not named or min(named) - night >= room:
            named[night] = f"{night:%d %b}" + (f"<br>{night:%H:%M}" if times[night.date()] > 1 else "")
    return named
