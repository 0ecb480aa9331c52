"""What the dashboard keeps in memory: the last used, within bounds, read once per change of a run."""

from __future__ import annotations

import gc
import sys
import threading
import time
import types
from pathlib import Path

import polars as pl
import pytest

from tests.pages import screen
from workbench.pages.ui import components, run_cache
from workbench.pages.ui.run_cache import SharedCache


def numbers(count: int) -> pl.DataFrame:
    return pl.DataFrame({"n": pl.Series(range(count), dtype=pl.Int64)})


def test_what_was_used_longest_ago_goes_first_when_there_is_no_room() -> None:
    cache = SharedCache(limit=3 * 800)
    for name in ("a", "b", "c"):
        cache.get(name, lambda: numbers(100))
    cache.get("a", lambda: numbers(0))
    cache.get("d", lambda: numbers(100))
    assert cache.bytes == 3 * 800
    assert cache.get("a", lambda: numbers(0)).height == 100
    assert cache.get("b", lambda: numbers(1)).height == 1


def test_one_that_is_larger_than_the_room_is_still_given() -> None:
    cache = SharedCache(limit=8)
    assert cache.get("large", lambda: numbers(100)).height == 100


def test_two_who_ask_at_once_wait_for_one_reading() -> None:
    cache, made = SharedCache(limit=10**6), list[int]()

    def make() -> pl.DataFrame:
        made.append(1)
        time.sleep(0.2)
        return numbers(1)

    threads = [threading.Thread(target=lambda: cache.get("same", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_run_is_read_again_when_it_has_more_predictions_and_not_for_another_s(tmp_path: Path) -> None:
    of = run_cache.CachedRuns(str(tmp_path), "then", {"one": 3, "two": 5})
    later = run_cache.CachedRuns(str(tmp_path), "now", {"one": 3, "two": 6})
    assert of._key("columns", "archive", "answers", "one") == later._key("columns", "archive", "answers", "one")
    assert of._key("columns", "archive", "answers", "two") != later._key("columns", "archive", "answers", "two")
    assert of._key("pairs", "archive", "answers", "one", "two") != later._key(
        "pairs", "archive", "answers", "one", "two"
    )
    assert of._key("columns", "archive", "answers", "unlisted") != later._key(
        "columns", "archive", "answers", "unlisted"
    )


def test_what_is_read_by_the_reviewed_truth_is_good_until_something_more_is_settled(tmp_path: Path) -> None:
    of = run_cache.CachedRuns(str(tmp_path), "then", {"one": 3}, settled=1)
    later = run_cache.CachedRuns(str(tmp_path), "now", {"one": 3}, settled=2)
    assert of._key("cells", "archive", "answers", "one") == later._key("cells", "archive", "answers", "one")
    assert of._key("cells", "reviewed", "answers", "one") != later._key("cells", "reviewed", "answers", "one")


def test_what_thresholds_call_defective_is_good_until_one_has_another_version(tmp_path: Path) -> None:
    of = run_cache.CachedRuns(str(tmp_path), "then", {"one": 3}, thresholds=1)
    later = run_cache.CachedRuns(str(tmp_path), "now", {"one": 3}, thresholds=2)
    assert of._key("cells", "archive", "answers", "one") == later._key("cells", "archive", "answers", "one")
    assert of._key("cells", "archive", "comparison", "one") != later._key("cells", "archive", "comparison", "one")


@pytest.mark.slow
def test_a_page_sets_aside_what_its_imports_hold_so_that_no_later_script_goes_over_it(data_folder: Path) -> None:
    assert not data_folder.exists()
    screen.opened(components.GALLERY)
    gc.unfreeze()
    screen.opened(components.GALLERY)
    assert gc.get_freeze_count() == 0  # nothing was imported since
    with_another = types.ModuleType("imported_since")
    sys.modules[with_another.__name__] = with_another
    try:
        screen.opened(components.GALLERY)
        assert gc.get_freeze_count() > 10_000
    finally:
        del sys.modules[with_another.__name__]
        gc.unfreeze()
