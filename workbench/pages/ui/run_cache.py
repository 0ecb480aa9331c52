"""The dashboard's LRU cache of runs: their facts as columns of small numbers, the last used, in bounds.

A run's facts are good for as long as its number of predictions stays the same, and under the truth `reviewed` as long
as nothing more is settled, so nothing is read again because another run is being written. All sessions share what is
kept; two that ask for the same run at once read it once.
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
from warehouse.queries.columns import Columns
from warehouse.queries.rollups import Read
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
    """`rollups.Kept` in the process's cache."""

    data: str
    stamp: str  # the warehouse's, for runs that aren't listed
    stored: Mapping[str, int]  # run to how many predictions it has
    settled: int = 0  # see `Store.settled_changes`

    def columns(self, run_id: str, truth: Truth) -> Columns:
        """The run's facts."""
        return shared().get(self._key("columns", truth, run_id), lambda: self._read.columns(run_id, truth))

    def cells(self, run_id: str, truth: Truth) -> pl.DataFrame:
        """The run's cells."""
        return shared().get(self._key("cells", truth, run_id), lambda: self._read.cells(run_id, truth))

    def pairs(self, run_id: str, base: str, truth: Truth) -> pl.DataFrame:
        """The places of the questions that two runs share."""
        key = self._key("pairs", truth, run_id, base)
        return shared().get(key, lambda: columns.pairs(self.columns(run_id, truth), self.columns(base, truth)))

    @property
    def _read(self) -> Read:
        return Read(Path(self.data))

    def _key(self, kind: str, truth: Truth, *run_ids: str) -> Hashable:
        settled = self.settled if truth == "reviewed" else 0
        return (kind, self.data, truth, settled, *((run_id, self.stored.get(run_id, self.stamp)) for run_id in run_ids))
