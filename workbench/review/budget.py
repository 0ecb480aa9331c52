"""A review budget: from judged cases to the errors that so many reviews would catch, with intervals and a threshold.

    features and verdicts of judged cases -> Forecast for a new run's cases
    that and the batches that are sent -> curve -> a night's budget
    a random sample of the cases nobody disputed, judged -> how many errors are among them

The chance that an answer is wrong is a logistic regression on what the run stores with every answer, recalibrated on
its own out-of-fold log-odds (Cox's calibration slope, as in Platt scaling): the cases sent are those with the highest
chances, and a regression's highest chances are too high on average (the winner's curse). An interval for the errors
among the reviewed cases holds three doubts: the regression itself (refitted on resampled *clusters*, as the questions
of one picture, of its copies and of its piece are not independent), the chance of each error, and that errors of one
cluster come together (the design effect, measured on the calibration's own residuals). Pure functions; knows nothing
of storage or pages.

The audit lane's estimate needs no model: it is the sample's rate, and its interval is exact for draws without
replacement.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warehouse.records.reviews import BudgetPoint

Floats = NDArray[np.float64]

REFITS = 200
FEWEST_CASES, FEWEST_ERRORS = 60, 10  # with fewer judged cases, or errors or right ones among them, nothing is claimed
TOO_FEW = (
    f"it takes {FEWEST_CASES} judged or labelled cases, {FEWEST_ERRORS} wrong and {FEWEST_ERRORS} right ones among "
    "them; as many in each half of the images where the labels are the run's own"
)
POINTS = 160  # of a curve, at most
_AT_ONCE = 10_000  # cases whose refits are held
_STRENGTH = 1.0  # inverse ridge penalty on standardised features
_FOLDS = 5  # of clusters, for the out-of-fold log-odds


@dataclass(frozen=True, slots=True)
class Calibration:
    """A regression of wrong answers on features, with its refits."""

    centre: Floats  # (F,)
    scale: Floats  # (F,)
    weights: Floats  # (1 + REFITS, F): the fit itself, then those on resampled clusters
    intercepts: Floats  # (1 + REFITS,)
    design_effect: float  # at least 1: variance of errors per cluster over what independent questions would have
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
    features: Floats, wrong: NDArray[np.bool_], clusters: NDArray[np.str_], seed: int = 0
) -> Calibration | None:
    """The regression on judged cases; None when there are too few of them to say anything.

    Args:
        features: (n, F), finite.
        wrong: (n,) whether the answer was.
        clusters: (n,) which cluster a case belongs to; they are resampled whole.
        seed: of the resampling.
    """
    errors = int(wrong.sum())
    if len(wrong) < FEWEST_CASES or min(errors, len(wrong) - errors) < FEWEST_ERRORS:
        return None
    centre, scale = features.mean(0), features.std(0)
    scale[scale < 1e-9] = 1.0
    standard = (features - centre) / scale
    _, owner = np.unique(clusters, return_inverse=True)
    count = int(owner.max()) + 1
    rng = np.random.default_rng(seed)
    out_of_fold = _out_of_fold(standard, wrong, (rng.permutation(count) % _FOLDS)[owner])
    fits = [_recalibrated(standard, wrong, out_of_fold, np.ones(len(wrong)))]
    for _ in range(REFITS):
        copies = rng.multinomial(count, np.full(count, 1 / count))  # how often each cluster was drawn
        weight = copies[owner].astype(np.float64)
        kept = wrong[weight > 0]
        refit = _recalibrated(standard, wrong, out_of_fold, weight) if kept.any() and not kept.all() else fits[0]
        fits.append(refit)
    weights = np.array([fit[0] for fit in fits])
    intercepts = np.array([fit[1] for fit in fits])
    chances = 1.0 / (1.0 + np.exp(-(standard @ weights[0] + intercepts[0])))
    spread = float((np.bincount(owner, wrong - chances) ** 2).sum())
    alone = float((chances * (1 - chances)).sum())
    return Calibration(centre, scale, weights, intercepts, max(1.0, spread / alone), len(wrong), errors)


def _out_of_fold(standard: Floats, wrong: NDArray[np.bool_], folds: NDArray[np.intp]) -> Floats:
    """(n, 1) each case's log-odds by a regression on the other folds."""
    found = np.zeros((len(wrong), 1))
    for fold in range(_FOLDS):
        inside = folds == fold
        rest = wrong[~inside]
        if rest.any() and not rest.all():
            weights, intercept = _fit(standard[~inside], rest, np.ones(len(rest)))
            found[inside, 0] = standard[inside] @ weights + intercept
        else:
            found[inside, 0] = _log_odds(rest, np.ones(len(rest)))
    return found


def _recalibrated(
    standard: Floats, wrong: NDArray[np.bool_], out_of_fold: Floats, weight: Floats
) -> tuple[Floats, float]:
    """Weights and intercept of the regression, its log-odds scaled and moved as the out-of-fold ones need it.

    A slope below 0 says that nothing was learnt: every case then has the same chance.
    """
    weights, intercept = _fit(standard, wrong, weight)
    (slope,), offset = _fit(out_of_fold, wrong, weight)
    if slope < 0:
        return np.zeros_like(weights), _log_odds(wrong, weight)
    return slope * weights, slope * intercept + offset


def _log_odds(wrong: NDArray[np.bool_], weight: Floats) -> float:
    errors = float(weight[wrong].sum())
    return float(np.log((errors + 0.5) / (float(weight.sum()) - errors + 0.5)))


def _fit(standard: Floats, wrong: NDArray[np.bool_], weight: Floats) -> tuple[Floats, float]:
    from sklearn.linear_model import LogisticRegression  # seconds to import: only when something is calibrated

    fit = LogisticRegression(C=_STRENGTH, max_iter=200).fit(standard, wrong, sample_weight=weight)
    return fit.coef_[0], float(fit.intercept_[0])


@dataclass(frozen=True, slots=True)
class Judged:
    """Cases of which the truth is known."""

    features: Floats  # (n, F)
    wrong: NDArray[np.bool_]  # (n,)
    clusters: NDArray[np.str_]  # (n,) of their pictures


@dataclass(frozen=True, slots=True)
class Forecast:
    """The chance that each of n answers is wrong, never told by a case of its own cluster."""

    features: Floats  # (n, F)
    by: NDArray[np.intp]  # (n,) which calibration speaks of a case
    calibrations: tuple[Calibration, ...]
    fixed: Floats | None = None  # (n,) the chance of those that no calibration is asked about; nan for the others

    @property
    def design_effect(self) -> float:
        """The calibrations' mean."""
        return sum(each.design_effect for each in self.calibrations) / len(self.calibrations)

    def chances(self) -> Floats:
        """(n,)"""
        found = np.zeros(len(self.features))
        for place, calibration in enumerate(self.calibrations):
            found[self.by == place] = calibration.probabilities(self.features[self.by == place])
        return self._with_fixed(found, np.arange(len(found)))

    def refits(self, which: NDArray[np.intp]) -> Floats:
        """(REFITS, len(which)) the chances of some cases, one row per refit."""
        found = np.zeros((REFITS, len(which)))
        for place, calibration in enumerate(self.calibrations):
            mine = self.by[which] == place
            found[:, mine] = calibration.refits(self.features[which[mine]])
        return self._with_fixed(found, which)

    def _with_fixed(self, found: Floats, which: NDArray[np.intp]) -> Floats:
        return found if self.fixed is None else np.where(np.isnan(self.fixed[which]), found, self.fixed[which])

    def fixing(self, own_chances: Floats, more_chances: Floats) -> Forecast:
        """The same with chances told from elsewhere: (n,) of its own cases, nan where none is, and (m,) of m more."""
        more = len(more_chances)
        return Forecast(
            np.concatenate([self.features, np.zeros((more, self.features.shape[1]))]),
            np.concatenate([self.by, np.zeros(more, np.intp)]),
            self.calibrations,
            np.concatenate([own_chances, more_chances]),
        )


def forecast(features: Floats, clusters: NDArray[np.str_], judged: Judged) -> Forecast | None:
    """The chances of errors among new cases; None where too little was judged.

    Cross-fitting: where judged and new cases share clusters, each half of these is forecast by the other half.
    """
    if not np.isin(clusters, judged.clusters).any():
        whole = calibrate(judged.features, judged.wrong, judged.clusters)
        return Forecast(features, np.zeros(len(features), np.intp), (whole,)) if whole else None
    half, judged_half = _half(clusters), _half(judged.clusters)
    told = [
        calibrate(judged.features[chosen], judged.wrong[chosen], judged.clusters[chosen])
        for chosen in (judged_half == 1, judged_half == 0)
    ]
    if told[0] is None or told[1] is None:
        return None
    return Forecast(features, half, (told[0], told[1]))


def _half(clusters: NDArray[np.str_]) -> NDArray[np.intp]:
    """0 or 1 for each cluster, by its name alone."""
    return np.array([zlib.crc32(cluster.encode()) % 2 for cluster in clusters.tolist()], np.intp)


@dataclass(frozen=True, slots=True)
class Batch:
    """The cases that so many reviews look at."""

    reviews: int
    picked: NDArray[np.intp]  # places of those that are looked at for a reason
    at_random: NDArray[np.intp]  # places of those drawn at random


def curve(forecast: Forecast, batches: Sequence[Batch], seed: int = 0, level: float = 0.9) -> tuple[BudgetPoint, ...]:
    """What each batch of reviews would bring.

    Args:
        forecast: of the cases that the batches' places are of; those in no batch are errors left, too.
        batches: by reviews, from none.
        seed: of the simulated chances.
        level: of the intervals.
    """
    chances = forecast.chances()
    listed = np.unique(np.concatenate([part for batch in batches for part in (batch.picked, batch.at_random)]))
    within = np.zeros((len(batches), len(listed)))
    for place, batch in enumerate(batches):
        within[place, np.searchsorted(listed, np.concatenate([batch.picked, batch.at_random]))] = 1
    refits = forecast.refits(listed)  # (R, listed)
    sums, noise = refits @ within.T, _noise(forecast, refits) @ within.T  # (R, batches)
    total, total_noise = np.zeros((2, REFITS, 1))
    for start in range(0, len(chances), _AT_ONCE):
        refits = forecast.refits(np.arange(start, min(start + _AT_ONCE, len(chances))))
        total += refits.sum(1, keepdims=True)
        total_noise += _noise(forecast, refits).sum(1, keepdims=True)
    draws = np.random.default_rng(seed).standard_normal((2, REFITS, 40, 1))  # many per refit: smooth ends
    caught = sums[:, None] + draws[0] * np.sqrt(noise[:, None])
    missed = (total - sums)[:, None] + draws[1] * np.sqrt((total_noise - noise)[:, None].clip(0))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(caught.reshape(-1, len(batches)), tails, axis=0)
    missed_low, missed_high = np.quantile(missed.reshape(-1, len(batches)), tails, axis=0)
    points = []
    for place, batch in enumerate(batches):
        expected, looked_at = float(within[place] @ chances[listed]), float(within[place].sum())
        rest, left = len(chances) - looked_at, float(chances.sum()) - expected
        points.append(
            BudgetPoint(
                reviews=batch.reviews,
                threshold=float(chances[batch.picked].min()) if len(batch.picked) else 1.0,
                caught=expected,
                caught_low=min(_within(low[place], looked_at), expected),
                caught_high=max(_within(high[place], looked_at), expected),
                missed=max(left, 0.0),
                missed_low=_within(missed_low[place], rest),
                missed_high=_within(missed_high[place], rest),
            )
        )
    return tuple(points)


def _noise(forecast: Forecast, refits: Floats) -> Floats:
    """The variance that each case adds to the errors of a batch."""
    return refits * (1 - refits) * forecast.design_effect


def budgets(most: int, *asked_for: int) -> list[int]:
    """So many reviews as a curve has points for, from 0 to `most`, those asked for among them."""
    steps = np.linspace(0, most, min(most + 1, POINTS)).round().astype(int).tolist()
    return sorted({*steps, *(min(reviews, most) for reviews in asked_for)})


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
