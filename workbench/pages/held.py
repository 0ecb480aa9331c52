"""What the dashboard keeps of runs in its memory: their facts as columns of small numbers, the last used, in bounds.

A run's facts are good for as long as its number of predictions stays the same, so nothing is read again because
another run is being written. All sessions share what is kept; two that ask for the same run at once read it once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl
import streamlit as st

from warehouse import columns
from warehouse.columns import Columns
from warehouse.rollups import Read

MEBIBYTES = 384  # of all runs together: five of a million predictions
Held = TypeVar("Held", Columns, pl.DataFrame)


@dataclass
class Room:
    """Frames by name, the least recently used dropped first when they take more than `limit` bytes."""

    limit: int
    _held: OrderedDict[Hashable, Columns | pl.DataFrame] = field(default_factory=OrderedDict)
    _making: dict[Hashable, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, make: Callable[[], Held]) -> Held:
        """What is kept under a name; made, once, if there is nothing."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    found = self._held.get(key)
                    if found is not None:
                        self._held.move_to_end(key)
                        return found  # type: ignore[return-value]  # a name is always of one kind
                made = make()
                with self._lock:
                    self._held[key] = made
                    while self.bytes > self.limit and len(self._held) > 1:
                        self._held.popitem(last=False)
                return made
        finally:
            with self._lock:
                self._making.pop(key, None)

    @property
    def bytes(self) -> int:
        """What everything takes."""
        return sum(one.bytes if isinstance(one, Columns) else int(one.estimated_size()) for one in self._held.values())


@st.cache_resource(show_spinner=False)
def room() -> Room:
    """The process's one."""
    return Room(MEBIBYTES * 2**20)


@dataclass(frozen=True)
class InMemory:
    """`rollups.Kept` in the process's room."""

    data: str
    stamp: str  # the warehouse's, for runs that aren't listed
    stored: Mapping[str, int]  # run to how many predictions it has

    def columns(self, run_id: str) -> Columns:
        """The run's facts."""
        return room().get(self._key("columns", run_id), lambda: self._read.columns(run_id))

    def cells(self, run_id: str) -> pl.DataFrame:
        """The run's cells."""
        return room().get(self._key("cells", run_id), lambda: self._read.cells(run_id))

    def pairs(self, run_id: str, base: str) -> pl.DataFrame:
        """The places of the questions that two runs share."""
        key = self._key("pairs", run_id, base)
        return room().get(key, lambda: columns.pairs(self.columns(run_id), self.columns(base)))

    @property
    def _read(self) -> Read:
        return Read(Path(self.data))

    def _key(self, kind: str, *run_ids: str) -> Hashable:
        return (kind, self.data, *((run_id, self.stored.get(run_id, self.stamp)) for run_id in run_ids))
