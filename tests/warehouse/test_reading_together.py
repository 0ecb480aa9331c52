"""Reads that belong together open the database once, and a writer gets in when they are done."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from tests.warehouse import rows
from warehouse import migrations
from warehouse.database import Database
from warehouse.store import Store


def test_reads_within_a_block_share_a_connection_and_see_one_moment(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    written = threading.Event()

    def write() -> None:
        Store(data).open_run(rows.run("20250105T220005123Z-a1b2c3d4"))
        written.set()

    writer = threading.Thread(target=write)
    with store.together():
        with Database(data).reading() as one, Database(data).reading() as other:
            assert one is other
        writer.start()
        assert not written.wait(0.3)
        assert store.runs().height == 1
    writer.join()
    assert store.runs().height == 2


def test_another_thread_s_reads_are_its_own(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    found = list[int]()
    with store.together(), store.together():
        reader = threading.Thread(target=lambda: found.append(Store(data).runs().height))
        reader.start()
        reader.join()
    assert found == [1]


def test_a_write_among_reads_kept_together_is_refused_at_once(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    with store.together(), pytest.raises(AssertionError, match="would wait for them"):
        store.resume_run(rows.RUN)
    store.resume_run(rows.RUN)


def test_a_warehouse_that_does_not_exist_yet_is_read_as_an_empty_one(data: Path) -> None:
    with Store(data).together():
        assert Store(data).runs().is_empty()


def test_where_nothing_was_stored_readers_find_empty_tables_that_are_made_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Store(data).runs().is_empty()
    monkeypatch.setattr(migrations, "migrate", None)  # whatever is made from here on fails
    other = data.parent / "other"
    assert Store(other).archives() == []
    with Database(data).reading() as one, Database(other).reading() as another:
        assert one is not another
        one.execute("CREATE TEMP TABLE mine AS SELECT 1")
        with pytest.raises(duckdb.CatalogException):
            another.execute("FROM mine")
    assert not data.exists()
    assert not other.exists()


def test_a_reader_whose_statement_fails_leaves_empty_tables_for_the_next(data: Path) -> None:
    with pytest.raises(duckdb.CatalogException):
        Database(data).frame("FROM nothing_of_this_name")
    assert Store(data).runs().is_empty()
