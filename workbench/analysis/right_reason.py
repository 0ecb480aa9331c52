"""Right for the right reason: an answer that is right, and that points at the defect.

An answer points by its accepted patches, or by the region that the same run names for the picture when it is asked
where the defect is. It points at the defect where the picture's mask, or a box that people drew, touches one of them.
The question where the defect is plays no part in the second: there a right answer is the right region.

The rate is over all judged questions about a defect whose picture has such a truth, like accuracy and beside it, so two
runs are compared on the same questions. Beside it stands what chance would give at the same accuracy: of patches one
hit of as many different random ones (hypergeometric), of a region a random option. Runs are compared by what all of
them point with, for patches hit more often by chance than regions do.

Rows go in, as `warehouse.queries.groundings` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse.queries.shared import SharedAnswers
from warehouse.records.questions import Subtask
from warehouse.records.scoring import Run
from workbench import wording
from workbench.analysis import compare, intervals, subtasks
from workbench.analysis.intervals import Estimate
from workbench.analysis.missing_capabilities import Lack

Pointer = Literal["patches", "region"]
WORDS: dict[Pointer, str] = {"patches": "accepted patches", "region": "the region it names"}
_CHANCE: dict[Pointer, str] = {"patches": "as many random patches", "region": "a random option"}

HOW = (
    "An answer points by its accepted patches or, in runs without any, by the region that the run names for the "
    "picture. It points at the defect where the mask, or a box that people drew, touches one of them. Rates are over "
    "judged questions about defects of such pictures, 95 % intervals clustered by image. Chance is what one hit of as "
    "many random patches of the picture, or a random option, would give at the same accuracy."
)


@dataclass(frozen=True, slots=True)
class RightReason:
    """How often a run is right for the right reason. All rates are over the same questions."""

    pointer: Pointer
    n: int  # questions
    images: int
    right: float  # 0..1
    rate: Estimate  # right, and pointing at the defect; 95 % by image
    chance: float  # right, and pointing there by chance
    painting: Painting | None  # None: not asked, see `workbench explain`

    @property
    def short(self) -> str:
        """For a column: the rate, of how many, by what, and chance."""
        return f"{self.rate.value:.3f} of {self.n:,} by {self.pointer}, chance {self.chance:.3f}"


@dataclass(frozen=True, slots=True)
class Painting:
    """How often a right answer points at the defect and changes when that is painted out."""

    n: int  # questions, also wrong ones
    rate: Estimate
    chance: float  # the same with as much painted out elsewhere in the picture


def pointer(rows: pl.DataFrame) -> Pointer | None:
    """What the answers point with: patches where any has them, else regions; of several runs what all of them have."""
    if rows.is_empty():
        return None
    for name in get_args(Pointer):
        has = rows.group_by("run_id").agg(pl.col(f"{name}_hit").is_not_null().any())
        if has[f"{name}_hit"].all():
            return name  # type: ignore[no-any-return]
    return None


def with_reason(rows: pl.DataFrame, by: Pointer) -> pl.DataFrame:
    """The rows that can point so, with `right_reason` (right, and at the defect) and `chance` (of it, at the same
    accuracy)."""
    hit = pl.col(f"{by}_hit")
    return rows.filter(hit.is_not_null()).with_columns(
        right_reason=pl.col("right") & hit,
        chance=pl.col("right").cast(pl.Float64) * pl.col(f"{by}_chance"),
    )


def table(rows: pl.DataFrame, by: Pointer, groups: Sequence[str] = ()) -> pl.DataFrame:
    """The rate of each group: `groups`, n, images, right, rate, low, high (95 % by image), chance; all 0..1."""
    found = with_reason(rows, by)
    beside = (pl.col("right").cast(pl.Float64).mean(), pl.col("chance").mean())
    more = found.group_by(groups).agg(*beside) if groups else found.select(*beside)
    rates = intervals.rates(found, groups, "right_reason").drop("right")
    both = rates.join(more, on=groups) if groups else rates.hstack(more)
    return both.select(*groups, pl.col("n").cast(pl.Int64), "images", "right", "rate", "low", "high", "chance")


def of(rows: pl.DataFrame, by: Pointer | None = None) -> RightReason | None:
    """The headline of one run's rows; None where nothing was measured.

    Args:
        rows: of one run.
        by: what to go by; None takes what the run points with.
    """
    by = by or pointer(rows)
    found = pl.DataFrame() if by is None else table(rows, by)
    if by is None or not found["n"][0]:
        return None
    row = found.row(0, named=True)
    rate = Estimate(row["rate"], row["low"], row["high"])
    return RightReason(by, row["n"], row["images"], row["right"], rate, row["chance"], _painted(rows, by))


def _painted(rows: pl.DataFrame, by: Pointer) -> Painting | None:
    """Of what the run itself points with alone: only that was painted out."""
    if by != pointer(rows):
        return None
    found = with_reason(rows, by).filter(pl.col("changed").is_not_null())
    if found.is_empty():
        return None
    asked = found.with_columns(
        changed=pl.col("right_reason") & pl.col("changed"),
        by_chance=pl.col("right_reason") & pl.col("changed_elsewhere"),
    )
    row = intervals.rates(asked, value="changed").row(0, named=True)
    chance = float(asked.select(pl.col("by_chance").cast(pl.Float64).mean()).item())
    return Painting(asked.height, Estimate(row["rate"], row["low"], row["high"]), chance)


def by_run(rows: pl.DataFrame) -> dict[str, RightReason]:
    """The headline of each run, by what it points with itself; only those of which something was measured."""
    parts = rows.partition_by("run_id", as_dict=True)
    return {str(run_id): found for (run_id,), part in parts.items() if (found := of(part)) is not None}


def by_subtask(rows: pl.DataFrame, declared: Sequence[Subtask]) -> pl.DataFrame:
    """`table` by subtask, in the order declared; empty where nothing was measured."""
    by = pointer(rows)
    if by is None:
        return pl.DataFrame()
    return subtasks.in_order(table(rows, by, ("subtask",)), declared)


def over_shared_questions(shared: SharedAnswers, run_ids: Sequence[str]) -> tuple[Pointer | None, pl.DataFrame]:
    """Runs on the questions that were measured in all of them, by what all of them point with.

    Args:
        shared: of these runs.
        run_ids: as they were read.

    Returns:
        The pointer, and `table` by run_id; None and no row where they have none in common.
    """
    rows, count = shared.groundings.rename({"run": "run_id"}), len(run_ids)
    by = pointer(rows) if rows["run_id"].n_unique() == count else None
    rows = rows if by is None else rows.filter(pl.col(f"{by}_hit").is_not_null())
    row, run = rows["row"].to_numpy(), rows["run_id"].to_numpy().astype(np.int64)
    in_all = (np.bincount(row, minlength=shared.answers.height) == count)[row]
    if by is None or not in_all.any():
        return None, pl.DataFrame(schema={"run_id": pl.String, **_TABLE})
    row, run, rows = row[in_all], run[in_all], rows.filter(pl.Series(in_all))
    right = shared.answers.select(run_ids).to_numpy()[row, run].astype(np.float64)
    cluster = shared.answers["cluster_id"].rank("dense").to_numpy()[row].astype(np.int64) - 1
    size = (count, int(cluster.max()) + 1)

    def per_cluster(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(runs, clusters)"""
        return np.bincount(run * size[1] + cluster, values, size[0] * size[1]).reshape(size).astype(np.float64)

    n, y = per_cluster(np.ones(len(row))), per_cluster(right * rows[f"{by}_hit"].cast(pl.Float64).to_numpy())
    sums = {"n": n, "right": y, "n_squared": n * n, "n_right": n * y, "right_squared": y * y, "images": n > 0}
    groups = pl.DataFrame({"run_id": run_ids, **{name: values.sum(1) for name, values in sums.items()}})
    beside = {"right": right, "chance": right * rows[f"{by}_chance"].to_numpy()}
    rates = intervals.with_intervals(groups.cast({"images": pl.Int64})).drop("right")
    rates = rates.with_columns(pl.Series(name, per_cluster(of).sum(1) / n.sum(1)) for name, of in beside.items())
    return by, rates.select("run_id", *_TABLE).cast({"n": pl.Int64})


_TABLE = {
    "n": pl.Int64, "images": pl.Int64, "right": pl.Float64, "rate": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "chance": pl.Float64,
}  # fmt: skip


COLUMNS = {
    "right_reason": "rate", "right_reason_low": "low", "right_reason_high": "high", "right_reason_chance": "chance",
    "right_reason_n": "n",
}  # fmt: skip
"""What stands beside other numbers of a run, from the columns of `table`."""


def columns(of_runs: pl.DataFrame) -> pl.DataFrame:
    """run_id and COLUMNS, to be joined to other numbers of runs.

    Args:
        of_runs: as `over_shared_questions` gives it.
    """
    return of_runs.select("run_id", **COLUMNS)


def cell(row: Mapping[str, float | None]) -> str:
    """Rate and chance in percent, of a row with COLUMNS; empty where there is none."""
    rate, chance = row["right_reason"], row["right_reason_chance"]
    return "" if rate is None or chance is None else f"{100 * rate:.1f} ({100 * chance:.1f})"


def pairs(old: pl.DataFrame, new: pl.DataFrame) -> tuple[Pointer | None, pl.DataFrame]:
    """Two runs' questions that were measured in both, by what both point with.

    Returns:
        The pointer, and image_id, cluster_id, question_id, subtask, right and old_right (for the right reason), chance,
        old_chance.
    """
    by = pointer(pl.concat([old.with_columns(run_id=pl.lit("old")), new.with_columns(run_id=pl.lit("new"))]))
    if by is None or old.is_empty() or new.is_empty():
        return None, pl.DataFrame()
    names = ("image_id", "cluster_id", "question_id", "subtask", pl.col("right_reason").alias("right"), "chance")
    before, after = (
        with_reason(rows, by).select(names).unique("question_id", keep="first", maintain_order=True)
        for rows in (old, new)
    )
    return by, after.join(
        before.select("question_id", old_right="right", old_chance="chance"), on="question_id", maintain_order="left"
    )


def comparison(old: pl.DataFrame, new: pl.DataFrame, old_name: str, new_name: str) -> str:
    """The difference between two runs as a sentence, by the sign flips of `compare`; empty where nothing is shared."""
    by, both = pairs(old, new)
    if by is None or both.is_empty():
        return ""
    row = compare.table(both).row(0, named=True)
    points, low, high = (wording.points(row[name]) for name in ("difference", "low", "high"))
    before, after = (wording.percent(row[name], 1) for name in ("rate_old", "rate_new"))
    means = [float(both.select(pl.col(name).mean()).item()) for name in ("old_chance", "chance")]
    chances = " and ".join(wording.percent(mean, 1) for mean in means)
    return (
        f"Right for the right reason, by {WORDS[by]}: {old_name} {before}, {new_name} {after} "
        f"(by chance {chances}); {points} points (95 % interval {low} to {high}), {row['word']}, "
        f"over {wording.counted(row['n'], 'question')} about {wording.counted(row['images'], 'image')}."
    )


def in_short(old: pl.DataFrame, new: pl.DataFrame, old_name: str, new_name: str) -> str:
    """The verdict on right for the right reason in one clause, by the rule of accuracy; empty where nothing is
    shared."""
    by, both = pairs(old, new)
    if by is None or both.is_empty():
        return ""
    row = compare.table(both).row(0, named=True)
    return (
        f"Right for the right reason, {new_name} against {old_name}: {row['word']}, "
        f"{wording.points(row['difference'])} points over {wording.counted(row['n'], 'question')}."
    )


def shared_sentence(by: Pointer, of_runs: pl.DataFrame) -> str:
    """What the rates of several runs are over.

    Args:
        by: as is `of_runs`, what `over_shared_questions` gave.
        of_runs: at least one run.
    """
    row = of_runs.row(0, named=True)
    questions, images = wording.counted(row["n"], "question"), wording.counted(row["images"], "image")
    return (
        f"right for the right reason, by {WORDS[by]}, over {questions} about defects of {images} that "
        f"all runs were judged on; in brackets what {_CHANCE[by]} would give at the same accuracy"
    )


def sentence(reason: RightReason) -> str:
    """The headline in words."""
    return (
        f"Right for the right reason: {wording.percent(reason.rate.value, 1)} of "
        f"{wording.counted(reason.n, 'question')} about defects ({_interval(reason.rate)}), "
        f"by {WORDS[reason.pointer]}; {_CHANCE[reason.pointer]} would give {wording.percent(reason.chance, 1)}; "
        f"right are {wording.percent(reason.right, 1)}."
    )


def painted_sentence(reason: RightReason, run_id: str) -> str:
    """What painting it out did, or how to find out."""
    if reason.painting is None:
        return f"Whether painting it out changes the answer was not asked: workbench explain {run_id}"
    painting = reason.painting
    return (
        f"And painting it out changes the answer: {wording.percent(painting.rate.value, 1)} of "
        f"{wording.counted(painting.n, 'question')} ({_interval(painting.rate)}); "
        f"painting out as much elsewhere {wording.percent(painting.chance, 1)}."
    )


def _interval(rate: Estimate) -> str:
    return f"95 % interval {wording.percent_interval(rate.low, rate.high, 1)}"


def lack(run: Run) -> Lack:
    """Why a run has no such number, and what would bring it."""
    asks_where = any(each.kind == "region" for each in run.subtasks)
    if not run.capabilities.attention and not asks_where:
        return Lack(
            "There is no number: the run's answers carry no patch that the model looked at, and none says where the "
            "defect is.",
            "Score the archive with a local model, or with questions that ask where the defect is.",
            "workbench score ARCHIVE --model MODEL",
        )
    return Lack(
        "There is no number: no picture with a mask was asked about its defect, or the run was not measured.",
        "A run over pictures with masks is measured by",
        f"workbench explain {run.run_id}",
    )
