"""Operating points: what a threshold costs, which one to take, and what it does on pieces it was not chosen on.

Scores go in (`detection_curves.py`), with a prevalence and what an escape and an overkill cost; out come thresholds and
estimates. At prevalence p a part costs on average

    p * escape rate * cost of an escape + (1 - p) * overkill rate * cost of an overkill

A threshold that was chosen on pictures looks better on them than it is. So its rates are those of cross-fitting: pieces
fall into FOLDS by the hash of their name, each fold is called by the threshold chosen on all others, and the counts of
the folds are added up. Under ten pieces of a kind there is no estimate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

from workbench.analysis import calibration, detection_curves, intervals
from workbench.analysis.detection_curves import NotEnough
from workbench.analysis.intervals import Estimate

Method = Literal["cost", "escape", "overkill", "given"]
METHODS: tuple[Method, ...] = get_args(Method)
"""How a threshold is chosen.

| method   | the threshold                                                    |
| -------- | ---------------------------------------------------------------- |
| cost     | of the lowest mean cost a part, the highest of equal ones        |
| escape   | the highest whose escape rate on the set is at most the limit    |
| overkill | the lowest whose overkill rate on the set is at most the limit   |
| given    | named by somebody                                                |
"""
FOLDS = 5
GOOD = "good"  # what stands for a defect's name where a good picture is called defective


@dataclass(frozen=True, slots=True)
class Aim:
    """What a threshold is chosen for.

    Raises:
        ValueError: a rate lies outside 0..1, a cost is below 0, or the method lacks its number.
    """

    method: Method = "cost"
    prevalence: float = 0.5  # share of defective parts, 0..1
    cost_escape: float = 1.0  # of a defective part that is called good, in the unit of `cost_overkill`
    cost_overkill: float = 1.0  # of a good part that is called defective
    limit: float | None = None  # of the escape or overkill rate, 0..1
    threshold: float | None = None  # of the method "given"

    def __post_init__(self) -> None:
        if not 0 <= self.prevalence <= 1:
            raise ValueError(f"a prevalence lies in 0..1, {self.prevalence} doesn't")
        if min(self.cost_escape, self.cost_overkill) < 0:
            raise ValueError("a cost is 0 or more")
        if self.method in ("escape", "overkill") and (self.limit is None or not 0 <= self.limit <= 1):
            raise ValueError(f"the method {self.method} needs its highest rate, in 0..1")
        if self.method == "given" and self.threshold is None:
            raise ValueError("the method given needs a threshold")

    def cost(self, escape: float, overkill: float) -> float:
        """The mean cost of a part at these rates."""
        return self.prevalence * escape * self.cost_escape + (1 - self.prevalence) * overkill * self.cost_overkill


@dataclass(frozen=True, slots=True)
class Judged:
    """What a threshold does."""

    escape: Estimate  # of defective pictures
    overkill: Estimate  # of good pictures
    cost: float  # mean of a part


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold with what it does on the set that it was chosen on, and on other pieces."""

    threshold: float | None  # None: nothing is called defective
    precision: Estimate | None  # at the aim's prevalence; None where nothing is called defective
    on_its_own: Judged | None  # on the pictures it was chosen on; None: see `lacking`
    elsewhere: Judged | None  # by cross-fitting; None: see `lacking`
    fold_thresholds: tuple[float | None, ...]  # each chosen on all other folds
    lacking: NotEnough | None


def with_costs(curve: pl.DataFrame, aim: Aim) -> pl.DataFrame:
    """The curve with `escape` and `cost`, the mean of a part.

    Args:
        curve: as `detection_curves.curve` gives it.
        aim: prevalence and costs.
    """
    escape = 1 - pl.col("recall")
    cost = aim.prevalence * aim.cost_escape * escape + (1 - aim.prevalence) * aim.cost_overkill * pl.col("overkill")
    return curve.with_columns(escape=escape, cost=cost)


def choose(curve: pl.DataFrame, aim: Aim) -> float | None:
    """The threshold that an aim asks for; None: nothing is called defective.

    Args:
        curve: as `detection_curves.curve` gives it, of both kinds of pictures.
        aim: what for.
    """
    if aim.method == "given":
        return aim.threshold
    rows = with_costs(curve, aim)
    if aim.method == "cost":
        return _first(rows.filter(pl.col("cost") <= rows["cost"].min() + 1e-12))  # type: ignore[operator]
    if aim.method == "escape":
        return _first(rows.filter(pl.col("escape") <= aim.limit + 1e-12))  # type: ignore[operator]
    return _first(rows.filter(pl.col("overkill") <= aim.limit + 1e-12).tail(1))  # type: ignore[operator]


def _first(rows: pl.DataFrame) -> float | None:
    value = rows["threshold"][0]
    return None if value is None else float(value)


def find(scores: pl.DataFrame, aim: Aim) -> OperatingPoint:
    """The operating point of an aim.

    Args:
        scores: see `detection_curves`.
        aim: what for.
    """
    rows = detection_curves.labelled(scores)
    lack = detection_curves.lacking(rows)
    if lack:
        given = aim.threshold if aim.method == "given" else None
        return OperatingPoint(given, None, None, None, (), lack)
    curve = detection_curves.curve(rows, aim.prevalence)
    threshold = choose(curve, aim)
    rows = rows.with_columns(fold=folds(rows["cluster_id"]))
    parts, chosen = [], []
    for fold in range(FOLDS):
        chosen.append(choose(detection_curves.curve(rows.filter(pl.col("fold") != fold)), aim))
        parts.append(called(rows.filter(pl.col("fold") == fold), chosen[-1]))
    return OperatingPoint(
        threshold,
        precision(curve, threshold),
        judge(called(rows, threshold), aim),
        judge(pl.concat(parts), aim),
        tuple(chosen),
        None,
    )


def precision(curve: pl.DataFrame, threshold: float | None) -> Estimate | None:
    """Of the parts called defective the share that is so; None where none is called.

    Args:
        curve: as `detection_curves.curve` gives it, at the prevalence wanted.
        threshold: any number.
    """
    rows = curve.filter(pl.col("threshold") >= threshold).tail(1) if threshold is not None else curve.clear()
    found = rows.select("precision", "precision_low", "precision_high").drop_nulls()
    return None if found.is_empty() else Estimate(*found.row(0))


def called(rows: pl.DataFrame, threshold: float | None) -> pl.DataFrame:
    """The pictures with `called`, whether the threshold calls them defective."""
    return rows.with_columns(called=pl.lit(False) if threshold is None else pl.col("score") >= threshold)


def judge(rows: pl.DataFrame, aim: Aim) -> Judged:
    """What calls come to.

    Args:
        rows: `called`, `defective` and `cluster_id`, of both kinds.
        aim: prevalence and costs.

    Raises:
        ValueError: a kind is missing.
    """
    escape, overkill = error_rates(rows)
    if escape is None or overkill is None:
        raise ValueError("a call is judged on defective and on good pictures; one kind is missing")
    return Judged(escape, overkill, aim.cost(escape.value, overkill.value))


def error_rates(rows: pl.DataFrame) -> tuple[Estimate | None, Estimate | None]:
    """Escape and overkill of calls; None without a picture of that kind.

    Args:
        rows: `called`, `defective` and `cluster_id`.
    """
    wrong = rows.with_columns(wrong=pl.col("called") != pl.col("defective"))
    escape, overkill = (_rate(wrong.filter(pl.col("defective") == kind)) for kind in (True, False))
    return escape, overkill


def _rate(rows: pl.DataFrame) -> Estimate | None:
    if rows.is_empty():
        return None
    return Estimate(*intervals.rates(rows, value="wrong").select("rate", "low", "high").row(0))


def folds(clusters: pl.Series) -> pl.Series:
    """Which fold each piece falls into: its name's SHA-256 modulo FOLDS, so every run and every reader agrees."""
    names = clusters.unique()
    numbers = [int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:8], "big") % FOLDS for name in names]
    return clusters.replace_strict(names, pl.Series(numbers, dtype=pl.Int64), return_dtype=pl.Int64)


def recall_by(rows: pl.DataFrame, threshold: float | None, measure: str, bins: int = 4) -> pl.DataFrame:
    """Recall of defective pictures by how large a measure of theirs is, from the smallest.

    Args:
        rows: as `detection_curves.labelled` gives them, with the measure.
        threshold: None: nothing is called defective.
        measure: a column of numbers, such as `defect_area`; pictures without one are left out.
        bins: at most, of about equally many pictures; equal values are in one.

    Returns:
        smallest, largest (of the measure), n, recall, low, high; empty without measured defective pictures.
    """
    own = called(rows.filter("defective", pl.col(measure).is_finite()), threshold)
    most = max(1, min(bins, own["cluster_id"].n_unique() // calibration.FEWEST))
    middle = pl.col(measure).rank("average") - 0.5
    own = own.with_columns(bin=(middle * most / max(own.height, 1)).floor().cast(pl.Int64))
    ends = own.group_by("bin").agg(smallest=pl.col(measure).min(), largest=pl.col(measure).max())
    return (
        intervals.rates(own, ("bin",), "called")
        .join(ends, on="bin")
        .sort("bin")
        .select("smallest", "largest", pl.col("n").cast(pl.Int64), pl.col("rate").alias("recall"), "low", "high")
    )


def pareto(
    rows: pl.DataFrame, threshold: float | None, aim: Aim, by: Sequence[str] = ("product", "defect")
) -> pl.DataFrame:
    """Where the cost of a threshold comes from, the dearest first.

    Each escape adds the prevalence over the number of defective pictures times its cost, each overkill likewise, so
    that the costs add up to the mean cost of a part.

    Args:
        rows: as `detection_curves.labelled` gives them, with `by`.
        threshold: None: nothing is called defective.
        aim: prevalence and costs.
        by: what to divide by; a good picture's defect is GOOD.

    Returns:
        `by`, escapes, overkills, cost (of a part, on average), share (of all), cumulative (0..1); groups without an
        error are left out.
    """
    judged = called(rows, threshold)
    defective, good = int(rows["defective"].sum()), int((~rows["defective"]).sum())
    each_escape = aim.prevalence * aim.cost_escape / max(defective, 1)
    each_overkill = (1 - aim.prevalence) * aim.cost_overkill / max(good, 1)
    named = judged.with_columns(
        defect=pl.when("defective").then(pl.col("defect").fill_null("unnamed")).otherwise(pl.lit(GOOD))
    )
    table = (
        named.group_by(by)
        .agg(
            escapes=(pl.col("defective") & ~pl.col("called")).sum().cast(pl.Int64),
            overkills=(~pl.col("defective") & pl.col("called")).sum().cast(pl.Int64),
        )
        .filter(pl.col("escapes") + pl.col("overkills") > 0)
        .with_columns(cost=pl.col("escapes") * each_escape + pl.col("overkills") * each_overkill)
        .sort("cost", *by, descending=[True, *(False for _ in by)])
    )
    total = float(table["cost"].sum()) or 1.0
    return table.with_columns(share=pl.col("cost") / total).with_columns(cumulative=pl.col("share").cum_sum())
