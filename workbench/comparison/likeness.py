"""The few normal pictures that stand for all of a product, and which of them a picture is most like.

    a comparer, a product -> `representatives`, one for each cluster of its normals; a class vector -> `most_alike`

A prompt shows one normal picture. One for a whole product is often unlike the picture in question; the nearest of all
differs from picture to picture, so that no prompt shares its beginning with another. Medoids of a few clusters lie
between: a medoid is the normal whose distances to those of its cluster add up to the least.

Suspects stand for nothing: a defective picture among normals would be shown beside just the defects that it is like.
The order in which normals come decides nothing, and distances are rounded, so that the last bits of a machine's
arithmetic decide nothing either.

Source: partitioning around medoids, build and swap (Kaufman and Rousseeuw 1990).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.comparison.comparison import Comparer
from workbench.comparison.features import Vector
from workbench.comparison.normal_bank import Normal, NormalBank

CLUSTERS = 32
MOST_CLUSTERED = 400  # normals of a product that are looked through; distances of all pairs are in memory
_DIGITS = 5  # of a cosine; what is nearer than that is equally near


def representatives(comparer: Comparer, dataset: str, product: str, count: int = CLUSTERS) -> tuple[Normal, ...]:
    """The medoids of the product's normals, by content; none where there are no normals but suspects.

    Args:
        comparer: whose bank holds the normals, and whose calibration names suspects.
        dataset: of the product.
        product: its name.
        count: how many at most.
    """
    suspects = set(comparer.calibration(dataset, product).suspects)
    mine = [each for each in comparer.bank.normals if (each.dataset, each.product) == (dataset, product)]
    mine = [each for each in mine if each not in suspects]
    # By hash, which no label or name decides; a normal more or less moves few of them.
    mine.sort(key=lambda each: hashlib.sha256(each.content.encode()).digest())
    mine = sorted(mine[:MOST_CLUSTERED], key=lambda each: each.content)
    if not mine:
        return ()
    vectors = np.stack([comparer.bank.class_vector(each) for each in mine])  # (n, d)
    return tuple(mine[at] for at in medoids(vectors, count))


def most_alike(bank: NormalBank, normals: Sequence[Normal], class_vector: Vector) -> Normal:
    """The one whose class vector has the largest cosine with the picture's; the first of several.

    Args:
        bank: that holds the normals.
        normals: at least one.
        class_vector: (d,) float32 of unit norm.
    """
    vectors = np.stack([bank.class_vector(each) for each in normals])  # (n, d)
    return normals[int(np.round(vectors @ class_vector, _DIGITS).argmax())]


def medoids(vectors: NDArray[np.float32], count: int) -> list[int]:
    """The indices of the medoids, ascending; all where there are no more than `count`.

    Args:
        vectors: (n, d) of unit norm, at least one.
        count: k, at least 1.
    """
    if len(vectors) <= count:
        return list(range(len(vectors)))
    distances = np.round(1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64), _DIGITS)  # (n, n)
    # 1. Build: one by one the vector that lowers the sum of distances most.
    chosen = list[int]()
    nearest = np.full(len(vectors), np.inf)  # (n,) the distance of each to its nearest medoid
    while len(chosen) < count:
        chosen.append(_best(distances, nearest, chosen))
        nearest = np.minimum(nearest, distances[chosen[-1]])
    # 2. Swap: the one exchange that lowers it most, as long as one does.
    while True:
        swaps = list[tuple[float, int, int]]()
        for place in range(count):
            others = [each for at, each in enumerate(chosen) if at != place]
            rest = distances[others].min(axis=0) if others else np.full(len(vectors), np.inf)
            candidate = _best(distances, rest, others)
            swaps.append((float(np.minimum(rest, distances[candidate]).sum()), place, candidate))
        total, place, candidate = min(swaps)
        if total >= float(distances[chosen].min(axis=0).sum()) - 10.0**-_DIGITS:
            return sorted(chosen)
        chosen[place] = candidate


def _best(distances: NDArray[np.float64], nearest: NDArray[np.float64], but: Sequence[int]) -> int:
    """The index with which the sum of distances to the nearest medoid is least, the first of several."""
    totals = np.round(np.minimum(nearest, distances).sum(axis=1), _DIGITS)  # (n,)
    totals[list(but)] = np.inf
    return int(totals.argmin())
