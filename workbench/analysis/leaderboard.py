"""Many runs on the questions all of them were judged on: averages with intervals, and ranks that hold together.

The average is the macro average of the strict scorer (`macro.py`). Two runs differ by the sum of their images' gains,
so a pair is tested by random signs of these gains, studentised by their root mean square, which no sign changes. The
same signs serve all pairs at once: the step-down of the largest statistic (Romano and Wolf 2005) keeps the chance of
any false claim among all pairs within 5 %, exactly where gains are symmetric, whatever the runs share. A run's rank
interval goes from 1 + the runs that are better to the number of runs less those that are worse: with 95 % all intervals
hold at once (Mogstad, Romano, Shaikh and Wilhelm 2024). Under six images that differ no pair can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse.records.questions import Subtask
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import macro, right_reason, subtasks

ALPHA = 0.05
FLIPS = 1999
_AT_ONCE = 500  # flips

COLUMNS = {
    "rank": "by the average; equal averages share a rank",
    "rank_low": "the best rank that 95 % simultaneous intervals allow",
    "rank_high": "the worst",
    "accuracy": "macro average over subtasks, then data sets; strict scorer",
    "low": "95 % interval by image",
    "high": "its other end",
}


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The runs' numbers. Shares are 0..1."""

    ranking: pl.DataFrame  # run_id and COLUMNS, best first
    cells: pl.DataFrame  # run_id, dataset, subtask, side (null: averaged over), n, images, accuracy, se, low, high
    pairs: pl.DataFrame  # run_id, other, difference (of averages), images (that differ), t, p (of all pairs together)
    questions: int  # that all runs were judged on
    images: int


def build(answers: pl.DataFrame, run_ids: Sequence[str], declared: Sequence[Subtask], seed: int = 0) -> Leaderboard:
    """The leaderboard of these runs.

    Args:
        answers: cluster_id, dataset, subtask, label, and a Boolean column per run, as `warehouse.queries.shared` reads.
        run_ids: the runs' columns.
        declared: the subtasks of the runs' question set.
        seed: of the signs.
    """
    right = answers.select(run_ids).cast(pl.Float64).to_numpy()
    design = macro.design(answers, subtasks.detecting(declared))
    names = pl.Series("run_id", list(run_ids), dtype=pl.String)
    cells = macro.estimate(design, right)
    cells = cells.select(names.gather(cells["run"]), pl.exclude("run"))
    pairs = _pairs(macro.contributions(design, right), run_ids, seed) if answers.height else _no_pairs()
    return Leaderboard(_ranking(cells, pairs, run_ids), cells, pairs, answers.height, design.images)


def _ranking(cells: pl.DataFrame, pairs: pl.DataFrame, run_ids: Sequence[str]) -> pl.DataFrame:
    sure = pairs.filter(pl.col("p") < ALPHA)
    better = pl.when(pl.col("difference") > 0).then("run_id").otherwise("other")
    worse = pl.when(pl.col("difference") > 0).then("other").otherwise("run_id")
    beaten = sure.select(run_id=worse).group_by("run_id").agg(above=pl.len())
    beating = sure.select(run_id=better).group_by("run_id").agg(below=pl.len())
    average = cells.filter(pl.all_horizontal(pl.col("dataset", "subtask", "side").is_null()))
    return (
        average.join(beaten, on="run_id", how="left", maintain_order="left")
        .join(beating, on="run_id", how="left", maintain_order="left")
        .with_columns(
            rank=pl.col("accuracy").rank("min", descending=True).cast(pl.Int64),
            rank_low=1 + pl.col("above").fill_null(0).cast(pl.Int64),
            rank_high=len(run_ids) - pl.col("below").fill_null(0).cast(pl.Int64),
        )
        .select("run_id", *COLUMNS)
        .sort("rank", maintain_order=True)
    )


def _pairs(images: NDArray[np.float64], run_ids: Sequence[str], seed: int) -> pl.DataFrame:
    """Every two runs, with the p of no difference that holds for all pairs together.

    Args:
        images: (G, R) what each image adds to each run's average.
    """
    runs = images.shape[1]
    first, second = np.triu_indices(runs, 1)
    if not len(first):
        return _no_pairs()
    # Sums over images of the squares of gains, and of gains: from one product.
    products = images.T @ images
    size = np.sqrt(np.clip(products[first, first] + products[second, second] - 2 * products[first, second], 0, None))
    difference = images.sum(0)[first] - images.sum(0)[second]
    rows = np.ascontiguousarray(images.T)
    differing = np.concatenate([(row != rows[place + 1 :]).sum(1) for place, row in enumerate(rows)])
    size = np.where(differing > 0, size, 1.0)
    t = np.where(differing > 0, difference / size, 0.0)
    order = np.argsort(-np.abs(t), kind="stable")
    least = (np.abs(t)[order] * (1 - 1e-6)).astype(np.float32)[:, None]
    single, scale = rows.astype(np.float32), (1 / size[order]).astype(np.float32)[:, None]
    one, other = first[order], second[order]
    count = np.ones(len(order))
    rng, signs = np.random.default_rng(seed), np.empty((_AT_ONCE, len(images)), np.float32)
    for at in range(0, FLIPS, _AT_ONCE):
        n = min(_AT_ONCE, FLIPS - at)
        np.copyto(signs[:n], _bits(rng, n, len(images)))
        signs *= 2
        signs -= 1
        sums = single @ signs[:n].T  # (R, n)
        flipped = np.abs(sums[one] - sums[other]) * scale  # (pairs, n), the largest statistic first
        # The largest statistic among a pair and those after it: what is left when the pairs before it are called.
        largest = np.maximum.accumulate(flipped[::-1], axis=0)[::-1]
        count += (largest >= least).sum(1)
    p = np.empty(len(order))
    p[order] = np.maximum.accumulate(count / (FLIPS + 1))
    names = np.array(run_ids, dtype=object)
    return pl.DataFrame(
        {"run_id": names[first], "other": names[second], "difference": difference, "images": differing, "t": t, "p": p},
        schema=_PAIRS,
    )


def _bits(rng: np.random.Generator, n: int, width: int) -> NDArray[np.uint8]:
    """(n, width) 0 or 1: `rng.integers(0, 2, (n, width), dtype=np.uint8)`, several times faster."""
    drawn = np.frombuffer(rng.bytes(n * width), np.uint8).reshape(n, width)
    return np.right_shift(drawn, 7, dtype=np.uint8)


_PAIRS = {
    "run_id": pl.String, "other": pl.String, "difference": pl.Float64, "images": pl.Int64, "t": pl.Float64,
    "p": pl.Float64,
}  # fmt: skip


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema=_PAIRS)


def summary(board: Leaderboard, runs: Sequence[Run], counts: pl.DataFrame, reasons: pl.DataFrame) -> pl.DataFrame:
    """The ranking with what each run is, best first.

    Args:
        board: of these runs.
        runs: in any order.
        counts: run_id, judged, images, seconds, as `warehouse.queries.shared` counts them.
        reasons: as `right_reason.over_shared_questions` gives them.

    Returns:
        The ranking with model, on_good and on_defective (detection's accuracy on these images; null where it wasn't
        asked), the columns of `right_reason.COLUMNS` (null where the runs have no such question in common), left_out
        (judged questions that another run was not judged on), seconds_per_image (null where nobody measured: of
        imported answers).
    """
    models = pl.DataFrame([(run.run_id, run.model) for run in runs], schema=["run_id", "model"], orient="row")
    sides = board.cells.filter(pl.col("dataset").is_null(), pl.col("side").is_not_null())
    side = pl.col("side")
    detection = sides.group_by("run_id").agg(
        on_good=pl.col("accuracy").filter(side == "good").mean(),
        on_defective=pl.col("accuracy").filter(side == "defective").mean(),
    )
    measured = pl.when(pl.col("seconds") > 0, pl.col("images") > 0)
    beside = counts.select(
        "run_id",
        left_out=pl.col("judged").cast(pl.Int64) - board.questions,
        seconds_per_image=measured.then(pl.col("seconds") / pl.col("images")),
    )
    found = board.ranking
    for more in (models, detection, right_reason.columns(reasons), beside):
        found = found.join(more, on="run_id", how="left", maintain_order="left")
    return found.select("run_id", "model", pl.exclude("run_id", "model"))


def long(board: Leaderboard, ranked: pl.DataFrame) -> pl.DataFrame:
    """Every number of the leaderboard in one table, for export: a row per run and measure, the averages with ranks.

    Args:
        board: the numbers.
        ranked: as `summary` gives it.
    """
    ranks = ranked.select("run_id", "rank", "rank_low", "rank_high", "seconds_per_image", *right_reason.COLUMNS)
    is_average = pl.all_horizontal(pl.col("dataset", "subtask", "side").is_null())
    return (
        board.cells.join(ranked.select("run_id", "model"), on="run_id", how="left", maintain_order="left")
        .join(ranks, on="run_id", how="left", maintain_order="left")
        .with_columns(pl.when(is_average).then(pl.col(ranks.columns[1:])))
        .select("run_id", "model", pl.exclude("run_id", "model"))
    )


def sentence(board: Leaderboard, ranked: pl.DataFrame) -> str:
    """What the ranking says in words."""
    if ranked.is_empty():
        return "The runs share no judged question, so nothing can be ranked."
    images, runs = wording.counted(board.images, "image"), wording.counted(ranked.height, "run")
    if ranked.height == 1:
        return f"One run, over {wording.counted(board.questions, 'judged question')} about {images}."
    over = f"{wording.counted(board.questions, 'question')} about {images} that all {runs} were judged on"
    differ = board.pairs.filter(pl.col("p") < ALPHA).height
    may_lead = ranked.filter(pl.col("rank_low") == 1)
    if may_lead.height == 1:
        lead = f"{may_lead['model'][0]} is better than all others"
    elif not differ:
        lead = "Not enough evidence that any two runs differ"
    else:
        lead = f"{may_lead.height} of {runs} may be first"
    pairs = wording.counted(board.pairs.height, "pair differs", "pairs differ")
    return f"{lead}; {differ} of {pairs} (5 % for all of them together), over {over}."
