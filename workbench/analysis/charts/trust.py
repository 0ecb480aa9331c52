"""The charts of the Trust, Traces and Map pages. Frames in, figure out."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
import polars as pl

from warehouse.queries.facts import OUTCOMES, SHAPES
from workbench import wording
from workbench.analysis import alarms
from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape

OUTCOME_MARKS = {
    "escape": ("triangle-up", "escape"), "overkill": ("square", "overkill"), "wrong": ("x", "escape"),
    "invalid": ("diamond", "other"), "failed": ("circle-x", "muted"), "right": ("circle", "accent"),
    "alarm": ("triangle-up-open", "ink"), "pass": ("triangle-down-open", "faint"), "unlabelled": ("circle", "faint"),
}  # fmt: skip


def reliability(p: Palette, bins: pl.DataFrame) -> go.Figure:
    """Stated confidence against accuracy, with intervals; on the dotted line the model means what it says.

    Args:
        p: the palette.
        bins: as `calibration.reliability` gives them.
    """
    fig = theme.Draft(p, 330, margin={"l": 64, "r": 22, "t": 16, "b": 34})
    fig.add_shape(
        type="line", x0=0, x1=1, y0=0, y1=1, line={"color": p.faint, "width": 1.5, "dash": "2px,3px"}, layer="below"
    )
    ends = bins.drop_nulls(["low", "high"]).select("confidence", "low", "high").iter_rows()
    fig.add_lines([(x, low, x, high) for x, low, high in ends], {"color": theme.soft(p.ink, 0.3), "width": 7})
    fig.add_scatter(
        x=bins["confidence"],
        y=bins["rate"],
        mode="lines+markers",
        line={"color": p.ink, "width": 1},
        marker={"size": 10, "color": p.ink},
        customdata=bins.select("n", "low", "high").rows(),
        hovertemplate="confidence %{x:.3f}, %{y:.1%} right<br>95 % %{customdata[1]:.1%} to %{customdata[2]:.1%}"
        ", n %{customdata[0]:,}<extra></extra>",
    )
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(
        range=[0, 1.01], nticks=6, title={"text": "confidence, probability of the likeliest option"}, fixedrange=True
    )
    fig.update_yaxes(range=[0, 1.02], **theme.percents(0, 1), title={"text": "right"}, fixedrange=True)
    return fig.figure()


def risk_coverage(p: Palette, curve: pl.DataFrame, reviewed: int | None) -> go.Figure:
    """The share of wrong answers left, over the share that nobody reviews; a click gives the answers reviewed there.

    Args:
        p: the palette.
        curve: as `calibration.risk_coverage` gives it.
        reviewed: the chosen budget, drawn as a point.
    """
    rows = curve.drop_nulls("risk")
    rows = rows.gather_every(max(1, rows.height // 100))  # more can't be told apart, and each is a mark to draw
    fig = theme.Draft(p, 330, margin={"l": 64, "r": 22, "t": 16, "b": 34})
    fig.add_scatter(
        x=rows["coverage"],
        y=rows["risk"],
        mode="lines+markers",
        line={"color": p.ink, "width": 2},
        marker={"size": 9, "opacity": 0},
        customdata=rows.select("reviewed", "caught", "left").rows(),
        hovertemplate="%{customdata[0]:,} reviewed: %{customdata[1]:,} errors caught, %{customdata[2]:,} left"
        "<br>%{y:.1%} of the rest wrong<extra></extra>",
    )
    if rows.height:
        surest, left = rows.select("coverage", "risk").row(-1)  # of equal ones any may be kept: the risk stays theirs
        fig.add_scatter(
            x=[0, surest], y=[left, left], mode="lines", hoverinfo="skip", line={"color": p.ink, "width": 2}
        )
        level = rows["risk"][0]
        fig.add_shape(
            type="line",
            x0=0,
            x1=1,
            y0=level,
            y1=level,
            line={"color": p.faint, "width": 1.5, "dash": "2px,3px"},
            layer="below",
        )
        fig.add_annotation(x=0, y=level, xanchor="left", yanchor="bottom", text="a random choice of reviews")
    if reviewed is not None:
        at = within(curve, reviewed)
        if at["risk"] is not None:
            fig.add_scatter(
                x=[at["coverage"]],
                y=[at["risk"]],
                mode="markers",
                hoverinfo="none",
                marker={"size": 14, "color": p.accent, "line": {"color": p.card, "width": 2}},
            )
    fig.update_traces(cliponaxis=False)
    highest = max(0.02, 1.06 * float(rows["risk"].max() or 0))  # type: ignore[arg-type]
    fig.update_xaxes(range=[0, 1.01], **theme.percents(0, 1), title={"text": "answers nobody reviews"}, fixedrange=True)
    fig.update_yaxes(
        range=[0, highest], **theme.percents(0, highest), title={"text": "wrong among these"}, fixedrange=True
    )
    return fig.figure()


def within(curve: pl.DataFrame, reviewed: int) -> dict[str, float]:
    """The last row of a risk-coverage curve within a budget of so many reviews."""
    return curve.filter(pl.col("reviewed") <= reviewed).tail(1).row(0, named=True)


def multiples(
    p: Palette, profiles: pl.DataFrame, rates: pl.DataFrame, counts: Mapping[str, int], selected: str | None
) -> go.Figure:
    """Entropy over the iterations, one panel per trace shape, each with its share of wrong answers; a click gives it.

    Args:
        p: the palette.
        profiles: as `traces.profiles` gives them.
        rates: as `traces.by_shape` gives them; shapes without labels are missing.
        counts: shape to traces.
        selected: the shape drawn as selected.
    """
    named = [name for name in SHAPES if name in set(profiles["shape"])]
    fig = theme.Draft(p, 268, margin={"l": 52, "r": 8, "t": 58, "b": 52})
    wrong = {row["shape"]: row for row in rates.iter_rows(named=True)}
    low, high = profiles["lower"].min() or 0.0, profiles["upper"].max() or 1.0
    levels = [float(low) + (float(high) - float(low)) * step / 4 for step in range(5)]  # type: ignore[arg-type]
    share = 1 / max(len(named), 1)
    for place, name in enumerate(named, 1):
        rows = profiles.filter(pl.col("shape") == name)
        axis = "x" if place == 1 else f"x{place}"
        colour = p.accent if name == selected else p.ink
        steps = rows["iteration"].to_list()
        fig.add_scatter(
            x=[*steps, *steps[::-1]],
            y=[*rows["upper"], *rows["lower"].reverse()],
            mode="lines",
            fill="toself",
            fillcolor=theme.soft(colour, 0.13),
            line={"width": 0},
            hoverinfo="none",
            customdata=[[name]] * (2 * len(steps)),
            xaxis=axis,
        )
        fig.add_scatter(
            x=steps,
            y=rows["median"].to_list(),
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 5, "color": colour},
            hovertemplate="iteration %{x}: median %{y:.2f} nat<extra></extra>",
            customdata=[[name]] * len(steps),
            xaxis=axis,
        )
        # Invisible markers all over the panel take the click.
        fig.add_scatter(
            x=[step for step in steps for _ in levels],
            y=levels * len(steps),
            mode="markers",
            marker={"size": 34, "opacity": 0},
            hoverinfo="none",
            customdata=[[name]] * (len(steps) * len(levels)),
            xaxis=axis,
        )
        found = wrong.get(name)
        rate = (
            ""
            if found is None
            else f"{wording.percent(found['wrong'])} wrong ({100 * found['low']:.0f}–{100 * found['high']:.0f})"
        )
        n = f"<span style='color:{p.muted}'>{counts.get(name, 0):,}</span>"
        fig.add_annotation(
            x=0, xref=f"{axis} domain", xanchor="left", y=1, yref="paper", yanchor="bottom", align="left",
            text=f"<b style='color:{colour}'>{escape(name)}</b> {n}<br>{rate}", font={"size": 12, "color": p.ink},
        )  # fmt: skip
        fig.add_panel(
            place, domain=[(place - 1) * share + 0.01 * (place > 1), place * share - 0.01 * (place < len(named))],
            showgrid=False, fixedrange=True, nticks=4, title={"text": "iteration"},
        )  # fmt: skip
    fig.update_yaxes(fixedrange=True, title={"text": "nat"}, rangemode="tozero")
    return fig.figure()


def hit_rate(p: Palette, rows: pl.DataFrame) -> go.Figure:
    """Share of patches on the defect's mask per iteration, with interval, beside chance.

    Args:
        p: the palette.
        rows: as `traces.hit_rate` gives them.
    """
    fig = theme.Draft(p, 262, margin={"l": 44, "r": 64, "t": 10, "b": 34})
    ends = rows.drop_nulls(["low", "high"]).select("iteration", "low", "high").iter_rows()
    fig.add_lines([(x, low, x, high) for x, low, high in ends], {"color": theme.soft(p.ink, 0.3), "width": 7})
    fig.add_scatter(
        x=rows["iteration"], y=rows["chance"], mode="lines", line={"color": p.faint, "width": 1.5, "dash": "2px,3px"},
        hovertemplate="chance %{y:.1%}<extra></extra>",
    )  # fmt: skip
    fig.add_scatter(
        x=rows["iteration"],
        y=rows["rate"],
        mode="lines+markers",
        line={"color": p.ink, "width": 1.5},
        marker={"size": 10, "color": p.ink},
        customdata=rows.select("hits", "n", "ratio").rows(),
        hovertemplate="iteration %{x}: %{customdata[0]:,} of %{customdata[1]:,} on the mask, %{y:.1%}"
        "<br>%{customdata[2]:.2f} times chance<extra></extra>",
    )
    highest = max([0.05, *(float(value) for value in [*rows["high"].drop_nulls(), *rows["chance"].drop_nulls()])])
    if rows.height:
        step, rate, chance = rows.select("iteration", "rate", "chance").row(-1)
        apart = 0 if abs(rate - chance) > 0.08 * highest else 8 if rate > chance else -8  # pixels: both are read
        for y, name, colour, shift in ((rate, "patches", p.ink, apart), (chance, "chance", p.muted, -apart)):
            fig.add_annotation(x=step, y=y, xanchor="left", xshift=12, yshift=shift, text=name, font={"color": colour})
    fig.update_traces(cliponaxis=False)
    fig.update_xaxes(showgrid=False, fixedrange=True, dtick=1, title={"text": "iteration"})
    fig.update_yaxes(fixedrange=True, range=[0, 1.04 * highest], **theme.percents(0, highest))
    return fig.figure()


def scatter(p: Palette, points: pl.DataFrame, region: list[tuple[float, float]]) -> go.Figure:
    """Images on the plane of their embeddings, coloured and shaped by outcome; drawn on with a lasso, or clicked.

    Args:
        p: the palette.
        points: image_id, x, y, outcome, product, defect, label, defect_probability, in_selection.
        region: the drawn polygon's corners; empty for none.
    """
    fig = theme.Draft(p, 560, margin={"l": 4, "r": 4, "t": 4, "b": 4}, dragmode="lasso", uirevision="map")
    said = [
        f"<b>{escape(product.replace('_', ' '))}</b> · {escape(defect or label or 'no label')}"
        + ("" if label or likely is None else f"<br>probability of a defect {escape(alarms.probability(likely))}")
        for product, defect, label, likely in points.select(
            "product", "defect", "label", "defect_probability"
        ).iter_rows()
    ]
    points = points.with_columns(pl.col("x", "y").round(4), said=pl.Series(said, dtype=pl.String))
    faint = points.filter(~pl.col("in_selection"))
    fig.add_scatter(
        x=faint["x"],
        y=faint["y"],
        mode="markers",
        hoverinfo="none",
        marker={"size": 5, "color": theme.soft(p.faint, 0.35)},
    )
    # What is wrong lies on top.
    for outcome in reversed(OUTCOMES):
        rows = points.filter(pl.col("in_selection"), pl.col("outcome") == outcome)
        symbol, colour = OUTCOME_MARKS[outcome]
        quiet = outcome in ("right", "pass", "unlabelled")
        fig.add_scatter(
            x=rows["x"],
            y=rows["y"],
            mode="markers",
            marker={
                "size": 7 if quiet else 9,
                "symbol": symbol,
                "color": theme.soft(getattr(p, colour), 0.55 if quiet else 0.95),
            },
            customdata=rows.select("image_id", "said").rows(),
            hovertemplate=f"%{{customdata[1]}}<br>{outcome}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    if region:
        closed = [*region, region[0]]
        fig.add_shape(
            type="path", path="M" + " L".join(f"{x},{y}" for x, y in closed) + " Z",
            line={"color": p.accent, "width": 2}, fillcolor=theme.soft(p.accent, 0.1),
        )  # fmt: skip
    fig.update_xaxes(visible=False, range=[-1.06, 1.06], fixedrange=True)
    fig.update_yaxes(visible=False, range=[-1.06, 1.06], fixedrange=True)
    return fig.figure()
