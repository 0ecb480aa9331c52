"""Figures of the Disputes page: what a budget brings, and how far the disputes have come. Frames in, figures out."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from warehouse.records.reviews import BudgetCurve
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette

WORDS = {
    "open": "open, not sent",
    "pushed": "with reviewers",
    "judged": "judged, not settled",
    "conflict": "in conflict",
    "settled": "settled",
}


def budget(p: Palette, curve: BudgetCurve, reviews: int) -> go.Figure:
    """Errors caught against tasks sent, with the 90 % band and the selected budget as a dotted line."""
    points = curve.points
    figure = theme.figure(p, 220, margin={"l": 8, "r": 44, "t": 8, "b": 8})
    at = [point.reviews for point in points]
    figure.add_scatter(
        x=[*at, *at[::-1]],
        y=[*(point.caught_high for point in points), *(point.caught_low for point in points[::-1])],
        fill="toself",
        fillcolor=theme.soft(p.accent, 0.18),
        line={"width": 0},
        hoverinfo="skip",
        mode="lines",
    )
    figure.add_scatter(
        x=at,
        y=[point.caught for point in points],
        mode="lines",
        line={"color": p.accent, "width": 2.5},
        customdata=[[point.threshold, point.missed] for point in points],
        hovertemplate="%{x} tasks: %{y:.1f} errors caught, %{customdata[1]:.1f} left<br>"
        "down to a %{customdata[0]:.0%} chance of an error<extra></extra>",
    )
    last = points[-1]
    at_random = min(1.0, last.reviews / max(curve.cases, 1)) * points[0].missed
    figure.add_scatter(
        x=[0, last.reviews],
        y=[0, at_random],
        mode="lines",
        line={"color": p.faint, "width": 1, "dash": "dot"},
        hovertemplate="reviewed at random<extra></extra>",
    )
    figure.add_annotation(
        x=0.62 * last.reviews, y=0.62 * at_random, xanchor="left", yanchor="top", text="at random", xshift=6
    )
    figure.add_vline(x=reviews, line={"color": p.ink, "width": 1.2, "dash": "dot"})
    figure.update_xaxes(title_text="tasks", rangemode="tozero")
    figure.update_yaxes(title_text="errors caught", rangemode="tozero")
    return figure


def funnel(p: Palette, counts: Mapping[str, int]) -> go.Figure:
    """One bar per state, in the order a dispute passes them, with its number at the end."""
    states = [state for state in WORDS if state in counts]
    colours = {"open": p.faint, "pushed": p.overkill, "judged": p.other, "conflict": p.escape, "settled": p.accent}
    figure = theme.figure(p, 34 * len(states) + 16, margin={"l": 8, "r": 48, "t": 4, "b": 4}, bargap=0.42)
    figure.add_bar(
        orientation="h",
        y=[WORDS[state] for state in states],
        x=[counts[state] for state in states],
        marker={"color": [colours[state] for state in states]},
        text=[f"{counts[state]:,}" for state in states],
        textposition="outside",
        cliponaxis=False,
        customdata=[[state] for state in states],
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure
