"""Patch hits: a case's patches on the defect's mask or beside it, and how often chance would have hit.

A patch hits when the mask touches it at all, because defects are often thinner than a patch. Chance is the share of
all patches of the image's grid that the mask touches, so a selector that picks patches at random hits, on average,
exactly at chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in the original image's pixels
Mask = NDArray[np.bool_]  # (rows, columns), True on the defect; any resolution


@dataclass(frozen=True, slots=True)
class Hits:
    """Which patches the mask touches, beside what chance would give."""

    on_mask: tuple[bool, ...]  # one per box, in order
    touched: int  # patches of the image's grid that the mask touches
    cells: int  # patches of that grid

    @property
    def chance(self) -> float:
        """The expected share of hits of a random choice, 0..1."""
        return self.touched / self.cells if self.cells else 0.0

    def any_chance(self, count: int) -> float:
        """How likely one of so many different random patches hits, 0..1: hypergeometric."""
        return 1 - comb(self.cells - self.touched, count) / comb(self.cells, count) if count else 0.0

    @property
    def count(self) -> int:
        """How many boxes the mask touches."""
        return sum(self.on_mask)

    @property
    def expected(self) -> float:
        """How many of as many random patches would hit."""
        return self.chance * len(self.on_mask)


def hits(mask: Mask, boxes: Sequence[Box], inspected: Box) -> Hits:
    """Which boxes touch the mask.

    Args:
        mask: of what was inspected of the image, in any resolution.
        boxes: patches of one grid, in pixels of the original image.
        inspected: what was inspected, in pixels of the original image; the grid lies over it.
    """
    if not boxes:
        return Hits((), 0, 0)
    corners = _corner_sums(mask)
    left, top, right, bottom = inspected
    width, height = right - left, bottom - top
    boxes = [(x0 - left, y0 - top, x1 - left, y1 - top) for x0, y0, x1, y1 in boxes]
    x0, y0, x1, y1 = boxes[0]
    columns, rows = max(1, round(width / (x1 - x0))), max(1, round(height / (y1 - y0)))
    r, c = (axis.ravel() for axis in np.mgrid[0:rows, 0:columns])
    cells = (width * c / columns, height * r / rows, width * (c + 1) / columns, height * (r + 1) / rows)
    grid = _touched(corners, np.stack(cells, axis=1), width, height)
    on_mask = _touched(corners, np.array(boxes, dtype=np.float64), width, height)
    return Hits(tuple(on_mask.tolist()), int(grid.sum()), grid.size)


def touched_boxes(mask: Mask, boxes: Sequence[Box]) -> tuple[bool, ...]:
    """Which boxes the mask touches, given as shares of the image's width and height."""
    found = _touched(_corner_sums(mask), np.array(boxes, dtype=np.float64).reshape(-1, 4), 1.0, 1.0)
    return tuple(found.tolist())


def _corner_sums(mask: Mask) -> NDArray[np.uint32]:
    """(rows + 1, columns + 1): how many mask pixels lie above and left of each pixel corner."""
    sums: NDArray[np.uint32] = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.uint32)
    inner = sums[1:, 1:]
    np.cumsum(mask, 0, out=inner)
    np.cumsum(inner, 1, out=inner)
    return sums


def _touched(corners: NDArray[np.uint32], boxes: NDArray[np.float64], width: float, height: float) -> NDArray[np.bool_]:
    """Whether the mask has a pixel whose centre lies in each box; a box has at least one pixel.

    Args:
        corners: as `_corner_sums` gives them.
        boxes: (n, 4), x0, y0, x1, y1 in pixels of the original image.
        width: of the original image, in pixels.
        height: of the original image, in pixels.
    """
    rows, columns = corners.shape[0] - 1, corners.shape[1] - 1
    scaled = np.rint(boxes * np.array([columns, rows] * 2) / np.array([width, height] * 2)).astype(np.int64)  # (n, 4)
    left, top = scaled[:, 0].clip(0, columns - 1), scaled[:, 1].clip(0, rows - 1)
    right, bottom = scaled[:, 2].clip(left + 1, columns), scaled[:, 3].clip(top + 1, rows)
    inside = corners[bottom, right] - corners[top, right] - corners[bottom, left] + corners[top, left]
    return np.asarray(inside > 0)
