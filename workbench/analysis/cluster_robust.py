"""Cluster-robust t for rates over clusters of unequal size: the one interval of an unpaired rate.

A cluster, such as an image, adds n questions of which r are right. The rate m = sum r / sum n has the variance

    V = sum (r - m n)^2 / (sum n)^2 * K / (K - 1),    K = (sum n)^2 / sum n^2

K is how many clusters of one size would say as much (Kish, Survey Sampling, 1965): 30 of one question and one of 50 are
2.5. Like CR2 (Bell and McCaffrey, Survey Methodology 28, 2002), V is unbiased where questions are independent, and with
clusters of one size it is CR2. K - 1 degrees of freedom are never more than Satterthwaite's for CR2. In exchange, only
sums are needed that add up over disjoint clusters, so a page needs no second look at predictions; and in simulations
the interval covers at least as often as that of CR2 (docs/analysis.md).

Scatter says little where few clusters have the rarer answer, right or wrong, or where only small ones have it while the
large ones decide the rate. Beside the k that have it, an effective number too, times the square of how large these are
beside all others, one more is put all of whose answers go together:

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
CORRELATION = 0.1  # of answers about one cluster, in the number of clusters of a paired design

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
    return weighted(value, scatter, effective(N, NN), rarer(N, R, NN, NR, RR), level)


def weight(questions: ArrayLike) -> Values:
    """What each cluster weighs where answers of one correlate by CORRELATION: its questions times its design effect.

    `effective` of these weights is how many clusters a paired design has (Carter, Schnepel and Steigerwald, Review of
    Economics and Statistics 99, 2017): 96 of one question and four of 50 are 4.7, where K is 8.7.

    Args:
        questions: (C,) of each cluster.
    """
    n = np.asarray(questions, np.float64)
    return n * (1 + CORRELATION * (n - 1))


def rarer(n: ArrayLike, right: ArrayLike, n_squared: ArrayLike, n_right: ArrayLike, right_squared: ArrayLike) -> Values:
    """Effective number of clusters that have the rarer answer, as far as these are of the usual size.

    Args:
        n: (G,) sums over clusters of their questions, or of these' weights; all else as for `ratio`.
    """
    N, R, NN, NR, RR = (np.asarray(each, np.float64) for each in (n, right, n_squared, n_right, right_squared))
    return np.minimum(_having(N, NN, R, NR, RR), _having(N, NN, N - R, NN - NR, NN - 2 * NR + RR))


def _having(n: Values, n_squared: Values, part: Values, n_part: Values, part_squared: Values) -> Values:
    """Effective clusters with one kind of answer, times the square of how large these are beside all, at most 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.where(part > 0, n_part / part, 0.0) / (n_squared / n)
    shrunk: Values = np.nan_to_num(size).clip(0, 1) ** 2
    return effective(part, part_squared) * shrunk


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
    variance, used = _blended(scatter, clusters, rare, alone)
    with np.errstate(invalid="ignore", divide="ignore"):
        questions = np.where((used > 0) & (alone > 0), alone / used, clusters)
        z = _t(clusters, level)
        shrink = 1 + z**2 / questions
        middle = (value + z**2 / (2 * questions)) / shrink
        half = z / shrink * np.sqrt(alone / questions + z**2 / (4 * questions**2))
    # At the ends the formula is exact but its rounding is not.
    low = np.where(enough(clusters) & (value > 0), np.clip(middle - half, 0, 1), 0.0)
    high = np.where(enough(clusters) & (value < 1), np.clip(middle + half, 0, 1), 1.0)
    return Rates(value, variance, clusters, used, low, high)


def half_width(scatter: Values, clusters: Values, rare: Values, alone: Values, level: float = LEVEL) -> Values:
    """Half the interval of a mean that is no rate, such as of how far confidence lies from right or wrong.

    Args:
        scatter: (G,) as in `weighted`.
        clusters: (G,) effective ones.
        rare: (G,) as `rarer` gives them, of what decides the scatter.
        alone: (G,) variance of one question by itself.
        level: of the intervals.

    Returns:
        (G,) infinite where effective clusters are not enough.
    """
    _, used = _blended(scatter, clusters, rare, alone)
    with np.errstate(invalid="ignore"):
        return np.where(enough(clusters), _t(clusters, level) * np.sqrt(used), np.inf)


def _blended(scatter: Values, clusters: Values, rare: Values, alone: Values) -> tuple[Values, Values]:
    """V, and the variance of the interval, which has one more cluster all of whose answers go together."""
    several = clusters > 1 + 1e-9
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(several, scatter * clusters / (clusters - 1), np.nan)
        used = (rare * np.where(several, variance, 0.0) + alone / clusters) / (rare + 1)
    return variance, used


def _t(clusters: Values, level: float) -> Values:
    quantile: Values = special.stdtrit(np.maximum(clusters - 1, 1e-3), (1 + level) / 2)
    return quantile
