"""Cases that were drawn for review, among all answers of some runs: what an estimate from drawn cases is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.database import Database

if TYPE_CHECKING:
    import polars as pl

# The detection answers of some runs, each case once, as `workbench/review/escape_estimate.py` reads them. What was
# disputed before a run's audit draw is no part of what that was drawn from.
_OF_RUNS = """
WITH draws AS (
    SELECT run_id, drawn_at, cases, len(cases) / nullif(population, 0) AS probability FROM audit_draws
    WHERE list_contains($runs::VARCHAR[], run_id)
), chosen AS (
    SELECT run_id, unnest(cases, recursive := true) FROM draws
), opened AS (
    SELECT image_id, question_id, min(opened_at) AS opened_at FROM disputes GROUP BY ALL
), answers AS (
    SELECT run_id, image_id, question_id, claim, defect_probability FROM facts
    WHERE list_contains($runs::VARCHAR[], run_id) AND detection AND status = 'answered' AND choices > 1
        AND claim IN ('good', 'defective')
    QUALIFY row_number() OVER (PARTITION BY image_id, question_id ORDER BY run_id DESC) = 1
), cases AS (
    SELECT a.*, CASE WHEN d.run_id IS NULL THEN NULL WHEN c.run_id IS NOT NULL THEN 'audit'
            WHEN o.opened_at <= d.drawn_at THEN 'disputed' ELSE 'audit' END AS lane,
        coalesce(lane = 'disputed' OR c.run_id IS NOT NULL, false) AS drawn,
        CASE WHEN lane = 'disputed' THEN 1.0 ELSE d.probability END AS probability,
        CASE WHEN drawn AND s.blinded AND (lane = 'disputed' OR s.stratum = 'audit') THEN s.label END AS truth
    FROM answers AS a LEFT JOIN draws AS d USING (run_id)
    LEFT JOIN chosen AS c USING (run_id, image_id, question_id)
    LEFT JOIN opened AS o USING (image_id, question_id) LEFT JOIN settled AS s USING (image_id, question_id)
)
SELECT lane, claim, drawn, probability, truth, 1::BIGINT AS answers, defect_probability FROM cases WHERE drawn
UNION ALL BY NAME
SELECT lane, claim, false AS drawn, probability, NULL::VARCHAR AS truth, count(*) AS answers,
    CASE WHEN count(defect_probability) = count(*) THEN avg(defect_probability) END AS defect_probability
FROM cases WHERE NOT drawn GROUP BY ALL
ORDER BY ALL
"""


def of_runs(data: Path, run_ids: Sequence[str]) -> pl.DataFrame:
    """The detection answers of runs and how they came to be judged; a case of several runs counts in the newest.

    A row per drawn case, and one for all others alike: lane ("disputed": all go to people; "audit"; null: the run has
    no audit draw), claim, drawn, probability (of being drawn), truth ("good" or "defective", settled without the mask
    in sight and not volunteered), answers (how many the row stands for), defect_probability (the model's mean).
    """
    return Database(data).frame(_OF_RUNS, {"runs": list(run_ids)})


def drawn_runs(data: Path, run_id: str, days: int) -> list[str]:
    """The run itself where it has an audit draw; else the runs drawn within so many days of the newest draw."""
    found = Database(data).frame(
        "SELECT run_id FROM audit_draws WHERE CASE WHEN $run IN (SELECT run_id FROM audit_draws) THEN run_id = $run "
        "ELSE drawn_at >= (SELECT max(drawn_at) FROM audit_draws) - to_days($days::INTEGER) END ORDER BY run_id",
        {"run": run_id, "days": days},
    )
    return list(found["run_id"])
