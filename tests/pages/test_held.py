"""What the dashboard keeps in memory: the last used, within bounds, read once per change of a run."""

from __future__ import annotations

import gc
import sys
import threading
import time
import types
from pathlib import Path

import polars as pl

from tests.pages import screen
from workbench.pages import held, parts
from workbench.pages.held import Room


def numbers(count: int) -> pl.DataFrame:
    return pl.DataFrame({"n": pl.Series(range(count), dtype=pl.Int64)})


def test_what_was_used_longest_ago_goes_first_when_there_is_no_room() -> None:
    room = Room(limit=3 * 800)
    for name in ("a", "b", "c"):
        room.get(name, lambda: numbers(100))
    room.get("a", lambda: numbers(0))
    room.get("d", lambda: numbers(100))
    assert room.bytes == 3 * 800
    assert room.get("a", lambda: numbers(0)).height == 100
    assert room.get("b", lambda: numbers(1)).height == 1


def test_one_that_is_larger_than_the_room_is_still_given() -> None:
    room = Room(limit=8)
    assert room.get("large", lambda: numbers(100)).height == 100


def test_two_who_ask_at_once_wait_for_one_reading() -> None:
    room, made = Room(limit=10**6), list[int]()

    def make() -> pl.DataFrame:
        made.append(1)
        time.sleep(0.2)
        return numbers(1)

    threads = [threading.Thread(target=lambda: room.get("same", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_run_is_read_again_when_it_has_more_predictions_and_not_for_another_s(tmp_path: Path) -> None:
    of = held.InMemory(str(tmp_path), "then", {"one": 3, "two": 5})
    later = held.InMemory(str(tmp_path), "now", {"one": 3, "two": 6})
    assert of._key("columns", "one") == later._key("columns", "one")
    assert of._key("columns", "two") != later._key("columns", "two")
    assert of._key("pairs", "one", "two") != later._key("pairs", "one", "two")
    assert of._key("columns", "unlisted") != later._key("columns", "unlisted")


def test_a_page_sets_aside_what_its_imports_hold_so_that_no_later_script_goes_over_it(data_folder: Path) -> None:
    assert not data_folder.exists()
    screen.opened(parts.GALLERY)
    gc.unfreeze()
    screen.opened(parts.GALLERY)
    assert gc.get_freeze_count() == 0  # nothing was imported since
    with_another = types.ModuleType("imported_since")
    sys.modules[with_another.__name__] = with_another
    try:
        screen.opened(parts.GALLERY)
        assert gc.get_freeze_count() > 10_000
    finally:
        del sys.modules[with_another.__name__]
        gc.unfreeze()
