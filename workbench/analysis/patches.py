"""Where a case's patches lie: on the defect's mask or beside it, and how often chance would have hit.

A patch hits when the mask touches it at all, because defects are often thinner than a patch. Chance is the share of
all patches of the image's grid that the mask touches, so a selector that picks patches at random hits, on average,
exactly at chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in the original image's pixels
Mask = NDArray[np.bool_]  # (rows, columns), True on the defect; any resolution


@dataclass(frozen=True, slots=True)
class Hits:
    """Which patches the mask touches, beside what chance would give."""

    on_mask: tuple[bool, ...]  # one per box, in order
    chance: float  # 0..1: the expected share of hits of a random choice

    @property
    def count(self) -> int:
        """How many boxes the mask touches."""
        return sum(self.on_mask)

    @property
    def expected(self) -> float:
        """How many of as many random patches would hit."""
        return self.chance * len(self.on_mask)


def hits(mask: Mask, boxes: Sequence[Box], width: float, height: float) -> Hits:
    """Which boxes touch the mask.

    Args:
        mask: of the whole image, in any resolution.
        boxes: patches of one grid, in pixels of the original image.
        width: of the original image, in pixels.
        height: of the original image, in pixels.
    """
    if not boxes:
        return Hits((), 0.0)
    corners = _corner_sums(mask)
    scaled = [_scaled(box, mask, width, height) for box in boxes]
    x0, y0, x1, y1 = boxes[0]
    columns, rows = max(1, round(width / (x1 - x0))), max(1, round(height / (y1 - y0)))
    grid = [
        _scaled(
            (width * c / columns, height * r / rows, width * (c + 1) / columns, height * (r + 1) / rows),
            mask,
            width,
            height,
        )
        for r in range(rows)
        for c in range(columns)
    ]
    touched = sum(_touches(corners, cell) for cell in grid)
    return Hits(tuple(_touches(corners, box) for box in scaled), touched / len(grid))


def _corner_sums(mask: Mask) -> NDArray[np.int64]:
    """(rows + 1, columns + 1): how many mask pixels lie above and left of each pixel corner."""
    return np.pad(mask.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))


def _scaled(box: Box, mask: Mask, width: float, height: float) -> tuple[int, int, int, int]:
    """The box in mask pixels: every pixel whose centre lies in it, and at least one."""
    rows, columns = mask.shape
    left, top = round(box[0] * columns / width), round(box[1] * rows / height)
    right, bottom = round(box[2] * columns / width), round(box[3] * rows / height)
    left, top = min(max(left, 0), columns - 1), min(max(top, 0), rows - 1)
    return left, top, min(max(right, left + 1), columns), min(max(bottom, top + 1), rows)


def _touches(corners: NDArray[np.int64], box: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = box
    inside = corners[bottom, right] - corners[top, right] - corners[bottom, left] + corners[top, left]
    return bool(inside > 0)
