"""The few figures that training and the model card need, on plain arrays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def auroc(scores: npt.NDArray[np.floating], positive: npt.NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative, ties counted half; nan when one class is absent."""
    count, total = int(positive.sum()), len(positive)
    if count in (0, total):
        return math.nan
    _, inverse, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[inverse]  # mean rank of ties, from 1
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (total - count)))


def calibration_error(confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over equally wide bins, weighted by size."""
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for index in range(bins):
        inside = bin_of == index
        if inside.any():
            gap += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(gap)
