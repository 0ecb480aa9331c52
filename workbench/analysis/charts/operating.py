"""The charts of an operating point: ROC, precision against recall, escape against overkill. Frames in, figure out."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import polars as pl

from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette

_POINTS = 120  # of a line: more can't be told apart, and each is a mark to draw
_HEIGHT = 290


def _fewer(curve: pl.DataFrame) -> pl.DataFrame:
    places = np.unique(np.linspace(0, curve.height - 1, min(_POINTS, curve.height)).round().astype(int))
    return curve.select(pl.all().gather(places))


def _at(curve: pl.DataFrame, threshold: float | None) -> pl.DataFrame:
    """The row of a curve that a threshold gives."""
    if threshold is None:
        return curve.head(1)
    return curve.filter(pl.col("threshold").is_null() | (pl.col("threshold") >= threshold)).tail(1)


def _band(fig: theme.Draft, p: Palette, rows: pl.DataFrame, x: str, y: str) -> None:
    """The interval of y as a soft area."""
    own = rows.drop_nulls([x, f"{y}_low", f"{y}_high"])
    fig.add_scatter(
        x=[*own[x], *own[x].reverse()],
        y=[*own[f"{y}_high"], *own[f"{y}_low"].reverse()],
        mode="lines",
        fill="toself",
        fillcolor=theme.soft(p.ink, 0.1),
        line={"width": 0},
        hoverinfo="skip",
    )


def _point(fig: theme.Draft, p: Palette, x: float | None, y: float | None, hover: str) -> None:
    """Where the threshold is."""
    fig.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        hovertemplate=hover + "<extra></extra>",
        marker={"size": 13, "color": p.accent, "line": {"color": p.card, "width": 2}},
    )


def roc(p: Palette, curve: pl.DataFrame, threshold: float | None, answers: tuple[float, float] | None) -> go.Figure:
    """Defects caught over good pictures called defective; a click gives a threshold.

    Args:
        p: the palette.
        curve: as `detection_curves.curve` gives it.
        threshold: the chosen one, drawn as a point.
        answers: overkill and share caught of the answers' own claims, drawn as a cross; None where they have none.
    """
    rows = _fewer(curve)
    fig = theme.Draft(p, _HEIGHT, margin={"l": 64, "r": 16, "t": 12, "b": 34})
    line = {"color": p.faint, "width": 1.5, "dash": "2px,3px"}
    fig.add_shape(type="line", x0=0, x1=1, y0=0, y1=1, line=line, layer="below")
    _band(fig, p, rows, "overkill", "recall")
    fig.add_scatter(
        x=rows["overkill"],
        y=rows["recall"],
        mode="lines+markers",
        line={"color": p.ink, "width": 2},
        marker={"size": 9, "opacity": 0},
        customdata=[[f"{each:.6g}" if each is not None else ""] for each in rows["threshold"]],
        hovertemplate="at or above %{customdata[0]}<br>%{y:.1%} of defective pictures caught"
        "<br>%{x:.1%} of good ones called defective<extra></extra>",
    )
    if answers is not None:
        fig.add_scatter(
            x=[answers[0]],
            y=[answers[1]],
            mode="markers",
            marker={"size": 11, "symbol": "x", "color": p.muted},
            hovertemplate="as answered: %{y:.1%} caught, %{x:.1%} of good ones called defective<extra></extra>",
        )
    at = _at(curve, threshold)
    _point(fig, p, at["overkill"][0], at["recall"][0], "the threshold: %{y:.1%} caught, %{x:.1%} of good ones called")
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(
        range=[0, 1.01], **theme.percents(0, 1), title={"text": "overkill, of good pictures"}, fixedrange=True
    )
    fig.update_yaxes(range=[0, 1.02], **theme.percents(0, 1), title={"text": "defects caught"}, fixedrange=True)
    return fig.figure()


def precision(p: Palette, curve: pl.DataFrame, threshold: float | None, prevalence: float) -> go.Figure:
    """Of the parts called defective those that are so, over the defects caught.

    Args:
        p: the palette.
        curve: as `detection_curves.curve` gives it, at the prevalence.
        threshold: the chosen one, drawn as a point.
        prevalence: drawn as the line that a random choice reaches.
    """
    rows = _fewer(curve.drop_nulls("precision"))
    fig = theme.Draft(p, _HEIGHT, margin={"l": 64, "r": 16, "t": 12, "b": 34})
    line = {"color": p.faint, "width": 1.5, "dash": "2px,3px"}
    fig.add_shape(type="line", x0=0, x1=1, y0=prevalence, y1=prevalence, line=line, layer="below")
    _band(fig, p, rows, "recall", "precision")
    fig.add_scatter(
        x=rows["recall"],
        y=rows["precision"],
        mode="lines+markers",
        line={"color": p.ink, "width": 2},
        marker={"size": 9, "opacity": 0},
        customdata=[[f"{each:.6g}"] for each in rows["threshold"]],
        hovertemplate="at or above %{customdata[0]}<br>%{x:.1%} caught; of those called %{y:.2%} are defective"
        "<extra></extra>",
    )
    at = _at(curve, threshold)
    if at["precision"][0] is not None:
        _point(fig, p, at["recall"][0], at["precision"][0], "the threshold: %{y:.2%} of those called are defective")
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(range=[0, 1.01], **theme.percents(0, 1), title={"text": "defects caught"}, fixedrange=True)
    fig.update_yaxes(range=[0, 1.02], **theme.percents(0, 1), title={"text": "precision"}, fixedrange=True)
    return fig.figure()


def errors(p: Palette, curve: pl.DataFrame, threshold: float | None, saved_threshold: float | None) -> go.Figure:
    """Escape and overkill over the threshold, with what a part costs relative to the dearest threshold.

    Args:
        p: the palette.
        curve: as `operating_point.with_costs` gives it.
        threshold: the chosen one, a line in the accent's colour.
        saved_threshold: the saved one that holds, a dotted line; None without one.
    """
    rows = _fewer(curve.drop_nulls("threshold"))
    dearest = float(rows["cost"].max() or 1.0)  # type: ignore[arg-type]
    fig = theme.Draft(p, _HEIGHT, margin={"l": 64, "r": 16, "t": 30, "b": 34})
    for name, colour, dash, symbol in (
        ("escape", p.escape, "solid", "triangle-up"), ("overkill", p.overkill, "solid", "square"),
        ("cost", p.muted, "2px,3px", "circle"),
    ):  # fmt: skip
        values = rows[name] / dearest if name == "cost" else rows[name]
        every = max(1, rows.height // 6)
        fig.add_scatter(
            x=rows["threshold"],
            y=values,
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash},
            marker={"size": [8 if place % every == 0 else 0 for place in range(rows.height)], "symbol": symbol},
            customdata=[[f"{each:.6g}"] for each in rows["threshold"]],
            hovertemplate=f"{name} %{{y:.1%}}{' of the dearest' if name == 'cost' else ''}, at or above "
            "%{customdata[0]}<extra></extra>",
        )
    names = (("▲ escape", p.escape), ("■ overkill", p.overkill), ("● cost, of the dearest", p.muted))
    text = "   ".join(f"<span style='color:{colour}'>{name}</span>" for name, colour in names)
    fig.add_annotation(x=0, xref="paper", y=1, yref="paper", xanchor="left", yanchor="bottom", text=text)
    for value, colour, dash in ((saved_threshold, p.faint, "2px,3px"), (threshold, p.accent, "solid")):
        if value is not None:
            line = {"color": colour, "width": 2, "dash": dash}
            fig.add_shape(type="line", x0=value, x1=value, y0=0, y1=1, yref="paper", line=line)
    fig.update_xaxes(title={"text": "threshold"}, nticks=6, fixedrange=True)
    fig.update_yaxes(range=[0, 1.02], **theme.percents(0, 1), title={"text": ""}, fixedrange=True)
    return fig.figure()
