"""A part of an archive, for those who don't score all of it at once: a schedule's nights, a re-scoring.

`scoring.score` scores a whole archive unless it is given one of these. Knows nothing of schedules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from warehouse.records import Entry, Run
from workbench.inspection.archive import Scan
from workbench.inspection.plan import Plan


@dataclass(frozen=True, slots=True)
class Part:
    """Which images a run is over, how it is opened, and what may end it early."""

    choose: Callable[[Scan], Sequence[Entry]]  # of the archive as it lies there; may name images that are gone
    open_run: Callable[[Run, Plan], None]  # stores a new run; what it raises goes to whoever called `score`
    stop: Callable[[], str]  # asked after each block: why the run ends there, or "" to go on
    settle_seconds: float = 0.0  # files changed more recently wait for the next scan
