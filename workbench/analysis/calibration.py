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


def scores(facts: pl.DataFrame, bars: pl.DataFrame | None = None) -> Scores:
    """Brier score, expected calibration error and overconfidence of the judged rows.

    Args:
        facts: see `facts.COLUMNS`.
        bars: as `reliability` gives them, where they are at hand; else of ten bins.
    """
    judged = facts["right"].len() - facts["right"].null_count()
    rows = _scored(facts, "confidence")
    if rows.is_empty():
        return Scores(0, judged, None, None, None)
    right = pl.col("right").cast(pl.Float64)
    found = rows.select(brier=((pl.col("confidence") - right) ** 2).mean(), over=(pl.col("confidence") - right).mean())
    bars = reliability(facts) if bars is None else bars
    ece = bars.select(((pl.col("confidence") - pl.col("rate")).abs() * pl.col("n")).sum() / pl.col("n").sum()).item()
    return Scores(rows.height, judged - rows.height, found["brier"][0], ece, found["over"][0])


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
    images = clusters.numbered(rows, ("image_id",))
    found = _ranked(rows, signal)
    wrong, count = int(found.wrong.sum()), int(images.max(initial=-1)) + 1
    area = _area(found)
    if not 0 < wrong < rows.height or count < 2:
        return Warned(None, area, rows.height, wrong, count)
    return Warned(_auroc(found, ~rows["right"].to_numpy().astype(bool), images), area, rows.height, wrong, count)


def _scored(facts: pl.DataFrame, signal: Signal) -> pl.DataFrame:
    return facts.filter(pl.col("right").is_not_null(), pl.col(signal).is_not_null())


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A signal's values, the least sure first, and the answers with each."""

    values: Values
    answers: NDArray[np.int64]
    wrong: NDArray[np.int64]
    place: NDArray[np.int64]  # of each row's value among the values


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


def _area(found: _Ranked) -> float | None:
    """Under risk against coverage, whose points are: nothing reviewed, then value by value but for the last."""
    total, errors = found.answers.sum(), found.wrong.sum()
    kept = total - np.concatenate([[0], found.answers.cumsum()[:-1]]) if total else np.zeros(0)
    if len(kept) < 2:
        return None
    left = errors - np.concatenate([[0], found.wrong.cumsum()[:-1]])
    return float(np.trapezoid((left / kept)[::-1], (kept / total)[::-1]))


def _auroc(found: _Ranked, wrong: NDArray[np.bool_], images: NDArray[np.int64]) -> Estimate:
    right = found.answers - found.wrong
    # Of the right answers, those that are surer than each value, and of the wrong ones, those less sure; ties half.
    surer = (right.sum() - right.cumsum() + right / 2) / right.sum()
    less_sure = (found.wrong.cumsum() - found.wrong / 2) / found.wrong.sum()
    above, below = surer[found.place[wrong]], less_sure[found.place[~wrong]]
    auroc, groups = float(above.mean()), int(images.max()) + 1
    of_bad = np.bincount(images[wrong], above - auroc, groups) / len(above)
    of_good = np.bincount(images[~wrong], below - auroc, groups) / len(below)
    variance = float(((of_bad + of_good) ** 2).sum()) * groups / (groups - 1)
    # On the logit's scale, where the interval stays within 0..1.
    inner = min(max(auroc, 1e-9), 1 - 1e-9)
    half = special.stdtrit(groups - 1, 0.975) * np.sqrt(variance) / (inner * (1 - inner))
    middle = special.logit(inner)
    return Estimate(auroc, float(special.expit(middle - half)), float(special.expit(middle + half)))
