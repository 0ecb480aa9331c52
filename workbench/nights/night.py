"""One night of one schedule, from its archive's place to its morning report; `coordinator.py` says when.

    fetch -> golden samples -> what was left unfinished -> what is new -> the steps after scoring

How a night ends: `finished`, nothing is left; `cut` by its window, the next night goes on; `stopped`, the next call
goes on: a signal, a full disk, a locked warehouse, an archive that went away; `alarm`, golden samples moved and the
archive was left alone; `failed`, it needs attention, and the next due time tries again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from warehouse.errors import DiskFull, Locked
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, NightState, Schedule
from warehouse.records.scoring import PassedOver
from workbench import settings as configuration
from workbench import wording
from workbench.archive import remote
from workbench.errors import AlreadyRunning, ArchiveError, DeviceLost, NothingNew, ScheduleError, SettingsError
from workbench.nights import golden, incremental, step_runner
from workbench.nights.coordinator import Stop, Worked
from workbench.nights.incremental import Only, Rescore
from workbench.nights.schedules import Due
from workbench.nights.step_runner import Context, Step
from workbench.scoring.watch import Watch
from workbench.settings import Settings

logger = logging.getLogger(__name__)

_PASSING = (DiskFull, Locked, ArchiveError, AlreadyRunning, DeviceLost)  # the next call may find it mended


@dataclass(frozen=True, slots=True)
class _Scored:
    """How the scoring of a night ended."""

    state: NightState
    message: str | None
    passed_over: tuple[PassedOver, ...] | None
    waiting_files: int = 0


@dataclass(frozen=True, slots=True)
class Scoring:
    """The work of a night, for `coordinator.run_due`."""

    data: Path
    watch: Watch
    clock: Callable[[], datetime]
    steps: Sequence[Step]
    config: Path | None = None  # settings file
    rescore: Rescore | None = None
    only: Only | None = None  # of what is scored again

    def __call__(self, due: Due, night: Night, stop: Stop) -> Worked:
        """Score what is due and do what follows."""
        settings = settings_of(due.schedule, self.data, self.config)
        began = time.monotonic()
        scored = _Scored("finished", None, None)
        try:
            root = remote.local(due.schedule.archive, self.data, self.watch.step, settings.operation.fetched_gib)
            checked = golden.check(due, settings, self.watch, stop)
            if checked and checked.alarm:
                scored = _Scored("alarm", checked.alarm, None)
            elif stop():
                scored = _Scored(_interrupted(stop), None, None)
            else:
                scored = self._score(root, settings, night, stop)
        except _PASSING as error:
            return Worked("stopped", self._images(self._dated(night, began)), str(error))
        night = self._dated(night, began)
        images = self._images(night)
        if scored.state != "stopped":
            ended = replace(night, state=scored.state, images=images, message=scored.message)
            self._follow_up(due, ended, settings, stop, scored)
        return Worked(scored.state, images, scored.message)

    def _score(self, root: Path, settings: Settings, night: Night, stop: Stop) -> _Scored:
        state: NightState = "finished"
        message: str | None = None
        passed_over: tuple[PassedOver, ...] | None = None
        waiting = 0
        try:
            for outcome in incremental.score(root, settings, night, self.watch, stop, self.rescore, self.only):
                message, waiting, passed_over = outcome.run.message, outcome.waiting, outcome.run.passed_over
                for note in outcome.notes:
                    logger.info("schedule=%s run=%s %s", night.schedule, outcome.run.run_id, note)
                if outcome.run.state == "failed":
                    state = "failed"
                elif outcome.run.state != "finished":
                    state, message = _interrupted(stop), stop.text or message
        except NothingNew as nothing:
            waiting, passed_over = nothing.waiting, nothing.passed_over
        if waiting and state == "finished":
            within = f"{settings.operation.settle_seconds:g} s"
            recent = f"changed within {within}, for the next pass: {wording.counted(waiting, 'file')}"
            message = f"{message}; {recent}" if message else recent
        return _Scored(state, message, passed_over, waiting)

    def _follow_up(self, due: Due, night: Night, settings: Settings, stop: Stop, scored: _Scored) -> None:
        runs = (run for run in Nights(self.data).night_runs(night.schedule) if run.due_at == night.due_at)
        over_the_archive = tuple(sorted(run.run_id for run in runs if run.purpose != "golden"))
        context = Context(
            due.schedule, night, settings, over_the_archive, self.clock, scored.passed_over, scored.waiting_files
        )
        # The window may shut while steps are done: they are minutes of work about the night that was.
        step_runner.work_through(self.steps, context, lambda: "" if stop.kind == "window" else stop.text)

    def _dated(self, night: Night, began: float) -> Night:
        """The night, begun no later than this work was by the clock as it goes now: it may have been put right since.

        What was scored is found by when it came in, and by a beginning in the future nothing would be.
        """
        here = self.clock() - timedelta(seconds=time.monotonic() - began)
        return replace(night, started_at=min(night.started_at, here))

    def _images(self, night: Night) -> int:
        """Asked of the warehouse, because a process that died had scored some; at least as many as were known."""
        try:
            return max(night.images, Nights(self.data).night_images(night))
        except Locked:
            return night.images


def settings_of(schedule: Schedule, data: Path, config: Path | None = None) -> Settings:
    """The settings a schedule scores with: file and environment, then its own.

    Raises:
        SettingsError: one of them is unknown or out of range.
    """
    own: dict[str, object] = json.loads(schedule.settings)
    try:
        return configuration.load({**own, "data": data}, config).settings
    except SettingsError as error:
        raise ScheduleError(f"schedule {schedule.name}: {error}") from error


def _interrupted(stop: Stop) -> NightState:
    return "cut" if stop.kind == "window" else "stopped"
