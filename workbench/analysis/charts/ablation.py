"""The chart of the Ablation page that no other page has: how the reward rises, seed by seed. Frames in, figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape


def convergence(p: Palette, courses: Mapping[str, pl.DataFrame]) -> go.Figure:
    """The rise of the mean reward over the iterations: each arm thin, the mean of its family thick.

    Args:
        p: the palette.
        courses: name -> `ablation.convergence` of one arm, or of arms that differ in their seed; at most six.
    """
    fig = theme.Draft(p, 322, margin={"l": 44, "r": 58 + 7 * max(map(len, courses), default=0), "t": 14, "b": 34})
    colours = (p.ink, p.accent, p.escape, p.overkill, p.other, p.muted)
    ends = []
    for (name, course), colour in zip(courses.items(), colours, strict=False):
        for _, arm in course.group_by("arm", maintain_order=True):
            fig.add_scatter(
                x=arm["iteration"].to_list(),
                y=arm["rise"].to_list(),
                mode="lines",
                hoverinfo="skip",
                line={"color": theme.soft(colour, 0.35), "width": 1},
            )
        mean = course.group_by("iteration").agg(pl.col("rise").mean(), arms=pl.len()).sort("iteration")
        fig.add_scatter(
            x=mean["iteration"].to_list(),
            y=mean["rise"].to_list(),
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 5, "color": colour},
            customdata=[[escape(name), arms] for arms in mean["arms"]],
            hovertemplate="<b>%{customdata[0]}</b>, arms: %{customdata[1]}"
            "<br>iteration %{x}: %{y:+.4f} nat<extra></extra>",
        )
        ends.append((float(mean["rise"][-1]), int(mean["iteration"][-1]), name, colour))
    apart = 0.07 * (max((abs(end[0]) for end in ends), default=0.0) or 0.01)
    lowest = -math.inf
    for y, x, name, colour in sorted(ends):
        lowest = max(y, lowest + apart)  # names keep their distance
        text = f"<b>{escape(name)}</b> {theme.minus(f'{y:+.3f}')}"
        fig.add_annotation(x=x, y=lowest, xanchor="left", xshift=8, text=text, font={"color": colour, "size": 12})
    fig.update_xaxes(title={"text": "iteration"}, fixedrange=True, rangemode="tozero")
    fig.update_yaxes(title={"text": "nats"}, fixedrange=True, nticks=6)
    return fig.figure()
