"""The dashboard's LRU cache of runs: their facts as columns of small numbers, the last used, in bounds.

A run's facts are good for as long as its number of predictions stays the same, under the truth `reviewed` as long as
nothing more is settled, and under another alarm rule than the answers as long as no threshold gets another version. So
nothing is read again because another run is being written. All sessions share what is kept; two that ask for the same
run at once read it once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl
import streamlit as st

from warehouse.queries import columns
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.columns import Columns
from warehouse.queries.kept_runs import Read
from warehouse.queries.truth import Truth
from workbench.lru_cache import LRUCache

MEBIBYTES = 384  # of all runs together: five of a million predictions
Held = TypeVar("Held", Columns, pl.DataFrame)


class SharedCache:
    """An LRU cache of frames for all sessions: two that ask for the same one at once make it once."""

    def __init__(self, limit: int) -> None:
        """At most `limit` bytes are kept."""
        self._cache: LRUCache[Hashable, Columns | pl.DataFrame] = LRUCache(limit)
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Held]) -> Held:
        """The frame of this key, made if it isn't there."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    cached = self._cache.get(key)
                    if cached is not None:
                        return cached  # type: ignore[return-value]  # a key is always of one kind
                made = make()
                size = made.bytes if isinstance(made, Columns) else int(made.estimated_size())
                with self._lock:
                    self._cache.put(key, made, size)
                return made
        finally:
            with self._lock:
                self._making.pop(key, None)

    @property
    def bytes(self) -> int:
        """What everything takes."""
        return self._cache.size


@st.cache_resource(show_spinner=False)
def shared() -> SharedCache:
    """The process's one."""
    return SharedCache(MEBIBYTES * 2**20)


@dataclass(frozen=True)
class CachedRuns:
    """`kept_runs.Kept` in the process's cache."""

    data: str
    stamp: str  # the warehouse's, for runs that aren't listed
    stored: Mapping[str, int]  # run to how many predictions it has
    settled: int = 0  # see `Store.settled_changes`
    thresholds: int = 0  # see `Thresholds.changes`

    def columns(self, run_id: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> Columns:
        """The run's facts."""
        key = self._key("columns", truth, alarm_rule, run_id)
        return shared().get(key, lambda: self._read.columns(run_id, truth, alarm_rule))

    def cells(self, run_id: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """The run's cells."""
        key = self._key("cells", truth, alarm_rule, run_id)
        return shared().get(key, lambda: self._read.cells(run_id, truth, alarm_rule))

    def pairs(self, run_id: str, base: str, truth: Truth, alarm_rule: AlarmRule = "answers") -> pl.DataFrame:
        """The places of the questions that two runs share."""

        def make() -> pl.DataFrame:
            return columns.pairs(self.columns(run_id, truth, alarm_rule), self.columns(base, truth, alarm_rule))

        return shared().get(self._key("pairs", truth, alarm_rule, run_id, base), make)

    @property
    def _read(self) -> Read:
        return Read(Path(self.data))

    def _key(self, kind: str, truth: Truth, alarm_rule: AlarmRule, *run_ids: str) -> Hashable:
        settled = self.settled if truth == "reviewed" else 0
        thresholds = 0 if alarm_rule == "answers" else self.thresholds
        return (
            kind,
            self.data,
            truth,
            settled,
            alarm_rule,
            thresholds,
            *((run_id, self.stored.get(run_id, self.stamp)) for run_id in run_ids),
        )
