"""How many errors so many reviews would catch: from what is known of judged cases to a threshold, with intervals.

    features and verdicts of judged cases -> Forecast for a new run's cases -> curve -> a night's budget
    a random sample of the cases nobody disputed, judged -> how many errors are among them

The chance that an answer is wrong is a logistic regression on what the run stores with every answer. An interval for
the errors among the reviewed cases holds three doubts: the regression itself (refitted on resampled *images*, as the
questions of one image are not independent), the chance of each error, and that errors of one image come together (the
design effect, measured on the calibration's own residuals). Pure functions; knows nothing of storage or pages.

The audit lane's estimate needs no model: it is the sample's rate, and its interval is exact for draws without
replacement.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from warehouse.review_records import BudgetPoint

Floats = NDArray[np.float64]

REFITS = 200
FEWEST_CASES, FEWEST_ERRORS = 60, 10  # with fewer judged cases, or errors or right ones among them, nothing is claimed
TOO_FEW = (
    f"it takes {FEWEST_CASES} judged or labelled cases, {FEWEST_ERRORS} wrong and {FEWEST_ERRORS} right ones among "
    "them, and as many in each half where a run teaches itself"
)
POINTS = 160  # of a curve, at most
_STRENGTH = 1.0  # inverse ridge penalty on standardised features


@dataclass(frozen=True, slots=True)
class Calibration:
    """A regression of wrong answers on features, with its refits."""

    centre: Floats  # (F,)
    scale: Floats  # (F,)
    weights: Floats  # (1 + REFITS, F): the fit itself, then those on resampled images
    intercepts: Floats  # (1 + REFITS,)
    design_effect: float  # at least 1: variance of errors per image over what independent questions would have
    cases: int
    errors: int

    def probabilities(self, features: Floats) -> Floats:
        """(n,) chances that answers with these (n, F) features are wrong."""
        (found,) = self._all(features, slice(0, 1))
        return np.asarray(found, np.float64)

    def refits(self, features: Floats) -> Floats:
        """(REFITS, n) the same, one row per refit."""
        return self._all(features, slice(1, None))

    def _all(self, features: Floats, which: slice) -> Floats:
        standard = (features - self.centre) / self.scale
        logits = self.weights[which] @ standard.T + self.intercepts[which, None]
        chances: Floats = 1.0 / (1.0 + np.exp(-logits))
        return chances


def calibrate(
    features: Floats, wrong: NDArray[np.bool_], images: NDArray[np.str_], seed: int = 0
) -> Calibration | None:
    """The regression on judged cases; None when there are too few of them to say anything.

    Args:
        features: (n, F), finite.
        wrong: (n,) whether the answer was.
        images: (n,) which image a case belongs to; images are resampled whole.
        seed: of the resampling.
    """
    errors = int(wrong.sum())
    if len(wrong) < FEWEST_CASES or min(errors, len(wrong) - errors) < FEWEST_ERRORS:
        return None
    centre, scale = features.mean(0), features.std(0)
    scale[scale < 1e-9] = 1.0
    standard = (features - centre) / scale
    _, owner = np.unique(images, return_inverse=True)
    count = int(owner.max()) + 1
    rng = np.random.default_rng(seed)
    fits = [_fit(standard, wrong, np.ones(len(wrong)))]
    for _ in range(REFITS):
        copies = rng.multinomial(count, np.full(count, 1 / count))  # how often each image was drawn
        weight = copies[owner].astype(np.float64)
        kept = wrong[weight > 0]
        fits.append(_fit(standard, wrong, weight) if kept.any() and not kept.all() else fits[0])
    weights = np.array([fit[0] for fit in fits])
    intercepts = np.array([fit[1] for fit in fits])
    chances = 1.0 / (1.0 + np.exp(-(standard @ weights[0] + intercepts[0])))
    spread = float((np.bincount(owner, wrong - chances) ** 2).sum())
    alone = float((chances * (1 - chances)).sum())
    return Calibration(centre, scale, weights, intercepts, max(1.0, spread / alone), len(wrong), errors)


def _fit(standard: Floats, wrong: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression  # seconds to import: only when something is calibrated

    fit = LogisticRegression(C=_STRENGTH, max_iter=200).fit(standard, wrong, sample_weight=weight)
    return fit.coef_[0], float(fit.intercept_[0])


@dataclass(frozen=True, slots=True)
class Judged:
    """Cases of which the truth is known."""

    features: Floats  # (n, F)
    wrong: NDArray[np.bool_]  # (n,)
    images: NDArray[np.str_]  # (n,)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The chance that each of n answers is wrong, never told by a case of its own image."""

    features: Floats  # (n, F)
    by: NDArray[np.intp]  # (n,) which calibration speaks of a case
    calibrations: tuple[Calibration, ...]

    @property
    def design_effect(self) -> float:
        """The calibrations' mean."""
        return sum(each.design_effect for each in self.calibrations) / len(self.calibrations)

    def chances(self) -> Floats:
        """(n,)"""
        found = np.zeros(len(self.features))
        for place, calibration in enumerate(self.calibrations):
            found[self.by == place] = calibration.probabilities(self.features[self.by == place])
        return found

    def refits(self, which: NDArray[np.intp]) -> Floats:
        """(REFITS, len(which)) the chances of some cases, one row per refit."""
        found = np.zeros((REFITS, len(which)))
        for place, calibration in enumerate(self.calibrations):
            mine = self.by[which] == place
            found[:, mine] = calibration.refits(self.features[which[mine]])
        return found


def forecast(features: Floats, images: NDArray[np.str_], judged: Judged) -> Forecast | None:
    """The chances of errors among new cases; None where too little was judged.

    Where the judged cases and the new ones share images, each half of the images is told by the other half.
    """
    if not np.isin(images, judged.images).any():
        whole = calibrate(judged.features, judged.wrong, judged.images)
        return Forecast(features, np.zeros(len(features), np.intp), (whole,)) if whole else None
    half, judged_half = _half(images), _half(judged.images)
    told = [
        calibrate(judged.features[chosen], judged.wrong[chosen], judged.images[chosen])
        for chosen in (judged_half == 1, judged_half == 0)
    ]
    if told[0] is None or told[1] is None:
        return None
    return Forecast(features, half, (told[0], told[1]))


def _half(images: NDArray[np.str_]) -> NDArray[np.intp]:
    """0 or 1 for each image, by its name alone."""
    return np.array([zlib.crc32(image.encode()) % 2 for image in images.tolist()], np.intp)


def curve(forecast: Forecast, seed: int = 0, level: float = 0.9) -> tuple[BudgetPoint, ...]:
    """What reviewing the likeliest errors first would bring, for budgets from 0 to all n cases.

    Args:
        forecast: of the cases to choose from.
        seed: of the simulated chances.
        level: of the intervals.
    """
    chances = forecast.chances()
    n = len(chances)
    order = np.argsort(-chances, kind="stable")
    budgets = np.unique(np.linspace(0, n, min(n + 1, POINTS)).round().astype(int))
    sums, noise = np.zeros((2, REFITS, len(budgets)))  # per refit, of the cases between one budget and the next
    for place, (first, last) in enumerate(pairwise(budgets.tolist()), 1):
        drawn = forecast.refits(order[first:last])  # (R, last - first)
        sums[:, place] = drawn.sum(1)
        noise[:, place] = (drawn * (1 - drawn)).sum(1) * forecast.design_effect
    sums, noise = sums.cumsum(1), noise.cumsum(1)
    rest, rest_noise = sums[:, -1:] - sums, noise[:, -1:] - noise
    luck, rest_luck = np.random.default_rng(seed).standard_normal((2, REFITS, 40, 1))  # many per refit: smooth ends
    caught = sums[:, None] + luck * np.sqrt(noise[:, None])
    missed = rest[:, None] + rest_luck * np.sqrt(rest_noise[:, None].clip(0))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(caught.reshape(-1, len(budgets)), tails, axis=0)
    missed_low, missed_high = np.quantile(missed.reshape(-1, len(budgets)), tails, axis=0)
    expected = np.concatenate([[0.0], chances[order].cumsum()])
    points = []
    for place, budget in enumerate(budgets.tolist()):
        most, rest_most = float(budget), float(n - budget)
        points.append(
            BudgetPoint(
                reviews=budget,
                threshold=float(chances[order[budget - 1]]) if budget else 1.0,
                caught=float(expected[budget]),
                caught_low=_within(low[place], most),
                caught_high=_within(high[place], most),
                missed=float(expected[-1] - expected[budget]),
                missed_low=_within(missed_low[place], rest_most),
                missed_high=_within(missed_high[place], rest_most),
            )
        )
    return tuple(points)


def _within(value: float, most: float) -> float:
    return float(min(max(value, 0.0), most))


def spend(points: Sequence[BudgetPoint], reviews: int) -> BudgetPoint:
    """What a budget brings: the curve's point there, in between interpolated; beyond its end all cases are reviewed.

    Raises:
        ValueError: the curve has no points, or the budget is negative.
    """
    if not points or reviews < 0:
        raise ValueError(f"{reviews} reviews of {len(points)} points: a budget is at least 0, a curve has points")
    here = [point.reviews for point in points]
    at = min(reviews, here[-1])
    values = {
        name: float(np.interp(at, here, [getattr(point, name) for point in points]))
        for name in BudgetPoint.__dataclass_fields__
        if name != "reviews"
    }
    return BudgetPoint(reviews=at, **values)


@dataclass(frozen=True, slots=True)
class AuditEstimate:
    """How many errors are among the cases that no rule disputed."""

    population: int  # cases the sample was drawn from
    judged: int  # of the sample
    wrong: int  # of those
    errors: float  # unbiased: population * wrong / judged; nan before the first verdict
    low: int  # ends of an exact interval
    high: int


def audit(population: int, judged: int, wrong: int, level: float = 0.9) -> AuditEstimate:
    """The errors in a population, from a random sample of it drawn without replacement.

    The interval holds every number of errors that the sample doesn't reject on either side (hypergeometric tails of
    (1 - level) / 2), so it covers the truth at least at its level. Sampled cases nobody has judged yet are left out,
    which is fair as long as reviewers don't choose among them.

    Raises:
        ValueError: not 0 <= wrong <= judged <= population.
    """
    if not 0 <= wrong <= judged <= population:
        raise ValueError(f"{wrong} wrong of {judged} judged of {population} is no sample")
    if judged == 0:
        return AuditEstimate(population, 0, 0, float("nan"), 0, population)
    from scipy.stats import hypergeom

    tail = (1 - level) / 2
    truths = np.arange(wrong, population - (judged - wrong) + 1)  # every number of errors that could give this sample
    at_least = hypergeom.sf(wrong - 1, population, truths, judged)  # rises with the truth
    at_most = hypergeom.cdf(wrong, population, truths, judged)  # falls with it
    possible = truths[(at_least > tail) & (at_most > tail)]
    return AuditEstimate(
        population, judged, wrong, population * wrong / judged, int(possible.min()), int(possible.max())
    )
