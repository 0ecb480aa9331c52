"""What the charts of a schedule say, as objects that a morning report holds, and in words.

Light on purpose: a page reads it without any of what made it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workbench import wording
from workbench.analysis import drift

_WORSE = ("overkill", "escape", "invalid")  # signals of which more is always worse


@dataclass(frozen=True, slots=True)
class ReferenceNights:
    """The nights that a night is compared with."""

    nights: int
    first: datetime  # due, in the schedule's zone
    last: datetime
    accepted_by: str | None  # None: provisional


@dataclass(frozen=True, slots=True)
class ChartAlarm:
    """An alarm that nobody has acknowledged."""

    signal: str
    direction: Literal["rose", "fell"]
    since: datetime  # the night it began, in the schedule's zone
    raised: datetime
    mended: datetime | None  # the night by which it was over; None: it lasts
    usual: float  # rate or mean of the reference
    value: float  # mean of the nights since, until it was mended
    nights: int  # they are
    reference: int


@dataclass(frozen=True, slots=True)
class ChartReading:
    """Where a signal's chart stands."""

    signal: str
    usual: float
    nights: int  # after the reference
    distance: float  # of the sum, from 0 to the limit at 1


@dataclass(frozen=True, slots=True)
class Charts:
    """What the charts of a schedule say on a morning."""

    schedule: str
    reference: ReferenceNights | None  # None: there are too few nights
    nights_before: int | None  # None: not asked
    wanted: int  # nights after which a reference serves provisionally
    least: int  # nights that a person may accept as one
    run_length: int  # stated
    readings: tuple[ChartReading, ...]
    alarms: tuple[ChartAlarm, ...]  # not acknowledged; those that last first

    @property
    def lasting(self) -> tuple[ChartAlarm, ...]:
        """The alarms that are not over."""
        return tuple(alarm for alarm in self.alarms if alarm.mended is None)


def alarm_in_words(alarm: ChartAlarm) -> str:
    """`Overkill is still worse since 12 November: 7.1 % on 8 nights, 5.0 % was usual`."""
    other = "worse" if alarm.signal in _WORSE else "higher" if alarm.direction == "rose" else "lower"
    numbers = (
        f"{number(alarm.signal, alarm.value)} on {wording.counted(alarm.nights, 'night')}, "
        f"{number(alarm.signal, alarm.usual)} was usual"
    )
    name = alarm.signal.capitalize()
    if alarm.mended is None:
        return f"{name} is still {other} since {alarm.since:%-d %B}: {numbers}"
    return f"{name} was {other} from {alarm.since:%-d %B} to {alarm.mended:%-d %B} and came back: {numbers}"


def sentences(charts: Charts) -> list[str]:
    """Every alarm, what to do about them, and what the nights are compared with."""
    said = [f"{alarm_in_words(alarm)}." for alarm in charts.alarms]
    if charts.alarms:
        command = f"workbench schedule acknowledge {shlex.quote(charts.schedule)} --reason WHY"
        said.append(f"It is told until somebody takes note: {command}")
    return [*said, reference_in_words(charts)]


def reference_in_words(charts: Charts) -> str:
    """Which nights are the reference, who accepted them, and how seldom a chart is wrong."""
    reference = charts.reference
    if reference is None:
        known = charts.nights_before
        before = "" if known is None else f": {wording.counted(known, 'night')} before this one"
        return (
            f"Not enough nights for a chart over time{before}. It begins after {charts.wanted}, "
            f"or once a reference of {charts.least} or more is accepted."
        )
    period = f"{wording.counted(reference.nights, 'night')}, {reference.first:%-d %B %Y} to {reference.last:%-d %B %Y}"
    if reference.accepted_by is None:
        command = f"workbench schedule reference {shlex.quote(charts.schedule)} --accept"
        whose = f"They serve provisionally; if they were as they should be, accept them ({command})."
    else:
        whose = f"{reference.accepted_by} accepted them."
    often = wording.counted(charts.run_length, "night")
    seldom = f"Of nine in ten references a chart raises a false alarm once in {often} or less often."
    return f"Reference: {period}. {whose} {seldom}"


def number(signal: str, value: float) -> str:
    """A rate in percent, or a mean."""
    return wording.percent(value, 1) if signal in drift.SHARES else f"{value:.2f}"
