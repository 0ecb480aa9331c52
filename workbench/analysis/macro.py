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
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.analysis import cluster_robust, image_groups

Values = NDArray[np.float64]
_AT_ONCE = 512  # images


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
    runs, measures = right.shape[1], len(of.weights)
    accuracy = (_cell_sums(of, right) / of.sizes[:, None]).T  # (R, C)
    sums = _products(of, right)
    sized, squares = np.zeros((2, measures, 1))
    rights, right_squares, sized_rights, beyond = np.zeros((4, measures, runs))
    n, images = np.zeros((2, measures, 1), np.int32)
    for place, weights in enumerate(of.weights):
        own = np.flatnonzero(weights)
        block, each = (own[:, None], own), weights[own] / of.sizes[own]  # what one question adds
        of_questions, of_right = sums.questions[block], sums.right[:, *block]
        mixed = sums.questions_right[:, *block].transpose(0, 2, 1)  # right answers times questions
        of_wrong = of_questions - mixed - mixed.transpose(0, 2, 1) + of_right
        # A right answer adds 1 - accuracy beyond an image's share, a wrong one - accuracy.
        above, below = each * (1 - accuracy[:, own]), each * accuracy[:, own]
        beyond[place] = (
            _form(above, of_right, above) - 2 * _form(above, mixed - of_right, below) + _form(below, of_wrong, below)
        )
        alike = np.broadcast_to(each, above.shape)
        right_squares[place], sized_rights[place] = (_form(alike, part, alike) for part in (of_right, mixed))
        rights[place] = accuracy[:, own] @ weights[own]
        sized[place], squares[place] = weights.sum(), each @ of_questions @ each
        n[place] = of.sizes[own].sum()
        images[place] = np.count_nonzero(np.diff(sums.image[weights[sums.cell] != 0], prepend=-1))
    found = cluster_robust.weighted(
        of.weights @ accuracy.T,
        beyond.clip(0),
        np.repeat(cluster_robust.effective(sized, squares), runs, 1),
        cluster_robust.rarer(sized, rights, squares, sized_rights, right_squares),
        level,
    )
    columns: dict[str, NDArray[Any]] = {
        "run": np.tile(np.arange(runs, dtype=np.uint32), (measures, 1)), "n": np.repeat(n, runs, 1),
        "images": np.repeat(images, runs, 1), "effective": found.effective, "accuracy": found.value,
        "se": np.sqrt(np.nan_to_num(found.variance)), "low": found.low, "high": found.high,
    }  # fmt: skip
    names = of.names[np.repeat(np.arange(measures), runs)]
    return names.with_columns(pl.Series(name, values.ravel()) for name, values in columns.items())


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


@dataclass(frozen=True, slots=True)
class _Products:
    """Sums over images of the products of what two cells hold of an image. All are whole numbers."""

    questions: Values  # (C, C) questions times questions
    right: Values  # (R, C, C) right answers times right answers
    questions_right: Values  # (R, C, C) questions times right answers
    image: NDArray[np.int64]  # (P,) of each image and cell that have questions in common, image by image
    cell: NDArray[np.int64]  # (P,)


def _products(of: Design, right: Values) -> _Products:
    """The products, by matrices of some images at a time and the cells that these have questions in."""
    runs, cells = right.shape[1], len(of.sizes)
    # Images are put in the order of their first cells, so that those at a time have few cells.
    lead = np.full(of.images, cells)
    np.minimum.at(lead, of.image, of.cell)
    place = np.empty(of.images, np.int64)
    place[np.argsort(lead, kind="stable")] = np.arange(of.images)
    key = place[of.image] * cells + of.cell
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    image, cell = np.divmod(key[order][starts], max(cells, 1))
    n = np.diff(starts, append=len(order)).astype(np.float64)
    y = np.add.reduceat(right[order], starts, axis=0) if len(order) else np.zeros((0, runs))
    by_run = np.zeros((2, runs, cells, cells))
    found = _Products(np.zeros((cells, cells)), by_run[0], by_run[1], image, cell)
    for first in range(0, of.images, _AT_ONCE):
        own = slice(*np.searchsorted(image, (first, first + _AT_ONCE)))
        columns, column = np.unique(cell[own], return_inverse=True)
        shape = (min(_AT_ONCE, of.images - first), len(columns))
        questions, rights = np.zeros(shape), np.zeros((runs, *shape))
        questions[image[own] - first, column] = n[own]
        rights[:, image[own] - first, column] = y[own].T
        both = (columns[:, None], columns)
        found.questions[both] += questions.T @ questions
        found.right[:, *both] += rights.transpose(0, 2, 1) @ rights
        found.questions_right[:, *both] += questions.T @ rights
    return found


def _form(left: Values, products: Values, right: Values) -> Values:
    """left' products right of each run: (R, C), (R, C, C) and (R, C) make (R,)."""
    found: Values = np.einsum("rc,rcd,rd->r", left, products, right, optimize=True)
    return found


def _mean(parts: list[Values | None]) -> Values:
    present = [part for part in parts if part is not None]
    return np.asarray(np.mean(present, axis=0), dtype=np.float64)


def _alone(table: list[tuple[str, str, str | None]], key: tuple[str, str, str]) -> Values:
    return np.array([float(row == key) for row in table])


def _cell_sums(of: Design, right: Values) -> Values:
    return np.stack(
        [np.bincount(of.cell, right[:, run], len(of.sizes)) for run in range(right.shape[1])], axis=1
    ).astype(np.float64)
