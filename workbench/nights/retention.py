"""Retention: a data folder drops traces, vectors and thumbnails, by age and by size; answers stay for good.

Every limit is off unless it is set. Vectors and thumbnails are derived and come back when they are needed
(`workbench reindex`, a page); a trace that is dropped is gone.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from warehouse import kill_points
from warehouse.records.audit import Actor
from warehouse.upkeep import Upkeep
from warehouse.vectors import Vectors
from workbench.settings import Operation

logger = logging.getLogger(__name__)

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped."""

    traces: int  # predictions whose traces went
    vectors: int
    thumbnails: int

    def in_words(self) -> str:
        """As a sentence without its full stop."""
        named = ((self.traces, "traces"), (self.vectors, "vectors"), (self.thumbnails, "thumbnails"))
        return "dropped " + (", ".join(f"{count:,} {what}" for count, what in named if count) or "nothing")


def tidy(data: Path, limits: Operation, now: datetime, *, actor: Actor) -> Dropped:
    """Apply the limits to a data folder, and compact its vectors.

    Raises:
        WarehouseError: the warehouse or the index can't be used; what was dropped before that is dropped.
    """
    upkeep, vectors = Upkeep(data), Vectors(data)
    traces = forgotten = 0
    if limits.keep_traces_days is not None:
        old = upkeep.runs_with_traces(now - timedelta(days=limits.keep_traces_days))
        traces += upkeep.drop_traces(old, actor=actor) if old else 0
    if limits.keep_traces_mib is not None:
        # Run by run, oldest first; the newest keeps its traces whatever the limit.
        for run_id in upkeep.runs_with_traces()[:-1]:
            if upkeep.used_bytes() <= limits.keep_traces_mib * MIB:
                break
            traces += upkeep.drop_traces([run_id], actor=actor)
    if limits.keep_vectors_days is not None:
        old_contents = upkeep.contents(now - timedelta(days=limits.keep_vectors_days))
        forgotten += _forget(old_contents, upkeep, vectors, actor)
    if limits.keep_vectors_mib is not None:
        for run_id in upkeep.runs_oldest_first()[:-1]:
            if vectors.used_bytes() <= limits.keep_vectors_mib * MIB:
                break
            forgotten += _forget(upkeep.contents_of_only(run_id), upkeep, vectors, actor)
    vectors.compact()
    thumbnails = _excess_thumbnails(data / "thumbnails", limits, now)
    upkeep.note_dropping("thumbnails", len(thumbnails), actor=actor)
    return Dropped(traces, forgotten, sum(map(_removed, thumbnails)))


def _forget(contents: list[str], upkeep: Upkeep, vectors: Vectors, actor: Actor) -> int:
    """Vectors of these contents that were dropped."""
    upkeep.note_dropping("vectors", vectors.count(contents), actor=actor)
    return vectors.forget(contents)


def _excess_thumbnails(folder: Path, limits: Operation, now: datetime) -> list[Path]:
    """Those that the limits let go, oldest first."""
    files = sorted((found.st_mtime, found.st_size, file) for file, found in _files(folder))
    before = float("-inf")
    if limits.keep_thumbnails_days is not None:
        before = (now - timedelta(days=limits.keep_thumbnails_days)).timestamp()
    too_many = float("-inf")
    if limits.keep_thumbnails_mib is not None:
        too_many = sum(size for _, size, _ in files) - limits.keep_thumbnails_mib * MIB
    excess = []
    for changed_at, size, file in files:
        if changed_at >= before and too_many <= 0:
            break
        excess.append(file)
        too_many -= size
    return excess


def _removed(thumbnail: Path) -> bool:
    try:
        thumbnail.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("thumbnail=%s can't be removed: %s", thumbnail, error)
        return False
    kill_points.at("within-drop")
    return True


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for file in folder.rglob("*"):
        try:
            found = file.stat()
        except OSError:  # a page removed it meanwhile
            continue
        if stat.S_ISREG(found.st_mode):
            yield file, found
