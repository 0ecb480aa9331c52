"""How well maps find where a defect is: pixel AUROC, AUPRO, and AUPIMO, by the definitions of anomalib.

Maps and masks of one size go in, (N, H, W), larger values where a defect is likelier; numbers come out. Good pictures
have masks of zeros. All is computed in float64; anomalib's numbers are of float32 where maps are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.floating]  # (N, H, W)
Masks = NDArray[np.bool_]  # (N, H, W)
Values = NDArray[np.float64]
FPR_LIMIT = 0.3  # of AUPRO
FPR_BOUNDS = (1e-5, 1e-4)  # of AUPIMO
THRESHOLDS = 300_000  # of AUPIMO
_FEWEST_POINTS = 30  # of AUPIMO's integral, below which it says nothing


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """What maps come to over some pictures; None where there are no pixels to tell it from."""

    auroc: float | None  # that a pixel on a defect is above one beside, over all pictures
    aupro: float | None  # mean overlap with defects' regions, over false-positive rates up to FPR_LIMIT
    aupimo: float | None  # mean over defective pictures of their own, see `aupimo`


def of(maps: Maps, masks: Masks) -> PixelMetrics:
    """All three.

    Args:
        maps: (N, H, W).
        masks: (N, H, W).

    Raises:
        ValueError: the shapes differ.
    """
    own = aupimo(maps, masks)
    return PixelMetrics(auroc(maps, masks), aupro(maps, masks), None if own is None else float(own.mean()))


def auroc(maps: Maps, masks: Masks) -> float | None:
    """The area under the ROC curve of all pixels; ties count half. None without a pixel of either kind."""
    _refuse_other_shapes(maps, masks)
    on = masks.ravel().astype(bool)
    if on.all() or not on.any():
        return None
    order, last = _descending(maps.ravel().astype(np.float64))
    hits = np.append(0, on[order].cumsum()[last]) / on.sum()
    false = np.append(0, (~on[order]).cumsum()[last]) / (~on).sum()
    return float(np.trapezoid(hits, false))


def aupro(maps: Maps, masks: Masks, fpr_limit: float = FPR_LIMIT) -> float | None:
    """The mean overlap with each connected defect, over the false-positive rate up to a limit, divided by the limit.

    Regions are connected over edges and corners. The false-positive rate is that of all pixels beside defects, in all
    pictures.

    Args:
        maps: (N, H, W).
        masks: (N, H, W).
        fpr_limit: 0..1.

    Returns:
        0..1; None without a defect, or without a pixel beside one.

    Source: Bergmann et al., "The MVTec anomaly detection dataset", International Journal of Computer Vision 129, 2021;
    anomalib 2.7, `AUPRO`.
    """
    from scipy import ndimage

    _refuse_other_shapes(maps, masks)
    touching = np.zeros((3, 3, 3))
    touching[1] = 1  # within a picture only
    labels, regions = ndimage.label(masks.astype(bool), touching)
    labels = labels.ravel()
    beside = labels == 0
    if not regions or not beside.any():
        return None
    sizes = np.bincount(labels, minlength=regions + 1)
    overlap = np.where(beside, 0.0, 1 / sizes[labels]) / regions
    order, last = _descending(maps.ravel().astype(np.float64))
    fpr = np.append(0, beside[order].cumsum()[last]) / beside.sum()
    pro = np.append(0, np.minimum(overlap[order].cumsum()[last], 1))
    below = fpr <= fpr_limit
    end = int(np.flatnonzero(below)[-1])
    if fpr[end] < fpr_limit:  # the curve goes on: up to the limit along the straight line
        pro = np.append(pro[: end + 1], np.interp(fpr_limit, fpr[end : end + 2], pro[end : end + 2]))
        fpr = np.append(fpr[: end + 1], fpr_limit)
    else:
        pro, fpr = pro[: end + 1], fpr[: end + 1]
    return float(np.trapezoid(pro, fpr) / fpr[-1])


def aupimo(
    maps: Maps, masks: Masks, fpr_bounds: tuple[float, float] = FPR_BOUNDS, thresholds: int = THRESHOLDS
) -> Values | None:
    """The area under the per-image overlap curve of each defective picture, between two false-positive rates.

    The shared false-positive rate is the mean over good pictures of the share of pixels at or above a threshold;
    thresholds lie evenly over the values of good pictures. A picture's area is that of its recall of defect pixels over
    the logarithm of that rate, divided by that of a perfect map.

    Args:
        maps: (N, H, W).
        masks: (N, H, W).
        fpr_bounds: of the shared rate, 0 < low < high <= 1.
        thresholds: how many.

    Returns:
        One number in 0..1 per defective picture, in their order; None without a picture of either kind, or where too
        few thresholds lie between the bounds: good pictures have too few pixels for so low a rate.

    Source: Bertoldo et al., "AUPIMO: redefining visual anomaly detection benchmarks with high speed and low tolerance",
    BMVC 2024; anomalib 2.7, `aupimo_scores`.
    """
    _refuse_other_shapes(maps, masks)
    flat, marked = maps.reshape(len(maps), -1).astype(np.float64), masks.reshape(len(masks), -1).astype(bool)
    defective = marked.any(1)
    if defective.all() or not defective.any():
        return None
    normal = np.sort(flat[~defective], axis=1)
    levels = np.linspace(normal.min(), normal.max(), thresholds)
    if levels[0] == levels[-1]:
        return None
    shared = np.mean([1 - np.searchsorted(each, levels) / len(each) for each in normal], axis=0)  # falls
    low, high = fpr_bounds
    if low < shared[-1]:
        return None
    first, last = (int(np.argmin(np.abs(shared - bound))) for bound in (high, low))
    between = slice(first, last + 1)
    some = shared[between] > 0
    if some.sum() <= _FEWEST_POINTS:
        return None
    rates, steps = shared[between][some][::-1], levels[between][some][::-1]
    areas = []
    for values, mask in zip(flat[defective], marked[defective], strict=True):
        on = np.sort(values[mask])
        areas.append(np.trapezoid(1 - np.searchsorted(on, steps) / len(on), np.log(rates)))
    shares: Values = np.clip(np.array(areas) / np.log(high / low), 0, 1)
    return shares


def _descending(values: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places from the largest value down, and where among them each value's last is."""
    order = np.argsort(-values, kind="stable")
    return order, np.flatnonzero(np.append(np.diff(values[order]) != 0, True))


def _refuse_other_shapes(maps: Maps, masks: Masks) -> None:
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"maps {maps.shape} and masks {masks.shape} must have one shape (pictures, height, width)")
