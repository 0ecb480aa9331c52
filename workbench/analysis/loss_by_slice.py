"""Where the new run loses against the old one: by product, camera, defect, retrieval, subtask and product by subtask.

Each slice's net gains by image have their sign-flip test (`sign_flips.py`), and all slices of all cuts that were looked
at are corrected together (Benjamini and Hochberg). Among slices that lose, the one that the lost answers concentrate in
most comes first (`error_concentration.py`): a product that fell before the subtasks that fell with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import special

from workbench import wording
from workbench.analysis import cluster_robust, compare, error_concentration, image_groups, intervals, sign_flips
from workbench.analysis.error_concentration import Cut

CUTS: tuple[Cut, ...] = (
    ("subtask",), ("product",), ("camera",), ("defect",), ("retrieval",), ("product", "subtask"),
)  # fmt: skip
DIMENSIONS = ("subtask", "product", "camera", "defect", "retrieval")
LEAST = 6  # images that changed; of fewer no sign-flip test comes below 5 %
_HOPELESS = -1.0  # standard errors: a smaller loss isn't tested, its p is taken as 1
SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "cut": pl.List(pl.String),  # its dimensions
    "values": pl.List(pl.String),  # of the dimensions; null where the archive has none
    "n": pl.Int64,  # pairs
    "images": pl.Int64,  # they are about
    "rate_old": pl.Float64,  # right in the baseline
    "rate_new": pl.Float64,  # right in the run
    "difference": pl.Float64,  # rate_new - rate_old
    "lost": pl.Int64,  # pairs right before, wrong now
    "gained": pl.Int64,  # and the reverse
    "ratio": pl.Float64,  # how much the lost answers concentrate here, see `error_concentration.py`; nats
    "p": pl.Float64,  # two-sided, of no difference: sign flips of the images' net gains; 1 where it gains
    "q": pl.Float64,  # p after Benjamini and Hochberg over all slices looked at
    "only_old": pl.Int64,  # judged questions that the run lacks; null where that isn't counted
    "only_new": pl.Int64,  # and that the baseline lacks
}


def table(
    pairs: pl.DataFrame,
    old: pl.DataFrame | None = None,
    new: pl.DataFrame | None = None,
    cuts: Sequence[Cut] = CUTS,
) -> pl.DataFrame:
    """All slices looked at, those that lose first, the most telling of them first.

    Args:
        pairs: cluster_id, right, old_right and the cuts' dimensions, as `compare.pair` gives them.
        old: judged questions of the baseline as counts: DIMENSIONS, n. None: unpaired questions aren't counted.
        new: the same of the run.
        cuts: what to look at; one with a single value is left out.

    Returns:
        SCHEMA, of slices with at least LEAST images that changed.
    """
    parts = [
        of_cut
        for place, cut in enumerate(cuts)
        if pairs.height and (of_cut := _of_cut(pairs, cut, old, new, place)) is not None
    ]
    if not parts:
        return pl.DataFrame(schema=SCHEMA)
    slices = pl.concat(parts)
    slices = slices.with_columns(q=intervals.discoveries(slices["p"]))
    loses = (pl.col("difference") < 0) & (pl.col("q") < compare.ALPHA)
    slices = slices.sort(~loses, -pl.col("ratio"), "place", pl.col("values").list.join(" ", ignore_nulls=True))
    return slices.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def losing(slices: pl.DataFrame) -> pl.DataFrame:
    """Of `table`'s slices those where the run loses."""
    return slices.filter(pl.col("difference") < 0, pl.col("q") < compare.ALPHA)


def judged_counts(facts: pl.DataFrame) -> pl.DataFrame:
    """Judged questions as counts, as `table` takes them.

    Args:
        facts: right and DIMENSIONS.
    """
    return facts.filter(pl.col("right").is_not_null()).group_by(DIMENSIONS).agg(n=pl.len())


def sentence(slices: pl.DataFrame, name: str = "B") -> str:
    """Where the new run loses most; empty where no loss is sure.

    Args:
        slices: as `table` gives them.
        name: the new run's.
    """
    sure = losing(slices)
    if sure.is_empty():
        return ""
    first = sure.row(0, named=True)
    place = error_concentration.in_words(first["cut"], first["values"])
    looked = wording.counted(slices.height, "slice")
    more = f", and in {sure.height - 1} more of the {looked} looked at" if sure.height > 1 else ""
    return (
        f"{name} loses most in {place}: {wording.points(first['difference'])} points, "
        f"{first['lost']:,} lost and {first['gained']:,} won of {wording.counted(first['n'], 'pair')}{more}."
    )


def _of_cut(
    pairs: pl.DataFrame, cut: Cut, old: pl.DataFrame | None, new: pl.DataFrame | None, place: int
) -> pl.DataFrame | None:
    """The slices of one cut; None where it has a single one."""
    clusters = image_groups.by_cluster(pairs, cut)
    if clusters.groups < 2:
        return None
    right, before = (pairs[name].cast(pl.Float64).to_numpy() for name in ("right", "old_right"))
    n, gain = clusters.per_pair(), clusters.per_pair(right - before)
    lost = clusters.per_group(clusters.per_pair(np.maximum(before - right, 0)))
    size, total = clusters.per_group(n), clusters.per_group(gain)
    scatter = np.sqrt(clusters.per_group(gain * gain))
    # Images that didn't change have no sign to flip. Where all others gained or lost one, the flips are binomial.
    changed = np.flatnonzero(gain)
    unit = clusters.per_group((np.abs(gain) > 1).astype(np.float64)) == 0
    wins, flipped = (
        clusters.per_group((gain > 0).astype(np.float64)),
        clusters.per_group((gain != 0).astype(np.float64)),
    )
    p = np.where(unit, np.minimum(2 * special.bdtr(wins + 1, (flipped + 2).astype(np.int64), 0.5), 1.0), 1.0)
    weights = cluster_robust.weight(n)
    known = cluster_robust.enough(cluster_robust.effective(clusters.per_group(weights), clusters.per_group(weights**2)))
    p = np.where((total < 0) & known, p, 1.0)
    by_group = changed[np.argsort(clusters.group[changed], kind="stable")]
    starts = np.append(0, np.cumsum(flipped.astype(np.int64)))
    for group in np.flatnonzero(~unit & known & (total < _HOPELESS * scatter)):
        part = by_group[starts[group] : starts[group + 1]]
        p[group] = sign_flips.flip(gain[part], n[part]).p
    counts = {
        "n": size, "images": clusters.per_group(), "rate_old": clusters.per_group(clusters.per_pair(before)) / size,
        "rate_new": clusters.per_group(clusters.per_pair(right)) / size, "difference": total / size, "lost": lost,
        "gained": total + lost, "p": p, "changed": flipped,
        "ratio": error_concentration.log_likelihood_ratio(lost, size, float(lost.sum()), float(pairs.height)),
    }  # fmt: skip
    slices = pl.DataFrame(
        [*clusters.names.get_columns(), *(pl.Series(name, values) for name, values in counts.items())]
    )
    slices = slices.with_columns(pl.col(cut).cast(pl.String), place=pl.lit(place))
    for name, judged in (("only_old", old), ("only_new", new)):
        if judged is None or "retrieval" in cut:  # what one run retrieved says nothing of the other
            slices = slices.with_columns(pl.lit(None, pl.Int64).alias(name))
            continue
        asked = judged.group_by(cut).agg(asked=pl.col("n").sum()).with_columns(pl.col(cut).cast(pl.String))
        slices = slices.join(asked, on=cut, how="left", nulls_equal=True).with_columns(
            (pl.col("asked").fill_null(0) - pl.col("n")).clip(0).cast(pl.Int64).alias(name)
        )
        slices = slices.drop("asked")
    kept = slices.filter(pl.col("changed") >= LEAST)
    return kept.select(
        pl.lit(list(cut), pl.List(pl.String)).alias("cut"),
        pl.concat_list(cut).alias("values"),
        *(name for name in SCHEMA if name not in ("cut", "values", "q")),
        "place",
    )
