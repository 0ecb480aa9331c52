"""Statements over schedules and nights.

A *schedule* scores entries it has never scored. A *night* is one of its due times worked through, or several at once
where some were missed. A night's runs, the images each run was opened over, the steps after scoring and the morning
report hang from it. "Never scored" is asked of the predictions: nothing here counts or remembers a position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.audit import Flow
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.failures import NOT_THE_IMAGES_FAULT
from warehouse.queries import columns
from warehouse.queries.rollups import NONE
from warehouse.records import scoring
from warehouse.records.audit import Actor
from warehouse.records.nights import Backup, MorningReport, Night, NightRun, NightStep, PlannedImage, Schedule

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection

SLICED = ("subtask", "product", "defect", "line", "camera", "retrieval")


class Nights:
    """Every statement about schedules and nights of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    # Schedules.

    def keep_schedule(self, schedule: Schedule, *, actor: Actor, replace: bool = False) -> None:
        """Store a schedule; with `replace` in the place of one of its name.

        Raises:
            Refused: there is one of this name.
        """
        with self._database.changing(actor, "store schedule", schedule.name) as change:
            con = change.con
            if replace:
                con.execute("DELETE FROM schedules WHERE name = ?", [schedule.name])
            change.details.update(archive=schedule.archive, cron=schedule.cron, replace=replace)
            insert(con, "schedules", schema.table(Schedule, [schedule]))

    def remove_schedule(self, name: str, *, actor: Actor) -> None:
        """Forget a schedule; its nights and runs stay.

        Raises:
            Refused: there is none.
        """
        self._change(actor, "remove schedule", name, "DELETE FROM schedules WHERE name = ?", [name])

    def pause(self, name: str, paused: bool, *, actor: Actor) -> None:
        """Stop a schedule from becoming due, or let it again.

        Raises:
            Refused: there is none.
        """
        action = "pause schedule" if paused else "resume schedule"
        self._change(actor, action, name, "UPDATE schedules SET paused = ? WHERE name = ?", [paused, name])

    def trust_golden(self, name: str, run_id: str | None, *, actor: Actor) -> None:
        """Name the run whose golden answers count as right; None lets the next one become it.

        Raises:
            Refused: there is no such schedule.
        """
        statement = "UPDATE schedules SET golden_run = ? WHERE name = ?"
        self._change(actor, "trust golden answers", name, statement, [run_id, name], run=run_id)

    def schedules(self) -> list[Schedule]:
        """All schedules, in the order in which they are worked through."""
        return self._database.records(Schedule, "SELECT * FROM schedules ORDER BY priority DESC, name")

    def _change(
        self, actor: Actor, action: str, name: str, statement: str, values: Sequence[object], **details: object
    ) -> None:
        with self._database.changing(actor, action, name) as change:
            change.details.update(details)
            if change.con.execute(statement, list(values)).fetchall() != [(1,)]:
                raise Refused(f"there is no schedule {name}; `workbench schedule list` shows them")

    # Nights.

    def keep_night(self, night: Night) -> None:
        """Store a night as it now stands; one in the place of a void one begins without its steps and its report."""
        mine = [night.schedule, night.due_at]
        with self._database.flowing(Flow.NIGHT) as con:
            before = con.execute(
                "DELETE FROM nights WHERE schedule = ? AND due_at = ? RETURNING state", mine
            ).fetchall()
            insert(con, "nights", schema.table(Night, [night]))
            if before == [("void",)]:
                for table in ("night_steps", "morning_reports"):
                    con.execute(f"DELETE FROM {table} WHERE schedule = ? AND due_at = ?", mine)

    def nights(self, schedule: str | None = None, limit: int | None = None) -> list[Night]:
        """Nights, newest due time first."""
        where, values = ("WHERE schedule = ?", [schedule]) if schedule is not None else ("", [])
        page = "" if limit is None else f" LIMIT {limit:d}"
        return self._database.records(
            Night, f"SELECT * FROM nights {where} ORDER BY due_at DESC, schedule{page}", values
        )

    def void_nights(self, schedule: str, after: datetime, *, actor: Actor) -> int:
        """Let a schedule's nights that are due after a moment count no longer; how many there were.

        Their runs, steps and reports stay theirs: it may be the present clock that is wrong.
        """
        with self._database.changing(actor, "void nights", schedule) as change:
            found = change.con.execute(
                "UPDATE nights SET state = 'void', message = 'an earlier night came after it: a clock was wrong' "
                "WHERE schedule = ? AND due_at > ? AND state <> 'void'",
                [schedule, after],
            ).fetchall()
            change.details.update(after=after, nights=found[0][0])
            change.happened = bool(found[0][0])
        return int(found[0][0])

    def last_nights(self, until: datetime | None = None) -> dict[str, Night]:
        """By schedule, the night with the newest due time, up to a moment if one is given; void ones don't count."""
        found = self._database.records(
            Night,
            "SELECT * FROM nights WHERE state <> 'void' AND (? IS NULL OR due_at <= ?) "
            "QUALIFY row_number() OVER (PARTITION BY schedule ORDER BY due_at DESC) = 1",
            [until, until],
        )
        return {night.schedule: night for night in found}

    def night_runs(self, schedule: str | None = None) -> list[NightRun]:
        """Which run belongs to which night, newest night first."""
        where, values = ("WHERE schedule = ?", [schedule]) if schedule is not None else ("", [])
        return self._database.records(
            NightRun, f"SELECT * FROM night_runs {where} ORDER BY due_at DESC, run_id DESC", values
        )

    def open_run(self, run: scoring.Run, of: NightRun, images: Iterable[str]) -> None:
        """Store a new run, its night and the images it is over, at once.

        Raises:
            Refused: there is a run of this name.
        """
        planned = schema.table(PlannedImage, (PlannedImage(run.run_id, image_id) for image_id in images))
        with self._database.flowing(Flow.NIGHT) as con:
            insert(con, "runs", schema.table(scoring.Run, [run]))
            insert(con, "planned_images", planned)
            _join(con, of)

    def join_run(self, of: NightRun) -> None:
        """Store that a night goes on with a run."""
        with self._database.flowing(Flow.NIGHT) as con:
            _join(con, of)

    def unfinished_run(self, schedule: str) -> NightRun | None:
        """The newest run over the schedule's archive that isn't at its end, and why it was opened."""
        found = self._database.records(
            NightRun,
            "SELECT n.* FROM night_runs AS n JOIN runs USING (run_id) WHERE n.schedule = ? AND n.purpose <> 'golden' "
            "AND runs.state NOT IN ('finished', 'cancelled') ORDER BY runs.started_at DESC, n.due_at DESC LIMIT 1",
            [schedule],
        )
        return found[0] if found else None

    def planned_images(self, run_id: str) -> frozenset[str]:
        """The images a schedule's run was opened over."""
        return frozenset(
            self._database.frame("SELECT image_id FROM planned_images WHERE run_id = ?", [run_id])["image_id"]
        )

    def planned_entries(self, run_id: str) -> list[scoring.Entry]:
        """The same as entries, those too whose files are gone since, by path."""
        return self._database.records(
            scoring.Entry,
            "SELECT e.* FROM entries AS e JOIN planned_images AS p USING (image_id) WHERE p.run_id = ? ORDER BY e.path",
            [run_id],
        )

    def scored_images(self, schedule: str) -> frozenset[str]:
        """Images that the schedule's runs have scored; not those that weren't there just then, gone or replaced."""
        return frozenset(
            self._database.frame(
                "SELECT DISTINCT image_id FROM facts "
                "WHERE run_id IN (SELECT run_id FROM night_runs WHERE schedule = ? AND purpose <> 'golden') "
                "AND (failure IS NULL OR failure NOT IN (SELECT unnest(?::VARCHAR[])))",
                [schedule, NOT_THE_IMAGES_FAULT],
            )["image_id"]
        )

    def night_images(self, night: Night) -> int:
        """Images scored over the archive since the night began, by all its processes."""
        found = self._database.frame(
            "SELECT count(DISTINCT image_id) AS images FROM facts JOIN ledger USING (run_id, block) "
            "WHERE ingested_at >= ? AND run_id IN "
            "(SELECT run_id FROM night_runs WHERE schedule = ? AND due_at = ? AND purpose <> 'golden')",
            [night.started_at, night.schedule, night.due_at],
        )
        return int(found["images"][0])

    def run_images(self, run_id: str) -> frozenset[str]:
        """Images that a run has rows of."""
        return frozenset(
            self._database.frame("SELECT DISTINCT image_id FROM facts WHERE run_id = ?", [run_id])["image_id"]
        )

    def affected_images(self, schedule: str) -> frozenset[str]:
        """Images whose newest answers used a text that is no longer the published one, and poison images."""
        return frozenset(
            self._database.frame(
                """
                WITH newest AS (
                    SELECT image_id, descriptions, failure FROM predictions
                    WHERE run_id IN (SELECT run_id FROM night_runs WHERE schedule = ? AND purpose <> 'golden')
                    QUALIFY rank() OVER (PARTITION BY image_id ORDER BY run_id DESC) = 1
                ), used AS (SELECT image_id, unnest(descriptions) AS text FROM newest),
                published AS (
                    SELECT unnest(members) AS member FROM knowledge_versions
                    WHERE published_at = (SELECT max(published_at) FROM knowledge_versions)
                )
                SELECT DISTINCT image_id FROM used
                WHERE (text.description_id, text.revision) NOT IN
                    (SELECT (member.description_id, member.revision) FROM published)
                UNION SELECT image_id FROM newest WHERE failure = 'poison'
                """,
                [schedule],
            )["image_id"]
        )

    def images(self, tonight: Sequence[str], before: Sequence[str], since: datetime) -> pl.DataFrame:
        """One row per image of tonight's runs and one per image of the runs before: what the morning report compares.

        A run may have begun on an earlier night: of tonight's are the blocks that came in since. `stored_at`, when an
        image's last block came in, and `last_run`, whose it was, say which night scored it. Labels are today's.
        `alarm` is an answer that claims a defect, `cleared` one that claims there is none, `unreadable` a detection
        answer that could not be read, `counts` one that counts, or would with a label, `score` the probability of the
        options that claim the defect, `entropy` the mean over the image's questions; each null where there is none or
        nothing tells what it claims. `comparison score` is of runs that compared as tonight's newest did: by the same
        tower with the same normal pictures, without which scores can't be set against each other.
        """
        return self._database.frame(
            """
            WITH asked AS (
                SELECT f.*, l.ingested_at,
                    f.run_id IN (SELECT unnest(?::VARCHAR[])) AND l.ingested_at >= ? AS tonight
                FROM facts AS f JOIN ledger AS l USING (run_id, block)
                WHERE f.run_id IN (SELECT unnest(?::VARCHAR[]))
            ), comparing AS (
                SELECT run_id, coalesce(
                    json_extract_string(settings, '$.facts.sources.compare'),
                    CASE evaluator WHEN 'comparison' THEN evaluator_version END
                ) AS manner FROM runs WHERE run_id IN (SELECT run_id FROM asked)
            ), compared AS (
                SELECT c.run_id, c.image_id, c.score FROM comparisons AS c JOIN comparing USING (run_id)
                WHERE manner = (SELECT arg_max(manner, run_id) FROM comparing
                    WHERE run_id IN (SELECT run_id FROM asked WHERE tonight))
            )
            SELECT a.image_id, a.tonight, max(a.ingested_at) AS stored_at,
                arg_max(a.run_id, a.ingested_at) AS last_run, any_value(a.cluster_id) AS cluster_id,
                any_value(e.content) AS content, any_value(a.image_path) AS image_path,
                any_value(a.dataset) AS dataset, any_value(a.product) AS product, any_value(a.line) AS line,
                any_value(a.camera) AS camera, any_value(coalesce(e.label, a.label)) AS label,
                bool_and(a.status = 'failed') AS failed, bool_or(a.status = 'invalid') AS invalid,
                any_value(a.failure) AS failure, any_value(a.error) AS error, count(*) AS questions,
                count(*) FILTER (a.status = 'invalid') AS questions_invalid,
                count(*) FILTER (a.status = 'failed') AS questions_failed,
                avg(a.settled_entropy) AS entropy,
                bool_or(a.claim = 'defective') FILTER (a.claim <> 'unreadable') AS alarm,
                bool_and(a.claim = 'good') FILTER (a.claim <> 'unreadable') AS cleared,
                bool_or(a.claim = 'unreadable') FILTER (a.detection AND a.status <> 'failed')
                    AS unreadable,
                bool_or(a.correct IS NOT NULL OR a.label IS NULL) FILTER (a.detection AND a.status <> 'failed')
                    AS counts,
                max(a.defect_probability) FILTER (a.status = 'answered') AS score,
                max(compared.score) AS "comparison score"
            FROM asked AS a LEFT JOIN entries AS e USING (image_id) LEFT JOIN compared USING (run_id, image_id)
            GROUP BY a.image_id, a.tonight ORDER BY a.image_id, a.tonight
            """,
            [list(tonight), since, [*tonight, *before]],
        )

    def judged_answers(
        self, tonight: Sequence[str], before: Sequence[str], since: datetime, at_most: int
    ) -> pl.DataFrame:
        """The right and wrong answers of tonight's runs and of the runs before, as in `images`: where slices are found.

        Args:
            tonight: runs.
            before: runs.
            since: when tonight began.
            at_most: about so many of either side; whole clusters, chosen by a hash, so the same ones every time.

        Returns:
            tonight, cluster_id (a number), subtask, product, defect, line, camera, retrieval (Enums, `rollups.NONE` for
            null), right.
        """
        texts = ", ".join(f"coalesce(f.{name}, '{NONE}') AS {name}" for name in SLICED)
        statement = f"""
            WITH asked AS (
                SELECT f.run_id IN (SELECT unnest(?::VARCHAR[])) AND l.ingested_at >= ? AS tonight,
                    hash(f.cluster_id) AS cluster_id, {texts}, f.correct AS "right"
                FROM facts AS f JOIN ledger AS l USING (run_id, block)
                WHERE f.run_id IN (SELECT unnest(?::VARCHAR[])) AND f.correct IS NOT NULL
            ), sizes AS (SELECT tonight, count(*) AS answers FROM asked GROUP BY tonight)
            SELECT asked.* FROM asked JOIN sizes USING (tonight) WHERE cluster_id % 10000 <= 10000.0 * ? / answers
        """
        with self._database.reading() as con:
            values = [list(tonight), since, [*tonight, *before], at_most]
            return columns.encoded(con.sql(statement, params=values).to_arrow_reader(columns.BATCH))

    # What follows scoring.

    def keep_step(self, step: NightStep) -> None:
        """Store how a step ended, in the place of an earlier try."""
        with self._database.flowing(Flow.NIGHT) as con:
            con.execute(
                "DELETE FROM night_steps WHERE schedule = ? AND due_at = ? AND step = ?",
                [step.schedule, step.due_at, step.step],
            )
            insert(con, "night_steps", schema.table(NightStep, [step]))

    def steps(self, schedule: str, due_at: datetime) -> list[NightStep]:
        """A night's steps in the order they ended."""
        return self._database.records(
            NightStep,
            "SELECT * FROM night_steps WHERE schedule = ? AND due_at = ? ORDER BY ended_at",
            [schedule, due_at],
        )

    def keep_report(self, report: MorningReport) -> None:
        """Store a night's report, in the place of an earlier one."""
        with self._database.flowing(Flow.NIGHT) as con:
            con.execute(
                "DELETE FROM morning_reports WHERE schedule = ? AND due_at = ?", [report.schedule, report.due_at]
            )
            insert(con, "morning_reports", schema.table(MorningReport, [report]))

    def reports(self, schedule: str | None = None, limit: int = 30) -> list[MorningReport]:
        """The newest reports, newest night first, but those of void nights."""
        return self._database.records(
            MorningReport,
            "SELECT * FROM morning_reports WHERE (? IS NULL OR schedule = ?) "
            "AND (schedule, due_at) NOT IN (SELECT (schedule, due_at) FROM nights WHERE state = 'void') "
            f"ORDER BY due_at DESC, schedule LIMIT {limit:d}",
            [schedule, schedule],
        )

    def report(self, schedule: str, due_at: datetime) -> MorningReport | None:
        """A night's report, or None."""
        found = self._database.records(
            MorningReport, "SELECT * FROM morning_reports WHERE schedule = ? AND due_at = ?", [schedule, due_at]
        )
        return found[0] if found else None

    # Backups.

    def keep_backup(self, backup: Backup, *, actor: Actor) -> None:
        """Store that a copy was made."""
        with self._database.changing(actor, "back up", backup.path) as change:
            insert(change.con, "backups", schema.table(Backup, [backup]))

    def last_backup(self) -> Backup | None:
        """The newest copy, or None."""
        found = self._database.records(Backup, "SELECT * FROM backups ORDER BY made_at DESC LIMIT 1")
        return found[0] if found else None


def _join(con: DuckDBPyConnection, of: NightRun) -> None:
    con.execute(
        "INSERT INTO night_runs VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [of.schedule, of.due_at, of.run_id, of.purpose],
    )
