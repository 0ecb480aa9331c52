"""Embeddings on a plane, and what lies within a drawn line. Pure numpy; the same vectors give the same plane."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def plane(vectors: NDArray[np.float32]) -> Points:
    """The first two principal components, scaled to -1..1; signs are fixed, so a link to a region stays true.

    Args:
        vectors: (N, d), unit norm.

    Returns:
        (N, 2); zeros where the vectors don't differ.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2))
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    # The covariance is (d, d) however many vectors there are; its last two eigenvectors are the widest directions.
    _, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1.0, 1.0)
    found = centred @ axes
    if found.shape[1] < 2:
        found = np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    widest = np.abs(found).max(axis=0)
    return np.asarray(np.divide(found, widest, out=np.zeros_like(found), where=widest > 1e-9))


def inside(points: Points, corners: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which points lie within a polygon: those from which a ray to the right crosses its sides an odd number of times.

    Args:
        points: (N, 2).
        corners: in order; the last is joined to the first.
    """
    x, y = points[:, 0], points[:, 1]
    odd = np.zeros(len(points), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        odd ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd
