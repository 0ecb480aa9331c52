"""Which night is worked on now: due schedules go in, by priority, one after the other; how each night stands comes out.

`run_due` may be called at any time by anybody - a systemd timer, cron, a container's loop, a person - and as often as
they like: it does what is due and nothing twice. Calls exclude each other by a lock that the kernel frees, so a night
whose state is `running` while nobody holds the lock died, and is gone on with.

Knows nothing of scoring: who calls hands in the work, and tests hand in a clock and a ledger of their own.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Protocol

from filelock import FileLock, Timeout

from warehouse import private
from warehouse.night_records import Night, NightState, Schedule
from workbench.nights import schedules
from workbench.nights.errors import NightsBusy
from workbench.nights.schedules import Due

logger = logging.getLogger(__name__)

WINDOW_SHUT = "its window shut"


class Ledger(Protocol):
    """Where schedules and nights are remembered: `warehouse.nights.Nights`."""

    def schedules(self) -> list[Schedule]:
        """All schedules."""

    def last_nights(self, until: datetime | None = None) -> dict[str, Night]:
        """By schedule, its newest night that isn't void and not due after a moment."""

    def keep_night(self, night: Night) -> None:
        """Store a night as it stands."""

    def void_nights(self, schedule: str, after: datetime) -> int:
        """Let a schedule's nights that are due after a moment count no longer; how many there were."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What came of working on a night."""

    state: NightState
    images: int  # scored by the night so far
    message: str | None = None


class Stop:
    """Why work on a night has to end; asked after each block."""

    def __init__(self, why: Callable[[], str]) -> None:
        self._why = why
        self.reason = ""  # the last answer

    def __call__(self) -> str:
        """The reason, or "" to go on."""
        self.reason = self.reason or self._why()
        return self.reason


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
    with _alone(data), _signals() as asked:
        while not asked():
            due = _forced(ledger, at_once, clock()) if at_once else _next(ledger, clock(), aside)
            if due is None:
                break
            night, gave_way = _work_on(due, ledger, work, clock, asked, forced=bool(at_once))
            worked.append(night)
            if night.state == "stopped" and not gave_way:
                aside.add(due.schedule.name)
            if at_once:
                break
    return worked


def _work_on(
    due: Due, ledger: Ledger, work: Work, clock: Callable[[], datetime], asked: Callable[[], str], *, forced: bool
) -> tuple[Night, bool]:
    """The night as it stands now, and whether it only lets another one go first."""
    night = _begun(due, clock())
    # By the night's own date: the clock may have jumped since, and nights that were done must not be undone.
    if not forced and (void := ledger.void_nights(due.schedule.name, due.due_at)):
        logger.warning(
            "schedule=%s void=%d: nights dated later than this one; a clock was wrong", due.schedule.name, void
        )
    ledger.keep_night(night)
    logger.info("schedule=%s due=%s covered=%d try=%d", due.schedule.name, due.due_at, due.covered, night.tries)
    rivals = [each for each in ledger.schedules() if each.priority > due.schedule.priority]
    last = _last(ledger, clock())

    def why() -> str:
        if signal_name := asked():
            return signal_name
        if forced:
            return ""
        now = clock()
        if not schedules.is_open(due.schedule, now):
            return WINDOW_SHUT
        # Only a night that begins goes first: one that stopped in this call has had its turn.
        first = schedules.first(filter(_is_new, _candidates(rivals, last, now)))
        return f"{first.schedule.name} goes first" if first else ""

    stop = Stop(why)
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
        message=done.message or (stop.reason if done.state in ("stopped", "cut") else None),
    )
    ledger.keep_night(night)
    return night, stop.reason.endswith("goes first")


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


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    private.folder(data)
    folder = data / "locks"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "nights.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise NightsBusy("another process works through the nights of this data folder") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _signals() -> Iterator[Callable[[], str]]:
    """A function that names the signal asking to stop, once there was one. Signals reach the main thread alone."""
    received: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        above = before[signal.Signals(number)]
        if callable(above) and above is not signal.default_int_handler:
            above(number, frame)  # a loop around this call has to know too
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C stops at once

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0] if received else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
