"""How far a defect stands out from what is around it: a grey picture and its mask go in, one number comes out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
    radius = max(2, round(float(marked.sum()) ** 0.5 / 2))
    around = ndimage.maximum_filter(marked, 2 * radius + 1) & ~marked
    if not around.any():
        return None
    return abs(float(grey[marked].mean()) - float(grey[around].mean()))


def _on_grid(mask: Mask, rows: int, columns: int) -> Mask:
    high, wide = mask.shape
    found: Mask = mask[np.ix_(np.arange(rows) * high // rows, np.arange(columns) * wide // columns)]
    return found
