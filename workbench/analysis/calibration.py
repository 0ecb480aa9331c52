"""Calibration: reliability, risk against coverage, and entropy as a warning of wrong answers.

Confidence is the likeliest option's probability; risk is the share of wrong answers. An answer without a confidence or
an entropy, or with one that is no number, is left out here and counted as unscored; it is never a score. Equal values
are told apart nowhere: neither by the order of rows, nor by the end of a bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from warehouse.records.scoring import Capabilities
from workbench.analysis import cluster_robust, image_groups, intervals
from workbench.analysis.intervals import Estimate

Signal = Literal["entropy", "confidence"]
CURVE = 400  # points of a curve at most: what a screen can show
FEWEST = (
    10  # images with wrong answers, and with right ones, below which nothing is said of a warning or of calibration
)
_DRAWS = 2000  # of the gaps' noise
_FIRM = 30  # images of the rarer kind; with more, their own scatter soon counts alone

Values = NDArray[np.float64]
Counts = NDArray[np.int64]

NotEnough = Literal["answers", "wrong answers", "right answers", "images", "effective images"]
"""What there is too little of: judged answers with the signal at all; images with wrong or right ones; images; images
of one size that would say as much, see `cluster_robust.py`."""


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """How far stated confidence lies from accuracy: root mean square over the bins, less what noise alone adds."""

    estimate: Estimate  # 0..1; its low end is above 0 exactly where the value is beyond `floor`
    floor: float  # with perfect calibration the value would stay at or below this on 97.5 % of such runs


@dataclass(frozen=True, slots=True)
class Scores:
    """How well confidence speaks the truth."""

    n: int
    unscored: int  # judged, but without a confidence
    bars: pl.DataFrame  # the reliability diagram: bin (from 0), n, right, images, confidence (mean), rate, low, high
    brier: float | None  # mean squared error of confidence against right or wrong; lower is better
    error: CalibrationError | None  # None: see `lacking`
    over: Estimate | None  # mean confidence - accuracy; above 0 is overconfident; None: see `lacking`
    lacking: NotEnough | None = None


def carried(facts: pl.DataFrame, capabilities: Capabilities) -> pl.DataFrame:
    """The facts with a null for each signal that the run's answers don't carry by what it declared."""
    lacking = {"confidence": not capabilities.probabilities, "entropy": not capabilities.latents}
    return facts.with_columns(
        pl.lit(None, pl.Float64).alias(name) for name, lacks in lacking.items() if lacks and name in facts.columns
    )


def scores(facts: pl.DataFrame, bins: int = 10) -> Scores:
    """Reliability, Brier score, calibration error and overconfidence of the judged rows, intervals clustered by image.

    Bins have about equally many answers by confidence; equal confidences are in one bin.

    Args:
        facts: see `rollups.ANALYSED`.
        bins: at most; fewer where a bin would have fewer than FEWEST images.

    Source: the mean squared gap of bins less its expected noise, as Bröcker, "Estimating reliability and resolution of
    probability forecasts through decomposition of the empirical score", Climate Dynamics 39 (2012), and Kumar, Liang
    and Ma, "Verified uncertainty calibration", NeurIPS 2019. The noise is that of images, not of questions.
    """
    judged = facts["right"].len() - facts["right"].null_count()
    scored = _scored(facts, "confidence")
    images = scored["cluster_id"].n_unique()
    rows = _binned(scored, max(1, min(bins, images // FEWEST)))
    bars, unscored = _bars(rows), judged - rows.height
    if rows.is_empty():
        return Scores(0, unscored, bars, None, None, None, "answers")
    brier = rows.select(((pl.col("confidence") - pl.col("right").cast(pl.Float64)) ** 2).mean()).item()
    if images < FEWEST:
        return Scores(rows.height, unscored, bars, brier, None, None, "images")
    found = _gaps(rows)
    if not cluster_robust.enough(found.effective):
        return Scores(rows.height, unscored, bars, brier, None, None, "effective images")
    return Scores(rows.height, unscored, bars, brier, _error(found), found.over)


def _binned(rows: pl.DataFrame, bins: int) -> pl.DataFrame:
    """The rows with `bin`, from 0 without gaps; equal confidences are in the bin of their middle one."""
    middle = rows["confidence"].rank("average").to_numpy() - 0.5
    place = np.floor(middle * bins / max(rows.height, 1)).astype(np.int64)
    there = np.bincount(place, minlength=bins) > 0
    return rows.with_columns(bin=pl.Series((there.cumsum() - 1)[place], dtype=pl.UInt32))


def _bars(rows: pl.DataFrame) -> pl.DataFrame:
    means = rows.group_by("bin").agg(pl.col("confidence").mean())
    return (
        intervals.rates(rows, ("bin",))
        .join(means, on="bin")
        .select(pl.col("bin", "n", "right").cast(pl.Int64), "images", "confidence", "rate", "low", "high")
        .sort("bin")
    )


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Mean confidence less accuracy, bin by bin."""

    share: Values  # (B,) of all answers
    gap: Values  # (B,)
    noise: Values  # (B, B) covariance of the gaps, clustered by image
    perfect: Values  # (B,) variance of the gaps of independent answers that are right as often as they state
    over: Estimate  # the gap of all answers together
    effective: Values  # clusters, see `cluster_robust.py`


def _gaps(rows: pl.DataFrame) -> _Gaps:
    found = image_groups.by_cluster(rows, ("bin",))
    order = np.argsort(found.names["bin"].to_numpy())
    confidence = rows["confidence"].to_numpy()
    n = found.per_group(found.per_pair())
    of_pairs = found.per_pair(confidence - rows["right"].to_numpy().astype(np.float64))
    gap = found.per_group(of_pairs) / n
    # What each image adds to each bin's gap beyond its share; unbiased by the number of the bin's images.
    images = found.per_group()
    grown = np.sqrt(images / np.maximum(images - 1, 1)) / n
    beyond = (of_pairs - found.per_pair() * gap[found.group]) * grown[found.group]
    noise = np.empty((found.groups, found.groups))
    for place in range(found.groups):
        own = found.per_cluster(np.where(found.group == place, beyond, 0.0))
        noise[place] = found.per_group(beyond * own[found.cluster])
    perfect = found.per_group(found.per_pair(confidence * (1 - confidence))) / n**2
    # The gap of all answers: its scatter says little where few images have the rarer answer, and then as much is taken
    # as answers have that are right as often as they state, or as often as these are.
    over = float(of_pairs.sum() / n.sum())
    asked, beyond_all = found.per_cluster(found.per_pair()), found.per_cluster(of_pairs)
    right = found.per_cluster(found.per_pair(rows["right"].to_numpy().astype(np.float64)))
    effective = cluster_robust.effective(asked.sum(), (asked**2).sum())
    rare = cluster_robust.rarer(asked.sum(), right.sum(), (asked**2).sum(), (asked * right).sum(), (right**2).sum())
    accuracy = right.sum() / n.sum()
    alone = max(float((confidence * (1 - confidence)).mean()), accuracy * (1 - accuracy))
    scatter = ((beyond_all - over * asked) ** 2).sum() / n.sum() ** 2
    half = float(cluster_robust.half_width(scatter, effective, rare, np.asarray(alone)))
    return _Gaps(
        (n / n.sum())[order],
        gap[order],
        noise[np.ix_(order, order)],
        perfect[order],
        Estimate(over, max(over - half, -1.0), min(over + half, 1.0)),
        effective,
    )


def _error(found: _Gaps) -> CalibrationError:
    """The root mean square gap less its noise; its interval holds every size of the gaps that both tails allow.

    A size is tried by stretching the gaps seen and adding noise: normal, with the images' covariance, and in no bin
    less than perfect calibration has.
    """
    share, bins = found.share, len(found.share)
    expected = float((share * np.diag(found.noise)).sum())
    raw = float((share * found.gap**2).sum())
    value = np.sqrt(max(raw - expected, 0.0))
    spread = found.noise + np.diag(np.clip(found.perfect - np.diag(found.noise), 0, None))
    of_spread = float((share * np.diag(spread)).sum())
    drawn = np.random.default_rng(0).multivariate_normal(np.zeros(bins), spread, _DRAWS, method="eigh")  # (R, B)
    direction = found.gap / np.sqrt(raw) if raw > 0 else np.ones(bins)
    along, alone = drawn @ (share * direction), (drawn**2) @ share - of_spread
    sizes = np.linspace(0, min(1.0, np.sqrt(raw) + 4 * np.sqrt(of_spread)), 100)
    tried = sizes[:, None] ** 2 + 2 * sizes[:, None] * along + alone  # (sizes, R)
    low, high = np.quantile(tried, [0.025, 0.975], axis=1)
    possible = sizes[(low <= raw - expected) & (raw - expected <= high)]
    floor = float(np.sqrt(max(high[0], 0.0)))
    ends = (possible[0], possible[-1]) if len(possible) else (0.0, floor)  # less scatter than noise alone would have
    return CalibrationError(Estimate(float(value), float(min(ends[0], value)), float(max(ends[1], value))), floor)


def risk_coverage(facts: pl.DataFrame, signal: Signal = "entropy", points: int = CURVE) -> pl.DataFrame:
    """What is left when the least sure answers go to a person; the slider of a review budget reads it too.

    Equal signals are never split, so every row is a threshold that can be set.

    Returns:
        threshold (answers at least this unsure are reviewed: entropy >= it, confidence <= it), reviewed, share (of all,
        0..1), caught (errors among the reviewed), left (errors among the rest), kept (answers not reviewed), coverage
        (kept / all), risk (left / kept; null if none is kept). From nothing reviewed to everything.
    """
    found = _ranked(_scored(facts, signal), signal)
    total, errors = int(found.answers.sum()), int(found.wrong.sum())
    chosen = np.arange(len(found.values))
    if len(chosen) > points:
        chosen = np.unique(np.linspace(0, len(chosen) - 1, points).round().astype(int))
    steps = pl.DataFrame(
        {
            "threshold": found.values[chosen],
            "reviewed": found.answers.cumsum()[chosen],
            "caught": found.wrong.cumsum()[chosen],
        }
    )
    none = pl.DataFrame({"threshold": [None], "reviewed": [0], "caught": [0]}, schema=steps.schema)
    return pl.concat([none, steps]).with_columns(
        share=pl.col("reviewed") / max(total, 1),
        left=errors - pl.col("caught"),
        kept=total - pl.col("reviewed"),
    ).with_columns(
        coverage=pl.col("kept") / max(total, 1),
        risk=pl.when(pl.col("kept") > 0).then(pl.col("left") / pl.col("kept")),
    ).select("threshold", "reviewed", "share", "caught", "left", "kept", "coverage", "risk")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Warned:
    """How well a signal tells wrong answers from right ones."""

    auroc: Estimate | None  # 0.5 tells nothing, 1 all; None: see `lacking`
    area: float | None  # mean risk over all coverages; lower is better, a signal that tells nothing has the error rate
    best: float | None  # the area if all wrong answers were the least sure ones
    n: int
    wrong: int
    images: int
    unscored: int  # judged, but without the signal
    lacking: NotEnough | None = None


def warning(facts: pl.DataFrame, signal: Signal = "entropy") -> Warned:
    """How likely a wrong answer is warned of above a right one, with its interval clustered by image.

    The interval holds the values that the ranks don't reject, whose variance is that of Hanley and McNeil (Radiology
    143, 1982) at each value, as in Newcombe's fifth method (Statistics in Medicine 25, 2006), made as much larger or
    smaller as images scatter (Obuchowski, Biometrics 53, 1997), with t on the effective images - 1 degrees of freedom
    of the kind that has fewer. Where images of a kind are fewer than FEWEST there is none, nor where a few images have
    so many of the answers that they say as much as fewer than `cluster_robust.LEAST`.
    """
    rows = _scored(facts, signal)
    judged = facts["right"].len() - facts["right"].null_count()
    images = image_groups.numbered(rows, ("cluster_id",))
    found = _ranked(rows, signal)
    missed = ~rows["right"].to_numpy().astype(bool)
    wrong, count = int(missed.sum()), int(images.max(initial=-1)) + 1
    of_kind = {
        "wrong answers": np.bincount(images[missed], minlength=count),
        "right answers": np.bincount(images[~missed], minlength=count),
    }
    kinds = {name: int(np.count_nonzero(answers)) for name, answers in of_kind.items()}
    effective = min(float(cluster_robust.effective(n.sum(), (n**2).sum())) for n in of_kind.values())
    lacking: NotEnough | None = None
    if rows.is_empty():
        lacking = "answers"
    elif count < FEWEST:
        lacking = "images"
    elif kinds["wrong answers"] < FEWEST:
        lacking = "wrong answers"
    elif kinds["right answers"] < FEWEST:
        lacking = "right answers"
    elif not cluster_robust.enough(np.asarray(effective)):
        lacking = "effective images"
    auroc = None if lacking else _auroc(found, missed, images, effective)
    area, best = _area(found.answers, found.wrong), None
    if rows.height:
        best = _area(np.array([wrong, rows.height - wrong]), np.array([wrong, 0]))
    return Warned(auroc, area, best, rows.height, wrong, count, judged - rows.height, lacking)


def _scored(facts: pl.DataFrame, signal: Signal) -> pl.DataFrame:
    return facts.filter(pl.col("right").is_not_null(), pl.col(signal).is_finite())


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A signal's values, the least sure first, and the answers with each."""

    values: Values
    answers: Counts
    wrong: Counts
    place: Counts  # of each row's value among the values


def _ranked(rows: pl.DataFrame, signal: Signal) -> _Ranked:
    least_sure_first = -1.0 if signal == "entropy" else 1.0
    signed = rows[signal].to_numpy() * least_sure_first
    order = np.argsort(signed)
    ordered = signed[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=np.nan) != 0)
    answers = np.diff(starts, append=len(ordered))
    place = np.empty(len(ordered), np.int64)
    place[order] = np.repeat(np.arange(len(starts)), answers)
    wrong = np.bincount(place[~rows["right"].to_numpy().astype(bool)], minlength=len(starts))
    return _Ranked(ordered[starts] * least_sure_first, answers, wrong, place)


def _area(answers: Counts, wrong: Counts) -> float | None:
    """The mean, over 1 to all answers kept, of the share of wrong ones among these, averaged over the orders of ties.

    Among the j first of a tie of m with w wrong ones there are j w / m on average, so that with K kept before, E of
    them wrong, the tie adds the sum over j of (E + j w / m) / (K + j) = w + (E - K w / m) (H(K + m) - H(K)), H being
    the harmonic numbers.

    Args:
        answers: with each value, the least sure first.
        wrong: of these.

    Source: Geifman, Uziel and El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR 2019.
    """
    total = int(answers.sum())
    if not total:
        return None
    some = answers > 0
    m, w = answers[some][::-1].astype(np.float64), wrong[some][::-1].astype(np.float64)
    kept, errors = m.cumsum() - m, w.cumsum() - w
    harmonic = special.digamma(kept + m + 1) - special.digamma(kept + 1)
    return float((w + (errors - kept * w / m) * harmonic).sum() / total)


def _auroc(found: _Ranked, wrong: NDArray[np.bool_], images: Counts, fewest: float) -> Estimate:
    right = found.answers - found.wrong
    # Of the right answers, those that are surer than each value, and of the wrong ones, those less sure; ties half.
    surer = (right.sum() - right.cumsum() + right / 2) / right.sum()
    less_sure = (found.wrong.cumsum() - found.wrong / 2) / found.wrong.sum()
    above, below = surer[found.place[wrong]], less_sure[found.place[~wrong]]
    auroc, groups = float(above.mean()), int(images.max()) + 1
    of_bad = np.bincount(images[wrong], above - auroc, groups) / len(above)
    of_good = np.bincount(images[~wrong], below - auroc, groups) / len(below)
    variance = float(((of_bad + of_good) ** 2).sum()) * groups / (groups - 1)

    def of_ranks(value: Values) -> Values:
        bad, good = value / (2 - value), 2 * value**2 / (1 + value)
        of_pairs = value * (1 - value) + (len(above) - 1) * (bad - value**2) + (len(below) - 1) * (good - value**2)
        return of_pairs / (len(above) * len(below))

    expected = float(of_ranks(np.array([auroc]))[0])
    # With few images the scatter that was seen may be far too small: none at all where the ranks are perfect.
    scatter = max(variance / expected if expected > 0 else 0.0, min(1.0, _FIRM / fewest) ** 2)
    values: Values = np.linspace(0, 1, 20_001)[1:-1].astype(np.float64)
    within = np.abs(values - auroc) <= special.stdtrit(fewest - 1, 0.975) * np.sqrt(scatter * of_ranks(values))
    possible = np.append(values[within], auroc)  # of many perfect ranks the interval is finer than the values tried
    return Estimate(auroc, float(possible.min()), float(possible.max()))
