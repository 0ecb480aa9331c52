"""Archives for the tests of nights: plain folders of small drawn pictures, and nights over them in this process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.nights.calendars import schedule
from tests.people import ANN
from tests.scored import Quiet
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, Schedule
from workbench.nights import coordinator
from workbench.nights.incremental import Rescore
from workbench.nights.night import Scoring
from workbench.nights.step_runner import Step

OWN = '{"iterations": 1, "samples": 2, "block_images": 2, "knowledge": "none", "ingest_seconds": 0}'


def pictures(folder: Path, count: int, first: int = 0, product: str = "plate") -> list[Path]:
    """So many different pictures, last changed an hour ago."""
    made = []
    for number in range(first, first + count):
        file = folder / product / f"{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (56, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
        settled(file)
        made.append(file)
    return made


def settled(file: Path) -> None:
    hour_ago = file.stat().st_mtime - 3600
    os.utime(file, (hour_ago, hour_ago))


@dataclass
class Nightly:
    """A schedule over an archive, and its nights one after the other."""

    data: Path
    archive: Path
    steps: tuple[Step, ...] = ()
    watch: Quiet = field(default_factory=Quiet)
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))

    def __post_init__(self) -> None:
        self.ledger = Nights(self.data)

    def keep(self, **values: Any) -> Schedule:
        kept = schedule(archive=str(self.archive), settings=OWN, created_at=self.now, **values)
        self.ledger.keep_schedule(kept, actor=ANN)
        return kept

    def night(self, name: str = "line-3", rescore: Rescore | None = None, **changed: Any) -> Night:
        """A night now, as `run-due --now` makes one."""
        work = replace(Scoring(self.data, self.watch, self.clock, self.steps, rescore=rescore), **changed)
        self.now += timedelta(seconds=1)
        (night,) = coordinator.run_due(self.ledger, work, self.data, self.clock, name)
        return night

    def clock(self) -> datetime:
        return self.now
