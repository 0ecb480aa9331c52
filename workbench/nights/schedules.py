"""Due times and windows of a schedule: cron expressions and windows in a time zone, without a clock.

Every function takes the moment it is asked about, so the whole of this is tested over years of invented nights. What a
schedule has done is its newest night in the warehouse; nothing else is remembered. Times that go in and come out have
a zone; stored ones are UTC.

Choices that bite:
- Cron's weekdays are cron's (0 and 7 are Sunday, 1 is Monday); APScheduler, which finds the times, counts otherwise.
- Where day of month and weekday are both given, either is enough, as cron's manual says: "0 22 1,15 * 5" is due on the
  1st, the 15th and every Friday. A field with a `*` in it is not given. APScheduler asks for both, hence two triggers.
- A wall time that comes twice when clocks go back is due once, at its first coming; one that doesn't come when clocks
  go forward is due as much later as the clocks went.
- However many due times were missed, they are one night: its archive is scored as it is now, and scoring it twice would
  score nothing the second time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from warehouse.records.nights import Night, Schedule
from workbench.errors import ScheduleError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ITEM = re.compile(r"(?:\*|\d+(?:-\d+)?)(?:/\d+)?")  # of a field, its names as numbers; CronTrigger passes over a tail
_WINDOW = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)")
_MOST = 100_000  # due times looked at in one go; more were missed only by a schedule that was never run
_NEVER = timedelta(
    days=60 * 366
)  # what isn't due for so long never is: a 29 February that is a Monday comes in 40 years
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
    times = list(_times(schedule, last.due_at if last else schedule.created_at, now))
    if times:
        return Due(schedule, times[-1], times[0], len(times), None)
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


def _times(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    for number, time_ in enumerate(_fire_times(schedule, after)):
        if time_ > until or number == _MOST:
            return
        yield time_


def _fire_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Every due time after a moment, in UTC, in order, for as long as 60 years."""
    triggers, found = _triggers(schedule, after + _NEVER), after.astimezone(_zone(schedule.timezone))
    while True:
        nexts = [each for trigger in triggers if (each := trigger.get_next_fire_time(found, found)) is not None]
        if not nexts:
            return
        found = min(nexts, key=lambda each: each.astimezone(UTC))  # wall times aren't in order when clocks go back
        if found.astimezone(UTC) > after and not found.fold:
            yield found.astimezone(UTC)


def _triggers(schedule: Schedule, end: datetime) -> list[CronTrigger]:
    fields = schedule.cron.split()
    if len(fields) != 5:
        raise ScheduleError(
            f"the cron expression {schedule.cron!r} has {len(fields)} fields; it takes five, "
            'minute hour day month weekday, such as "0 22 * * *" for every night at ten'
        )
    minute, hour, day, month, weekday = fields
    either = "*" not in day and "*" not in weekday
    try:
        month, weekday = _numbered(month, ("", *_MONTHS)), _numbered(weekday, (_DAYS[-1], *_DAYS[:-1]))
        for field in (minute, hour, day, month, weekday):
            _check_items(field)
        return [
            CronTrigger(
                minute=minute, hour=hour, day=day_, month=month, day_of_week=_weekdays(weekday_),
                timezone=_zone(schedule.timezone), end_date=end,
            )
            for day_, weekday_ in ([(day, "*"), ("*", weekday)] if either else [(day, weekday)])
        ]  # fmt: skip
    except ValueError as error:
        raise ScheduleError(f"the cron expression {schedule.cron!r} can't be read: {error}") from error


def _numbered(field: str, names: Sequence[str]) -> str:
    """The field with the places of its names instead of them."""
    return re.sub(
        r"[A-Za-z]+", lambda word: str(names.index(low)) if (low := word[0].lower()) in names else word[0], field
    )


def _check_items(field: str) -> None:
    for part in field.split(","):
        if _ITEM.fullmatch(part) is None and part != "last":
            raise ValueError(f"{part!r} is no number, name, range or step")


def _weekdays(field: str) -> str:
    """Cron's numbers as names: `1-5` is mon,tue,wed,thu,fri, and both 0 and 7 are sun."""

    def named(part: str) -> str:
        numbers = re.fullmatch(r"(?:\*|(\d)(?:-(\d))?)(?:/(\d+))?", part)
        if part == "*" or numbers is None:
            return part  # nonsense, which CronTrigger refuses
        low, high, step = numbers.groups()
        start = int(low) if low else 0
        end = int(high) if high else start if low and not step else 6
        end = 7 if high and start > end == 0 else end  # "sat-sun"
        if end > 7 or start > end or step == "0":
            raise ValueError(f"no weekdays are {part!r}; 0 and 7 are Sunday")
        return ",".join(_DAYS[(day - 1) % 7] for day in range(start, end + 1, int(step or 1)))

    return ",".join(named(part) for part in field.split(","))


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
