"""One value per night and signal, at the reference's mixture of product, line and camera: images in, nights out.

Two nights with other mixtures of products are brought to the mixture of the reference nights: each stratum counts by
its share there, and what a night lies above the reference within its strata is added to the reference's mean. A
stratum that a night hasn't seen says nothing about it, and one that the reference hasn't seen can't be compared.

For a chart, rates are turned into angles, arcsin sqrt(p), whose sampling variance is that of the number of images alone
(Anscombe, Biometrika 35, 1948): a night without any event has one too, and rare events are less skew. Means stay as
they are; their sampling variance is the images' within nights and strata.

Knows nothing of storage, schedules or pages.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from workbench.analysis.drift import SHARES, STRATA

LEAST_IMAGES = 5  # of a night; fewer make no value

SCHEMA = {
    "night": pl.Int64, "value": pl.Float64, "charted": pl.Float64, "variance": pl.Float64, "images": pl.Int64,
}  # fmt: skip


def of(images: pl.DataFrame, name: str) -> pl.DataFrame:
    """A signal's nights, oldest first.

    Args:
        images: cluster_id, night (an integer), reference (bool: of a reference night), the STRATA (text or null) and
            the signal's column (bool or float; null where it doesn't apply). Of a cluster one image a night counts.
        name: the signal's column; a rate where it is one of `drift.SHARES`, else a mean.

    Returns:
        night, value (the rate or mean), charted and variance (as a chart takes them), images.
    """
    known = (
        images.drop_nulls(name)
        .unique(["cluster_id", "night"], keep="first", maintain_order=True)
        .select("night", "reference", *(pl.col(each).fill_null("") for each in STRATA), x=pl.col(name).cast(pl.Float64))
    )
    reference = known.filter("reference")
    if reference.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    strata = reference.group_by(STRATA).agg(usual=pl.col("x").mean(), share=pl.len() / reference.height)
    compared = known.join(strata, on=STRATA).with_columns(above=pl.col("x") - pl.col("usual"))
    each = ["night", "reference"]
    cells = compared.group_by(*each, *STRATA).agg(
        n=pl.len(), above=pl.col("above").mean(), share=pl.col("share").first()
    )
    nights = (
        cells.group_by(each)
        .agg(
            value=reference["x"].mean() + (pl.col("share") * pl.col("above")).sum() / pl.col("share").sum(),
            effective=pl.col("share").sum() ** 2 / (pl.col("share") ** 2 / pl.col("n")).sum(),
            images=pl.col("n").sum().cast(pl.Int64),
        )
        .filter(pl.col("images") >= LEAST_IMAGES)
        .sort("night")
    )
    if name in SHARES:
        shares = nights["value"].to_numpy().clip(0.0, 1.0)
        charted, variance = angles(shares, nights["effective"].to_numpy())
        nights = nights.with_columns(value=pl.Series(shares), charted=pl.Series(charted), variance=pl.Series(variance))
    else:
        nights = nights.with_columns(charted="value", variance=_within(compared) / pl.col("effective"))
    return nights.select(pl.col(column).cast(kind) for column, kind in SCHEMA.items())


def angles(shares: ArrayLike, images: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of so many images as a chart takes them, with their sampling variances; any shape."""
    p, n = np.asarray(shares, np.float64), np.asarray(images, np.float64)
    return np.arcsin(np.sqrt((p * n + 0.375) / (n + 0.75))), 1 / (4 * n + 2)


def in_units(name: str, charted: Sequence[float]) -> list[float]:
    """Values as a chart takes them, as rates or means again."""
    return [float(np.sin(value) ** 2) if name in SHARES else value for value in charted]


def _within(compared: pl.DataFrame) -> float:
    """The variance of one image within reference nights and strata; positive."""
    reference = compared.filter("reference").with_columns(
        scatter=(pl.col("x") - pl.col("x").mean().over("night", *STRATA)) ** 2
    )
    cells = reference.select("night", *STRATA).unique().height
    return max(float(reference["scatter"].sum()) / max(reference.height - cells, 1), 1e-12)
