"""Rates with intervals that know that an image's questions are not independent.

A rate over questions is a ratio of two sums over images, so its variance comes from how the images' sums scatter about
it; what is made of it for images of unequal size is in `cluster_robust.py`. Only sums are needed: a million predictions
are one `group_by`, and stored sums become intervals later.

`bootstrap` is for the number that is exported: it resamples images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special

from workbench.analysis import cluster_robust, image_groups, metrics

LEVEL = cluster_robust.LEVEL


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def per_cluster(facts: pl.DataFrame, by: Sequence[str] = (), value: str = "right") -> pl.DataFrame:
    """`by`, cluster_id, n (rows whose value is known) and right (their sum), one row per group and cluster."""
    return (
        facts.lazy()
        .filter(pl.col(value).is_not_null())
        .group_by(*by, "cluster_id")
        .agg(n=pl.len().cast(pl.Float64), right=pl.col(value).cast(pl.Float64).sum())
        .collect()
    )


def moments(sums: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """`by`, n, right, images, nn, nr, rr, one row per group: sums over its images, which add up over disjoint images.

    Args:
        sums: as `per_cluster` gives them.
    """
    n, right = pl.col("n"), pl.col("right")
    sums_of_groups = (
        n.sum(),
        right.sum(),
        pl.len().cast(pl.Int64).alias("images"),
        (n * n).sum().alias("n_squared"),
        (n * right).sum().alias("n_right"),
        (right * right).sum().alias("right_squared"),
    )
    return sums.group_by(by).agg(*sums_of_groups) if by else sums.select(*sums_of_groups)


def with_intervals(groups: pl.DataFrame, level: float = LEVEL) -> pl.DataFrame:
    """The groups with rate, se, effective, deff, low and high; n and right become whole numbers where they are.

    `effective` is how many images of one size would say as much; with fewer than `cluster_robust.LEAST` the interval
    is 0 to 1.

    Args:
        groups: as `moments` gives them.
        level: of the intervals.
    """
    names = ("n", "right", "n_squared", "n_right", "right_squared")
    n, right, n_squared, n_right, right_squared = (groups[name].cast(pl.Float64).to_numpy() for name in names)
    found = cluster_robust.ratio(n, right, n_squared, n_right, right_squared, level)
    with np.errstate(invalid="ignore", divide="ignore"):
        alone = found.value * (1 - found.value) / n
        deff = np.where((alone > 0) & (found.used > 0), found.used / alone, n / found.effective)
        error = np.sqrt(np.where(found.variance > 0, found.variance, np.nan))
    columns = {
        "rate": found.value, "se": error, "effective": found.effective, "deff": np.where(n > 0, deff, np.nan),
        "low": found.low, "high": found.high,
    }  # fmt: skip
    return groups.with_columns(pl.Series(name, values).fill_nan(None) for name, values in columns.items())


def rates(facts: pl.DataFrame, by: Sequence[str] = (), value: str = "right") -> pl.DataFrame:
    """`by`, n, right, images, effective, rate, se, deff, low, high; one row per group, in no order.

    Args:
        facts: cluster_id, `by` and `value`; rows without a value are left out.
        value: Boolean, or a number in 0..1.
    """
    rows = facts.filter(pl.col(value).is_not_null())
    found = image_groups.by_cluster(rows, by)
    n, right = found.per_pair(), found.per_pair(rows[value].cast(pl.Float64).to_numpy())
    sums = found.table(n=n, right=right, n_squared=n * n, n_right=n * right, right_squared=right * right)
    groups = with_intervals(sums.with_columns(images=pl.Series(found.per_group(), dtype=pl.Int64)))
    return groups.select(*by, "n", "right", "images", "effective", "rate", "se", "deff", "low", "high")


def over_pictures(cells: pl.DataFrame, counted: str, among: str, by: Sequence[str] = ()) -> pl.DataFrame:
    """Rates over pictures, each asked once: Wilson's interval, clustered where pictures share a cluster.

    Args:
        cells: `counted`, `among`, `by` and cluster_id, null where no picture shares its cluster with another.
        counted: how many pictures are so.
        among: how many pictures there are.
        by: further columns.

    Returns:
        `by`, n, right, images, rate, low, high; one row per group with pictures, in no order.
    """
    n, right = pl.col("n"), pl.col("right")
    shared = pl.col("cluster_id").is_not_null() & (n > 1)
    units = cells.group_by(*by, "cluster_id").agg(
        n=pl.col(among).sum().cast(pl.Float64), right=pl.col(counted).sum().cast(pl.Float64)
    )
    units = units.filter(n > 0).with_columns(
        # A picture by itself is right or not: its number is its square.
        images=pl.when(shared).then(1).otherwise(n), n_squared=pl.when(shared).then(n * n).otherwise(n),
        n_right=pl.when(shared).then(n * right).otherwise(right),
        right_squared=pl.when(shared).then(right * right).otherwise(right), shared=shared,
    )  # fmt: skip
    sums = [pl.col("n", "right", "images", "n_squared", "n_right", "right_squared").sum(), pl.col("shared").any()]
    groups = units.group_by(by).agg(sums) if by else units.select(sums).filter(n > 0)
    groups = with_intervals(groups.with_columns(pl.col("images").cast(pl.Int64)))
    ends = [metrics.wilson(int(y), int(m)) for y, m in groups.select("right", "n").iter_rows()]
    return groups.select(
        *by, pl.col("n", "right").cast(pl.Int64), "images", "rate",
        low=pl.when("shared").then("low").otherwise(pl.Series([end.low for end in ends], dtype=pl.Float64)),
        high=pl.when("shared").then("high").otherwise(pl.Series([end.high for end in ends], dtype=pl.Float64)),
    )  # fmt: skip


def bootstrap(sums: pl.DataFrame, seed: int = 0, resamples: int = 2000, level: float = LEVEL) -> Estimate:
    """The rate with its percentile bootstrap interval by image: for export.

    Args:
        sums: n and right, one row per image, as `per_cluster` gives them without `by`.

    Source: `scipy.stats.bootstrap`, pairs of (right, n) resampled together.
    """
    from scipy import stats

    right, n = sums["right"].to_numpy(), sums["n"].to_numpy()
    rate = float(right.sum() / n.sum()) if n.sum() else float("nan")
    if len(n) < 2:
        return Estimate(rate, 0.0, 1.0)
    found = stats.bootstrap(
        (right, n),
        lambda r, m, axis=-1: r.sum(axis=axis) / m.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=50,
        method="percentile",
        confidence_level=level,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(rate, float(found.low), float(found.high))


def two_sided(t: pl.Series, degrees: pl.Series) -> pl.Series:
    """The p-value of each t with so many degrees of freedom; null stays null."""
    known = t.fill_null(np.nan).to_numpy()
    p = 2 * special.stdtr(np.maximum(degrees.to_numpy(), 1), -np.abs(known))
    return pl.Series("p", p).fill_nan(None)


def discoveries(p: pl.Series) -> pl.Series:
    """Benjamini and Hochberg's q: the false-discovery rate at which each p would be called; null stays null."""
    from scipy import stats

    places = p.is_not_null().arg_true()
    q = np.full(len(p), np.nan)
    if len(places):
        q[places.to_numpy()] = stats.false_discovery_control(p.drop_nulls().to_numpy())
    return pl.Series("q", q).fill_nan(None)


def holm(p: pl.Series) -> pl.Series:
    """Holm's adjusted p: the chance of any false claim at which each would be called.

    Args:
        p: without nulls.

    Source: Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    order = np.argsort(p.to_numpy(), kind="stable")
    stepped = p.to_numpy()[order] * np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return pl.Series("q", q)


def detectable(rate: pl.Expr, effective: pl.Expr, rest: pl.Expr, alpha: float = 0.05, power: float = 0.8) -> pl.Expr:
    """The smallest loss of rate that a two-sided test would notice with this power, in rate points 0..1.

    Args:
        rate: what is expected.
        effective: questions of the slice over its design effect.
        rest: the same of what it is compared with.

    Source: Cohen's h, as `statsmodels.stats.power.NormalIndPower` solves it.
    """
    h = (special.ndtri(1 - alpha / 2) + special.ndtri(power)) * (1 / effective + 1 / rest).sqrt()
    at = rate.clip(0, 1).sqrt().arcsin()
    lowered: pl.Expr = (at - h / 2).clip(0).sin() ** 2
    return rate - lowered
