"""Averages of averages, as MMAD's, with intervals by image.

A *cell* is one data set and subtask, of detection one side of it: good or defective images. A measure is a weighted sum
of the cells' accuracies: detection is the mean of its two sides, an average the unweighted mean over subtasks, then
data sets. An image whose questions are right adds to several cells, so the variance of a measure is that of the
images' shares in it: to first order, image i adds

    u_i = sum over its questions of  weight(cell) / n(cell) * (right - accuracy(cell))

and the interval is `cluster_robust.py`'s, an image's size being its sum of weight(cell) / n(cell). With one cell it is
`intervals.rates`'.

Source: the ratio estimate's linearisation (Cochran, Sampling Techniques, 1977, ch. 6), summed over ratios.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.analysis import cluster_robust, image_groups

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Design:
    """Which questions each measure is over, and with which weights. Q questions, C cells, M measures, G images."""

    names: pl.DataFrame  # (M,) dataset, subtask, side: null where the measure is over all of them; the average first
    weights: Values  # (M, C)
    sizes: Values  # (C,) questions
    cell: NDArray[np.int64]  # (Q,)
    image: NDArray[np.int64]  # (Q,) from 0
    images: int


def design(questions: pl.DataFrame, detecting: Collection[str], *, absent_is_zero: bool = False) -> Design:
    """The measures of these questions: the average, each data set's and subtask's, each cell.

    Args:
        questions: cluster_id, dataset, subtask, label (good, defective or null); one row per question.
        detecting: subtasks that are the mean of their sides.
        absent_is_zero: a subtask or side that a data set lacks counts as 0, as to MMAD's own script; else it is left
            out of the mean.
    """
    side = pl.when(pl.col("subtask").cast(pl.String).is_in(list(detecting))).then(pl.col("label").cast(pl.String))
    rows = questions.with_columns(pl.col("dataset", "subtask").cast(pl.String), side=side)
    keys = ("dataset", "subtask", "side")
    cells = rows.select(keys).unique(maintain_order=True).with_row_index("cell")
    cell = rows.join(cells, on=keys, how="left", nulls_equal=True, maintain_order="left")["cell"].to_numpy()
    datasets, subtasks = (cells[name].unique(maintain_order=True).to_list() for name in ("dataset", "subtask"))
    table = cells.select(keys).rows()

    def of_both(dataset: str, subtask: str) -> Values | None:
        """Weights of one data set's subtask; None where it wasn't asked."""
        places = [place for place, (of, name, _) in enumerate(table) if (of, name) == (dataset, subtask)]
        if not places:
            return np.zeros(len(table)) if absent_is_zero else None
        weights = np.zeros(len(table))
        weights[places] = 1 / (2 if absent_is_zero and subtask in detecting else len(places))
        return weights

    crossed = {(of, name): of_both(of, name) for of in datasets for name in subtasks}
    by_dataset = {of: _mean([crossed[of, name] for name in subtasks]) for of in datasets}
    measures: list[tuple[tuple[str | None, str | None, str | None], Values]] = []
    if table:
        measures.append(((None, None, None), _mean(list(by_dataset.values()))))
    measures += [((of, None, None), weights) for of, weights in by_dataset.items()]
    measures += [((None, name, None), _mean([crossed[of, name] for of in datasets])) for name in subtasks]
    measures += [((of, name, None), weights) for (of, name), weights in crossed.items() if weights is not None]
    for name in (name for name in subtasks if name in detecting):
        for side_name in sorted({of_side for _, of_name, of_side in table if of_name == name and of_side}):
            own = {of: _alone(table, (of, name, side_name)) for of in datasets}
            present = [weights for weights in own.values() if absent_is_zero or weights.any()]
            measures.append(((None, name, side_name), _mean(list(present))))
            measures += [((of, name, side_name), weights) for of, weights in own.items() if weights.any()]
    names = pl.DataFrame([name for name, _ in measures], schema=dict.fromkeys(keys, pl.String), orient="row")
    weights = np.array([weights for _, weights in measures]).reshape(len(measures), len(table))
    image = image_groups.numbered(questions, ("cluster_id",))
    cell = cell.astype(np.int64)
    return Design(
        names, weights, np.bincount(cell, minlength=len(table)).astype(float), cell, image,
        int(image.max()) + 1 if len(image) else 0,
    )  # fmt: skip


def estimate(of: Design, right: Values, level: float = 0.95) -> pl.DataFrame:
    """Every measure of every run with its interval by image.

    Args:
        of: Q questions.
        right: (Q, R) 1 for a right answer, else 0.
        level: of each interval.

    Returns:
        dataset, subtask, side, run (0..R-1), n (questions), images, effective (images, see `cluster_robust.py`),
        accuracy, se, low, high; measure by measure.
    """
    runs = right.shape[1]
    order = np.argsort(of.image, kind="stable")
    image, cell, sorted_right = of.image[order], of.cell[order], right[order]
    accuracy = _cell_sums(of, right) / of.sizes[:, None]  # (C, R)
    residual = sorted_right - accuracy[cell]
    parts = []
    for place, weights in enumerate(of.weights):
        own = np.flatnonzero(weights[cell])
        starts = np.flatnonzero(np.diff(image[own], prepend=-1))
        share = (weights / of.sizes)[cell[own], None]
        size, beyond = (
            np.add.reduceat(values, starts, axis=0) if len(own) else np.zeros((0, values.shape[1]))
            for values in (share, share * residual[own])
        )
        cells = np.flatnonzero(weights)
        if len(cells) == 1:
            rights = beyond + size * accuracy[cells]
        else:
            rights = beyond + np.add.reduceat(share * accuracy[cell[own]], starts, axis=0) if len(own) else beyond
        wrongs = size - rights
        found = cluster_robust.weighted(
            weights @ accuracy,
            (beyond**2).sum(0),
            np.repeat(cluster_robust.effective(size.sum(0), (size**2).sum(0)), runs),
            cluster_robust.rarer(rights.sum(0), (rights**2).sum(0), wrongs.sum(0), (wrongs**2).sum(0)),
            level,
        )
        parts.append(
            of.names[[place] * runs].with_columns(
                run=pl.Series(range(runs), dtype=pl.UInt32), n=pl.lit(len(own)), images=pl.lit(len(starts)),
                effective=pl.Series(found.effective), accuracy=pl.Series(found.value),
                se=pl.Series(np.sqrt(np.nan_to_num(found.variance))), low=pl.Series(found.low),
                high=pl.Series(found.high),
            )
        )  # fmt: skip
    return pl.concat(parts) if parts else pl.DataFrame(schema=_SCHEMA)


def contributions(of: Design, right: Values) -> Values:
    """(G, R) what each image adds to the average of each run: it is their sum.

    Args:
        of: Q questions.
        right: (Q, R) 1 for a right answer, else 0.
    """
    share = (of.weights[0] / of.sizes)[of.cell]
    sums = np.zeros((of.images, right.shape[1]))
    for run in range(right.shape[1]):
        sums[:, run] = np.bincount(of.image, share * right[:, run], of.images)
    return sums


_SCHEMA = {
    "dataset": pl.String, "subtask": pl.String, "side": pl.String, "run": pl.UInt32, "n": pl.Int32, "images": pl.Int32,
    "effective": pl.Float64, "accuracy": pl.Float64, "se": pl.Float64, "low": pl.Float64, "high": pl.Float64,
}  # fmt: skip


def _mean(parts: list[Values | None]) -> Values:
    present = [part for part in parts if part is not None]
    return np.asarray(np.mean(present, axis=0), dtype=np.float64)


def _alone(table: list[tuple[str, str, str | None]], key: tuple[str, str, str]) -> Values:
    return np.array([float(row == key) for row in table])


def _cell_sums(of: Design, right: Values) -> Values:
    return np.stack(
        [np.bincount(of.cell, right[:, run], len(of.sizes)) for run in range(right.shape[1])], axis=1
    ).astype(np.float64)
