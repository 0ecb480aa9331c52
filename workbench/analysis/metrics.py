"""Accuracy, its interval, outcomes and margins: from the warehouse's predictions to numbers a page can state.

A prediction counts towards accuracy when it is labelled, has options and was not failed by its image; an answer that
could not be read (`invalid`) counts as not right, and is counted on its own as well.

The interval is Wilson's, written out: scipy and statsmodels have it too, but importing either takes longer than a page
may take to appear, and nothing else here needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from string import ascii_uppercase
from typing import NamedTuple

import polars as pl

from warehouse.records import SUBTASKS
from workbench.analysis.look import OUTCOMES

SHORT = dict(
    zip(
        SUBTASKS,
        ("detection", "classification", "localization", "description", "analysis", "object class", "object analysis"),
        strict=True,
    )
)  # for captions
LETTERS = {letter: place for place, letter in enumerate(ascii_uppercase)}
GUESSED = pl.when(pl.col("choices") > 0).then(1 / pl.col("choices")).mean()
"""The rate of guessing among the options offered; null where nobody knows them."""
_DETECTION = SUBTASKS[0]
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


def outcomes(predictions: pl.DataFrame) -> pl.DataFrame:
    """The predictions with two more columns, `outcome` (see `look.Outcome`) and `claim` (see `warehouse.facts.Claim`).

    A wrong detection answer is an escape where it claims that a defective image has no defect, overkill where it claims
    the defect of a good one.
    """
    place = pl.col("answer").cast(pl.String).replace_strict(LETTERS, default=None, return_dtype=pl.UInt32)
    claimed = pl.col("claims").cast(pl.List(pl.String)).list.get(place, null_on_oob=True).replace("unknown", None)
    claim = (
        pl.when(pl.col("subtask") != _DETECTION)
        .then(None)
        .when(pl.col("status") == "invalid")
        .then(pl.lit("unreadable"))
        .when(pl.col("status") == "answered")
        .then(claimed)
    )
    predictions = predictions.with_columns(claim=claim)
    right = pl.col("answer") == pl.col("correct_answer")
    outcome = (
        pl.when(pl.col("status") != "answered")
        .then(pl.col("status").cast(pl.String))
        .when(pl.col("correct_answer").is_null())
        .then(pl.lit("unlabelled"))
        .when(right)
        .then(pl.lit("right"))
        .when(pl.col("claim") == "good", pl.col("label") == "defective")
        .then(pl.lit("escape"))
        .when(pl.col("claim") == "defective", pl.col("label") == "good")
        .then(pl.lit("overkill"))
        .otherwise(pl.lit("wrong"))
    )
    return predictions.with_columns(outcome=outcome.cast(pl.Enum(OUTCOMES)))


def accuracy_by_subtask(cases: pl.DataFrame) -> pl.DataFrame:
    """One row per subtask with labelled answers, in the benchmark's order.

    Args:
        cases: as `outcomes` gives them.

    Returns:
        subtask, n, right, rate, low and high (95 % Wilson), chance (the rate of guessing among the options offered).
    """
    counted = cases.filter(pl.col("correct_answer").is_not_null(), pl.col("status") != "failed")
    counts = counted.group_by("subtask").agg(n=pl.len(), right=(pl.col("outcome") == "right").sum(), chance=GUESSED)
    place = {name: place for place, name in enumerate(SUBTASKS)}
    rows = sorted(counts.iter_rows(named=True), key=lambda row: (place.get(row["subtask"], len(place)), row["subtask"]))
    intervals = [wilson(row["right"], row["n"]) for row in rows]
    return pl.DataFrame(
        {
            "subtask": [row["subtask"] for row in rows],
            "n": [row["n"] for row in rows],
            "right": [row["right"] for row in rows],
            "rate": [row["right"] / row["n"] for row in rows],
            "low": [interval.low for interval in intervals],
            "high": [interval.high for interval in intervals],
            "chance": [row["chance"] for row in rows],
        },
        schema={
            "subtask": pl.String,
            "n": pl.Int64,
            "right": pl.Int64,
            "rate": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
            "chance": pl.Float64,
        },
    )


def margin(probabilities: Mapping[str, float]) -> float | None:
    """How far the likeliest option is ahead of the second, 0..1; None with fewer than two options."""
    ranked = sorted(probabilities.values(), reverse=True)
    return ranked[0] - ranked[1] if len(ranked) > 1 else None


def images_per_second(cases: pl.DataFrame) -> float | None:
    """Images per second of one process's work on them, the model's loading left out; None before the first."""
    seconds = float(cases["seconds"].sum()) if cases.height else 0.0
    return cases["image_id"].n_unique() / seconds if seconds > 0 else None


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


def neighbours(cases: pl.DataFrame, here: Key) -> Neighbours:
    """The cases before and after one; for a case outside the list, the list's first comes after it."""
    keys = [Key(*row) for row in cases.select("image_id", "question_id").iter_rows()]
    if here not in keys:
        return Neighbours(None, len(keys), None, keys[0] if keys else None)
    at = keys.index(here)
    return Neighbours(at + 1, len(keys), keys[at - 1] if at else None, keys[at + 1] if at + 1 < len(keys) else None)
