"""Cron expressions: five fields of text and a time zone go in, due times come out; no clock, no schedule.

    "0 22 * * 1-5" -> Expression -> Expression.times(zone, after): every due time after a moment, in UTC, in order

A field is `*`, a number, a name, a range `a-b`, any of these with a step `/n`, or several with commas; `a/n` ends at
the field's last number, of weekdays Saturday. Choices that bite:

- Weekdays are cron's: 0 and 7 are Sunday, 1 is Monday.
- Where day of month and weekday are both given, either is enough, as cron's manual says: "0 22 1,15 * 5" is due on the
  1st, the 15th and every Friday. A field that begins with `*` is not given; one that names every day without a `*` is
  (croniter takes it for `*`).
- A range whose ends are equal is that one number (croniter takes it for the whole field), and one that ends before it
  begins is refused, but for a range of weekdays that ends with Sunday.
- A wall time that comes twice when clocks go back is due once, at its first coming, whatever the hour's field is. One
  that doesn't come when clocks go forward is due as much later as the clocks went. cron and croniter tell `*` in the
  hour's field from numbers there; here they are alike, because a night is scored once either way.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_ITEM = re.compile(r"(\*|[a-z]+|\d{1,4})(?:-([a-z]+|\d{1,4}))?(?:/(\d{1,4}))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LAST = "last"  # day of the month
# What isn't due for so long never is: a 29 February that is a Monday takes 40 years.
_FURTHEST = timedelta(days=60 * 366)
# No zone is further ahead of UTC: all times of a day and of later ones lie after its midnight in UTC less this.
_AHEAD = timedelta(hours=16)


@dataclass(frozen=True, slots=True)
class Expression:
    """A cron expression that was read."""

    of_day: tuple[timedelta, ...]  # wall times since midnight, in order
    days: frozenset[int]  # of the month
    last_day: bool  # or the last one of the month
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool  # a day of the month or a weekday is enough; else both have to match

    def times(self, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
        """Every due time after a moment, in UTC, in order, for as long as 60 years."""
        pending: set[datetime] = set()
        day = after.astimezone(zone).date() - timedelta(days=2)
        last = min(day + _FURTHEST, date.max - timedelta(days=2))
        while day <= last:
            if pending:
                settled = datetime.combine(day, time(), UTC) - _AHEAD
                yield from sorted(each for each in pending if after < each < settled)
                pending = {each for each in pending if each >= settled}
            if self._matches(day):
                pending.update(_on(day, self.of_day, zone))
                day += timedelta(days=1)
            elif pending or day.month in self.months:
                day += timedelta(days=1)
            else:
                day = day.replace(day=1) + timedelta(days=calendar.monthrange(day.year, day.month)[1])
        yield from sorted(each for each in pending if each > after)

    def _matches(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month = day.day in self.days or (self.last_day and day.day == calendar.monthrange(day.year, day.month)[1])
        of_week = day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either else of_month and of_week


def read(text: str) -> Expression:
    """The expression.

    Raises:
        ValueError: it has not five fields, or one of them can't be read; the message says which and why.
    """
    fields = text.lower().split()
    if len(fields) != 5:
        raise ValueError(
            f"it has {len(fields)} fields; it takes five, minute hour day month weekday, "
            'such as "0 22 * * *" for every night at ten'
        )
    minute, hour, day, month, weekday = fields
    items = day.split(",")
    numbered = [item for item in items if item != _LAST]
    return Expression(
        of_day=tuple(
            timedelta(hours=h, minutes=m)
            for h in sorted(_numbers(hour, 0, 23, "hour"))
            for m in sorted(_numbers(minute, 0, 59, "minute"))
        ),
        days=_numbers(",".join(numbered), 1, 31, "day") if numbered else frozenset(),
        last_day=_LAST in items,
        months=_numbers(month, 1, 12, "month", ("", *_MONTHS)),
        weekdays=frozenset(number % 7 for number in _numbers(weekday, 0, 7, "weekday", _DAYS)),
        either=not day.startswith("*") and not weekday.startswith("*"),
    )


def _numbers(field: str, low: int, high: int, what: str, names: Sequence[str] = ()) -> frozenset[int]:
    """The numbers that a field names."""
    found: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or (match[1] == "*" and match[2]):
            raise ValueError(f"{item!r} is no number, name, range or step")
        first = low if match[1] == "*" else _number(match[1], names)
        whole = 6 if what == "weekday" else high
        last = whole if match[1] == "*" or (match[3] and not match[2] and first < whole) else first
        if match[2]:
            last = _number(match[2], names)
            if what == "weekday" and last == 0 < first:  # "sat-sun"
                last = 7
        if not low <= first <= last <= high or match[3] == "0":
            sunday = "; 0 and 7 are Sunday" if what == "weekday" else ""
            raise ValueError(f"{item!r} is no {what} from {low} to {high}{sunday}")
        found.update(range(first, last + 1, int(match[3] or 1)))
    return frozenset(found)


def _number(word: str, names: Sequence[str]) -> int:
    if word.isdigit():
        return int(word)
    if word in names:
        return names.index(word)
    raise ValueError(f"{word!r} is no number, name, range or step")


def _on(day: date, wall: Sequence[timedelta], zone: ZoneInfo) -> Iterator[datetime]:
    """The wall times of a day in UTC; those of an hour that is left out fall on those of the hour after it."""
    midnight = datetime.combine(day, time())
    offset = midnight.replace(tzinfo=zone).utcoffset()
    assert offset is not None
    if (midnight + timedelta(days=1)).replace(tzinfo=zone).utcoffset() == offset:  # clocks aren't changed on this day
        begins = midnight.replace(tzinfo=UTC) - offset
        return (begins + each for each in wall)
    return ((midnight + each).replace(tzinfo=zone).astimezone(UTC) for each in wall)
