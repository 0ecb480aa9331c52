"""The file is open as long as somebody uses it, and by nobody else's leave; the instance behind it stays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from warehouse import connections


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "it's a warehouse.duckdb"
    with connections.attached(path, read_only=False) as con:
        con.execute("CREATE TABLE numbers AS SELECT range AS number FROM range(1000)")
    return path


def is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            if handle.readlink() == path:
                return True
    return False


def count(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("SELECT count(*) FROM numbers").fetchall()[0][0])


def test_the_file_is_open_within_the_block_alone_and_what_was_written_lies_in_it(file: Path) -> None:
    assert not is_open(file)
    with connections.attached(file, read_only=True) as con:
        assert is_open(file)
        assert count(con) == 1000
    assert not is_open(file)
    assert not file.with_name(f"{file.name}.wal").exists()
    with duckdb.connect(str(file)) as other:  # as a program of its own opens it
        assert count(other) == 1000


def test_threads_read_together_and_the_last_one_closes_the_file(file: Path) -> None:
    inside = threading.Barrier(4)

    def read(_: int) -> int:
        with connections.attached(file, read_only=True) as con:
            inside.wait(30)
            return count(con)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [1000] * 4
    assert not is_open(file)


def test_two_files_are_open_at_a_time_and_each_connection_sees_its_own(file: Path, tmp_path: Path) -> None:
    with connections.attached(file, read_only=True) as con:
        with connections.attached(tmp_path / "other.duckdb", read_only=False) as other:
            other.execute("CREATE TABLE numbers AS SELECT 1 AS number")
            assert (count(con), count(other)) == (1000, 1)
        assert count(con) == 1000
    assert not is_open(tmp_path / "other.duckdb")
    assert not is_open(file)


def test_a_transaction_left_open_is_rolled_back(file: Path) -> None:
    with connections.attached(file, read_only=False) as con:
        con.execute("BEGIN")
        con.execute("DELETE FROM numbers")
    with connections.attached(file, read_only=True) as con:
        assert count(con) == 1000


def test_a_reader_writes_nothing(file: Path) -> None:
    with pytest.raises(duckdb.Error, match="read-only"), connections.attached(file, read_only=True) as con:
        con.execute("DELETE FROM numbers")


@pytest.mark.parametrize("statement", ["SELECT error('stop')", "SELECT nothing FROM nowhere"])
def test_after_an_error_the_next_one_is_served(file: Path, statement: str) -> None:
    with pytest.raises(duckdb.Error), connections.attached(file, read_only=False) as con:
        con.execute(f"BEGIN; DELETE FROM numbers; {statement}")
    assert not is_open(file)
    with connections.attached(file, read_only=True) as con:
        assert count(con) == 1000


def test_a_file_that_is_none_is_refused_and_the_next_one_is_served(file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database" * 1000)
    with pytest.raises(duckdb.Error), connections.attached(broken, read_only=True):
        pass
    with connections.attached(file, read_only=True) as con:
        assert count(con) == 1000


def test_after_a_query_that_went_to_the_temporary_folder_the_next_one_is_served_and_the_folder_is_gone(
    file: Path,
) -> None:
    folder = file.with_name(f"{file.name}.tmp")
    with connections.attached(file, read_only=True) as con:
        con.execute("SET memory_limit = '40MB'; SET threads = 1")
        con.execute("CREATE TEMP TABLE sorted AS SELECT hash(range)::VARCHAR AS word FROM range(2000000) ORDER BY word")
        assert folder.is_dir()
    assert not folder.exists()
    with connections.attached(file, read_only=True) as con:
        assert count(con) == 1000


@pytest.mark.parametrize("step", ["attach", "detach"])
@pytest.mark.parametrize("read_only", [True, False])
def test_ctrl_c_while_the_file_is_opened_or_closed_leaves_nothing_open(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str, read_only: bool
) -> None:
    real = getattr(connections._Instance, step)

    def interrupted(*arguments: object, **options: object) -> None:
        if step == "attach":
            real(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(connections._Instance, step, interrupted)
        with pytest.raises(KeyboardInterrupt), connections.attached(file, read_only=read_only):
            pass
    assert not is_open(file)
    with connections.attached(file, read_only=False) as con:
        con.execute("INSERT INTO numbers VALUES (1000)")
        assert count(con) == 1001
