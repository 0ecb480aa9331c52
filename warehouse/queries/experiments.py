"""What ablations and stress tests consist of: arms, each of them a run like any other.

An *experiment* compares runs over one archive. An *arm* says what a run stands for in it. Answers, traces and patches
are the runs' own; nothing of them is kept twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warehouse import schema
from warehouse.audit import Flow
from warehouse.database import Database, insert
from warehouse.records.experiments import Arm, Kind, Step


class Experiments:
    """Every statement about experiments of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def keep(self, arm: Arm) -> None:
        """Store a finished arm, in the place of the same arm done before."""
        with self._database.flowing(Flow.MEASURED) as con:
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

    def evidence(self, run_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """By run: what any of its questions was shown: the reference, the knowledge, and other sources by name."""
        found = self._database.frame(
            """WITH shown AS (FROM predictions WHERE list_contains($runs, run_id))
            SELECT run_id, 0 AS place, 'reference' AS source FROM shown WHERE reference_path IS NOT NULL
            UNION SELECT run_id, 1, 'knowledge' FROM shown WHERE len(descriptions) > 0
            UNION SELECT run_id, 2, item.source FROM (SELECT run_id, unnest(evidence) AS item FROM shown)
            ORDER BY ALL""",
            {"runs": list(run_ids)},
        )
        sources: dict[str, tuple[str, ...]] = dict.fromkeys(run_ids, ())
        for run_id, _, source in found.iter_rows():
            sources[run_id] += (source,)
        return sources
