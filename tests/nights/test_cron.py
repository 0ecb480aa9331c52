"""Due times against croniter's, over random expressions and zones; and where ours differ on purpose."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from benchmarks import fuzz_cron
from tests.nights.calendars import Clock, Memory, schedule
from warehouse.records.nights import Night
from workbench.nights import coordinator, cron, schedules
from workbench.nights.coordinator import Stop, Worked
from workbench.nights.schedules import Due


def test_due_times_are_croniters_over_a_thousand_random_expressions() -> None:
    found = fuzz_cron.compare(random.Random(20260119), 1000)
    assert (found.expressions, found.differing) == (1000, ())
    assert found.times > 5000
    assert len(found.zones) > 10


@pytest.mark.parametrize(
    ("text", "zone", "after", "due"),
    [
        # Clocks go back: 02:30 comes twice and is due at its first coming, also where the hour is `*`.
        ("30 2 * * *", "Europe/Zurich", "2025-10-25T12:00", ["26 00:30", "27 01:30"]),
        ("30 * * * *", "Europe/Zurich", "2025-10-26T00:00", ["26 00:30", "26 02:30", "26 03:30"]),
        # Clocks go forward: 02:30 doesn't come and is due an hour later, with what is due there anyway.
        ("30 2 * * *", "Europe/Zurich", "2025-03-29T12:00", ["30 01:30", "31 00:30"]),
        ("30 2,3 * * *", "Europe/Zurich", "2025-03-29T12:00", ["30 01:30", "31 00:30", "31 01:30"]),
        # A day that a zone left out.
        ("0 22 * * *", "Pacific/Apia", "2011-12-29T12:00", ["30 08:00", "31 08:00", "01 08:00"]),
        # By half an hour, and at midnight.
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00", ["04 15:45", "05 15:15"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["04 03:00", "05 02:00"]),
        # croniter takes a range whose ends are equal for the whole field.
        ("5-5 0 * * *", "UTC", "2025-03-01T12:00", ["02 00:05", "03 00:05"]),
        ("0 0 last * *", "UTC", "2025-02-01T00:00", ["28 00:00", "31 00:00", "30 00:00"]),
    ],
)
def test_what_is_told_apart_on_purpose_is_due_as_the_module_says(
    text: str, zone: str, after: str, due: list[str]
) -> None:
    times = cron.read(text).times(ZoneInfo(zone), datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert [f"{next(times):%d %H:%M}" for _ in due] == due


def test_a_long_pause_is_one_night_that_is_found_at_once(tmp_path: Path) -> None:
    clock = Clock()
    often = schedule(cron="*/5 * * * *", created_at=clock.now)
    ledger = Memory([often])
    clock.now += timedelta(days=3 * 365)
    begun = time.process_time()
    due = schedules.due(often, None, clock.now)
    seconds = time.process_time() - begun
    assert due is not None
    assert (due.covered, due.due_at) == (3 * 365 * 288 - 3 * 12, clock.now)  # an hour a year comes twice
    assert seconds < 1

    def work(due: Due, night: Night, stop: Stop) -> Worked:
        return Worked("finished", 1)

    assert len(coordinator.run_due(ledger, work, tmp_path, clock)) == 1
