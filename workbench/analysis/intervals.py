"""Rates with intervals that know that an image's questions are not independent.

A rate over questions is a ratio of two sums over images, so its variance comes from how the images' sums scatter about
it (the ratio estimate; the same as `statsmodels ols("right ~ 1").fit(cov_type="cluster")`). Its design effect, that
variance over the one of as many independent questions, turns n into an effective n, and Wilson's interval is taken of
that. Only sums are needed: a million predictions are one `group_by`, and stored sums become intervals later.

`bootstrap` is for the number that is exported: it resamples images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special

from workbench.analysis import clusters

LEVEL = 0.95
MOMENTS = ("n", "right", "images", "nn", "nr", "rr")
"""Sums over images of a group: of n, right, 1, n * n, n * right, right * right. They add up over disjoint images."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


def per_image(facts: pl.DataFrame, by: Sequence[str] = (), value: str = "right") -> pl.DataFrame:
    """`by`, image_id, n (rows whose value is known) and right (their sum), one row per group and image."""
    return (
        facts.lazy()
        .filter(pl.col(value).is_not_null())
        .group_by(*by, "image_id")
        .agg(n=pl.len().cast(pl.Float64), right=pl.col(value).cast(pl.Float64).sum())
        .collect()
    )


def moments(sums: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """`by` and MOMENTS, one row per group.

    Args:
        sums: as `per_image` gives them.
    """
    n, right = pl.col("n"), pl.col("right")
    sums_of_groups = (
        n.sum(),
        right.sum(),
        pl.len().cast(pl.Int64).alias("images"),
        (n * n).sum().alias("nn"),
        (n * right).sum().alias("nr"),
        (right * right).sum().alias("rr"),
    )
    return sums.group_by(by).agg(*sums_of_groups) if by else sums.select(*sums_of_groups)


def with_intervals(groups: pl.DataFrame, level: float = LEVEL) -> pl.DataFrame:
    """The groups with rate, se, deff, low and high; n and right become whole numbers where they are.

    With no image the interval is 0 to 1. With one image, or with every answer alike, the variance says nothing: each
    image then counts as one question.
    """
    n, right, images = pl.col("n"), pl.col("right"), pl.col("images")
    scatter = (pl.col("rr") - 2 * pl.col("rate") * pl.col("nr") + pl.col("rate") ** 2 * pl.col("nn")).clip(0)
    alone = pl.col("rate") * (1 - pl.col("rate")) / n
    variance = scatter / n**2 * images / (images - 1)
    known = (images > 1) & (variance > 0) & (alone > 0)
    groups = groups.with_columns(rate=pl.when(n > 0).then(right / n))
    groups = groups.with_columns(
        se=pl.when(known).then(variance.sqrt()),
        deff=pl.when(known).then(variance / alone).when(n > 0).then(n / images),
    )
    degrees = np.maximum(groups["images"].to_numpy() - 1, 1)
    groups = groups.with_columns(z=pl.Series(special.stdtrit(degrees, (1 + level) / 2)), effective=n / pl.col("deff"))
    z, effective, rate = pl.col("z"), pl.col("effective"), pl.col("rate")
    shrink = 1 + z**2 / effective
    middle = (rate + z**2 / (2 * effective)) / shrink
    half = z / shrink * (rate * (1 - rate) / effective + z**2 / (4 * effective**2)).sqrt()
    return groups.with_columns(
        # At the ends the formula is exact but its rounding is not.
        low=pl.when(n == 0).then(0.0).when(rate == 0).then(0.0).otherwise((middle - half).clip(0, 1)),
        high=pl.when(n == 0).then(1.0).when(rate == 1).then(1.0).otherwise((middle + half).clip(0, 1)),
    ).drop("z", "effective")


def rates(facts: pl.DataFrame, by: Sequence[str] = (), value: str = "right") -> pl.DataFrame:
    """`by`, n, right, images, rate, se, deff, low, high; one row per group, in no order.

    Args:
        facts: image_id, `by` and `value`; rows without a value are left out.
        value: Boolean, or a number in 0..1.
    """
    rows = facts.filter(pl.col(value).is_not_null())
    found = clusters.by_image(rows, by)
    n, right = found.per_pair(), found.per_pair(rows[value].cast(pl.Float64).to_numpy())
    sums = found.table(n=n, right=right, nn=n * n, nr=n * right, rr=right * right)
    groups = with_intervals(sums.with_columns(images=pl.Series(found.per_group(), dtype=pl.Int64)))
    return groups.select(*by, "n", "right", "images", "rate", "se", "deff", "low", "high")


def bootstrap(sums: pl.DataFrame, seed: int = 0, resamples: int = 2000, level: float = LEVEL) -> Estimate:
    """The rate with its percentile bootstrap interval by image: for export.

    Args:
        sums: n and right, one row per image, as `per_image` gives them without `by`.

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


def change(sums: pl.DataFrame, level: float = LEVEL) -> Estimate:
    """The mean change per question with its interval, clustered by image; no image, no change.

    A ratio estimate's interval, with one image that won a question and one that lost one beside those given, as
    Agresti and Min (Biometrics 61, 2005) do with pairs: without them no change on five images would be sure to be
    none, and the same gain on two images sure to be a gain.

    Args:
        sums: image_id, n and right (questions won minus lost), one row per image, as `per_image` gives them.
        level: of both ends together.
    """
    if sums.is_empty():
        return Estimate(0.0, 0.0, 0.0)
    each = float(sums["n"].sum()) / sums.height
    more = pl.DataFrame({"n": [each, each], "right": [1.0, -1.0]})
    row = moments(pl.concat([sums.select(pl.col("n", "right").cast(pl.Float64)), more])).row(0, named=True)
    n, mean, images = row["n"], row["right"] / row["n"], row["images"]
    scatter = row["rr"] - 2 * mean * row["nr"] + mean**2 * row["nn"]
    error = math.sqrt(max(scatter, 0.0) * images / (images - 1)) / n
    half = float(special.stdtrit(images - 1, 0.5 + level / 2)) * error
    return Estimate(float(sums["right"].sum()) / float(sums["n"].sum()), max(mean - half, -1.0), min(mean + half, 1.0))


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


def detectable(rate: pl.Expr, effective: pl.Expr, others: pl.Expr, alpha: float = 0.05, power: float = 0.8) -> pl.Expr:
    """The smallest loss of rate that a two-sided test would notice with this power, in rate points 0..1.

    Args:
        rate: what is expected.
        effective: questions of the slice over its design effect.
        others: the same of what it is compared with.

    Source: Cohen's h, as `statsmodels.stats.power.NormalIndPower` solves it.
    """
    h = (special.ndtri(1 - alpha / 2) + special.ndtri(power)) * (1 / effective + 1 / others).sqrt()
    at = rate.clip(0, 1).sqrt().arcsin()
    lowered: pl.Expr = (at - h / 2).clip(0).sin() ** 2
    return rate - lowered


def in_points(share: float, sign: str = "+") -> str:
    """A difference between shares in points, with as many digits as keep it on its side of 0.

    Args:
        share: -1..1.
        sign: "+" writes that of gains too, "" only that of losses.
    """
    said = f"{100 * share + 0.0:{sign}.1f}"
    return said if share == 0 or float(said) != 0 else f"{100 * share:{sign}.1g}"
