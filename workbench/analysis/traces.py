"""The loop's traces: error rates by shape, entropy over iterations, and whether patches lie on the defect.

A patch's hit is set against chance: the share of the image's patches that the mask touches (`patches.py`). The ratio of
hits to what chance would give is 1 for a selector that picks at random. Whether right answers have a patch on the
defect is in `right_reason.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from warehouse.queries.facts import SHAPES
from workbench.analysis import cluster_robust, intervals, patches
from workbench.analysis.intervals import Estimate
from workbench.analysis.patches import Box, Mask

HITS: dict[str, pl.DataType | type[pl.DataType]] = {
    "image_id": pl.String, "cluster_id": pl.String, "question_id": pl.String, "iteration": pl.Int64,
    "accepted": pl.Boolean, "on_mask": pl.Boolean, "chance": pl.Float64,
}  # fmt: skip
"""One row per patch of an image with a mask; chance is the image's own, 0..1."""


def by_shape(facts: pl.DataFrame) -> pl.DataFrame:
    """Error rates by trace shape, in `SHAPES`'s order.

    Returns:
        shape, n, images, wrong (share), low, high (95 %, clustered by image), share (of all traces).
    """
    rows = facts.filter(pl.col("shape").is_not_null()).with_columns(wrong=~pl.col("right"))
    return (
        intervals.rates(rows, ("shape",), "wrong")
        .select("shape", pl.col("n").cast(pl.Int64), "images", wrong="rate", low="low", high="high")
        .with_columns(share=pl.col("n") / pl.col("n").sum())
        .sort(pl.col("shape").cast(pl.Enum(SHAPES)))
    )


def profiles(rows: pl.DataFrame) -> pl.DataFrame:
    """Entropy over the iterations by shape: what small multiples draw.

    Args:
        rows: shape and entropy (a list of nats), as `Rollups.traces` gives them.

    Returns:
        shape, iteration (from 0), n, median, lower and upper (quartiles), in nats; by shape and iteration.
    """
    return (
        rows.select("entropy", "shape")
        .filter(pl.col("shape").is_not_null())
        .with_columns(iteration=pl.int_ranges(0, pl.col("entropy").list.len()))
        .explode("entropy", "iteration")
        .group_by("shape", "iteration")
        .agg(
            n=pl.len().cast(pl.Int64),
            median=pl.col("entropy").median(),
            lower=pl.col("entropy").quantile(0.25),
            upper=pl.col("entropy").quantile(0.75),
        )
        .sort(pl.col("shape").cast(pl.Enum(SHAPES)), "iteration")
    )


@dataclass(frozen=True, slots=True)
class Masked:
    """The mask of what was inspected of an image, and where that lies in the image, in pixels."""

    image_id: str
    cluster_id: str
    mask: Mask
    inspected: Box


def hits(patch_rows: pl.DataFrame, masks: Iterable[Masked]) -> pl.DataFrame:
    """Which patches touch their image's mask.

    Args:
        patch_rows: the warehouse's patches of one run.
        masks: of the images that have one; patches of others are left out.

    Returns:
        HITS.
    """
    of_image = patch_rows.partition_by("image_id", as_dict=True)
    parts = []
    for masked in masks:
        rows = of_image.get((masked.image_id,))
        if rows is None:
            continue
        result = patches.hits(masked.mask, rows.select("x0", "y0", "x1", "y1").rows(), masked.inspected)
        parts.append(
            rows.select("image_id", "question_id", "iteration", "accepted").with_columns(
                cluster_id=pl.lit(masked.cluster_id),
                on_mask=pl.Series(result.on_mask, dtype=pl.Boolean),
                chance=pl.lit(result.chance),
            )
        )
    return pl.concat(parts).select(*HITS).cast(pl.Schema(HITS)) if parts else pl.DataFrame(schema=HITS)


def hit_rate(hits: pl.DataFrame) -> pl.DataFrame:
    """Patch-hit rate per iteration beside chance.

    Args:
        hits: HITS; filter by `accepted` beforehand to judge only those.

    Returns:
        iteration, n, images, hits, rate, low, high (95 %, clustered by image), chance (mean over the same patches),
        ratio (hits over what chance gives), ratio_low, ratio_high; by iteration.
    """
    found = intervals.rates(hits, ("iteration",), "on_mask")
    chance = hits.group_by("iteration").agg(pl.col("chance").mean())
    ratios = [{"iteration": key, **_as_row(lift(part))} for (key,), part in hits.group_by("iteration")]
    ratio = pl.DataFrame(ratios, schema={"iteration": pl.Int64, **dict.fromkeys(_RATIO, pl.Float64)})
    return (
        found.join(chance, on="iteration")
        .join(ratio, on="iteration")
        .select(
            "iteration", pl.col("n").cast(pl.Int64), "images", pl.col("right").cast(pl.Int64).alias("hits"), "rate",
            "low", "high", "chance", *_RATIO,
        )
        .sort("iteration")
    )  # fmt: skip


def lift(hits: pl.DataFrame) -> Estimate:
    """Hits over what chance would give, 1.0 for a random selector, with its interval clustered by image.

    It is the rate of hits over the rate that chance has; the rate's interval is `cluster_robust.py`'s, of the scatter
    about as many hits as each image's own chance leads one to expect.
    """
    images = hits.group_by("cluster_id").agg(
        n=pl.len().cast(pl.Float64), h=pl.col("on_mask").cast(pl.Float64).sum(), c=pl.col("chance").sum()
    )
    n, h, c = (images[name].to_numpy() for name in ("n", "h", "c"))
    if c.sum() <= 0:
        return Estimate(float("nan"), 0.0, float("inf"))
    ratio, chance = h.sum() / c.sum(), c.sum() / n.sum()
    effective = cluster_robust.effective(c.sum(), (c**2).sum())
    if not cluster_robust.enough(effective):
        return Estimate(float(ratio), 0.0, float("inf"))
    found = cluster_robust.weighted(
        h.sum() / n.sum(),
        ((h - ratio * c) ** 2).sum() / n.sum() ** 2,
        effective,
        cluster_robust.rarer(n.sum(), h.sum(), (n**2).sum(), (n * h).sum(), (h**2).sum()),
    )
    return Estimate(float(ratio), float(found.low / chance), float(found.high / chance))


_RATIO = ("ratio", "ratio_low", "ratio_high")


def _as_row(found: Estimate) -> dict[str, float]:
    return dict(zip(_RATIO, (found.value, found.low, found.high), strict=True))
