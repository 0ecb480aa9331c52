"""How well a score tells defective pictures from good ones: ROC, precision against recall, their areas, with intervals.

A score is a number that is larger where a defect is likelier, such as the probability of the options that claim one. A
picture is called defective where its score is at or above a threshold; equal scores are never split, so every row of a
curve is a threshold that can be set. What goes in is one row per picture, with `cluster_id`, `defective` (null without
a label) and `score` (null without one); pictures that lack either are counted and left out.

Recall and overkill have intervals clustered by piece (`cluster_robust.py`). Precision depends on how many parts are
defective, which a test set doesn't tell, so it is given at a stated *prevalence*; its interval combines the two rates'
(Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and standard deviation",
Statistical Methods in Medical Research 21, 2012: MOVER for ratios). The ends of average precision are the areas under
the ends of precision: wider than a bootstrap's, which knows nothing of the defects that no good picture outranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.analysis import calibration, cluster_robust
from workbench.analysis.calibration import FEWEST
from workbench.analysis.intervals import Estimate

Values = NDArray[np.float64]
NotEnough = Literal["scored pictures", "defective pieces", "good pieces"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a score ranks pictures."""

    images: int  # with a label and a score
    defective: int
    defective_pieces: int
    good_pieces: int
    unscored: int  # with a label, without a score
    prevalence: float | None  # share of defective parts that precision is stated at; None without pictures
    auroc: Estimate | None  # that a defective picture scores above a good one; None: see `lacking`
    average_precision: Estimate | None  # at the prevalence; None: see `lacking`
    lacking: NotEnough | None


def labelled(scores: pl.DataFrame) -> pl.DataFrame:
    """The pictures that count: those with a label and a finite score."""
    return scores.filter(pl.col("defective").is_not_null(), pl.col("score").is_finite())


def lacking(rows: pl.DataFrame) -> NotEnough | None:
    """What there is too little of for an interval; None where there is enough."""
    if rows.is_empty():
        return "scored pictures"
    defective, good = (rows.filter(pl.col("defective") == kind)["cluster_id"].n_unique() for kind in (True, False))
    return "defective pieces" if defective < FEWEST else "good pieces" if good < FEWEST else None


def share(rows: pl.DataFrame) -> float | None:
    """The share of defective pictures among those that count."""
    return None if rows.is_empty() else float(rows["defective"].mean())  # type: ignore[arg-type]


def ranking(scores: pl.DataFrame, prevalence: float | None = None) -> Ranking:
    """AUROC and average precision.

    Args:
        scores: see the module.
        prevalence: 0..1; None takes the pictures' own share, at which average precision is scikit-learn's.

    Source: the AUROC's interval is that of `calibration.warning`.
    """
    rows = labelled(scores)
    lack = lacking(rows)
    at = share(rows) if prevalence is None else prevalence
    auroc, precision = None, None
    if lack is None:
        signs = rows.select("cluster_id", right=~pl.col("defective"), entropy="score")
        auroc = calibration.warning(signs).auroc
        precision = average_precision(curve(rows, at))
    pieces = [rows.filter(pl.col("defective") == kind)["cluster_id"].n_unique() for kind in (True, False)]
    unscored = scores["defective"].len() - scores["defective"].null_count() - rows.height
    return Ranking(
        rows.height, int(rows["defective"].sum()), pieces[0], pieces[1], unscored, at, auroc, precision, lack
    )


def curve(scores: pl.DataFrame, prevalence: float | None = None) -> pl.DataFrame:
    """Every threshold with what it does, from calling nothing defective to calling everything so.

    Args:
        scores: see the module.
        prevalence: that precision is stated at, 0..1; None takes the pictures' own share.

    Returns:
        threshold (null: nothing is called defective), caught, escaped (defective pictures), flagged, spared (good
        pictures), recall, overkill, precision, each with `_low` and `_high`. A rate over no picture is null, and so is
        the precision of nothing.
    """
    rows = labelled(scores).sort("score", descending=True)
    at = share(rows) if prevalence is None else prevalence
    last = np.flatnonzero(np.append(np.diff(rows["score"].to_numpy()) != 0, True)) if rows.height else np.zeros(0, int)
    recall, overkill = _cumulative(rows, True, last), _cumulative(rows, False, last)
    table = pl.DataFrame(
        {
            "threshold": np.append(np.nan, rows["score"].to_numpy()[last]),
            "caught": recall.flagged,
            "escaped": recall.flagged[-1] - recall.flagged,
            "flagged": overkill.flagged,
            "spared": overkill.flagged[-1] - overkill.flagged,
        }
    )
    found = {"recall": recall.rates, "overkill": overkill.rates, "precision": _precision(recall, overkill, at)}
    columns = [
        pl.Series(f"{name}{end}", values)
        for name, rates in found.items()
        for end, values in zip(("", "_low", "_high"), rates, strict=True)
    ]
    counts = ("caught", "escaped", "flagged", "spared")
    table = table.with_columns(*columns, pl.col(counts).cast(pl.Int64))
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))


def average_precision(table: pl.DataFrame) -> Estimate | None:
    """The mean of precision over the defective pictures, each at its own score; None without any.

    Args:
        table: as `curve` gives it; the prevalence is the curve's.

    Source: scikit-learn's `average_precision_score`, whose prevalence is the set's own.
    """
    steps = table.with_columns(step=pl.col("recall").diff()).drop_nulls("step").filter(pl.col("step") > 0)
    if steps.is_empty():
        return None
    value, low, high = (
        float((steps["step"] * steps[name]).sum()) for name in ("precision", "precision_low", "precision_high")
    )
    return Estimate(value, low, high)


@dataclass(frozen=True, slots=True)
class _Cumulative:
    """Of one kind of picture, at each threshold; every array is (T,)."""

    flagged: Values  # how many are called defective
    rates: tuple[Values, Values, Values]  # share with both ends of its interval; nan without pictures


def _cumulative(rows: pl.DataFrame, kind: bool, last: NDArray[np.int64]) -> _Cumulative:
    """The share of one kind that is called defective at each threshold.

    Adding a picture to a cluster of which k are called adds 2 k + 1 to the sum of squares, so sums over clusters at all
    thresholds are running sums.

    Args:
        rows: the highest score first.
        kind: whether of the defective pictures.
        last: (T - 1,) where each score's last row is.
    """
    own = (rows["defective"] == kind).to_numpy()
    some = rows.filter(pl.Series(own)).select(
        before=pl.int_range(pl.len()).over("cluster_id"), size=pl.len().over("cluster_id")
    )
    before, size = (some[name].cast(pl.Float64).to_numpy() for name in ("before", "size"))

    def running(of_own: Values) -> Values:
        everywhere = np.zeros(rows.height)
        everywhere[own] = of_own
        return np.append(0.0, everywhere.cumsum()[last])

    flagged = running(np.ones(len(size)))
    ones, n, n_squared = np.ones(len(flagged)), float(len(size)), float(size.sum())
    found = cluster_robust.ratio(n * ones, flagged, n_squared * ones, running(size), running(2 * before + 1))
    return _Cumulative(flagged, (found.value, found.low, found.high))


def _precision(recall: _Cumulative, overkill: _Cumulative, prevalence: float | None) -> tuple[Values, Values, Values]:
    """Precision at a prevalence, with its interval; nan where nothing is called defective or a kind is missing."""
    (hit, hit_low, hit_high), (false, false_low, false_high) = recall.rates, overkill.rates
    none = np.full(len(hit), np.nan)
    if prevalence is None:
        return none, none, none
    product = hit * false
    with np.errstate(invalid="ignore", divide="ignore"):
        inside_low = product**2 - false_low * hit_high * (2 * false - false_low) * (2 * hit - hit_high)
        inside_high = product**2 - false_high * hit_low * (2 * false - false_high) * (2 * hit - hit_low)
        low = false_low * (2 * false - false_low) / (product + np.sqrt(np.clip(inside_low, 0, None)))
        high = (product + np.sqrt(np.clip(inside_high, 0, None))) / (hit_low * (2 * hit - hit_low))
        low = np.where(false_low > 0, low, 0.0)  # overkill for a unit of recall
        high = np.where(hit_low > 0, high, np.inf)
        good = (1 - prevalence) / prevalence if prevalence > 0 else np.inf
        ratio = np.where(hit > 0, false / hit, np.inf)
        found = tuple(1 / (1 + np.where(each > 0, good * each, 0.0)) for each in (ratio, high, low))
    called = (hit > 0) | (false > 0)
    value, ends_low, ends_high = (np.where(called, each, np.nan) for each in found)
    return value, ends_low, ends_high
