"""The chart of the leaderboard: what accuracy costs in time. Frames in, figure out."""

from __future__ import annotations

import plotly.graph_objects as go
import polars as pl
from markupsafe import escape

from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette


def against_seconds(p: Palette, ranked: pl.DataFrame, highlighted: str) -> go.Figure:
    """Each run's average against its seconds per image, with 95 % intervals; one run tinted.

    Args:
        p: the colours.
        ranked: `leaderboard.summary`, rows with seconds_per_image.
        highlighted: a run_id, tinted.
    """
    rows = ranked.filter(pl.col("seconds_per_image").is_not_null())
    fig = theme.Draft(p, 300, margin={"l": 44, "r": 24, "t": 10, "b": 40}, showlegend=False)
    share = [100 * value for value in rows["accuracy"]]
    fig.add_scatter(
        x=rows["seconds_per_image"].to_list(),
        y=share,
        mode="markers",
        error_y={
            "type": "data", "symmetric": False, "color": p.faint, "thickness": 1.2, "width": 0,
            "array": [100 * high - value for high, value in zip(rows["high"], share, strict=True)],
            "arrayminus": [value - 100 * low for low, value in zip(rows["low"], share, strict=True)],
        },
        marker={
            "size": 9,
            "color": [p.accent if run_id == highlighted else p.ink for run_id in rows["run_id"]],
            "symbol": ["diamond" if run_id == highlighted else "circle" for run_id in rows["run_id"]],
        },
        customdata=[[str(escape(model))] for model in rows["model"]],
        hovertemplate="%{customdata[0]}: %{y:.1f} % at %{x:.3g} s an image<extra></extra>",
    )  # fmt: skip
    fig.update_xaxes(title={"text": "seconds an image"}, rangemode="tozero", fixedrange=True)
    fig.update_yaxes(ticksuffix=" %", fixedrange=True)
    return fig.figure()
