"""The database's tables and how an older database becomes today's.

A new database is created from the record classes at the newest version. An older one goes up by numbered steps, each
applied once and recorded in the same transaction; a test holds that both ways end in the same tables. A published step
is never edited, so it writes its SQL out instead of looking at the classes, which go on changing. Facts, cells
and views follow from the other tables, so they are made anew after the last step, by today's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from warehouse import audit, schema, views
from warehouse.errors import NewerWarehouse
from warehouse.migration_steps import audit as audit_log
from warehouse.migration_steps import (
    claims,
    clusters,
    comparison_disputes,
    comparisons,
    curation,
    embedding_scales,
    evaluators,
    evidence,
    experiments,
    failures,
    file_stat,
    groundings,
    judgements,
    lift_p,
    lifts,
    lots,
    measures,
    night_charts,
    night_tests,
    nights,
    normals,
    oddities,
    passed_over,
    question_sets,
    questions,
    retrieved,
    reviews,
    run_purposes,
    thresholds,
    tiles,
    verdicts,
)
from warehouse.queries import facts, truth
from warehouse.records import audit as audit_records
from warehouse.records import comparisons as comparison_records
from warehouse.records import curation as curation_records
from warehouse.records import experiments as experiment_records
from warehouse.records import judgements as judgement_records
from warehouse.records import measures as measure_records
from warehouse.records import night_charts as chart_records
from warehouse.records import nights as night_records
from warehouse.records import normals as normal_records
from warehouse.records import questions as question_records
from warehouse.records import reviews as review_records
from warehouse.records import scoring
from warehouse.records import thresholds as threshold_records

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Step = Callable[["DuckDBPyConnection"], None]


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its record class and its key; the big ones have none, which would make them three times slower."""

    name: str
    record: type
    key: tuple[str, ...] = ()


TABLES = (
    Table("archives", scoring.Archive, ("archive_id",)),
    Table("entries", scoring.Entry, ("image_id",)),
    Table("measures", measure_records.Measures),
    Table("runs", scoring.Run, ("run_id",)),
    Table("predictions", scoring.Prediction),
    Table("patches", scoring.Patch),
    Table("groundings", scoring.Grounding),
    Table("comparisons", comparison_records.StoredComparison),
    Table("question_sets", question_records.RegisteredSet, ("name", "registered_at")),
    Table("former_questions", scoring.FormerQuestion, ("former_id",)),
    Table("ledger", scoring.IngestedPart, ("run_id", "block")),
    Table("descriptions", scoring.Description, ("description_id", "revision")),
    Table("knowledge_versions", scoring.KnowledgeVersion, ("version", "published_at")),
    Table("schedules", night_records.Schedule, ("name",)),
    Table("nights", night_records.Night),
    Table("night_runs", night_records.NightRun, ("schedule", "due_at", "run_id")),
    Table("planned_images", night_records.PlannedImage),
    Table("night_steps", night_records.NightStep),
    Table("morning_reports", night_records.MorningReport),
    Table("backups", night_records.Backup),
    Table("night_references", chart_records.NightReference, ("schedule", "number")),
    Table("night_values", chart_records.NightValue, ("schedule", "reference", "signal", "due_at")),
    Table("chart_acknowledgements", chart_records.ChartAcknowledgement, ("schedule", "reference", "signal", "due_at")),
    Table("disputes", review_records.Dispute, ("dispute_id",)),
    Table("dispute_reasons", review_records.DisputeReason, ("dispute_id", "reason")),
    Table("budget_curves", review_records.BudgetCurve, ("run_id",)),
    Table("audit_draws", review_records.AuditDraw, ("run_id",)),
    Table("review_projects", review_records.ReviewProject, ("project_key",)),
    Table("review_tasks", review_records.ReviewTask, ("task_key",)),
    Table("judgements", judgement_records.Judgement, ("judgement_id", "revision")),
    Table("quarantined_results", review_records.QuarantinedResult, ("result_id",)),
    Table("facts", facts.Fact),
    Table("cells", facts.Cell),
    Table("knowledge_changes", curation_records.KnowledgeChange, ("number",)),
    Table("knowledge_sentences", curation_records.Sentence),
    Table("knowledge_trials", curation_records.KnowledgeTrial, ("version",)),
    Table("gate_attempts", curation_records.GateAttempt, ("description_id", "revision")),
    Table("gate_results", curation_records.GateResult, ("description_id", "revision")),
    Table("night_tests", curation_records.NightTest, ("test_id",)),
    Table("night_bets", curation_records.NightBet, ("test_id", "number")),
    Table("knowledge_lifts", curation_records.Lift),
    Table("normals", normal_records.Normal, ("number",)),
    Table("normal_changes", normal_records.NormalChange, ("number",)),
    Table("arms", experiment_records.Arm, ("experiment", "arm")),
    Table("thresholds", threshold_records.Threshold, ("product", "camera", "signal", "version")),
    Table("audit", audit_records.AuditRow, ("number",)),
)


def second(con: DuckDBPyConnection) -> None:
    """Version 2: nights, reviews, curation, experiments. Facts and cells are made after the last step."""
    for topic in (nights, reviews, curation, experiments):
        topic.add(con)


def fourth(con: DuckDBPyConnection) -> None:
    """Version 4: what keeps answers from being wrong in silence."""
    topics: tuple[Step, ...] = (
        file_stat.add,
        embedding_scales.add,
        verdicts.add,
        claims.add,
        oddities.add,
    )
    for add in topics:
        add(con)


def fifth(con: DuckDBPyConnection) -> None:
    """Version 5: one home for each concept."""
    topics: tuple[Step, ...] = (
        retrieved.add,
        failures.add,
        evidence.add,
        evaluators.add,
        run_purposes.add,
        questions.add,
        judgements.add,  # after what rewrites the questions of verdicts and settlements
        audit_log.add,
        question_sets.add,
        evaluators.fill,  # after what alters runs
        question_sets.fill,
    )
    for add in topics:
        add(con)


def sixth(con: DuckDBPyConnection) -> None:
    """Version 6: what is evidence of what."""
    clusters.add(con)


def eighth(con: DuckDBPyConnection) -> None:
    """Version 8: what cameras and plants really write."""
    topics: tuple[Step, ...] = (passed_over.add, measures.add, lots.add, tiles.add, lift_p.add)
    for add in topics:
        add(con)


def ninth(con: DuckDBPyConnection) -> None:
    """Version 9: comparing with normal pictures."""
    topics: tuple[Step, ...] = (normals.add, comparisons.add, thresholds.add, comparison_disputes.add)
    for add in topics:
        add(con)


def tenth(con: DuckDBPyConnection) -> None:
    """Version 10: mornings that people can act on."""
    topics: tuple[Step, ...] = (night_charts.add, night_tests.add)
    for add in topics:
        add(con)


# Version -> the step that leads to it from the version before. Version 1 is the first release's tables.
STEPS: Mapping[int, Step] = {
    2: second,
    3: lifts.add,
    4: fourth,
    5: fifth,
    6: sixth,
    7: groundings.add,
    8: eighth,
    9: ninth,
    10: tenth,
}


def newest(steps: Mapping[int, Step] = STEPS) -> int:
    """The version this program works with."""
    return max(steps, default=1)


def version(con: DuckDBPyConnection, steps: Mapping[int, Step] = STEPS) -> int:
    """The database's version; 0 for one without tables.

    Raises:
        NewerWarehouse: the database is newer than this program.
    """
    if not con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'schema_versions'").fetchall():
        return 0
    ((found,),) = con.execute("SELECT max(version) FROM schema_versions").fetchall()
    if found > newest(steps):
        raise NewerWarehouse(
            f"the warehouse has version {found} and this program knows versions up to {newest(steps)}; "
            "use the newer program that made it, or another --data folder"
        )
    return int(found)


def readable(con: DuckDBPyConnection) -> bool:
    """Whether the database is of the newest version; for readers, who ask at every opening.

    One look instead of `version`'s two, the first of which goes over every table there is. It must not be made within
    a transaction: without tables it fails, which would end that.

    Raises:
        NewerWarehouse: the database is newer than this program.
    """
    import duckdb

    try:
        ((found,),) = con.execute("SELECT max(version) FROM schema_versions").fetchall()
    except duckdb.CatalogException:
        return False
    return bool(found == newest()) or version(con) == newest()


def migrate(con: DuckDBPyConnection, steps: Mapping[int, Step] = STEPS) -> None:
    """Bring the database to the newest version inside the caller's transaction.

    Raises:
        NewerWarehouse: the database is newer than this program.
    """
    found = version(con, steps)
    if found == 0:
        con.execute(_new_tables())
        views.create(con)
        truth.make_views(con)
        _record(con, newest(steps))
        return
    todo = range(found + 1, newest(steps) + 1)
    for number in todo:
        steps[number](con)
        _record(con, number)
    if todo:
        views.create(con)
        facts.rebuild(con)
        truth.make_views(con)
        entry = audit.ChangeEntry(
            audit_records.PROGRAM, "upgrade warehouse", f"version {newest(steps)}", {"from": found}
        )
        audit.write(con, [entry])


@cache
def _new_tables() -> str:
    """The statements that make all tables at the newest version."""
    versions = "CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)"
    return ";\n".join([versions, *(schema.ddl(table.name, table.record, table.key) for table in TABLES)])


def _record(con: DuckDBPyConnection, number: int) -> None:
    con.execute("INSERT INTO schema_versions VALUES (?, ?)", [number, datetime.now(UTC)])
