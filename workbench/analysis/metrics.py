"""The interval of a rate, margins, the rate of guessing: what several analyses share.

The interval is Wilson's, written out: scipy and statsmodels have it too, but importing either takes longer than a page
may take to appear, and nothing else here needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import polars as pl

GUESSED = pl.when(pl.col("choices") > 0).then(1 / pl.col("choices")).mean()
"""The rate of guessing among the options offered; null where nobody knows them."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of a 95 % interval, as rates in 0..1."""

    low: float
    high: float


def wilson(right: int, n: int) -> Interval:
    """The 95 % Wilson score interval of a rate: every p that `right` of `n` does not reject.

    Args:
        right: how many, 0 <= right <= n.
        n: of how many; 0 gives (0, 1), which says nothing, as it should.

    Raises:
        ValueError: `right` is outside 0..n.
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} of {n} is no rate")
    if n == 0:
        return Interval(0.0, 1.0)
    z = _Z
    rate, shrink = right / n, 1 + z * z / n
    middle = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At the ends the formula is exact but its rounding is not.
    return Interval(0.0 if right == 0 else middle - half, 1.0 if right == n else middle + half)


def margin(probabilities: Mapping[str, float]) -> float | None:
    """How far the likeliest option is ahead of the second, 0..1; None with fewer than two options."""
    ranked = sorted(probabilities.values(), reverse=True)
    return ranked[0] - ranked[1] if len(ranked) > 1 else None


class Key(NamedTuple):
    """What names a case within its run."""

    image_id: str
    question_id: str


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where a case stands in a list."""

    place: int | None  # from 1; None when the list doesn't hold it
    total: int
    before: Key | None
    after: Key | None
