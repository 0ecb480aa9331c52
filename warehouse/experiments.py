"""What ablations and stress tests consist of: arms, each of them a run like any other.

An *experiment* compares runs over one archive. An *arm* says what a run stands for in it. Answers, traces and patches
are the runs' own; nothing of them is kept twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warehouse import schema
from warehouse.database import Database, insert
from warehouse.experiment_records import Arm, Kind, Step


class Experiments:
    """Every statement about experiments of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def keep(self, arm: Arm) -> None:
        """Store a finished arm, in the place of the same arm done before."""
        with self._database.writing() as con:
            con.execute("DELETE FROM arms WHERE experiment = ? AND arm = ?", [arm.experiment, arm.arm])
            insert(con, "arms", schema.table(Arm, [arm]))

    def arms(self, kind: Kind, experiment: str | None = None) -> list[Arm]:
        """The finished arms, in order; of one experiment or of all of a kind, the newest experiment first."""
        chosen, values = ("AND experiment = ?", [experiment]) if experiment else ("", [])
        return self._database.records(
            Arm,
            f"""SELECT * FROM arms WHERE kind = ? {chosen}
            ORDER BY max(finished_at) OVER (PARTITION BY experiment) DESC, experiment, place""",
            [kind, *values],
        )

    def convergence(self, run_ids: Sequence[str]) -> list[Step]:
        """The mean reward and entropy of each iteration of each run, over the questions still being worked on."""
        return self._database.records(
            Step,
            """SELECT run_id, n - 1 AS iteration, count(*) AS questions,
                avg(list_extract(reward, n)) AS reward, avg(list_extract(entropy, n)) AS entropy
            FROM predictions, unnest(generate_series(1, len(reward))) AS walk(n)
            WHERE list_contains(?, run_id) GROUP BY ALL ORDER BY ALL""",
            [list(run_ids)],
        )

    def tests(self, run_ids: Sequence[str]) -> dict[str, float]:
        """By run: how many iterations of a question, on average, tested patches."""
        found = self._database.frame(
            """SELECT run_id, count(DISTINCT (image_id, question_id, iteration)) AS tests
            FROM patches WHERE list_contains(?, run_id) GROUP BY run_id""",
            [list(run_ids)],
        )
        asked = self._database.frame(
            "SELECT run_id, count(*) AS questions FROM facts WHERE list_contains(?, run_id) GROUP BY run_id",
            [list(run_ids)],
        )
        tests = dict(found.iter_rows())
        return {run_id: tests.get(run_id, 0) / questions for run_id, questions in asked.iter_rows()}
