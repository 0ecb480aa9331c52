"""What a report needs of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from warehouse.queries.truth import Truth
from warehouse.records.scoring import Run
from workbench.analysis.alarms import Alarms


@dataclass(frozen=True, slots=True)
class Reported:
    """A run with what was read of it."""

    run: Run
    facts: pl.DataFrame  # see `rollups.ANALYSED`
    answers: pl.DataFrame  # see `mmad.ANSWERS`
    profiles: pl.DataFrame  # as `traces.profiles` gives them
    alarms: Alarms  # pictures without a label that were called defective
    thumbnails: Mapping[str, str] = field(default_factory=dict)  # of those that `alarms` names: image_id to address
    archives: Mapping[str, str] = field(default_factory=dict)  # ids to names
    truth: Truth = "archive"  # that facts and answers go by
    groundings: pl.DataFrame = field(default_factory=pl.DataFrame)  # as `Groundings.of_runs` reads them
    thresholds: str = ""  # which saved ones call pictures defective; empty: their answers do

    @property
    def name(self) -> str:
        """How the run is called in sentences."""
        return f"{self.run.model} of {self.run.started_at:%Y-%m-%d %H:%M}"
