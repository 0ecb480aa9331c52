"""Opening the DuckDB file: for one short read or one short transaction, under the sidecar lock.

The file stays open for no one between calls, so any other process gets its turn (`connections.py`). Opening still
costs more than a read of one case: reads that belong together share a connection (`together`). The file is never
touched by plain file I/O: POSIX drops DuckDB's own lock when any handle of the process to the file closes.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from warehouse import connections, file_permissions, kill_points, locks, migrations, schema
from warehouse.audit import Change, Flow
from warehouse.errors import BrokenWarehouse, Locked, Refused, full_disk_named
from warehouse.records.audit import Actor

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
            file_permissions.tighten(self.path.parent)
            lock = locks.shared(self._locks, "warehouse", self._timeout)
            with _interrupts(), lock, self._connection(read_only=True) as con:
                if migrations.readable(con):
                    yield con
                    return
            with self._transaction():  # brings an older database up; then the read is tried again
                pass
        with _empty.reading() as con:
            yield con

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
    def changing(self, actor: Actor, action: str, subject: str) -> Iterator[Change]:
        """One transaction that changes something for an actor, and writes the audit row that says so.

        Args:
            actor: who makes the change, and through what.
            action: a verb with its object, as the audit log shows it.
            subject: what is changed.

        Raises:
            TypeError: `actor` is none.
            Locked, DiskFull, Refused: as for every transaction (`_transaction`).
        """
        if not isinstance(actor, Actor):
            raise TypeError(f"{action}: say who makes this change with actor=Actor(name, channel), not {actor!r}")
        kill_points.at("before-change")
        with self._transaction() as con:
            change = Change(con, actor, action, subject)
            yield change
            change.write()
            kill_points.at("within-change")
        kill_points.at("after-change")

    @contextmanager
    def flowing(self, flow: Flow) -> Iterator[DuckDBPyConnection]:
        """One transaction that stores the flow of data: no change by somebody, for the reason that `flow` states.

        Raises:
            Locked, DiskFull, Refused: as for every transaction (`_transaction`).
        """
        if not isinstance(flow, Flow):
            raise TypeError(f"{flow!r} is no flow of data; what somebody decides goes through `changing`")
        with self._transaction() as con:
            yield con

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBPyConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        A database of an older version is copied to backups/ and brought up first.

        Raises:
            Locked: the lock was not to be had.
            DiskFull: the disk is full; nothing of the transaction is stored.
            Refused: a row broke a constraint.
        """
        import duckdb

        assert self.path not in _opened.connections, "a write among reads that are kept together would wait for them"
        file_permissions.folder(self.path.parent)
        taken = locks.exclusive(self._locks, "warehouse", self._timeout)
        with _interrupts(), full_disk_named(self.path.parent), taken, ExitStack() as stack:
            con = stack.enter_context(self._connection(read_only=False))
            is_newest = migrations.readable(con)
            if not is_newest and (found := migrations.version(con)):
                stack.close()
                now = datetime.now(UTC)
                copy(self.path, self.path.parent / "backups" / f"version-{found}-{now:%Y%m%dT%H%M%S%f}Z.duckdb")
                con = stack.enter_context(self._connection(read_only=False))
            con.execute("BEGIN")
            try:
                if not is_newest:
                    migrations.migrate(con)
                yield con
                con.execute("COMMIT")
            except duckdb.ConstraintException as error:
                raise Refused(str(error)) from error

    def settle(self) -> None:
        """Bring what the log beside the file holds into the file; the caller holds the lock.

        Raises:
            BrokenWarehouse: the file can't be opened.
        """
        with self._connection(read_only=False) as con:
            con.execute("CHECKPOINT")

    def frame(self, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> pl.DataFrame:
        """What one query finds."""
        with self.reading() as con:
            bound = dict(values) if isinstance(values, Mapping) else list(values)
            found: pl.DataFrame = con.sql(query, params=bound).pl()
            return found

    def records(self, record: type[R], query: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[R]:
        """What one query finds, as records of the class whose columns it selects."""
        return schema.records(record, self.frame(query, values))

    @contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[DuckDBPyConnection]:
        """A connection; a program outside our lock (the duckdb shell, say) is waited for.

        Raises:
            Locked: it didn't finish in time.
            BrokenWarehouse: the file can't be opened.
        """
        with ExitStack() as stack:
            yield self._opened(stack, time.monotonic() + self._timeout, read_only=read_only)

    def _opened(self, stack: ExitStack, deadline: float, *, read_only: bool) -> DuckDBPyConnection:
        import duckdb

        while True:
            try:
                return stack.enter_context(connections.attached(self.path, read_only=read_only))
            except duckdb.Error as error:
                if _TAKEN not in str(error):
                    raise BrokenWarehouse(
                        f"the warehouse {self.path} can't be opened ({str(error).splitlines()[0]}); "
                        "`workbench restore` goes back to a copy"
                    ) from error
                if time.monotonic() > deadline:
                    raise Locked(f"{self.path} is open in another program: {error}") from error
            time.sleep(random.uniform(0.02, 0.1))


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


class _Empty:
    """A database in memory with today's tables and no rows, made once: it is read where nothing was stored yet."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._instance: DuckDBPyConnection | None = None

    @contextmanager
    def reading(self) -> Iterator[DuckDBPyConnection]:
        """A connection of this thread's own; any error of DuckDB's ends the instance, as in `connections.py`."""
        import duckdb

        with self._guard:
            if self._instance is None:
                made = duckdb.connect()
                made.execute("SET TimeZone = 'UTC'")
                migrations.migrate(made)
                self._instance = made
            con = self._instance.cursor()
        try:
            con.execute("SET TimeZone = 'UTC'")
            yield con
        except duckdb.Error:
            with self._guard:
                self._instance = None
            raise
        finally:
            con.close()


_empty = _Empty()
