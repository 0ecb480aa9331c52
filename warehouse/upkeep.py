"""Upkeep of the warehouse: dropping old traces and vectors, compaction, copies.

Answers, probabilities and entropies are never dropped. A *trace* is what only a close look at one case needs: entropy
per think token, the patches that were proposed, the maps of comparisons. Both go run by run, oldest first.

A copy is made by DuckDB itself (ATTACH, COPY FROM DATABASE) within one read, under the same lock as any reader: it is
one consistent moment beside a running scorer, and the file is never touched by plain file I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from warehouse import audit, locks, migrations
from warehouse.database import FILE, TIMEOUT, Database, copy
from warehouse.errors import Refused, full_disk_named
from warehouse.records.audit import Actor


class Upkeep:
    """Statements that tidy up one data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._database = Database(data)

    def runs_with_traces(self, before: datetime | None = None) -> list[str]:
        """Runs that still have traces, oldest first; only those that ended before a moment, if one is given."""
        return list(
            self._database.frame(
                "SELECT run_id FROM runs WHERE finished_at IS NOT NULL AND (? IS NULL OR finished_at < ?) AND ("
                "run_id IN (SELECT run_id FROM patches) OR "
                "run_id IN (SELECT run_id FROM comparisons WHERE len(values) > 0) OR "
                "run_id IN (SELECT run_id FROM predictions WHERE len(token_entropy) > 0)) ORDER BY started_at",
                [before, before],
            )["run_id"]
        )

    def drop_traces(self, run_ids: Sequence[str], *, actor: Actor) -> int:
        """Predictions whose traces were dropped."""
        with self._database.changing(actor, "drop traces", ", ".join(run_ids)) as change:
            con = change.con
            con.execute("DELETE FROM patches WHERE run_id IN (SELECT unnest(?::VARCHAR[]))", [list(run_ids)])
            con.execute(
                "UPDATE comparisons SET values = [] WHERE len(values) > 0 AND run_id IN (SELECT unnest(?::VARCHAR[]))",
                [list(run_ids)],
            )
            ((changed,),) = con.execute(
                "UPDATE predictions SET token_entropy = [] "
                "WHERE len(token_entropy) > 0 AND run_id IN (SELECT unnest(?::VARCHAR[]))",
                [list(run_ids)],
            ).fetchall()
            change.details["predictions"] = changed
        return int(changed)

    def note_dropping(self, kind: str, count: int, *, actor: Actor) -> None:
        """Store that files are about to be dropped, and how many: to be called before the first goes.

        No transaction of the database holds files. The row comes first, so that a kill in between leaves a row and
        files that the next call finds again, and never files gone without a row. None of them is no change.
        """
        if count:
            with self._database.changing(actor, "drop files", "data folder") as change:
                change.details[kind] = count

    def used_bytes(self) -> int:
        """How much of the database's file is in use; what was freed is used again before the file grows."""
        with self._database.reading() as con:
            found = con.sql("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
        return int(found[0][0])

    def contents(self, before: datetime) -> list[str]:
        """Contents of images that were scored, but by no run that began since a moment."""
        return list(
            self._database.frame(
                "SELECT DISTINCT content FROM predictions WHERE content NOT IN (SELECT content FROM predictions "
                "WHERE run_id IN (SELECT run_id FROM runs WHERE started_at >= ?)) ORDER BY content",
                [before],
            )["content"]
        )

    def runs_oldest_first(self) -> list[str]:
        """All runs."""
        return list(self._database.frame("SELECT run_id FROM runs ORDER BY started_at")["run_id"])

    def contents_of_only(self, run_id: str) -> list[str]:
        """Contents of images that this run scored and no later one."""
        return list(
            self._database.frame(
                "SELECT DISTINCT content FROM predictions WHERE run_id = ? AND content NOT IN "
                "(SELECT content FROM predictions WHERE run_id > ?) ORDER BY content",
                [run_id, run_id],
            )["content"]
        )

    def copy_to(self, file: Path) -> None:
        """The warehouse as it is at this moment, as a database file of its own.

        Raises:
            Refused: there is such a file already, or no warehouse yet.
        """
        if file.exists():
            raise Refused(f"{file} is there already")
        if not (self._data / FILE).exists():
            raise Refused(f"{self._data} has no warehouse yet")
        with self._database.reading():
            pass  # an older warehouse is brought up, so that what is copied is today's
        with full_disk_named(file.parent), locks.shared(self._data / "locks", "warehouse", TIMEOUT):
            copy(self._data / FILE, file)


def arrived(database: Path, copy_of: Path, *, actor: Actor) -> None:
    """Bring a copy that is about to take a warehouse's place up to today's tables; its audit log says who restored it.

    Args:
        database: the copy's own file beside the warehouse, which nobody else knows.
        copy_of: the file that it was copied from.
        actor: who restores it.
    """
    import duckdb

    with duckdb.connect(str(database)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute("BEGIN")
        migrations.migrate(con)
        audit.write(con, [audit.ChangeEntry(actor, "restore", str(copy_of), {})])
        con.execute("COMMIT")
        con.execute("CHECKPOINT")


def sound(file: Path) -> int:
    """The version of a database file that nobody has open; its tables are all there and can be read.

    Raises:
        Refused: it is no warehouse, or one that is damaged.
        NewerWarehouse: a newer program made it.
    """
    import duckdb

    try:
        with duckdb.connect(str(file), read_only=True) as con:
            version = migrations.version(con)
            for (table,) in con.sql("SELECT table_name FROM duckdb_tables()").fetchall():
                con.sql(f'SELECT count(*) FROM "{table}"').fetchall()
    except duckdb.Error as error:
        raise Refused(f"{file} can't be read: {error}") from error
    if version == 0:
        raise Refused(f"{file} is no warehouse")
    return version
