"""Schedules as people ask for them: checked before they are stored, so that no night fails for a slip of the pen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from warehouse.queries.nights import Nights
from warehouse.records.audit import Actor
from warehouse.records.nights import Schedule
from workbench.archive import registered_sets, remote
from workbench.errors import ScheduleError
from workbench.nights import night, schedules

_LONGEST_NAME = 100
_LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schedule as a person describes it."""

    name: str
    archive: str  # a folder or an address
    cron: str
    timezone: str
    window: str | None
    priority: int
    settings: Mapping[str, object]  # by flat name
    review_budget: int | None
    golden: Path | None


def add(data: Path, wanted: Wanted, *, actor: Actor, replace: bool = False, config: Path | None = None) -> Schedule:
    """The schedule, stored.

    Raises:
        ScheduleError: its archive, expression, zone, window or a setting can't be used.
        QuestionsError: it names questions that are neither a set nor a file.
        Refused: there is one of this name, and `replace` wasn't said.
    """
    _check_name(wanted.name)
    if abs(wanted.priority) > _LARGEST or (wanted.review_budget or 0) > _LARGEST:
        raise ScheduleError(f"priority and review budget can't be larger than {_LARGEST:,}")
    archive = wanted.archive
    if not remote.is_remote(archive):
        archive = str(_folder(Path(archive), "archive"))
    golden = None if wanted.golden is None else str(_folder(wanted.golden, "folder of golden samples"))
    schedule = Schedule(
        name=wanted.name,
        archive=archive,
        cron=wanted.cron,
        timezone=wanted.timezone,
        time_window=wanted.window,
        priority=wanted.priority,
        settings=json.dumps(dict(wanted.settings), sort_keys=True),
        review_budget=wanted.review_budget,
        golden=golden,
        golden_run=None,
        paused=False,
        created_at=datetime.now(UTC),
    )
    schedules.check(schedule)
    if replace and any(each.name == wanted.name for each in Nights(data).schedules()):
        schedule = _with_its_past(data, schedule)
    asked = night.settings_of(schedule, data, config).work.questions
    if asked is not None:
        registered_sets.set_or_file(data, asked)
    Nights(data).keep_schedule(schedule, actor=actor, replace=replace)
    return schedule


def in_words(schedule: Schedule) -> str:
    """When the schedule is due next, in its own time zone."""
    try:
        moment = schedules.next_due(schedule, datetime.now(UTC))
    except ScheduleError as error:
        return f"never: {error}"
    if moment is None:
        return "never again"
    return f"{moment.astimezone(ZoneInfo(schedule.timezone)):%a %d %b %Y %H:%M %Z}"


def _check_name(name: str) -> None:
    """Refuse a name that no list, log or command line could show as it is."""
    if not name.strip():
        raise ScheduleError("a schedule needs a name")
    if name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME or name.startswith("-"):
        raise ScheduleError(
            f"a schedule can't be named {name!r}: at most {_LONGEST_NAME} printable characters, no blanks at its ends "
            "and no hyphen at its beginning, which a command would take for an option"
        )


def _with_its_past(data: Path, schedule: Schedule) -> Schedule:
    """The schedule with the golden answers of the one it replaces, while nothing that changes them is replaced."""
    before = next(each for each in Nights(data).schedules() if each.name == schedule.name)
    same = (before.golden, before.settings) == (schedule.golden, schedule.settings)
    return dataclasses.replace(schedule, golden_run=before.golden_run if same else None)


def _folder(path: Path, what: str) -> Path:
    if not path.is_dir():
        raise ScheduleError(f"the {what} {path} isn't a folder that is there")
    return path.resolve()
