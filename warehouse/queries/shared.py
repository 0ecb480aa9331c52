"""Questions that several runs were judged on, one row per question and one column per run: what a leaderboard reads.

Of each run its judgements are read with keys of eight bytes, and what its answers point at; texts of the first alone.
What was read of a run is good for as long as it has as many predictions and its answers' pointing is not measured
again, under the truth `reviewed` also for as long as nothing more is settled. Whoever asks often hands over where it is
kept; then only these numbers are read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse.database import Database
from warehouse.queries.truth import FACTS, Truth, summands

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_KEY = "hash(image_id, question_id) AS key"
_QUERIES = {
    "named": f"SELECT {_KEY}, image_id, cluster_id, question_id, dataset, subtask, label FROM {{facts}} "
    "WHERE run_id = $run AND correct IS NOT NULL",
    "judged": f"SELECT {_KEY}, correct FROM {{facts}} WHERE run_id = $run AND correct IS NOT NULL",
    "measured": f"SELECT {_KEY}, patches_hit, patches_chance, region_hit, region_chance FROM groundings "
    "WHERE run_id = $run",
}
_COUNTS = """
    SELECT run_id, sum(questions)::BIGINT AS predictions, sum(counted)::BIGINT AS judged, sum(images)::BIGINT AS images,
        sum(seconds) AS seconds
    FROM ({summands}) WHERE subtask IS NULL GROUP BY run_id
"""
# Measuring anew replaces a run's rows, so its rows' places change or what they hold does.
_MEASUREMENTS = """
    SELECT run_id, bit_xor(hash(rowid, patches_hit, patches_chance, region_hit, region_chance)) AS measurement
    FROM groundings WHERE {some} GROUP BY run_id
"""
_SOME = "run_id IN (SELECT unnest($runs::VARCHAR[]))"

Keys = NDArray[np.uint64]
Places = NDArray[np.int64]


class FrameCache(Protocol):
    """Where what was read of runs is kept."""

    def get(self, key: Hashable, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """The frame of this key, made if it isn't there."""


@dataclass(frozen=True, slots=True)
class SharedAnswers:
    """Runs on the questions that all of them were judged on, and what each of them did beside."""

    # image_id, cluster_id, question_id, dataset, subtask, label; a Boolean column per run: right or not
    answers: pl.DataFrame
    runs: pl.DataFrame  # run_id, judged (questions), images (with any answer), seconds (summed over its answers)
    # Of questions of defective pictures: row (of answers), run (of those asked for, from 0), patches_hit,
    # patches_chance, region_hit, region_chance, see `Grounding`
    groundings: pl.DataFrame


def read(
    data: Path, run_ids: Sequence[str], truth: Truth = "archive", cache: FrameCache | None = None
) -> SharedAnswers:
    """The questions that every one of these runs was judged on; no row where there is none.

    Args:
        data: the data folder.
        run_ids: each once.
        truth: what right and wrong go by.
        cache: where what was read of runs is kept; None keeps nothing.
    """
    with Database(data).reading() as con:
        runs = _counts(con, run_ids, truth)
        states = _states(con, runs, truth)

        def frame(kind: str, run_id: str) -> pl.DataFrame:
            def make() -> pl.DataFrame:
                return _read(con, kind, FACTS[truth], run_id)

            key = (kind, str(data), truth, run_id, states.get((kind == "measured", run_id)))
            return make() if cache is None else cache.get(key, make)

        first = frame("named", run_ids[0] if run_ids else "")
        judged = [frame("judged", run_id) for run_id in run_ids]
        measured = [frame("measured", run_id) for run_id in run_ids]
    keys = _in_all([one["key"].to_numpy() for one in judged])
    places, are_shared = _places(keys, first["key"].to_numpy())
    places = places[are_shared]
    answers = first.filter(pl.Series(are_shared)).drop("key")
    answers = answers.with_columns(
        _aligned(one, keys)["correct"].gather(places).alias(run_id) for run_id, one in zip(run_ids, judged, strict=True)
    )
    rows = np.empty(len(keys), np.uint32)
    rows[places] = np.arange(len(places), dtype=np.uint32)
    is_defective = (answers["label"] == "defective").fill_null(False).to_numpy()[rows]
    return SharedAnswers(answers, runs.drop("predictions"), _pointing(measured, keys[is_defective], rows[is_defective]))


def _counts(con: DuckDBPyConnection, run_ids: Sequence[str], truth: Truth) -> pl.DataFrame:
    """run_id, predictions, judged, images, seconds, in the order asked for; 0 of a run without predictions."""
    found = con.sql(_COUNTS.format(summands=summands(truth, _SOME)), params={"runs": list(run_ids)}).pl()
    order = pl.DataFrame({"run_id": list(run_ids)}, schema={"run_id": pl.String})
    counts = order.join(found, on="run_id", how="left", maintain_order="left")
    return counts.with_columns(pl.exclude("run_id").fill_null(0))


def _states(con: DuckDBPyConnection, runs: pl.DataFrame, truth: Truth) -> dict[tuple[bool, str], Hashable]:
    """What changes when something read of a run does, by whether that is what was measured, and the run."""
    (settled,) = con.sql("SELECT count(*) FROM settlements").fetchall()[0] if truth == "reviewed" else (0,)
    measured = con.sql(_MEASUREMENTS.format(some=_SOME), params={"runs": runs["run_id"].to_list()}).fetchall()
    judged = runs.select("run_id", "predictions").iter_rows()
    return {(False, run_id): (predictions, settled) for run_id, predictions in judged} | {
        (True, run_id): measurement for run_id, measurement in measured
    }


def _read(con: DuckDBPyConnection, kind: str, facts: str, run_id: str) -> pl.DataFrame:
    """One run's rows, the first of each key; names in the order in which they were stored, all else by key."""
    query = con.sql(_QUERIES[kind].format(facts=facts), params={"run": run_id})
    found: pl.DataFrame = query.pl().unique("key", keep="first", maintain_order=True)
    return found if kind == "named" else found.sort("key")


def _in_all(of_runs: Sequence[Keys]) -> Keys:
    """The keys that every run has; of each run sorted, and so here."""
    found = of_runs[0] if of_runs else np.empty(0, np.uint64)
    for keys in of_runs[1:]:
        if not np.array_equal(keys, found):
            found = np.intersect1d(found, keys, assume_unique=True)
    return found


def _places(keys: Keys, wanted: Keys) -> tuple[Places, NDArray[np.bool_]]:
    """Where each wanted key stands among sorted ones, and whether it does."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return places, keys[places] == wanted


def _aligned(of_run: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """A run's rows of these keys, which are among its own; both sorted."""
    return of_run if of_run.height == len(keys) else of_run[_places(of_run["key"].to_numpy(), keys)[0]]


def _pointing(measured: Sequence[pl.DataFrame], keys: Keys, rows: NDArray[np.uint32]) -> pl.DataFrame:
    """What was measured of these keys, whose rows these are, run after run."""
    parts = []
    for run, frame in enumerate(measured):
        places, are_shared = _places(keys, frame["key"].to_numpy())
        own = frame.filter(pl.Series(are_shared))
        parts.append(
            own.select(
                pl.Series("row", rows[places[are_shared]], dtype=pl.UInt32), pl.lit(run, pl.UInt16).alias("run"),
                pl.exclude("key"),
            )
        )  # fmt: skip
    return pl.concat(parts) if parts else pl.DataFrame(schema=_POINTING)


_POINTING = {
    "row": pl.UInt32, "run": pl.UInt16, "patches_hit": pl.Boolean, "patches_chance": pl.Float64,
    "region_hit": pl.Boolean, "region_chance": pl.Float64,
}  # fmt: skip
