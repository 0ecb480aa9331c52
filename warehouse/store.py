"""Store: every DuckDB statement of the program; the two longest are next door, in `ledger.py` and `export.py`.

A call is one short read or one short transaction; nothing stays open in between (`database.py`). Reads give polars
frames, or records where there are few; a warehouse that doesn't exist yet reads as an empty one and is made by the
first write.

The big tables have no key and no index: rows lie in the order they were ingested, run after run, and a read of one run
or one image scans a compressed column, which is milliseconds at millions of rows. What keeps rows single is the ledger.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from warehouse import kill_points, ledger, schema, spool
from warehouse.audit import Flow
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.failures import NOT_THE_FILES_FAULT
from warehouse.queries import export
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.current_entries import NEWEST
from warehouse.queries.truth import PREDICTIONS, VERIFIED, Truth, clustered_cells, summands
from warehouse.records import scoring

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection

R = TypeVar("R")
_SUMS = """
    sum(questions)::BIGINT AS questions, sum(answered)::BIGINT AS answered, sum(invalid)::BIGINT AS invalid,
    sum(failed)::BIGINT AS failed, sum(counted)::BIGINT AS labelled, sum(correct)::BIGINT AS correct,
    sum(escape)::BIGINT AS escape, sum(overkill)::BIGINT AS overkill, sum(unreadable)::BIGINT AS unreadable,
    sum(unclaimed)::BIGINT AS unclaimed, sum(alarms)::BIGINT AS alarms, sum(passes)::BIGINT AS passes,
    sum(counted_detections)::BIGINT AS detections, sum(correct_detections)::BIGINT AS correct_detections,
    coalesce(sum(counted_detections) FILTER (label = 'defective'), 0)::BIGINT AS defective,
    coalesce(sum(counted_detections) FILTER (label = 'good'), 0)::BIGINT AS good
"""


class Store:
    """The warehouse of one data folder. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._database = Database(data)

    def stamp(self) -> str:
        """A text that changes whenever stored content changes. Looks at the file's times without opening it."""
        stamps = []
        for path in (self._database.path, self._database.path.with_suffix(".duckdb.wal")):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            stamps.append(f"{found.st_mtime_ns}-{found.st_size}")
        return "+".join(stamps)

    def together(self) -> AbstractContextManager[None]:
        """A block of reads, of whatever of this folder's database, that share one connection and see one moment."""
        return self._database.together()

    # Archives and their entries.

    def register_archive(self, archive: scoring.Archive) -> None:
        """Store an archive, or its new root and name; when it was first registered stays."""
        with self._database.flowing(Flow.ARCHIVE) as con:
            con.execute(
                "INSERT INTO archives VALUES (?, ?, ?, ?) "
                "ON CONFLICT (archive_id) DO UPDATE SET root = excluded.root, name = excluded.name",
                [archive.archive_id, archive.root, archive.name, archive.registered_at],
            )

    def upsert_entries(self, archive_id: str, entries: Iterable[scoring.Entry]) -> None:
        """Store an archive's entries by image_id; a row that says the same is not written again.

        Raises:
            Refused: an entry belongs to another archive.
        """
        rows = schema.table(scoring.Entry, entries)
        if strangers := set(rows["archive_id"].unique().to_pylist()) - {archive_id}:
            raise Refused(f"entries of archive {archive_id} name another archive: {sorted(strangers)}")
        changed = " OR ".join(f"old.{name} IS DISTINCT FROM new.{name}" for name in rows.column_names)
        with self._database.flowing(Flow.ARCHIVE) as con:
            con.register("new_entries", rows)
            con.execute(
                "MERGE INTO entries AS old USING new_entries AS new ON old.image_id = new.image_id "
                f"WHEN MATCHED AND ({changed}) THEN UPDATE BY NAME "
                "WHEN NOT MATCHED THEN INSERT BY NAME"
            )

    def archives(self) -> list[scoring.Archive]:
        """All registered archives, by name."""
        return self._database.records(scoring.Archive, "SELECT * FROM archives ORDER BY name, archive_id")

    def archive(self, archive_id: str) -> scoring.Archive | None:
        """The archive, or None."""
        return _first(
            self._database.records(scoring.Archive, "SELECT * FROM archives WHERE archive_id = ?", [archive_id])
        )

    def entries(self, archive_id: str) -> pl.DataFrame:
        """The newest entry of every path of an archive, of a picture in tiles all of them, by path."""
        return self._database.frame(
            f"SELECT * FROM entries WHERE archive_id = ? QUALIFY {NEWEST} ORDER BY path, tile.y0, tile.x0, image_id",
            [archive_id],
        )

    def entries_at(self, archive_id: str, path: str) -> list[scoring.Entry]:
        """The newest entry of a path, of a picture in tiles all of them; none where the archive doesn't know it."""
        return self._database.records(
            scoring.Entry,
            f"SELECT * FROM entries WHERE archive_id = ? AND path = ? QUALIFY {NEWEST} ORDER BY image_id",
            [archive_id, path],
        )

    def entry(self, image_id: str) -> scoring.Entry | None:
        """The entry, or None."""
        return _first(self._database.records(scoring.Entry, "SELECT * FROM entries WHERE image_id = ?", [image_id]))

    def conflicts(self, archive_id: str) -> pl.DataFrame:
        """Entries whose content lies in the archive under different labels: content, label, product, path, image_id."""
        return self._database.frame(
            f"""
            WITH newest AS (SELECT * FROM entries WHERE archive_id = ? QUALIFY {NEWEST})
            SELECT content, label, defect, product, path, image_id FROM newest
            WHERE label IS NOT NULL
            QUALIFY min(label) OVER (PARTITION BY content) <> max(label) OVER (PARTITION BY content)
            ORDER BY content, path
            """,
            [archive_id],
        )

    def failed_paths(self, archive_id: str) -> frozenset[str]:
        """Paths of images that failed in the newest run over them, for a reason that may lie in the file."""
        return frozenset(
            self._database.frame(
                """
                WITH mine AS (
                    SELECT image_id, run_id, image_path, status = 'failed'
                        AND failure NOT IN (SELECT unnest(?::VARCHAR[])) AS failed
                    FROM facts WHERE run_id IN (SELECT run_id FROM runs WHERE archive_id = ?)
                )
                SELECT DISTINCT image_path FROM mine SEMI JOIN (SELECT image_id FROM mine WHERE failed) USING (image_id)
                QUALIFY run_id = max(run_id) OVER (PARTITION BY image_id) AND failed
                """,
                [NOT_THE_FILES_FAULT, archive_id],
            )["image_path"]
        )

    # Runs.

    def open_run(self, run: scoring.Run) -> None:
        """Store a new run.

        Raises:
            Refused: there is a run of this name.
        """
        with self._database.flowing(Flow.RUN) as con:
            insert(con, "runs", schema.table(scoring.Run, [run]))

    def resume_run(self, run_id: str, embedding_scale: float | None = None) -> None:
        """Mark a run that stopped or failed as running again.

        Args:
            embedding_scale: kept where the run doesn't say its own yet.
        """
        change = "state = 'running', message = NULL, finished_at = NULL"
        with self._database.flowing(Flow.RUN) as con:
            _update_run(con, f"{change}, embedding_scale = coalesce(embedding_scale, ?)", [embedding_scale], run_id)

    def close_run(
        self,
        run_id: str,
        state: scoring.RunState,
        finished_at: datetime | None = None,
        message: str | None = None,
        timings: scoring.Timings | None = None,
        passed_over: Sequence[scoring.PassedOver] | None = None,
    ) -> None:
        """Store how a run ended, now unless told otherwise; the timings are added to those it has.

        Args:
            passed_over: None leaves what is stored of it.

        Raises:
            Refused: there is no such run.
        """
        more = timings or scoring.Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        told = None if passed_over is None else [dataclasses.asdict(each) for each in passed_over]
        kind = schema.column("passed_over", tuple[scoring.PassedOver, ...] | None)
        with self._database.flowing(Flow.RUN) as con:
            _update_run(
                con,
                "state = ?, message = ?, finished_at = ?, timings = {'load': timings.load + ?, "
                "'vision': timings.vision + ?, 'prefill': timings.prefill + ?, 'loop': timings.loop + ?, "
                "'answer': timings.answer + ?, 'write': timings.write + ?}, "
                f"passed_over = coalesce(?::{kind}, passed_over)",
                [state, message, finished_at or datetime.now(UTC), *dataclasses.astuple(more), told],
                run_id,
            )

    def runs(self) -> pl.DataFrame:
        """All runs, newest first, but the two of each test of a draft; `run` finds those too."""
        return self._database.frame("SELECT * FROM runs WHERE purpose <> 'gate' ORDER BY started_at DESC, run_id DESC")

    def run(self, run_id: str) -> scoring.Run | None:
        """The run, or None."""
        return _first(self._database.records(scoring.Run, "SELECT * FROM runs WHERE run_id = ?", [run_id]))

    def has_run(self, digest: str) -> bool:
        """Whether there is a run of this digest, over whatever plan."""
        return self._database.frame("SELECT 1 FROM runs WHERE digest = ? LIMIT 1", [digest]).height > 0

    def newest_unfinished_run(self, digest: str, plan: str) -> scoring.Run | None:
        """The newest run of this digest and plan that can go on: neither finished nor cancelled."""
        return _first(
            self._database.records(
                scoring.Run,
                "SELECT * FROM runs WHERE digest = ? AND plan = ? AND state NOT IN ('finished', 'cancelled') "
                "ORDER BY started_at DESC, run_id DESC LIMIT 1",
                [digest, plan],
            )
        )

    def finished_run(self, digest: str, plan: str) -> scoring.Run | None:
        """The newest finished run of this digest and plan."""
        return _first(
            self._database.records(
                scoring.Run,
                "SELECT * FROM runs WHERE digest = ? AND plan = ? AND state = 'finished' "
                "ORDER BY started_at DESC, run_id DESC LIMIT 1",
                [digest, plan],
            )
        )

    # Predictions and patches.

    def ingested_blocks(self, run_id: str) -> frozenset[int]:
        """The blocks of a run whose rows are stored."""
        return frozenset(self._database.frame("SELECT block FROM ledger WHERE run_id = ?", [run_id])["block"])

    def ingest_blocks(self, blocks: Sequence[spool.Block]) -> ledger.Counts:
        """Rows added from those blocks that weren't stored yet: all of them or none.

        The ledger rows and the runs' counts are in the same transaction, so a part is stored once however often the
        process is killed and whatever it was told about its commit.

        Raises:
            Refused: a row breaks a constraint or lies in the wrong part, or a run is not known.
        """
        with self._database.flowing(Flow.INGEST) as con:
            added = ledger.enter(con, blocks)
            kill_points.at("before-commit")
        kill_points.at("after-commit")
        return added

    def predictions(
        self,
        run_id: str,
        image_id: str | None = None,
        question_id: str | None = None,
        status: scoring.PredictionStatus | None = None,
        subtask: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        truth: Truth = "archive",
    ) -> pl.DataFrame:
        """Predictions of a run with all columns, in the plan's order; for lists see `prediction_index`.

        Under the truth `reviewed` label, defect and correct_answer are what people settled, and the columns `verified`
        and `basis` say which rows that holds of; see `truth.py`.
        """
        return self._chosen(
            "*" if truth == "archive" else "* EXCLUDE (rowid)", PREDICTIONS[truth], run_id, limit, offset,
            image_id=image_id, question_id=question_id, status=status, subtask=subtask,
        )  # fmt: skip

    def prediction_index(
        self,
        run_id: str,
        status: scoring.PredictionStatus | None = None,
        subtask: str | None = None,
        product: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> pl.DataFrame:
        """The few columns a list needs, in the plan's order; no question text and no trace but its settled entropy.

        `choices` is how many options were offered; `settled_entropy` is the best iteration's, null where nothing ran.
        """
        return self._chosen(
            "block, image_id, image_path, content, product, label, defect, question_id, subtask, status, error, "
            "answer, correct_answer, len(options) AS choices, claims, "
            "list_extract(entropy, best_iteration + 1) AS settled_entropy, seconds",
            "predictions", run_id, limit, offset, status=status, subtask=subtask, product=product,
        )  # fmt: skip

    def case(self, run_id: str, image_id: str, truth: Truth = "archive") -> list[scoring.Prediction]:
        """The predictions of one image, as records."""
        return schema.records(scoring.Prediction, self.predictions(run_id, image_id, truth=truth))

    def patches(self, run_id: str, image_id: str | None = None, question_id: str | None = None) -> pl.DataFrame:
        """Proposed patches of a run, in the plan's order."""
        return self._chosen("*", "patches", run_id, None, 0, image_id=image_id, question_id=question_id)

    def run_summary(self, run_id: str, truth: Truth = "archive", alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """By subtask, what the run's cells count: the same numbers as on the pages.

        Returns:
            subtask, questions, answered, invalid, failed, labelled (what a rate is over: `Cell.counted`), correct (of
            those), escape, overkill, unreadable, unclaimed, alarms and passes (see `Cell`), detections and
            correct_detections (labelled questions whether there is a defect), and of those the ones about defective and
            about good images.
        """
        return self._database.frame(
            f"SELECT subtask, {_SUMS} FROM ({summands(truth, 'run_id = $run', alarm_rule)}) WHERE subtask IS NOT NULL "
            "GROUP BY subtask ORDER BY subtask",
            {"run": run_id},
        )

    def run_totals(self, truth: Truth = "archive", alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """Of every run with predictions the sums of `run_summary` over its subtasks: run_id and the same columns."""
        cells = summands(truth, alarm_rule=alarm_rule)
        return self._database.frame(f"SELECT run_id, {_SUMS} FROM ({cells}) WHERE subtask IS NULL GROUP BY run_id")

    def called_defective(
        self, truth: Truth = "archive", run_id: str | None = None, alarm_rule: AlarmRule = "answers"
    ) -> pl.DataFrame:
        """Pictures without truth that detection answers, or saved thresholds, call defective, of every run or of one.

        Returns:
            run_id, cluster_id (null but for pictures that share one), product, line, camera, and of these pictures'
            cells over all subtasks: unlabelled_images, alarm_images, alarm_probabilities and alarm_probability, see
            `Cell`.
        """
        cells = clustered_cells(truth, "coalesce(run_id = $run, true)", "outcome IN ('alarm', 'pass')", alarm_rule)
        return self._database.frame(
            "SELECT run_id, cluster_id, product, line, camera, sum(unlabelled_images)::BIGINT AS unlabelled_images, "
            "sum(alarm_images)::BIGINT AS alarm_images, sum(alarm_probabilities)::BIGINT AS alarm_probabilities, "
            f"sum(alarm_probability) AS alarm_probability FROM ({cells}) "
            "WHERE subtask IS NULL GROUP BY ALL HAVING sum(unlabelled_images) > 0 ORDER BY ALL",
            {"run": run_id},
        )

    def verified(self, run_id: str | None = None) -> pl.DataFrame:
        """Of the answers that count, those that people settled, most first.

        Returns:
            run_id, verified (the reason that brought the case to people), basis (how they settled it), answers.
        """
        return self._database.frame(VERIFIED.format(where="coalesce(run_id = $run, true)"), {"run": run_id})

    def settled_changes(self) -> int:
        """A number that grows with every settlement."""
        return int(self._database.frame("SELECT count(*) AS changes FROM settlements")["changes"][0])

    def failures(self, run_id: str) -> pl.DataFrame:
        """A run's failed questions by kind, most frequent first.

        Returns:
            failure, questions, images, texts (how many different ones), error (the most frequent text), image_path (of
            one image with that text).
        """
        return self._database.frame(
            "WITH texts AS (SELECT failure, error, count(*) AS questions, min(image_path) AS image_path "
            "FROM facts WHERE run_id = $1 AND status = 'failed' GROUP BY ALL), "
            "kinds AS (SELECT failure, count(DISTINCT image_id) AS images FROM facts "
            "WHERE run_id = $1 AND status = 'failed' GROUP BY failure) "
            "SELECT failure, sum(questions)::BIGINT AS questions, any_value(images) AS images, count(*) AS texts, "
            "first(error ORDER BY questions DESC, error) AS error, "
            "first(image_path ORDER BY questions DESC, error) AS image_path "
            "FROM texts JOIN kinds USING (failure) GROUP BY failure ORDER BY questions DESC, failure",
            [run_id],
        )

    def oddities(self, run_id: str) -> pl.DataFrame:
        """What is odd about pictures of a run, with their count and one of them; most frequent first."""
        return self._database.frame(
            "SELECT oddity, count(DISTINCT image_id) AS images, min(image_path) AS image_path "
            "FROM predictions WHERE run_id = ? AND oddity IS NOT NULL GROUP BY oddity ORDER BY images DESC, oddity",
            [run_id],
        )

    def export(self, table: export.Exported, run_id: str | None, output: Path, truth: Truth = "archive") -> int:
        """Rows written to a .parquet, .csv or .jsonl file; see `export.py`.

        Raises:
            Refused: there is no such run, or the file's name ends otherwise.
        """
        with self._database.reading() as con:
            return export.write(con, table, run_id, output, truth)

    # Knowledge.

    def published_knowledge(self) -> tuple[scoring.KnowledgeVersion | None, list[scoring.Description]]:
        """The published version and its descriptions, both from one moment; None and nothing before the first."""
        found = self._database.records(
            scoring.KnowledgeVersion, "SELECT * FROM knowledge_versions ORDER BY published_at DESC LIMIT 1"
        )
        return (found[0], self.knowledge(found[0].version)) if found else (None, [])

    def knowledge(self, version: str) -> list[scoring.Description]:
        """The descriptions of a version, published or only tested, by id."""
        return self._database.records(
            scoring.Description,
            "SELECT d.* FROM descriptions AS d JOIN (SELECT unnest(any_value(members), recursive := true) "
            "FROM (SELECT version, members FROM knowledge_versions UNION ALL SELECT version, members "
            "FROM knowledge_trials) WHERE version = ?) AS m "
            "ON d.description_id = m.description_id AND d.revision = m.revision ORDER BY d.description_id",
            [version],
        )

    def descriptions(self, latest: bool = True) -> pl.DataFrame:
        """The newest revision of every description, or all revisions, by id and revision."""
        only = "QUALIFY row_number() OVER (PARTITION BY description_id ORDER BY revision DESC) = 1" if latest else ""
        return self._database.frame(f"SELECT * FROM descriptions {only} ORDER BY description_id, revision")

    def question_named(self, name: str) -> str:
        """The identity of the question that an address names, which may be its identity up to version 4."""
        found = self._database.frame("SELECT question_id FROM former_questions WHERE former_id = ?", [name])
        return str(found["question_id"][0]) if found.height else name

    def _chosen(
        self, columns: str, table: str, run_id: str, limit: int | None, offset: int, **filters: str | None
    ) -> pl.DataFrame:
        """Rows of a run in the plan's order; within a block rows lie as they were spooled."""
        asked = {"run_id": run_id, **{name: value for name, value in filters.items() if value is not None}}
        where = " AND ".join(f"{name} = ?" for name in asked)
        if limit is not None:  # narrow rows first: whole ones are read for the page alone
            page = f"ORDER BY block, rowid LIMIT {limit:d} OFFSET {offset:d}"
            where = f"run_id = ? AND rowid IN (SELECT rowid FROM predictions WHERE {where} {page})"
        values = [*([] if limit is None else [run_id]), *asked.values()]
        return self._database.frame(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY block, rowid", values)


def _update_run(con: DuckDBPyConnection, assignments: str, values: list[object], run_id: str) -> None:
    changed = con.execute(f"UPDATE runs SET {assignments} WHERE run_id = ?", [*values, run_id]).fetchall()
    if changed != [(1,)]:
        raise Refused(f"there is no run {run_id} in this warehouse; `workbench runs` lists them")


def _first(found: list[R]) -> R | None:
    return found[0] if found else None
