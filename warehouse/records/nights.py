"""The shape of schedules and of what became of their nights; see `nights.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# running: at work, or its process died; finished: nothing is left; cut: its window ended; stopped: goes on at the next
# call; failed: somebody must look; alarm: the golden samples changed; void: dated in a future that a wrong clock told.
NightState = Literal["running", "finished", "cut", "stopped", "failed", "alarm", "void"]
Purpose = Literal["archive", "golden", "rescore"]
StepState = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When which archive is scored, with what."""

    name: str
    archive: str  # a folder, or an object store's address: s3://bucket/prefix
    cron: str  # five fields: minute hour day month weekday
    timezone: str  # IANA name; due times and the window are local there
    time_window: str | None  # "22:00-06:00"; None: at any time
    priority: int  # of two that are due the higher goes first
    settings: str  # JSON: settings by flat name, stronger than file and environment
    review_budget: int | None  # cases a night may hand to people; None: as the settings say
    golden: str | None  # a folder scored at the head of each night
    golden_run: str | None  # the run whose answers count as right there; None: the next one becomes it
    paused: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Night:
    """One or more due times of a schedule, worked through together."""

    schedule: str
    due_at: datetime  # the newest due time it covers
    first_due_at: datetime  # the oldest; earlier than due_at when nights were missed
    covered: int  # how many due times
    state: NightState
    started_at: datetime
    ended_at: datetime | None
    tries: int  # processes that worked on it
    images: int  # scored
    message: str | None


@dataclass(frozen=True, slots=True)
class NightRun:
    """A run that a night opened or went on with."""

    schedule: str
    due_at: datetime
    run_id: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image a schedule's run was opened over, so that the same run can go on another night."""

    run_id: str
    image_id: str


@dataclass(frozen=True, slots=True)
class NightStep:
    """How one step after scoring ended."""

    schedule: str
    due_at: datetime
    step: str
    state: StepState
    message: str
    seconds: float
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class MorningReport:
    """What a night's report says."""

    schedule: str
    due_at: datetime
    made_at: datetime
    report: str  # JSON of workbench.nights.morning.Morning


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of the warehouse that was made."""

    made_at: datetime
    path: str
