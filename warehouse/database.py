"""Opening the DuckDB file: for one short read or one short transaction, under the sidecar lock.

Nothing stays open between calls, so any other process gets its turn. Opening costs some 20 milliseconds, ten times as
much as a read of one case: reads that belong together share a connection (`together`). The file is never touched by
plain file I/O: POSIX drops DuckDB's own lock when any handle of the process to the file closes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from warehouse import locks, migrations, private, schema
from warehouse.errors import BrokenWarehouse, Locked, Refused, full_disk_named

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection

R = TypeVar("R")

FILE = "warehouse.duckdb"
TIMEOUT = 60.0  # seconds to wait for the lock
_TAKEN = "Could not set lock on file"  # DuckDB's words; those about a damaged file hold a "block"


class _Opened(threading.local):
    """What `together` holds open in this thread."""

    def __init__(self) -> None:
        self.connections: dict[Path, DuckDBPyConnection] = {}


_opened = _Opened()


@contextmanager
def _interrupts() -> Iterator[None]:
    """Ctrl-C stays what it is: DuckDB makes a RuntimeError of it while a query runs."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


class Database:
    """The DuckDB file of one data folder. Cheap to make; safe to share between threads."""

    def __init__(self, data: Path, timeout: float = TIMEOUT) -> None:
        self.path = data / FILE
        self._locks = data / "locks"
        self._timeout = timeout

    @contextmanager
    def reading(self) -> Iterator[DuckDBPyConnection]:
        """A read-only connection to a database of the newest version; to an empty one where there is none yet.

        Within `together` it is the connection that is open already.

        Raises:
            Locked: the lock was not to be had.
            NewerWarehouse: a newer program made the database.
        """
        if (opened := _opened.connections.get(self.path)) is not None:
            yield opened
            return
        while self.path.exists():
            private.tighten(self.path.parent)
            with _interrupts(), locks.shared(self._locks, "warehouse", self._timeout):
                con = self._connect(read_only=True)
                try:
                    if migrations.readable(con):
                        yield con
                        return
                finally:
                    con.close()
            with self.writing():  # brings an older database up; then the read is tried again
                pass
        con = _empty()
        try:
            yield con
        finally:
            con.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """This thread's reads within the block share one connection and see one moment.

        Opening costs more than most reads do. Writers wait meanwhile, so the block holds reads and nothing else.
        """
        if self.path in _opened.connections:
            yield
            return
        with self.reading() as con:
            _opened.connections[self.path] = con
            try:
                yield
            finally:
                del _opened.connections[self.path]

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        A database of an older version is copied to backups/ and brought up first.

        Raises:
            Locked: the lock was not to be had.
            DiskFull: the disk is full; nothing of the transaction is stored.
            Refused: a row broke a constraint.
        """
        import duckdb

        assert self.path not in _opened.connections, "a write among reads that are kept together would wait for them"
        private.folder(self.path.parent)
        taken = locks.exclusive(self._locks, "warehouse", self._timeout)
        with _interrupts(), full_disk_named(self.path.parent), taken:
            con = self._connect(read_only=False)
            try:
                if 0 < (found := migrations.version(con)) < migrations.newest():
                    con.close()
                    now = datetime.now(UTC)
                    copy(self.path, self.path.parent / "backups" / f"version-{found}-{now:%Y%m%dT%H%M%S%f}Z.duckdb")
                    con = self._connect(read_only=False)
                con.execute("BEGIN")
                migrations.migrate(con)
                yield con
                con.execute("COMMIT")
            except duckdb.ConstraintException as error:
                raise Refused(str(error)) from error
            finally:
                con.close()  # an open transaction is rolled back

    def settle(self) -> None:
        """Bring what the log beside the file holds into the file; the caller holds the lock.

        Raises:
            BrokenWarehouse: the file can't be opened.
        """
        con = self._connect(read_only=False)
        try:
            con.execute("CHECKPOINT")
        finally:
            con.close()

    def frame(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> pl.DataFrame:
        """What one query finds."""
        with self.reading() as con:
            bound = dict(values) if isinstance(values, Mapping) else list(values)
            found: pl.DataFrame = con.sql(query, params=bound).pl()
            return found

    def records(self, record: type[R], query: str, values: Sequence[object] = ()) -> list[R]:
        """What one query finds, as records of the class whose columns it selects."""
        return schema.records(record, self.frame(query, values))

    def _connect(self, *, read_only: bool) -> DuckDBPyConnection:
        """A connection; a program outside our lock (the duckdb shell, say) is waited for.

        Raises:
            Locked: it didn't finish in time.
            BrokenWarehouse: the file can't be opened.
        """
        import duckdb

        deadline = time.monotonic() + self._timeout
        while True:
            try:
                con = duckdb.connect(str(self.path), read_only=read_only)
            except duckdb.Error as error:
                if _TAKEN not in str(error):
                    raise BrokenWarehouse(
                        f"the warehouse {self.path} can't be opened ({str(error).splitlines()[0]}); "
                        "`workbench restore` goes back to a copy"
                    ) from error
                if time.monotonic() > deadline:
                    raise Locked(f"{self.path} is open in another program: {error}") from error
                time.sleep(random.uniform(0.02, 0.1))
            else:
                con.execute("SET TimeZone = 'UTC'")
                return con


def copy(database: Path, to: Path) -> None:
    """Copy a whole database as it is at this moment; the caller holds the lock, or nobody else knows the file.

    A copy that fails leaves nothing: the disk may be full as it is.
    """
    import duckdb

    to.parent.mkdir(parents=True, exist_ok=True)
    unfinished = to.with_name(f"{to.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        with duckdb.connect() as con:
            for name, file, access in (("source", database, "(READ_ONLY)"), ("target", unfinished, "")):
                quoted = str(file).replace("'", "''")
                con.execute(f"ATTACH '{quoted}' AS {name} {access}")
            con.execute("COPY FROM DATABASE source TO target")
            con.execute("CHECKPOINT target")  # else it happens on closing, where a full disk is not told
        unfinished.rename(to)
    finally:
        for left in (unfinished, unfinished.with_name(f"{unfinished.name}.wal")):
            left.unlink(missing_ok=True)


def insert(con: DuckDBPyConnection, table: str, rows: Any) -> None:
    """Add the rows of an Arrow table or a frame, by column name."""
    con.register("new_rows", rows)
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows")


def _empty() -> DuckDBPyConnection:
    import duckdb

    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    migrations.migrate(con)
    return con
