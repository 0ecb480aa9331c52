"""How far a defect stands out from what is around it: a grey picture and its mask go in, one number comes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.analysis.patches import Mask

Grey = NDArray[np.float32]


def contrast(grey: Grey, mask: Mask) -> float | None:
    """Difference of the mean grey of what is marked and of what surrounds it; None where nothing does.

    What surrounds it lies at most as far off as half the side of a square of the marked area, and 2 pixels at least. A
    defect that differs in texture alone has none.

    Args:
        grey: (H, W) 0..1.
        mask: of the same shape as the picture, of any resolution; True on the defect.

    Returns:
        0..1.
    """
    marked = _on_grid(mask, grey.shape[0], grey.shape[1])
    if not marked.any():
        return None
    around = _widened(marked, max(2, round(float(marked.sum()) ** 0.5 / 2))) & ~marked
    if not around.any():
        return None
    return abs(float(grey[marked].mean()) - float(grey[around].mean()))


def _on_grid(mask: Mask, rows: int, columns: int) -> Mask:
    high, wide = mask.shape
    found: Mask = mask[np.ix_(np.arange(rows) * high // rows, np.arange(columns) * wide // columns)]
    return found


def _widened(mask: Mask, radius: int) -> Mask:
    """True also up to `radius` pixels away in either direction."""
    for axis in (0, 1):
        size = mask.shape[axis]
        counts = np.concatenate(
            [np.zeros_like(mask.take([0], axis), np.int32), mask.cumsum(axis, dtype=np.int32)], axis
        )
        upper, lower = np.minimum(np.arange(size) + radius + 1, size), np.maximum(np.arange(size) - radius, 0)
        mask = counts.take(upper, axis) > counts.take(lower, axis)
    return mask
