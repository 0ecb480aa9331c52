"""Cluster-robust t for rates over clusters of unequal size: the one interval of an unpaired rate.

A cluster, such as an image, adds n questions of which r are right. The rate m = sum r / sum n has the variance

    V = sum (r - m n)^2 / (sum n)^2 * K / (K - 1),    K = (sum n)^2 / sum n^2

K is how many clusters of one size would say as much (Kish, Survey Sampling, 1965): 30 of one question and one of 50 are
2.5. Like CR2 (Bell and McCaffrey, Survey Methodology 28, 2002), V is unbiased where questions are independent, and with
clusters of one size it is CR2. K - 1 degrees of freedom are never more than Satterthwaite's for CR2. In exchange, only
sums are needed that add up over disjoint clusters, so a page needs no second look at predictions; and in simulations
the interval covers at least as often as that of CR2 (docs/analysis.md).

Scatter says little where few clusters have the rarer answer, right or wrong. Beside the k that have it, an effective
number too, one more is put all of whose answers go together:

    (k V + m (1 - m) / K) / (k + 1)

While all answers are alike, each effective cluster therefore counts as one question. Wilson's interval is taken for as
many independent questions as have this variance. Of fewer than LEAST effective clusters it is 0 to 1: nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

LEAST = 5  # effective clusters; of fewer an interval would promise what it can't hold
LEVEL = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates of G groups; every field is (G,)."""

    value: Values  # 0..1; nan without a question
    variance: Values  # V; nan with one effective cluster or fewer
    effective: Values  # clusters of one size that would say as much
    used: Values  # variance of the interval; where all answers are alike, of `effective` questions: 0
    low: Values
    high: Values


def effective(n: ArrayLike, n_squared: ArrayLike) -> Values:
    """How many clusters of one size would say as much; 0 without any.

    Args:
        n: (G,) sums of the clusters' sizes.
        n_squared: (G,) sums of their squares.
    """
    size, squares = np.asarray(n, np.float64), np.asarray(n_squared, np.float64)
    return np.where(squares > 0, size**2 / np.where(squares > 0, squares, 1.0), 0.0)


def enough(clusters: Values) -> NDArray[np.bool_]:
    """Whether so many effective clusters are enough for an interval or a test."""
    return clusters >= LEAST - 1e-9  # sums of squares round


def ratio(
    n: ArrayLike, right: ArrayLike, n_squared: ArrayLike, n_right: ArrayLike, right_squared: ArrayLike,
    level: float = LEVEL,
) -> Rates:  # fmt: skip
    """Rates as ratios of two sums over clusters, with their intervals.

    Args:
        n: (G,) sums over the group's clusters of their questions.
        right: (G,) of their right answers; what follows are sums of squares and products of the two.
        n_squared: (G,).
        n_right: (G,).
        right_squared: (G,).
        level: of the intervals.
    """
    N, R, NN, NR, RR = (np.asarray(each, np.float64) for each in (n, right, n_squared, n_right, right_squared))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = R / N
        scatter = np.clip(RR - 2 * value * NR + value**2 * NN, 0, None) / N**2
    return weighted(value, scatter, effective(N, NN), rarer(R, RR, N - R, NN - 2 * NR + RR), level)


def rarer(right: ArrayLike, right_squared: ArrayLike, wrong: ArrayLike, wrong_squared: ArrayLike) -> Values:
    """Effective number of clusters that have the rarer answer.

    Args:
        right: (G,) sums over clusters of their right answers' weights.
        right_squared: (G,) sums of these sums' squares.
        wrong: (G,) the same of wrong answers.
        wrong_squared: (G,).
    """
    return np.minimum(effective(right, right_squared), effective(wrong, wrong_squared))


def weighted(value: Values, scatter: Values, clusters: Values, rare: Values, level: float = LEVEL) -> Rates:
    """Rates whose scatter over clusters is known, with their intervals.

    Args:
        value: (G,) 0..1, nan without a question.
        scatter: (G,) sum over clusters of the squares of what each adds beyond its share of the rate.
        clusters: (G,) effective ones.
        rare: (G,) as `rarer` gives them.
        level: of the intervals.
    """
    alone = np.clip(value * (1 - value), 0, None)
    several = clusters > 1 + 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(several, scatter * clusters / (clusters - 1), np.nan)
        used = (rare * np.where(several, variance, 0.0) + alone / clusters) / (rare + 1)
        questions = np.where((used > 0) & (alone > 0), alone / used, clusters)
        z = special.stdtrit(np.maximum(clusters - 1, 1e-3), (1 + level) / 2)
        shrink = 1 + z**2 / questions
        middle = (value + z**2 / (2 * questions)) / shrink
        half = z / shrink * np.sqrt(alone / questions + z**2 / (4 * questions**2))
    # At the ends the formula is exact but its rounding is not.
    low = np.where(enough(clusters) & (value > 0), np.clip(middle - half, 0, 1), 0.0)
    high = np.where(enough(clusters) & (value < 1), np.clip(middle + half, 0, 1), 1.0)
    return Rates(value, variance, clusters, used, low, high)
