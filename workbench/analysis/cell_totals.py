"""From the warehouse's counted cells to the numbers of overview pages: nothing here looks at a prediction.

`warehouse.queries.facts.Cell` holds, per kind of image and subtask, the sums over images that `intervals` needs; they
add up over images that are disjoint, which the cells of one subtask are. Images that share a cluster with another are
in cells of their cluster alone. So these tables are those of `slices` and `intervals` over the same rows, at the price
of a few thousand counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import polars as pl

from warehouse.records.questions import Subtask
from workbench.analysis import error_concentration, intervals, slices, subtasks
from workbench.analysis.intervals import Estimate

_MOMENTS = {
    "n": "counted", "right": "correct", "images": "counted_images", "n_squared": "counted_squared",
    "n_right": "counted_correct", "right_squared": "correct_squared",
}  # fmt: skip


def rates(cells: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """`intervals.rates` of the predictions that the cells count.

    Args:
        cells: see `warehouse.queries.truth.clustered_cells`.
        by: any of the cells' columns; with `subtask` the cells per subtask are taken, else those over all.
    """
    return _rates_of_cuts(cells, [tuple(by)])[0]


def _rates_of_cuts(cells: pl.DataFrame, cuts: Sequence[Sequence[str]]) -> list[pl.DataFrame]:
    """`rates` by each of several sets of columns: one look at the cells and one pass of intervals for all of them."""
    sums = [pl.col(of).sum().cast(pl.Float64).alias(name) for name, of in _MOMENTS.items()]
    n, right, is_cluster = pl.col("n"), pl.col("right"), pl.col("cluster_id").is_not_null()
    of_cluster = {
        "images": (n > 0).cast(pl.Float64),
        "n_squared": n * n,
        "n_right": n * right,
        "right_squared": right**2,
    }
    whens = [pl.when(is_cluster).then(x).otherwise(name).alias(name) for name, x in of_cluster.items()]
    parts = []
    for by in cuts:
        rows = cells.lazy().filter(pl.col("subtask").is_not_null() if "subtask" in by else pl.col("subtask").is_null())
        clusters = rows.group_by(*by, "cluster_id").agg(sums).with_columns(whens)
        groups = clusters.group_by(by).agg(pl.col(*_MOMENTS).sum()) if by else clusters.select(pl.col(*_MOMENTS).sum())
        parts.append(groups.filter(n > 0).with_columns(pl.col("images").cast(pl.Int64)))
    groups_of_cuts = pl.collect_all(parts)
    found = intervals.with_intervals(pl.concat(groups.select(*_MOMENTS) for groups in groups_of_cuts))
    found = found.select("n", "right", "images", "effective", "rate", "se", "deff", "low", "high")
    tables, first = [], 0
    for by, counted in zip(cuts, groups_of_cuts, strict=True):
        of_cut = found.slice(first, counted.height)
        tables.append(counted.select(*by).hstack(of_cut) if by else of_cut)
        first += counted.height
    return tables


def heat(cells: pl.DataFrame) -> pl.DataFrame:
    """`slices.heat` of the predictions that the cells count, with each product's data set."""
    found = rates(cells, ("dataset", "product", "subtask"))
    return slices.against_margins(found, "product", "subtask", "dataset")


def error_slices(
    cells: pl.DataFrame, cuts: Sequence[error_concentration.Cut] = error_concentration.CUTS
) -> pl.DataFrame:
    """`error_concentration.table` of the predictions that the cells count."""
    whole, *of_cuts = _rates_of_cuts(cells, [(), *cuts])
    return error_concentration.table(dict(zip(cuts, of_cuts, strict=True)), whole)


def accuracy_by_subtask(cells: pl.DataFrame, declared: Sequence[Subtask]) -> pl.DataFrame:
    """One row per subtask in the order declared: subtask, n, right, images, rate, low, high, chance."""
    chance = cells.filter(pl.col("subtask").is_not_null(), pl.col("counted") > 0).group_by("subtask")
    table = rates(cells, ("subtask",)).join(chance.agg(chance=_guessed()), on="subtask")
    return subtasks.in_order(table, declared).select(
        "subtask", pl.col("n", "right").cast(pl.Int64), "images", "rate", "low", "high", "chance"
    )


def _guessed() -> pl.Expr:
    """The rate of guessing; null where it is too small for any number of options, for then nobody knows them."""
    share = pl.col("chance").sum() / pl.col("counted").sum()
    return pl.when(share >= 1 / len(ascii_uppercase)).then(share)


@dataclass(frozen=True, slots=True)
class Detection:
    """Escapes among defective images and overkill among good ones, of the images asked whether they have a defect."""

    escape: Estimate | None  # None without defective images
    overkill: Estimate | None
    unreadable: Estimate | None  # of the images of either label
    escapes: int
    defective: int
    overkills: int
    good: int
    unread: int
    unclaimed: int  # answers of which nothing tells what they claim, whatever the label


def detection(cells: pl.DataFrame) -> Detection:
    """Escape and overkill rates, and beside them the share of answers that could not be read, which are neither.

    An image is asked once, so Wilson's interval is of independent questions, or of independent clusters.
    """
    rows = cells.filter(pl.col("subtask").is_null())
    defective, good = (rows.filter(pl.col("label") == label) for label in ("defective", "good"))
    escapes, overkills = int(defective["escape"].sum()), int(good["overkill"].sum())
    unread = int(defective["unreadable"].sum()) + int(good["unreadable"].sum())
    missed, called = int(defective["counted_detections"].sum()), int(good["counted_detections"].sum())
    sides = [(0, defective, "escape"), (1, good, "overkill"), (2, pl.concat([defective, good]), "unreadable")]
    sums = pl.concat(
        of_side.select(
            pl.lit(side).alias("side"), "cluster_id", "counted_detections", pl.col(counted).alias("counted_so")
        )
        for side, of_side, counted in sides
    )
    found = intervals.over_pictures(sums, "counted_so", "counted_detections", ("side",))
    rated = {side: Estimate(*rest) for side, *rest in found.select("side", "rate", "low", "high").iter_rows()}
    return Detection(
        escape=rated.get(0),
        overkill=rated.get(1),
        unreadable=rated.get(2),
        escapes=escapes,
        defective=missed,
        overkills=overkills,
        good=called,
        unread=unread,
        unclaimed=int(rows["unclaimed"].sum()),
    )


def total(cells: pl.DataFrame, column: str) -> int:
    """A count over all of a selection's questions."""
    return int(cells.filter(pl.col("subtask").is_not_null())[column].sum())


def seconds(cells: pl.DataFrame) -> float:
    """How long a selection's questions took, summed over processes."""
    return float(cells.filter(pl.col("subtask").is_null())["seconds"].sum())


def images_per_second(cells: pl.DataFrame) -> float | None:
    """Images per second of one process's work on them, the model's loading left out; None before the first."""
    whole = cells.filter(pl.col("subtask").is_null())
    took = seconds(cells)
    return int(whole["images"].sum()) / took if took > 0 else None


def average(cells: pl.DataFrame, declared: Sequence[Subtask]) -> float | None:
    """MMAD's macro average of the `strict` scorer in percent, as `mmad.score` gives it; None without labelled answers.

    Per data set and subtask, detection as the mean over good and defective images; then over subtasks, then data sets.
    """
    rows = cells.filter(pl.col("subtask").is_not_null(), pl.col("counted") > 0)
    detection = pl.col("subtask").is_in(subtasks.detecting(declared))
    side = pl.when(detection).then(pl.col("label"))
    rate = pl.col("correct").sum() / pl.col("counted").sum()
    found = (
        rows.group_by("dataset", "subtask", side=side)
        .agg(rate=rate)
        .group_by("dataset", "subtask")
        .agg(pl.col("rate").mean())
        .group_by("dataset")
        .agg(pl.col("rate").mean())
    )
    mean = found["rate"].mean()
    return None if mean is None else 100 * float(str(mean))
