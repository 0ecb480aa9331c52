"""Boxes between pixels of the whole upright image and Label Studio's percentages, and a mask as outlines.

Label Studio measures in percent of the picture it shows, which is the upright one or a part of it, whatever its size,
so percentages hold for a reduced copy as well as for the original. The map is the shown part's (`archive/view.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warehouse import bounded
from warehouse.records.reviews import DefectBox
from workbench.archive.view import Window
from workbench.errors import Malformed

_FARTHEST = 1e6  # percent, or degrees
_CORNERS = 24  # rows of an outline at most
_PARTS = 12  # outlines of a mask at most, the largest


@dataclass(frozen=True, slots=True)
class PercentBox:
    """A box as Label Studio keeps it: percentages of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0  # degrees clockwise about the upper left corner


def to_percent(box: DefectBox, window: Window) -> PercentBox:
    """The box, in pixels of the whole image, in percent of the part that is window."""
    x0, y0, x1, y1 = window.from_percent.inverse.box((box.x0, box.y0, box.x1, box.y1))
    return PercentBox(x0, y0, x1 - x0, y1 - y0)


def to_pixels(box: PercentBox, window: Window) -> DefectBox:
    """The box in pixels of the whole image, cut at the shown part's edges; a turned one becomes the upright box around
    it.

    Args:
        box: as it was drawn on the part that is window.
        window: that part.

    Raises:
        Malformed: it isn't finite, has no extent, or lies outside the part.
    """
    try:
        for value in (box.x, box.y, box.width, box.height, box.rotation):
            bounded.number(value, -_FARTHEST, _FARTHEST)
    except ValueError as error:
        raise Malformed(f"a box has a coordinate that can't be one: {error}") from None
    left, top = window.from_percent.point(box.x, box.y)
    right, bottom = window.from_percent.point(box.x + box.width, box.y + box.height)
    wide, tall = right - left, bottom - top
    turn = math.radians(box.rotation)
    cos, sin = (1.0, 0.0) if box.rotation == 0 else (math.cos(turn), math.sin(turn))
    corners = [(a * wide * cos - b * tall * sin, a * wide * sin + b * tall * cos) for a in (0, 1) for b in (0, 1)]
    across, down = sorted(corner[0] for corner in corners), sorted(corner[1] for corner in corners)
    x0, x1 = (min(max(left + end, float(window.x0)), float(window.x1)) for end in (across[0], across[-1]))
    y0, y1 = (min(max(top + end, float(window.y0)), float(window.y1)) for end in (down[0], down[-1]))
    if x1 - x0 <= 0 or y1 - y0 <= 0:
        raise Malformed("a box has no extent within the image")
    return DefectBox(x0, y0, x1, y1)


def outlines(mask: NDArray[np.bool_]) -> list[list[tuple[float, float]]]:
    """The mask's connected parts as polygons in percent, the largest first: each row's outermost pixels, thinned out.

    A hollow in a part's side is bridged; the outline shows where to look, the mask itself stays in the archive.
    """
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int8))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    found = []
    for part in sorted(range(1, count + 1), key=lambda part: -sizes[part])[:_PARTS]:
        rows = np.flatnonzero((labels == part).any(1))
        kept = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _CORNERS)).round().astype(int))]
        spans = [np.flatnonzero(labels[row] == part)[[0, -1]] for row in kept]
        high, wide = mask.shape
        left = [
            (100 * float(span[0]) / wide, 100 * (float(row) + 0.5) / high)
            for row, span in zip(kept, spans, strict=True)
        ]
        right = [
            (100 * float(span[1] + 1) / wide, 100 * (float(row) + 0.5) / high)
            for row, span in zip(kept, spans, strict=True)
        ]
        outline = left + right[::-1]
        if len(outline) >= 4:
            found.append(outline)
    return found
