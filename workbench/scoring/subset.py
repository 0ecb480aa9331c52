"""A part of an archive, for those who don't score all of it at once: a schedule's nights, a re-scoring.

`scoring.score` scores a whole archive unless it is given one of these. Knows nothing of schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from warehouse.records.scoring import Entry, Run
from workbench.archive.scan import Scan
from workbench.scoring.plan import Plan


@dataclass(frozen=True, slots=True)
class Part:
    """Which images a run is over, and how it is opened."""

    choose: Callable[[Scan], Sequence[Entry]]  # of the archive as it lies there; may name images that are gone
    open_run: Callable[[Run, Plan], None]  # stores a new run; what it raises goes to whoever called `score`
    settle_seconds: float = 0.0  # files changed more recently wait for the next scan
