"""What is read of runs as it is kept: in memory for as long as an object lives, or where a page keeps it.

A run's facts are columns of small numbers (`columns.py`), its cells counts of them; both depend on whose truth is asked
for and on what calls pictures defective.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from warehouse.database import Database
from warehouse.queries import columns
from warehouse.queries import truth as truths
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.columns import Columns
from warehouse.queries.truth import Truth

if TYPE_CHECKING:
    import polars as pl


class Kept(Protocol):
    """Where what was read of runs is kept."""

    def columns(self, run_id: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> Columns:
        """The run's facts."""

    def cells(self, run_id: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """The run's cells, see `truth.clustered_cells`."""

    def pairs(self, run_id: str, base: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """The places of the questions that two runs share, see `columns.pairs`."""


class Read:
    """What was read of runs, as long as this object lives."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)
        self._columns: dict[tuple[str, Truth, AlarmRule], Columns] = {}

    def columns(self, run_id: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> Columns:
        """The run's facts."""
        key = (run_id, truth, alarm_rule)
        if key not in self._columns:
            with self._database.reading() as con:
                self._columns[key] = columns.read(con, run_id, truth, alarm_rule)
        return self._columns[key]

    def cells(self, run_id: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """The run's cells."""
        query = truths.clustered_cells(truth, "run_id = $run", alarm_rule=alarm_rule)
        return self._database.frame(query, {"run": run_id})

    def pairs(self, run_id: str, base: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """The places of the questions that two runs share."""
        return columns.pairs(self.columns(run_id, truth, alarm_rule), self.columns(base, truth, alarm_rule))
