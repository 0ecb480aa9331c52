"""The shape of an experiment's arms; see `experiments.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["ablation", "stress"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One run's part in an experiment."""

    experiment: str  # hash of the kind, the archive and what all arms have in common
    kind: Kind
    archive_id: str  # the archive that was named, though a stressed arm's run is over a changed copy of it
    place: int  # in the experiment's order, from 0
    arm: str  # its name
    family: str  # the arms it is read beside: "main", "samples", "blur", ...
    level: float | None  # of what the family varies: K, a seed, a strength; None where it isn't a number
    baseline: str | None  # the arm it is compared with
    run_id: str
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration of the latent loop, over a run."""

    run_id: str
    iteration: int  # 0 is the start state
    questions: int
    reward: float  # nats, mean of the iterations' winners
    entropy: float  # nats, the same
