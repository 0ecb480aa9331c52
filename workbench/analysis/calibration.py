"""Whether the model knows when it is wrong: calibration, risk against coverage, entropy as a warning.

Confidence is the likeliest option's probability; risk is the share of wrong answers. An answer that could not be read
is wrong and, without probabilities, has no confidence: it is left out here and counted in `Scores.unscored`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench.analysis import clusters, intervals
from workbench.analysis.intervals import Estimate

Signal = Literal["entropy", "confidence"]
CURVE = 400  # points of a curve at most: what a screen can show

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """How well confidence speaks the truth."""

    n: int
    unscored: int  # judged, but without a confidence
    brier: float | None  # mean squared error of confidence against right or wrong; lower is better
    ece: float | None  # expected calibration error over `reliability`'s bins, weighted by n
    over: float | None  # mean confidence - accuracy; above 0 is overconfident


def reliability(facts: pl.DataFrame, bins: int = 10) -> pl.DataFrame:
    """The reliability diagram: bins of equally many questions by confidence.

    Returns:
        bin (from 0), n, images, confidence (mean), rate, low, high (95 %, clustered by image).
    """
    rows = _scored(facts, "confidence").with_columns(
        bin=(pl.col("confidence").rank("ordinal").cast(pl.Int64) - 1) * bins // pl.len()
    )
    found = intervals.rates(rows, ("bin",))
    means = rows.group_by("bin").agg(pl.col("confidence").mean())
    return (
        found.join(means, on="bin")
        .select("bin", pl.col("n", "right").cast(pl.Int64), "images", "confidence", "rate", "low", "high")
        .sort("bin")
    )


def scores(facts: pl.DataFrame, bins: int = 10) -> Scores:
    """Brier score, expected calibration error and overconfidence of the judged rows."""
    judged = facts.filter(pl.col("right").is_not_null())
    rows = _scored(facts, "confidence")
    if rows.is_empty():
        return Scores(0, judged.height, None, None, None)
    right = pl.col("right").cast(pl.Float64)
    found = rows.select(brier=((pl.col("confidence") - right) ** 2).mean(), over=(pl.col("confidence") - right).mean())
    bars = reliability(facts, bins)
    ece = bars.select(((pl.col("confidence") - pl.col("rate")).abs() * pl.col("n")).sum() / pl.col("n").sum()).item()
    return Scores(rows.height, judged.height - rows.height, found["brier"][0], ece, found["over"][0])


def risk_coverage(facts: pl.DataFrame, signal: Signal = "entropy", points: int = CURVE) -> pl.DataFrame:
    """What is left when the least sure answers go to a person; the slider of a review budget reads it too.

    Equal signals are never split, so every row is a threshold that can be set.

    Returns:
        threshold (answers at least this unsure are reviewed: entropy >= it, confidence <= it), reviewed, share (of all,
        0..1), caught (errors among the reviewed), left (errors among the rest), kept (answers not reviewed), coverage
        (kept / all), risk (left / kept; null if none is kept). From nothing reviewed to everything.
    """
    rows = _scored(facts, signal).select(signal, wrong=(~pl.col("right")).cast(pl.Int64))
    total, errors = rows.height, rows["wrong"].sum()
    steps = (
        rows.group_by(threshold=signal)
        .agg(n=pl.len().cast(pl.Int64), wrong=pl.col("wrong").sum())
        .sort("threshold", descending=signal == "entropy")
        .select("threshold", reviewed=pl.col("n").cum_sum(), caught=pl.col("wrong").cum_sum())
    )
    if steps.height > points:
        chosen = np.unique(np.linspace(0, steps.height - 1, points).round().astype(int))
        steps = steps[chosen]
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

    auroc: Estimate | None  # 0.5 tells nothing, 1 all; None unless there are both right and wrong answers
    area: float | None  # under the risk-coverage curve; lower is better
    n: int
    wrong: int
    images: int


def warning(facts: pl.DataFrame, signal: Signal = "entropy") -> Warned:
    """How likely a wrong answer is warned of above a right one, with its interval clustered by image.

    Source: Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997).
    """
    rows = _scored(facts, signal)
    unsure = rows[signal].to_numpy() * (1.0 if signal == "entropy" else -1.0)
    wrong = ~rows["right"].to_numpy().astype(bool)
    images = clusters.numbered(rows, ("image_id",))
    counts = (rows.height, int(wrong.sum()), int(images.max(initial=-1)) + 1)
    area = _area(facts, signal)
    if not 0 < wrong.sum() < len(wrong) or counts[2] < 2:
        return Warned(None, area, *counts)
    return Warned(_auroc(unsure, wrong, images), area, *counts)


def warning_bootstrap(facts: pl.DataFrame, signal: Signal = "entropy", seed: int = 0, resamples: int = 500) -> Estimate:
    """The same from `roc_auc_score` and a bootstrap that resamples images: for export. Seconds for 40,000 rows.

    Raises:
        ValueError: there are not both right and wrong answers.
    """
    from scipy import stats
    from sklearn.metrics import roc_auc_score

    rows = _scored(facts, signal).sort("image_id")
    unsure = rows[signal].to_numpy() * (1.0 if signal == "entropy" else -1.0)
    wrong = ~rows["right"].to_numpy().astype(bool)
    ends = np.cumsum(rows.group_by("image_id", maintain_order=True).len()["len"].to_numpy(), dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]])

    def auroc(images: Values) -> float:
        chosen = np.concatenate([np.arange(starts[i], ends[i]) for i in images.astype(int)])
        return float(roc_auc_score(wrong[chosen], unsure[chosen]))

    found = stats.bootstrap(
        (np.arange(len(ends)),), auroc, vectorized=False, n_resamples=resamples, method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval  # fmt: skip
    return Estimate(float(roc_auc_score(wrong, unsure)), float(found.low), float(found.high))


def _scored(facts: pl.DataFrame, signal: Signal) -> pl.DataFrame:
    return facts.filter(pl.col("right").is_not_null(), pl.col(signal).is_not_null())


def _area(facts: pl.DataFrame, signal: Signal) -> float | None:
    curve = risk_coverage(facts, signal, points=10**9).drop_nulls("risk")
    if curve.height < 2:
        return None
    return float(np.trapezoid(curve["risk"].to_numpy()[::-1], curve["coverage"].to_numpy()[::-1]))


def _auroc(unsure: Values, wrong: NDArray[np.bool_], images: NDArray[np.int64]) -> Estimate:
    bad, good = unsure[wrong], unsure[~wrong]
    # Each wrong answer's share of right ones below it, and each right answer's share of wrong ones above it.
    above = _below(np.sort(good), bad)
    below = 1 - _below(np.sort(bad), good)
    auroc, groups = float(above.mean()), int(images.max()) + 1
    of_bad = np.bincount(images[wrong], above - auroc, groups) / len(bad)
    of_good = np.bincount(images[~wrong], below - auroc, groups) / len(good)
    variance = float(((of_bad + of_good) ** 2).sum()) * groups / (groups - 1)
    # On the logit's scale, where the interval stays within 0..1.
    inner = min(max(auroc, 1e-9), 1 - 1e-9)
    half = special.stdtrit(groups - 1, 0.975) * np.sqrt(variance) / (inner * (1 - inner))
    middle = special.logit(inner)
    return Estimate(auroc, float(special.expit(middle - half)), float(special.expit(middle + half)))


def _below(ordered: Values, values: Values) -> Values:
    """The share of `ordered` below each value, ties half."""
    left, right = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray((left + right) / (2 * len(ordered)), np.float64)
