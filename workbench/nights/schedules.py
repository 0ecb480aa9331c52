"""Due times and windows of a schedule: cron expressions and windows in a time zone, without a clock.

Every function takes the moment it is asked about, so the whole of this is tested over years of invented nights. What a
schedule has done is its newest night in the warehouse; nothing else is remembered. Times that go in and come out have
a zone; stored ones are UTC.

However many due times were missed, they are one night: its archive is scored as it is now, and scoring it twice would
score nothing the second time. When an expression is due is `cron.py`'s.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from warehouse.records.nights import Night, Schedule
from workbench.errors import ScheduleError
from workbench.nights import cron

_WINDOW = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)")
_WRONG_CLOCK = timedelta(hours=1)  # a night dated further ahead than this was dated by a clock that was wrong


@dataclass(frozen=True, slots=True)
class Due:
    """A night to work on: a new one, or one that a process left unfinished."""

    schedule: Schedule
    due_at: datetime
    first_due_at: datetime
    covered: int
    unfinished: Night | None  # the night to go on with


def check(schedule: Schedule) -> None:
    """Refuse a schedule that could not be worked with.

    Raises:
        ScheduleError: the expression, the zone or the window can't be read, or it is never due.
    """
    _zone(schedule.timezone)
    if next(_fire_times(schedule, schedule.created_at), None) is None:
        raise ScheduleError(f"the cron expression {schedule.cron!r} is never due: its months don't have such a day")
    if schedule.time_window is not None:
        _window(schedule.time_window)


def due(schedule: Schedule, last: Night | None, now: datetime) -> Due | None:
    """What the schedule has to do at this moment; None when it has nothing to do, is paused, or its window is shut.

    Args:
        last: its newest night that is due by `latest`.
    """
    if schedule.paused or not is_open(schedule, now):
        return None
    missed = list(
        itertools.takewhile(
            lambda time_: time_ <= now, _fire_times(schedule, last.due_at if last else schedule.created_at)
        )
    )
    if missed:
        return Due(schedule, missed[-1], missed[0], len(missed), None)
    if last and last.state in ("running", "stopped"):
        return Due(schedule, last.due_at, last.first_due_at, last.covered, last)
    return None


def first(candidates: Iterable[Due]) -> Due | None:
    """The one to work on first: the highest priority, then the longest waiting."""
    return min(candidates, key=lambda each: (-each.schedule.priority, each.due_at, each.schedule.name), default=None)


def next_due(schedule: Schedule, now: datetime) -> datetime | None:
    """When the schedule is due after this moment; None when it never is."""
    return next(_fire_times(schedule, now), None)


def is_open(schedule: Schedule, now: datetime) -> bool:
    """Whether the schedule may work at this moment."""
    if schedule.time_window is None:
        return True
    opens, shuts = _window(schedule.time_window)
    local = now.astimezone(_zone(schedule.timezone)).time()
    return opens <= local < shuts if opens < shuts else local >= opens or local < shuts


def latest(now: datetime) -> datetime:
    """The latest due time a night can have at this moment; one dated later was dated by a clock that was wrong."""
    return now + _WRONG_CLOCK


def _fire_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Every due time after a moment, in UTC, in order, for as long as 60 years."""
    try:
        expression = cron.read(schedule.cron)
    except ValueError as error:
        raise ScheduleError(f"the cron expression {schedule.cron!r} can't be read: {error}") from error
    return expression.times(_zone(schedule.timezone), after)


def _window(text: str) -> tuple[time, time]:
    match = _WINDOW.fullmatch(text)
    try:
        if match is None:
            raise ValueError("it is written HH:MM-HH:MM")
        opens, shuts = (time(int(match[at]), int(match[at + 1])) for at in (1, 3))
        if opens == shuts:
            raise ValueError("it opens when it shuts; leave it out for the whole day")
    except ValueError as error:
        raise ScheduleError(f'the window {text!r} can\'t be read: {error}; such as "22:00-06:00"') from None
    return opens, shuts


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ScheduleError(f"there is no time zone {name!r}; give one like Europe/Zurich, or UTC") from None
