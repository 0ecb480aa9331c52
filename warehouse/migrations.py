"""The database's tables and how an older database becomes today's.

A new database is created from the record classes at the newest version. An older one goes up by numbered steps, each
applied once and recorded in the same transaction; a test holds that both ways end in the same tables. A published step
is never edited, so it writes its SQL out instead of looking at the classes, which go on changing. Facts and cells
follow from the predictions, so they are made anew after the last step, by today's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warehouse import curation_records, experiment_records, facts, night_records, records, review_records, schema
from warehouse.errors import NewerWarehouse
from warehouse.steps import (
    claims,
    curation,
    experiments,
    file_stat,
    lifts,
    nights,
    oddities,
    reviews,
    rollups,
    scales,
    verdicts,
)

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
    Table("archives", records.Archive, ("archive_id",)),
    Table("entries", records.Entry, ("image_id",)),
    Table("runs", records.Run, ("run_id",)),
    Table("predictions", records.Prediction),
    Table("patches", records.Patch),
    Table("ledger", records.IngestedPart, ("run_id", "block")),
    Table("descriptions", records.Description, ("description_id", "revision")),
    Table("knowledge_versions", records.KnowledgeVersion, ("version", "published_at")),
    Table("schedules", night_records.Schedule, ("name",)),
    Table("nights", night_records.Night),
    Table("night_runs", night_records.NightRun, ("schedule", "due_at", "run_id")),
    Table("planned_images", night_records.PlannedImage),
    Table("night_steps", night_records.NightStep),
    Table("morning_reports", night_records.MorningReport),
    Table("backups", night_records.Backup),
    Table("disputes", review_records.Dispute, ("dispute_id",)),
    Table("dispute_reasons", review_records.DisputeReason, ("dispute_id", "reason")),
    Table("budget_curves", review_records.BudgetCurve, ("run_id",)),
    Table("audit_draws", review_records.AuditDraw, ("run_id",)),
    Table("review_projects", review_records.ReviewProject, ("project_key",)),
    Table("review_tasks", review_records.ReviewTask, ("task_key",)),
    Table("verdicts", review_records.Verdict, ("verdict_id", "revision")),
    Table("settlements", review_records.Settlement, ("image_id", "question_id", "revision")),
    Table("quarantined_results", review_records.QuarantinedResult, ("result_id",)),
    Table("facts", facts.Fact),
    Table("cells", facts.Cell),
    Table("knowledge_changes", curation_records.KnowledgeChange, ("number",)),
    Table("knowledge_sentences", curation_records.Sentence),
    Table("knowledge_trials", curation_records.KnowledgeTrial, ("version",)),
    Table("gate_attempts", curation_records.GateAttempt, ("description_id", "revision")),
    Table("gate_results", curation_records.GateResult, ("description_id", "revision")),
    Table("knowledge_lifts", curation_records.Lift),
    Table("arms", experiment_records.Arm, ("experiment", "arm")),
)


def second(con: DuckDBPyConnection) -> None:
    """Version 2: nights, pre-aggregates, reviews, curation, experiments."""
    for topic in (nights, rollups, reviews, curation, experiments):
        topic.add(con)


def fourth(con: DuckDBPyConnection) -> None:
    """Version 4: what keeps answers from being wrong in silence."""
    topics: tuple[Step, ...] = (
        file_stat.add,
        scales.add,
        verdicts.add,
        claims.add,
        oddities.add,
    )
    for add in topics:
        add(con)


# Version -> the step that leads to it from the version before. Version 1 is the first release's tables.
STEPS: Mapping[int, Step] = {2: second, 3: lifts.add, 4: fourth}


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
        con.execute("CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)")
        for table in TABLES:
            con.execute(schema.ddl(table.name, table.record, table.key))
        _record(con, newest(steps))
        return
    todo = range(found + 1, newest(steps) + 1)
    for number in todo:
        steps[number](con)
        _record(con, number)
    if todo:
        facts.rebuild(con)


def _record(con: DuckDBPyConnection, number: int) -> None:
    con.execute("INSERT INTO schema_versions VALUES (?, ?)", [number, datetime.now(UTC)])
