"""The chart of the Stress page: a measure against the strength of each disturbance. Frames in, figure out."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl

from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape
from workbench.analysis.stress import UNDISTURBED

MEASURES = {
    "accuracy": "accuracy",
    "overkill": "overkill",
    "escape": "escape",
    "calibration": "calibration error",
    "entropy": "entropy, nats",
}
SHARES = ("accuracy", "overkill", "escape", "calibration")


def panels(p: Palette, rows: pl.DataFrame, measure: str) -> go.Figure:
    """One panel per condition, a line per method from undisturbed to strong; accuracy with its 95 % interval.

    Args:
        p: the palette.
        rows: as `stress.table` gives them.
        measure: one of MEASURES.
    """
    conditions = list(dict.fromkeys(rows.filter(pl.col("condition") != UNDISTURBED)["condition"]))
    fig = theme.Draft(p, 268, margin={"l": 52, "r": 8, "t": 40, "b": 52})
    share = 1 / max(len(conditions), 1)
    for place, condition in enumerate(conditions, 1):
        axis = "x" if place == 1 else f"x{place}"
        for method, colour, symbol in (("plain", p.ink, "diamond-open"), ("full", p.accent, "circle")):
            course = rows.filter(
                pl.col("condition").is_in([condition, UNDISTURBED]), pl.col("method") == method, pl.col("n") > 0
            ).sort("strength")
            strengths = course["strength"].to_list()
            if measure == "accuracy":
                fig.add_scatter(
                    x=[*strengths, *strengths[::-1]],
                    y=[*course["high"], *course["low"].reverse()],
                    mode="lines",
                    fill="toself",
                    fillcolor=theme.soft(colour, 0.12),
                    line={"width": 0},
                    hoverinfo="skip",
                    xaxis=axis,
                )
            fig.add_scatter(
                x=strengths,
                y=course[measure].to_list(),
                mode="lines+markers",
                line={"color": colour, "width": 2},
                marker={"size": 8, "color": colour, "symbol": symbol},
                customdata=[[escape(method), n] for n in course["n"]],
                hovertemplate="<b>%{customdata[0]}</b>, strength %{x}: "
                f"%{{y:{'.1%' if measure in SHARES else '.3f'}}}<br>%{{customdata[1]:,}} questions<extra></extra>",
                xaxis=axis,
            )
        fig.add_annotation(
            x=0, xref=f"{axis} domain", xanchor="left", y=1, yref="paper", yanchor="bottom", yshift=6,
            text=f"<b>{escape(condition)}</b>", font={"size": 12, "color": p.ink},
        )  # fmt: skip
        first, last = (place - 1) * share + 0.012 * (place > 1), place * share - 0.012 * (place < len(conditions))
        fig.add_panel(
            place, domain=[first, last],
            showgrid=False, fixedrange=True, tickvals=[0, 0.5, 1], ticktext=["0", "½", "1"], range=[-0.08, 1.08],
            title={"text": "strength"},
        )  # fmt: skip
    shown = ["accuracy", "low", "high"] if measure == "accuracy" else [measure]
    values = [float(value) for name in shown for value in rows[name].drop_nulls()]
    if measure in SHARES:
        low = min(values, default=0.0) if measure == "accuracy" else 0.0
        high = max([0.1, *values])
        ends = [low - 0.02, min(high + 0.04, 1.02)]
        fig.update_yaxes(fixedrange=True, range=ends, **theme.percents(max(ends[0], 0.0), min(ends[1], 1.0)))
    else:
        fig.update_yaxes(fixedrange=True, rangemode="tozero", nticks=5)
    return fig.figure()
