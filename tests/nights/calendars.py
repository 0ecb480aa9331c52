"""What the tests of nights share: a schedule with defaults, a clock that is moved, a ledger in memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from warehouse.records.audit import Actor
from warehouse.records.nights import Night, Schedule

START = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def schedule(name: str = "line-3", **values: Any) -> Schedule:
    plain = Schedule(
        name=name,
        archive="/archive",
        cron="0 22 * * *",
        timezone="Europe/Zurich",
        time_window=None,
        priority=0,
        settings="{}",
        review_budget=None,
        golden=None,
        golden_run=None,
        paused=False,
        created_at=START,
    )
    return replace(plain, **values)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Memory:
    """The warehouse's ledger without the warehouse: hundreds of nights in a second."""

    kept: list[Schedule]
    nights: dict[str, dict[datetime, Night]] = field(default_factory=lambda: defaultdict(dict))  # by their times

    def schedules(self) -> list[Schedule]:
        return sorted(self.kept, key=lambda each: (-each.priority, each.name))

    def last_nights(self, until: datetime | None = None) -> dict[str, Night]:
        last = {}
        for name, nights in self.nights.items():
            newest_first = (night for night in reversed(nights.values()) if night.state != "void")
            if night := next((one for one in newest_first if until is None or one.due_at <= until), None):
                last[name] = night
        return last

    def void_nights(self, schedule: str, after: datetime, *, actor: Actor) -> int:  # noqa: ARG002
        ahead = [night for night in self.of(schedule) if night.due_at > after]
        for night in ahead:
            self.keep_night(replace(night, state="void"))
        return len(ahead)

    def keep_night(self, night: Night) -> None:
        nights = self.nights[night.schedule]
        late = night.due_at not in nights and any(due_at > night.due_at for due_at in reversed(nights))
        nights[night.due_at] = night
        if late:
            self.nights[night.schedule] = dict(sorted(nights.items()))

    def of(self, name: str) -> list[Night]:
        return [night for night in self.nights[name].values() if night.state != "void"]
