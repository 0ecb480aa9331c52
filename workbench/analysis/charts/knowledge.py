"""The Knowledge page's figures: lift bars, the gate's forest, the alpha budget. Numbers in, figure out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go

from workbench import wording
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape

Kind = Literal["better", "worse", "unsure"]
SURE = 0.05  # the false-discovery rate of a list of texts
SHAPES: dict[Kind, str] = {"better": "↑", "worse": "↓", "unsure": "○"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One description's lift; shares of 1."""

    name: str
    lift: float
    low: float
    high: float
    used: int
    harmed: int
    in_list: bool = False  # it is one of a list of texts
    q: float | None = None  # then: p after Benjamini and Hochberg over the list; None where no p is stored

    @property
    def kind(self) -> Kind:
        """Better or worse where the interval says so, in a list where its number allows it too."""
        if self.in_list and (self.q is None or self.q >= SURE):
            return "unsure"
        return kind_of(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the gate: a difference with its interval, shares of 1; `high` None for a one-sided bound."""

    name: str
    difference: float
    low: float
    high: float | None
    kind: Kind


def kind_of(low: float, high: float) -> Kind:
    """Better where the whole interval lies above zero, worse where it lies below."""
    return "better" if low > 0 else "worse" if high < 0 else "unsure"


def points(share: float) -> str:
    """A difference in percentage points with a true minus: +6.1, −0.8."""
    return wording.points(share).replace("-", "−")


def lift(p: Palette, bars: Sequence[Bar]) -> go.Figure:
    """Accuracy with each text minus without it, worst last; use and harmed questions at the right."""
    fig = theme.figure(p, 34 * max(len(bars), 1) + 72, margin={"l": 8, "r": 168, "t": 24, "b": 42})
    for bar in reversed(bars):
        colour = _colour(p, bar.kind)
        fig.add_bar(
            y=[escape(bar.name)],
            x=[100 * bar.lift],
            orientation="h",
            width=0.6,
            marker={"color": theme.soft(colour, 0.28), "cornerradius": 3},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * (bar.high - bar.lift)],
                "arrayminus": [100 * (bar.lift - bar.low)],
                "color": colour,
                "thickness": 2,
                "width": 0,
            },
            hovertemplate=f"{escape(bar.name)}: {points(bar.lift)} ({points(bar.low)} to {points(bar.high)}) points"
            "<extra></extra>",
        )
        for text, shift, strong, tone in (
            (f"{points(bar.lift)} {SHAPES[bar.kind]}", 8, True, colour),
            (str(bar.used), 112, False, p.ink),
            (str(bar.harmed), 158, False, p.muted),
        ):
            fig.add_annotation(
                x=1, xref="paper", xanchor="left" if shift == 8 else "right", xshift=shift, y=escape(bar.name),
                text=f"<b>{text}</b>" if strong else text, font={"color": tone, "size": 12.5},
            )  # fmt: skip
    for text, shift, anchor in (("lift", 8, "left"), ("used", 112, "right"), ("harmed", 162, "right")):
        fig.add_annotation(
            x=1, xref="paper", xanchor=anchor, xshift=shift, y=1, yref="paper", yanchor="bottom", text=text
        )
    _zero(fig, p)
    fig.update_yaxes(showgrid=False, tickfont={"color": p.ink, "size": 12.5}, fixedrange=True)
    fig.update_xaxes(ticksuffix="", title_text="points", nticks=5, fixedrange=True)
    return fig


def over_time(p: Palette, bars: Sequence[Bar]) -> go.Figure:
    """One description's lift from run to run, oldest first; each with its revision and interval."""
    fig = theme.figure(p, 150, margin={"l": 34, "r": 12, "t": 20, "b": 40})
    places = list(range(len(bars)))
    fig.add_scatter(
        x=places, y=[100 * bar.lift for bar in bars], mode="lines", hoverinfo="skip",
        line={"color": p.faint, "width": 1},
    )  # fmt: skip
    for place, bar in zip(places, bars, strict=True):
        colour = _colour(p, bar.kind)
        fig.add_scatter(
            x=[place], y=[100 * bar.lift], mode="markers",
            marker={"size": 11, "color": colour, "symbol": {
                "better": "triangle-up", "worse": "triangle-down", "unsure": "circle-open"}[bar.kind]},
            error_y={
                "type": "data", "symmetric": False, "color": colour, "thickness": 2, "width": 0,
                "array": [100 * (bar.high - bar.lift)], "arrayminus": [100 * (bar.lift - bar.low)],
            },
            hovertemplate=f"{escape(bar.name)}: {points(bar.lift)} ({points(bar.low)} to {points(bar.high)}) points"
            "<extra></extra>",
        )  # fmt: skip
    fig.add_hline(y=0, line={"color": p.muted, "width": 1})
    names = [escape(bar.name) for bar in bars]
    fig.update_xaxes(
        tickvals=places, ticktext=names, range=[-0.5, max(len(bars), 2) - 0.5], showgrid=False, fixedrange=True,
        tickfont={"color": p.ink, "size": 12},
    )  # fmt: skip
    fig.update_yaxes(nticks=4, fixedrange=True, title_text="points")
    return fig


def gate(p: Palette, rows: Sequence[Row], margin: float) -> go.Figure:
    """New minus old per group with intervals; what lies beyond the margin is tinted."""
    fig = theme.figure(p, 62 * len(rows) + 62, margin={"l": 8, "r": 62, "t": 34, "b": 26})
    ends = [100 * end for row in rows for end in (row.low, row.high or row.difference, row.difference)]
    left, right = min([*ends, -100 * margin - 2]) - 1, max([*ends, 2]) + 1
    fig.add_shape(
        type="rect", x0=left, x1=-100 * margin, yref="paper", y0=0, y1=1, line_width=0, layer="below",
        fillcolor=theme.soft(p.escape, 0.1),
    )  # fmt: skip
    fig.add_annotation(
        x=-100 * margin, y=1, yref="paper", yanchor="bottom", xanchor="right", align="right",
        text=f"beyond<br>{100 * margin:g} points", font={"color": p.escape, "size": 11.5},
    )  # fmt: skip
    for row in reversed(rows):
        colour = _colour(p, row.kind)
        high = row.difference if row.high is None else row.high
        fig.add_scatter(
            x=[100 * row.low, 100 * high], y=[row.name, row.name], mode="lines", hoverinfo="skip",
            line={"color": theme.soft(colour, 0.35), "width": 7},
        )  # fmt: skip
        symbol = {"better": "triangle-right", "worse": "triangle-left", "unsure": "circle-open"}[row.kind]
        fig.add_scatter(
            x=[100 * row.difference], y=[row.name], mode="markers",
            marker={"size": 12, "color": colour, "symbol": symbol},
            hovertemplate=f"{points(row.difference)} points<extra></extra>",
        )  # fmt: skip
        fig.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=8, y=row.name, text=f"<b>{points(row.difference)}</b>",
            font={"color": colour, "size": 13},
        )  # fmt: skip
    _zero(fig, p)
    fig.update_xaxes(range=[left, right], nticks=5, title_text="points", fixedrange=True)
    fig.update_yaxes(showgrid=False, tickfont={"color": p.ink, "size": 12.5}, fixedrange=True)
    return fig


def over_nights(
    p: Palette, nights: Sequence[str], better: Sequence[float], worse: Sequence[float], threshold: float
) -> go.Figure:
    """The wealth of the bets on better and on worse after each night, as logarithms, and where better is said.

    Args:
        p: the colours.
        nights: their names, oldest first.
        better: natural logarithms, one for each night.
        worse: likewise.
        threshold: of better.
    """
    fig = theme.figure(p, 190, margin={"l": 34, "r": 64, "t": 16, "b": 40})
    places = list(range(len(nights) + 1))
    for values, name, colour, width, dash, symbol in (
        (worse, "worse", p.muted, 1, "dot", "x"),
        (better, "better", p.accent, 2, "solid", "circle"),
    ):
        fig.add_scatter(
            x=places, y=[0.0, *values], mode="lines+markers",
            line={"color": colour, "width": width, "dash": dash}, marker={"size": 3 * width + 2, "symbol": symbol},
            customdata=["before the first night", *map(escape, nights)],
            hovertemplate=f"%{{customdata}}: %{{y:.2f}} on {name}<extra></extra>",
        )  # fmt: skip
        fig.add_annotation(
            x=places[-1], y=[0.0, *values][-1], text=name, xanchor="left", xshift=8, showarrow=False,
            font={"color": colour, "size": 12},
        )  # fmt: skip
    fig.add_hline(y=threshold, line={"color": p.accent, "width": 1, "dash": "dash"})
    fig.add_annotation(
        x=0, xref="paper", y=threshold, text="better is said", xanchor="left", yanchor="bottom",
        font={"color": p.accent, "size": 11.5},
    )  # fmt: skip
    fig.add_hline(y=0, line={"color": p.faint, "width": 1})
    low, high = min([0.0, *better, *worse]), max([threshold, *better, *worse])
    fig.update_xaxes(
        title_text="nights", nticks=6, range=[-0.2, max(places[-1], 5) + 0.2], showgrid=False, fixedrange=True
    )
    fig.update_yaxes(title_text="log e", nticks=5, range=[max(low, -6) - 0.4, high + 0.9], fixedrange=True)
    return fig


def budget(p: Palette, spent: Sequence[float], whole: float) -> go.Figure:
    """What of the alpha budget each test since the last better has spent, the newest in the accent."""
    fig = theme.figure(p, 34, margin={"l": 2, "r": 2, "t": 4, "b": 4}, barmode="overlay")
    left = 0.0
    for number, share in enumerate(spent, start=1):
        colour = p.accent if number == len(spent) else p.faint
        fig.add_bar(
            y=[""], x=[share * 0.98], base=[left], orientation="h", marker={"color": colour, "cornerradius": 3},
            hovertemplate=f"test {number}: {wording.percent(share, 2)}<extra></extra>",
        )  # fmt: skip
        left += share
    fig.add_bar(
        y=[""], x=[whole - left], base=[left], orientation="h", marker={"color": p.tint, "cornerradius": 3},
        hovertemplate=f"left: {wording.percent(whole - left, 2)}<extra></extra>",
    )  # fmt: skip
    fig.update_xaxes(visible=False, range=[0, whole], fixedrange=True)
    fig.update_yaxes(visible=False, fixedrange=True)
    return fig


def _colour(p: Palette, kind: Kind) -> str:
    return {"better": p.accent, "worse": p.escape, "unsure": p.muted}[kind]


def _zero(fig: go.Figure, p: Palette) -> None:
    fig.add_shape(type="line", x0=0, x1=0, yref="paper", y0=0, y1=1, line={"color": p.muted, "width": 1})
