"""The figure of a case's pictures: query, normal reference and evidence, linked, with mask and patches drawn on.

Everything drawn on a picture is the same in light and dark and has a white casing, so that it shows on any picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from workbench.analysis.charts import theme
from workbench.analysis.charts.theme import Palette, escape
from workbench.analysis.patches import Box, Mask

CASING = "#FFFFFF"
ON_PICTURE = theme.LIGHT
_PANEL_GAP = 0.016
_PANEL_PIXELS = 256  # a panel's width on the reference screen: fixes the figure's height


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as the browser gets it, or why there is none."""

    title: str
    source: str | None  # data URI
    width: int  # of the original, in pixels; of the query's where there is none
    height: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PatchMark:
    """A patch as it is drawn."""

    box: Box
    iteration: int
    score: float
    number: int | None  # in the order of acceptance, from 1; None when it was proposed only
    on_mask: bool | None  # None without a mask


def figure(
    p: Palette,
    query: Picture,
    reference: Picture | None,
    mask: Mask | None,
    patches: Sequence[PatchMark],
    with_evidence: bool = True,
) -> go.Figure:
    """Query, reference and evidence side by side; zooming one zooms all.

    Args:
        p: the palette.
        query: the image asked about; shown twice, the second time under mask and patches.
        reference: the normal sample, left out when zero-shot.
        mask: None hides the contour.
        patches: in the order of proposal; empty hides them.
        with_evidence: show the query a second time, for what is marked on it.
    """
    marked = Picture("Evidence", query.source, query.width, query.height, query.problem)
    named = (query, *((reference,) if reference else ()), *((marked,) if with_evidence else ()))
    share = (1 - _PANEL_GAP * (len(named) - 1)) / len(named)
    width, height = query.width, query.height
    tall = max(190, min(400, round(_PANEL_PIXELS * height / width)))
    fig = theme.figure(p, tall + 24, margin={"l": 0, "r": 0, "t": 24, "b": 0}, dragmode="zoom", uirevision="evidence")
    for index, picture in enumerate(named):
        axis = "" if index == 0 else str(index + 1)
        left = index * (share + _PANEL_GAP)
        linked = {} if index == 0 else {"matches": "x"}
        fig.layout[f"xaxis{axis}"] = {
            "domain": [left, left + share],
            "range": [0, width],
            "visible": False,
            "constrain": "domain",
            "anchor": f"y{axis}",
            **linked,
        }
        fig.layout[f"yaxis{axis}"] = {
            "range": [height, 0],
            "visible": False,
            "scaleanchor": f"x{axis}",
            "constrain": "domain",
            "anchor": f"x{axis}",
            **({} if index == 0 else {"matches": "y"}),
        }
        middle = left + share / 2
        fig.add_annotation(
            xref="paper",
            yref="paper",
            x=middle,
            y=1,
            xanchor="center",
            yanchor="bottom",
            text=escape(picture.title),
            font_color=p.muted,
        )
        if picture.source is None:
            fig.add_annotation(
                xref="paper",
                yref="paper",
                x=middle,
                y=0.5,
                xanchor="center",
                text=escape(picture.problem or ""),
                font_color=p.ink,
            )
            continue
        fig.add_layout_image(
            source=picture.source,
            xref=f"x{axis}",
            yref=f"y{axis}",
            x=width / 2,
            y=height / 2,
            sizex=width,
            sizey=height,
            xanchor="center",
            yanchor="middle",
            sizing="contain",
            layer="below",
        )
    last = str(len(named))
    if query.source is not None and mask is not None:
        _draw_contour(fig, mask, width, height, last)
    if query.source is not None:
        _draw_patches(fig, patches, width, last)
    # An axis without a trace takes no part in zooming.
    for index in range(len(named)):
        axis = "" if index == 0 else str(index + 1)
        fig.add_scatter(
            x=[0], y=[0], mode="markers", marker_opacity=0, hoverinfo="skip", xaxis=f"x{axis}", yaxis=f"y{axis}"
        )
    return fig


def _draw_contour(fig: go.Figure, mask: Mask, width: int, height: int, axis: str) -> None:
    """The mask's outline. Plotly walks the outline itself; an empty border closes it at the image's edges."""
    rows, columns = mask.shape
    bordered = np.pad(mask.astype(np.uint8), 1)
    for colour, thickness in ((CASING, 3.5), (ON_PICTURE.escape, 1.8)):
        fig.add_contour(
            z=bordered,
            x0=-0.5 * width / columns,
            dx=width / columns,
            y0=-0.5 * height / rows,
            dy=height / rows,
            contours={"start": 0.5, "end": 0.5, "size": 1, "coloring": "none"},
            line={"color": colour, "width": thickness, "smoothing": 0.6},
            showscale=False,
            hoverinfo="skip",
            xaxis=f"x{axis}",
            yaxis=f"y{axis}",
        )


def _draw_patches(fig: go.Figure, patches: Sequence[PatchMark], width: int, axis: str) -> None:
    """Accepted patches in teal, dashed off the mask, numbered beside the box; the only proposed thin and white."""
    axes = {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
    accepted = [patch for patch in patches if patch.number is not None]
    proposed = [patch for patch in patches if patch.number is None]
    beside = [patch for patch in accepted if patch.on_mask is False]
    on = [patch for patch in accepted if patch.on_mask is not False]
    for chosen, colour, thickness, dash in (
        (proposed, "rgba(23,32,43,.45)", 2, "solid"),
        (proposed, CASING, 0.8, "solid"),
        (accepted, CASING, 4, "solid"),
        (on, ON_PICTURE.accent, 2, "solid"),
        (beside, ON_PICTURE.accent, 2, "3px,2px"),
    ):
        if chosen:
            x, y = _outlines(chosen)
            line = {"color": colour, "width": thickness, "dash": dash}
            fig.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", **axes)
    if proposed:
        fig.add_scatter(
            x=[(patch.box[0] + patch.box[2]) / 2 for patch in proposed],
            y=[(patch.box[1] + patch.box[3]) / 2 for patch in proposed],
            mode="markers",
            marker={"size": 12, "color": "rgba(0,0,0,0)"},
            customdata=[[patch.iteration, patch.score] for patch in proposed],
            hovertemplate="proposed at iteration %{customdata[0]}, not accepted"
            "<br>attention %{customdata[1]:.3f}<extra></extra>",
            **axes,
        )
    if accepted:
        fig.add_scatter(
            # At the box's left edge, but whole where that is the picture's edge.
            x=[max(patch.box[0], 0.036 * width) for patch in accepted],
            y=[(patch.box[1] + patch.box[3]) / 2 for patch in accepted],
            mode="markers+text",
            text=[f"<b>{patch.number}</b>" for patch in accepted],
            textfont={"color": CASING, "size": 10.5},
            marker={"size": 16, "color": ON_PICTURE.accent, "line": {"color": CASING, "width": 1.5}},
            customdata=[[patch.number, patch.iteration, patch.score, _place(patch.on_mask)] for patch in accepted],
            hovertemplate="patch %{customdata[0]}, accepted at iteration %{customdata[1]}%{customdata[3]}"
            "<br>attention %{customdata[2]:.3f}<extra></extra>",
            **axes,
        )


def _place(on_mask: bool | None) -> str:
    return "" if on_mask is None else ", on the mask" if on_mask else ", off the mask"


def _outlines(patches: Sequence[PatchMark]) -> tuple[list[float | None], list[float | None]]:
    """All boxes as one line, lifted between them: one trace however many there are."""
    x: list[float | None] = []
    y: list[float | None] = []
    for patch in patches:
        x0, y0, x1, y1 = patch.box
        x += [x0, x1, x1, x0, x0, None]
        y += [y0, y0, y1, y1, y0, None]
    return x, y
