"""Due times against croniter's: random expressions in random time zones, at random moments.

    python -m benchmarks.fuzz_cron --expressions 10000 [--seed 1] [--output FILE]

Left out is what the two mean differently on purpose (`workbench/nights/cron.py`): days on which clocks are changed, and
the days beside them; ranges whose ends are equal; lists that name every day without beginning with a star.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter

from benchmarks import machine
from workbench.nights import cron

ZONES = (
    "UTC", "Europe/Zurich", "Europe/London", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo",
    "America/St_Johns", "America/Havana", "Asia/Tokyo", "Asia/Kolkata", "Asia/Tehran", "Asia/Beirut", "Africa/Cairo",
    "Africa/Casablanca", "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
)  # fmt: skip
TIMES = 8  # of each expression
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, _MONTHS), (0, 7, _DAYS))
_YEARS = 8  # that times are looked for


@dataclass(frozen=True, slots=True)
class Found:
    """What came of comparing."""

    expressions: int
    times: int
    never: int  # expressions that aren't due for years, by both
    zones: tuple[str, ...]
    differing: tuple[str, ...]


def compare(chance: random.Random, expressions: int) -> Found:
    """Compare so many expressions."""
    times, never, zones = 0, 0, set()
    differing: list[str] = []
    for _ in range(expressions):
        text, name = expression(chance), chance.choice(ZONES)
        after = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(10 * 365 * 1440))
        zone = ZoneInfo(name)
        mine, theirs = ours(text, zone, after), croniters(text, zone, after)
        until = min(
            [after + timedelta(days=365 * _YEARS), *(found[-1] for found in (mine, theirs) if len(found) == TIMES)]
        )
        here, there = (
            [each for each in found if each <= until and not _is_changed(each.astimezone(zone).date(), zone)]
            for found in (mine, theirs)
        )
        if here != there:
            differing.append(f"{text!r} in {name} after {after:%Y-%m-%d %H:%M}: {_first_apart(here, there)}")
        times, never = times + len(here), never + (not mine and not theirs)
        zones.add(name)
    return Found(expressions, times, never, tuple(sorted(zones)), tuple(differing))


def expression(chance: random.Random) -> str:
    """Five fields: stars, numbers, names, ranges, steps and lists of them."""
    while True:
        text = " ".join(_field(chance, *of) for of in _FIELDS)
        read, (_, _, day, _, weekday) = cron.read(text), text.split()
        given = ((day, len(read.days) == 31), (weekday, len(read.weekdays) == 7))
        if not any(every and not field.startswith("*") for field, every in given):
            return text


def _field(chance: random.Random, low: int, high: int, names: Sequence[str]) -> str:
    if chance.random() < 0.35:
        return "*"
    return ",".join(_item(chance, low, high, names) for _ in range(chance.choice((1, 1, 1, 2, 3))))


def _item(chance: random.Random, low: int, high: int, names: Sequence[str]) -> str:
    def word(number: int) -> str:
        named = names and chance.random() < 0.3 and number - (len(names) == 12) < len(names)
        return chance.choice((str.lower, str.upper))(names[number - (len(names) == 12)]) if named else str(number)

    step = f"/{chance.randint(1, high)}"
    first, last = sorted(chance.sample(range(low, high + 1), 2))
    if names and len(names) == 7 and last == 7:
        last = 6 if first < 6 else 7  # croniter reads "sun" at the end of a range as 0
    kind = chance.random()
    if kind < 0.25 or first == last:
        return "*" + step
    if kind < 0.45:
        return f"{word(first)}-{word(last)}"
    if kind < 0.6:
        return f"{word(first)}-{word(last)}{step}"
    if kind < 0.7:
        return f"{word(first)}{step}"
    return word(first)


def ours(text: str, zone: ZoneInfo, after: datetime) -> list[datetime]:
    """The first due times."""
    return [moment for moment, _ in zip(cron.read(text).times(zone, after), range(TIMES), strict=False)]


def croniters(text: str, zone: ZoneInfo, after: datetime) -> list[datetime]:
    """The same by croniter, which knows cron's rule for a day of the month beside a weekday as a bug."""
    found = croniter(text, after.astimezone(zone), implement_cron_bug=True, max_years_between_matches=60)
    moments: list[datetime] = []
    while len(moments) < TIMES:
        try:
            moments.append(found.get_next(datetime).astimezone(UTC))
        except ValueError:  # it is never due
            break
    return moments


def _is_changed(day: date, zone: ZoneInfo) -> bool:
    """Whether clocks are changed on a day or on one beside it."""
    around = [datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=n) for n in range(-1, 3)]
    return any(one.utcoffset() != other.utcoffset() for one, other in pairwise(around))


def _first_apart(here: list[datetime], there: list[datetime]) -> str:
    place = next((place for place, (one, other) in enumerate(zip(here, there, strict=False)) if one != other), None)
    place = min(len(here), len(there)) if place is None else place
    return f"{here[place : place + 2]} here, {there[place : place + 2]} by croniter"


def main() -> None:
    """Compare, print and keep the result; fail where a time differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--expressions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    begun = time.monotonic()
    found = compare(random.Random(arguments.seed), arguments.expressions)
    machine.report({"seconds": round(time.monotonic() - begun, 1), **asdict(found)}, arguments.output)
    if found.differing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
