"""Where a map of distances has its peak: a quarter in words, and a box around the region."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels
Quarter = Literal["top left", "top right", "bottom left", "bottom right"]

_HALF = 0.5  # of the way from the map's median to its peak: what is above belongs to the region


def quarter(distances: NDArray[np.float32]) -> Quarter:
    """The quarter of the picture where the smoothed map is largest."""
    rows, cols = distances.shape
    row, col = _peak(_smooth(distances))
    down = "top" if row < rows / 2 else "bottom"
    across = "left" if col < cols / 2 else "right"
    return f"{down} {across}"  # type: ignore[return-value]


def peak(distances: NDArray[np.float32]) -> tuple[float, float]:
    """The middle of the patch where the smoothed map is largest, as shares of the picture's width and height."""
    row, col = _peak(_smooth(distances))
    return (col + 0.5) / distances.shape[1], (row + 0.5) / distances.shape[0]


def region(distances: NDArray[np.float32], size: tuple[int, int]) -> Box:
    """The box around the region at the peak of the smoothed map, in pixels.

    Args:
        distances: (rows, cols).
        size: width and height of the picture in pixels.
    """
    rows, cols = np.nonzero(region_mask(distances))
    across, down = size[0] / distances.shape[1], size[1] / distances.shape[0]
    return (
        float(cols.min() * across),
        float(rows.min() * down),
        float((cols.max() + 1) * across),
        float((rows.max() + 1) * down),
    )


def region_mask(distances: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(rows, cols): the patches of the region at the peak of the smoothed map."""
    smooth = _smooth(distances)
    row, col = _peak(smooth)
    level = np.median(smooth) + _HALF * (smooth[row, col] - np.median(smooth))
    labels, _ = ndimage.label(smooth >= level)
    mask: NDArray[np.bool_] = labels == labels[row, col]
    return mask


def _smooth(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 3 x 3 patches; beyond the edge there is nothing, as in `avg_pool2d` with padding."""
    smooth: NDArray[np.float32] = ndimage.uniform_filter(distances.astype(np.float32), 3, mode="constant")
    return smooth


def _peak(distances: NDArray[np.float32]) -> tuple[int, int]:
    row, col = np.unravel_index(int(distances.argmax()), distances.shape)
    return int(row), int(col)
