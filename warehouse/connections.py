"""Connections to a DuckDB file that is open for as long as somebody uses it, by one instance that stays.

Making an instance of DuckDB, with all its functions, takes several times as long as attaching a file to one
(`python -m benchmarks.reads` prints both). So a process keeps an empty instance and attaches the file to it, which
opens the file, for the first who needs it and detaches it, which closes the file, after the last: other processes get
their turn as if nothing had stayed.

Threads that read at the same time share the attached file, each by a connection of its own. Any error of DuckDB's ends
the instance: some of them leave it unusable.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NAME = "warehouse"  # of the file within the instance: what DuckDB itself calls a file of that name


class _Instance:
    """An instance of DuckDB, and who uses the file at the moment."""

    def __init__(self, path: Path) -> None:
        import duckdb

        self.path = path
        self.users: set[_User] = set()
        self.is_sound = True
        self.connection = duckdb.connect()

    def attach(self, path: Path, *, read_only: bool) -> None:
        """Open the file; what doesn't fit into memory goes where it would go if the file were opened by itself."""
        self.path = path
        quoted = str(path).replace("'", "''")
        self.connection.execute(f"SET temp_directory = '{quoted}.tmp'")
        self.connection.execute(f"ATTACH '{quoted}' AS {_NAME}{' (READ_ONLY)' if read_only else ''}")

    def detach(self) -> None:
        """Close the file.

        Raises:
            duckdb.Error: that failed, or something went to the temporary folder: the instance keeps it then.
        """
        self.connection.execute(f"DETACH {_NAME}")
        self.connection.execute("RESET temp_directory")


class _User:
    """Who uses an instance; known before the file is attached, so that Ctrl-C meanwhile leaves nothing open."""

    instance: _Instance | None = None


_guard = threading.Lock()
_kept: _Instance | None = None


@contextmanager
def attached(path: Path, *, read_only: bool) -> Iterator[DuckDBPyConnection]:
    """A connection of this thread's own, in which the file's tables are the ones that are named.

    The caller holds the file's lock: within this process too there are many readers, or one writer.

    Raises:
        duckdb.Error: the file can't be opened, or is open elsewhere.
    """
    import duckdb

    user = _User()
    try:
        con = _enter(user, path, read_only=read_only).connection.cursor()
        try:
            con.execute(f"USE {_NAME}")
            con.execute("SET TimeZone = 'UTC'")
            yield con
        finally:
            con.close()  # an open transaction is rolled back
    except duckdb.Error:
        if user.instance is not None:
            user.instance.is_sound = False
        raise
    finally:
        _leave(user)


def _enter(user: _User, path: Path, *, read_only: bool) -> _Instance:
    global _kept
    with _guard:
        if _kept is None:
            _kept = _Instance(path)
        instance = _kept if not _kept.users or (_kept.path == path and _kept.is_sound) else _Instance(path)
        is_first = not instance.users
        user.instance = instance
        instance.users.add(user)
        if is_first:
            try:
                instance.attach(path, read_only=read_only)
            except BaseException:
                instance.is_sound = False
                raise
        return instance


def _leave(user: _User) -> None:
    global _kept
    import duckdb

    with _guard:
        instance = user.instance
        if instance is None:
            return
        instance.users.discard(user)
        if instance.users:
            return
        is_kept = False
        try:
            instance.detach()
            is_kept = instance is _kept and instance.is_sound
        except duckdb.Error:
            pass
        finally:
            if not is_kept:
                _kept = None if _kept is instance else _kept
                instance.connection.close()
