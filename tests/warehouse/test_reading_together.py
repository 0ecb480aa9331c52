"""Reads that belong together open the database once, and a writer gets in when they are done."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.warehouse import rows
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
