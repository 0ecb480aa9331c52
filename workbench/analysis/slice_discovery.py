"""Bad slices nobody asked for: found on one half of the images, tested on the other.

A short decision tree (scikit-learn) looks on the first half for conjunctions of values, such as product and camera,
where answers are wrong more often than their subtask explains. Each is then a hypothesis that the second half, which
the tree never saw, is asked about with the cluster-robust test of `slices.py`; what remains after false-discovery
control is reported with its interval. What was found but not confirmed is returned as well, and says so.

Dimensions default to what is known before the model answers: low confidence goes with errors in every run, and would
hide the camera that caused both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse, special, stats

from workbench.analysis import cluster_robust, intervals

OF_THE_ARCHIVE = ("subtask", "dataset", "product", "defect", "line", "camera", "night", "retrieval", "letter")
"""Dimensions known before the model answers: a slice found by them names a cause, not a symptom."""
DEPTH = 3  # conditions of a slice at most
SMALLEST = 20  # images a slice has in the first half at least
ALPHA = 0.05
_MANY = 200  # values of one dimension; the rarer ones are no slice of their own

Condition = tuple[str, str]  # dimension, value

COLUMNS = {
    "slice": "the conditions in words: product = bottle and camera = 2",
    "conditions": "list of {dimension, value}; all hold",
    "n": "questions judged, in both halves",
    "images": "images in both halves",
    "found": "difference on the half it was found in: rate less that of all other questions, subtask for subtask",
    "difference": "the same on the other half, which counts",
    "low": "95 % interval of `difference`, clustered by image",
    "high": "95 % interval of `difference`, clustered by image",
    "p": "one-sided on the other half: that the slice is no worse than the rest",
    "q": "p after Benjamini and Hochberg over all slices found",
    "detectable": "the loss that the other half would notice at 5 % with a power of 80 %, in rate points",
    "confirmed": "q is below 5 %",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """A slice against the rest, on some rows."""

    n: int  # sum of weights
    images: int
    effective: float  # images with one weight that would say as much
    difference: float
    error: float  # cluster-robust standard error; nan without a rest or with one image
    score: float  # difference over the error it would have if there were none
    detectable: float


def find(
    facts: pl.DataFrame,
    over: Sequence[str] = OF_THE_ARCHIVE,
    seed: int = 0,
    depth: int = DEPTH,
) -> pl.DataFrame:
    """Slices that are worse than the rest of the run, the confirmed ones first, worst first.

    Args:
        facts: see `rollups.ANALYSED`; of one run.
        over: what slices may be made of; those with a single value play no part.
        seed: which images go into which half.
        depth: conditions of a slice at most.

    Returns:
        COLUMNS; empty where the images are too few or nothing is worse.
    """
    rows = facts.filter(pl.col("right").is_not_null())
    used = [name for name in over if rows[name].n_unique() > 1]
    rows = rows.select("cluster_id", *used, "right", kind="subtask").with_columns(e=residual("kind"), w=pl.lit(1.0))
    first = half(rows["cluster_id"], seed)
    found, tested = rows.filter(first), rows.filter(~first)
    if not used or min(found["cluster_id"].n_unique(), tested["cluster_id"].n_unique()) < 2 * SMALLEST:
        return pl.DataFrame(schema=_SCHEMA)
    candidates = [
        (conditions, effect)
        for conditions in _grow(found, used, depth)
        if (effect := against_the_rest(found, conditions)).difference < 0 and effect.images >= SMALLEST
    ]
    lines = []
    for conditions, before in candidates:
        after = against_the_rest(tested, conditions)
        degrees = max(after.effective - 1, 1)
        p = float(special.stdtr(degrees, after.score)) if after.error > 0 else None
        margin = float(special.stdtrit(degrees, 0.975)) * after.error
        lines.append(
            (
                " and ".join(f"{name} = {value}" for name, value in conditions),
                [{"dimension": name, "value": value} for name, value in conditions],
                before.n + after.n, before.images + after.images, before.difference, after.difference,
                after.difference - margin, after.difference + margin, p, after.detectable,
            )
        )  # fmt: skip
    table = pl.DataFrame(
        lines, schema={name: _SCHEMA[name] for name in _SCHEMA if name not in ("q", "confirmed")}, orient="row"
    )
    return (
        table.with_columns(q=intervals.discoveries(table["p"]))
        .with_columns(confirmed=(pl.col("q") < ALPHA).fill_null(False))
        .select(*_SCHEMA)
        .sort("confirmed", "difference", descending=[True, False], nulls_last=True)
    )


_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "slice": pl.String, "conditions": pl.List(pl.Struct({"dimension": pl.String, "value": pl.String})),
    "n": pl.Int64, "images": pl.Int64, "found": pl.Float64, "difference": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "p": pl.Float64, "q": pl.Float64, "detectable": pl.Float64, "confirmed": pl.Boolean,
}  # fmt: skip


def half(clusters: pl.Series, seed: int) -> pl.Series:
    """True for half of the clusters, always the same ones for a seed whatever the order of rows."""
    if clusters.is_empty():
        return pl.Series(dtype=pl.Boolean)
    names = clusters.unique().sort()
    first = np.random.default_rng(seed).permutation(len(names)) < len(names) // 2
    return clusters.replace_strict(names, pl.Series(first), return_dtype=pl.Boolean)


def _grow(rows: pl.DataFrame, used: Sequence[str], depth: int) -> list[tuple[Condition, ...]]:
    """The conjunctions of equalities that a tree over one-hot columns comes by; "is not" is left out."""
    from sklearn.tree import DecisionTreeRegressor

    names: list[Condition] = []
    columns = []
    for name in used:
        codes = rows[name].cast(pl.String).fill_null("null")
        common = codes.value_counts(sort=True).head(_MANY)[name]
        for value in common:
            names.append((name, value))
            columns.append(sparse.csc_array((codes == value).to_numpy().astype(np.float32)[:, None]))
    smallest = max(SMALLEST, round(SMALLEST * rows.height / rows["cluster_id"].n_unique()))
    tree = DecisionTreeRegressor(max_depth=depth, min_samples_leaf=smallest, random_state=0)
    grown = tree.fit(sparse.hstack(columns).tocsc(), rows["e"].to_numpy()).tree_
    found: dict[frozenset[Condition], None] = {}

    def walk(node: int, path: tuple[Condition, ...]) -> None:
        if path:
            found.setdefault(frozenset(path))
        if grown.children_left[node] < 0:
            return
        walk(grown.children_left[node], path)  # "is not": says too little to be a slice
        walk(grown.children_right[node], (*path, names[grown.feature[node]]))

    walk(0, ())
    return [tuple(sorted(path, key=lambda condition: used.index(condition[0]))) for path in found]


def residual(kind: str) -> pl.Expr:
    """`right` less the rate of its kind."""
    right = pl.col("right").cast(pl.Float64)
    return right - right.mean().over(kind)


def holds(conditions: Sequence[Condition]) -> pl.Expr:
    """Whether a row is in the slice; an empty value is "null"."""
    return pl.all_horizontal(pl.col(name).cast(pl.String).fill_null("null") == value for name, value in conditions)


def against_the_rest(rows: pl.DataFrame, conditions: Sequence[Condition]) -> Effect:
    """The slice against all other rows: with weights of 1 the same estimate as `slices.table`, of one slice.

    Args:
        rows: cluster_id, what the conditions are about, w (a row's weight) and e (its residual times that weight).
        conditions: all hold in the slice.
    """
    inside, outside = pl.col("inside"), 1 - pl.col("inside")
    images = (
        rows.select("cluster_id", pl.col("w", "e"), inside=holds(conditions).cast(pl.Float64))
        .group_by("cluster_id")
        .agg(
            n=(pl.col("w") * inside).sum(), e=(pl.col("e") * inside).sum(),
            x=(pl.col("w") * outside).sum(), y=(pl.col("e") * outside).sum(),
        )
    )  # fmt: skip
    n, e, x, y = (images[name].to_numpy() for name in ("n", "e", "x", "y"))
    count = int((n > 0).sum())
    if count < 2 or x.sum() == 0:
        difference = float(e.sum() / n.sum() - y.sum() / x.sum()) if n.sum() and x.sum() else 0.0
        return Effect(int(n.sum()), count, float(count), difference, float("nan"), 0.0, 1.0)
    here, rest = e.sum() / n.sum(), y.sum() / x.sum()
    mean = (e.sum() + y.sum()) / (n.sum() + x.sum())
    clusters = float(cluster_robust.effective(n.sum(), (n**2).sum()))
    scatter, flat = (
        float(
            np.sqrt((((e - a * n) / n.sum() - (y - b * x) / x.sum()) ** 2).sum() * clusters / max(clusters - 1, 1e-9))
        )
        for a, b in ((here, rest), (mean, mean))
    )
    error = max(scatter, flat)  # where nearly all answers are right, about its own rate a slice scatters too little
    power = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    difference = float(here - rest)
    return Effect(
        int(n.sum()), count, clusters, difference, error, difference / flat if flat else 0.0, float(power * error)
    )
