"""The coordinator of nights: due schedules go in, by priority, one after the other; how each night stands comes out.

`run_due` may be called at any time by anybody - a systemd timer, cron, a container's loop, a person - and as often as
they like: it does what is due and nothing twice. Calls exclude each other by a lock that the kernel frees, so a night
whose state is `running` while nobody holds the lock died, and is gone on with.

Knows nothing of scoring: who calls hands in the work, and tests hand in a clock and a ledger of their own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from warehouse import file_permissions
from warehouse.records.audit import Actor
from warehouse.records.nights import Night, NightState, Schedule
from workbench.errors import NightsBusy
from workbench.nights import schedules
from workbench.nights.schedules import Due
from workbench.processes import single_instance, stop_signals

logger = logging.getLogger(__name__)

StopKind = Literal["signal", "window", "priority"]  # the process was told to; its window shut; another goes first


class Ledger(Protocol):
    """Where schedules and nights are remembered: `warehouse.queries.nights.Nights`."""

    def schedules(self) -> list[Schedule]:
        """All schedules."""

    def last_nights(self, until: datetime | None = None) -> dict[str, Night]:
        """By schedule, its newest night that isn't void and not due after a moment."""

    def keep_night(self, night: Night) -> None:
        """Store a night as it stands."""

    def void_nights(self, schedule: str, after: datetime, *, actor: Actor) -> int:
        """Let a schedule's nights that are due after a moment count no longer; how many there were."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What came of working on a night."""

    state: NightState
    images: int  # scored by the night so far
    message: str | None = None


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why work on a night has to end."""

    kind: StopKind
    text: str


class Stop:
    """Whether work on a night has to end; asked after each block. Once it has to, it has to."""

    def __init__(self, find: Callable[[], StopReason | None]) -> None:
        self._find = find
        self.reason: StopReason | None = None

    def __call__(self) -> str:
        """The reason in words, or "" to go on."""
        self.reason = self.reason or self._find()
        return self.text

    @property
    def kind(self) -> StopKind | None:
        """The kind of the reason, once there is one."""
        return self.reason.kind if self.reason else None

    @property
    def text(self) -> str:
        """The reason in words, "" while there is none."""
        return self.reason.text if self.reason else ""


Work = Callable[[Due, Night, Stop], Worked]


def run_due(
    ledger: Ledger, work: Work, data: Path, clock: Callable[[], datetime], at_once: str | None = None
) -> list[Night]:
    """The nights that this call worked on, as they stand after it.

    Args:
        work: scores, and does what follows scoring. What it raises marks the night as failed, and the next one begins.
        at_once: this schedule is due now, whatever its expression and window say.

    Raises:
        NightsBusy: another process is at it.
    """
    worked: list[Night] = []
    aside: set[str] = set()  # schedules that can't go on in this call
    file_permissions.folder(data)
    taken = NightsBusy("another process works through the nights of this data folder")
    with single_instance(data / "locks" / "nights.lock", taken), stop_signals() as stop_signal:
        while not stop_signal():
            due = _forced(ledger, at_once, clock()) if at_once else _next(ledger, clock(), aside)
            if due is None:
                break
            night, gave_way = _work_on(due, ledger, work, clock, stop_signal, forced=bool(at_once))
            worked.append(night)
            if night.state == "stopped" and not gave_way:
                aside.add(due.schedule.name)
            if at_once:
                break
    return worked


def is_news(before: Night | None, night: Night) -> bool:
    """Whether a night ended otherwise than when it was last worked on: one that stays stopped for the same reason is
    told once. Numbers make no other reason: process ids and free space change from call to call.

    Args:
        before: the schedule's newest night before this call.
        night: as it stands now.
    """
    if before is None or before.due_at != night.due_at or not before.state == night.state == "stopped":
        return True
    return before.images != night.images or _reason(before) != _reason(night)


def _reason(night: Night) -> str:
    return re.sub(r"\d+", "#", night.message or "")


def _work_on(
    due: Due, ledger: Ledger, work: Work, clock: Callable[[], datetime], stop_signal: Callable[[], str], *, forced: bool
) -> tuple[Night, bool]:
    """The night as it stands now, and whether it only lets another one go first."""
    night = _begun(due, clock())
    # By the night's own date: the clock may have jumped since, and nights that were done must not be undone.
    by = Actor(due.schedule.name, "schedule")
    if not forced and (void := ledger.void_nights(due.schedule.name, due.due_at, actor=by)):
        logger.warning(
            "schedule=%s void=%d: nights dated later than this one; a clock was wrong", due.schedule.name, void
        )
    ledger.keep_night(night)
    logger.info("schedule=%s due=%s covered=%d try=%d", due.schedule.name, due.due_at, due.covered, night.tries)
    rivals = [each for each in ledger.schedules() if each.priority > due.schedule.priority]
    last = _last(ledger, clock())

    def reason() -> StopReason | None:
        if name := stop_signal():
            return StopReason("signal", name)
        if forced:
            return None
        now = clock()
        if not schedules.is_open(due.schedule, now):
            return StopReason("window", "its window shut")
        # Only a night that begins goes first: one that stopped in this call has had its turn.
        first = schedules.first(filter(_is_new, _candidates(rivals, last, now)))
        return StopReason("priority", f"{first.schedule.name} goes first") if first else None

    stop = Stop(reason)
    try:
        done = work(due, night, stop)
    except Exception as error:
        logger.exception("schedule=%s due=%s", due.schedule.name, due.due_at)
        done = Worked("failed", night.images, f"{type(error).__name__}: {error}")
    night = replace(
        night,
        state=done.state,
        ended_at=clock(),
        images=done.images,
        message=done.message or (stop.text or None if done.state in ("stopped", "cut") else None),
    )
    ledger.keep_night(night)
    return night, stop.kind == "priority"


def _begun(due: Due, now: datetime) -> Night:
    if due.unfinished:
        return replace(due.unfinished, state="running", tries=due.unfinished.tries + 1, ended_at=None, message=None)
    return Night(due.schedule.name, due.due_at, due.first_due_at, due.covered, "running", now, None, 1, 0, None)


def _next(ledger: Ledger, now: datetime, aside: set[str]) -> Due | None:
    ready = [schedule for schedule in ledger.schedules() if schedule.name not in aside]
    return schedules.first(_candidates(ready, _last(ledger, now), now))


def _candidates(ready: list[Schedule], last: Mapping[str, Night], now: datetime) -> Iterator[Due]:
    """What these have to do now; a schedule that can't be worked with is passed over, the doctor tells of it."""
    for schedule in ready:
        try:
            due = schedules.due(schedule, last.get(schedule.name), now)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one, the others have their turn
            logger.error("schedule=%s is passed over: %s: %s", schedule.name, type(error).__name__, error)
            continue
        if due:
            yield due


def _is_new(due: Due) -> bool:
    return due.unfinished is None


def _forced(ledger: Ledger, name: str, now: datetime) -> Due | None:
    """The schedule's unfinished night, or one that is due this very moment."""
    schedule = next((each for each in ledger.schedules() if each.name == name), None)
    if schedule is None:
        return None
    last = _last(ledger, now).get(name)
    if last and last.state in ("running", "stopped"):
        return Due(schedule, last.due_at, last.first_due_at, last.covered, last)
    return Due(schedule, now, now, 1, None)


def _last(ledger: Ledger, now: datetime) -> dict[str, Night]:
    """The newest nights but those of a future that a clock which ran ahead told.

    They are passed over, not made void, until a night begins that is due before them: it may be this clock that is
    wrong, and a machine that starts with an old date and finds nothing due changes nothing.
    """
    return ledger.last_nights(schedules.latest(now))
