"""From spool parts to warehouse rows, exactly once.

Vectors go first, by key: written twice they are there once, and a killed ingest leaves at worst vectors whose rows come
later. Then the rows of many parts and their ledger entries in one transaction; then the parts are removed. A part whose
ledger entry is there already is only removed: a commit can be durable although its process died before it knew.

Any process may call this, also while others write parts; one works, the others wait for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import locks, phases, spool
from warehouse.errors import MalformedPart, Refused
from warehouse.ledger import Counts
from warehouse.store import Store
from warehouse.vectors import Vectors

logger = logging.getLogger(__name__)

# What goes into one transaction bounds its memory and how long readers wait.
_PARTS_AT_ONCE = 1000
_BYTES_AT_ONCE = 256 * 2**20  # of the parts' files
_WAIT = 600.0  # seconds to wait for another ingester


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one call moved."""

    parts: int
    predictions: int
    patches: int
    quarantined: int
    seconds: float


def ingest(store: Store) -> Ingested:
    """Move every pending part into the warehouse; a part that can't be is put aside with its reason.

    Raises:
        DiskFull: the parts not yet stored are still in the spool.
        Locked: another ingester, or another program in the database, took too long.
        BrokenIndex: the vectors can't be stored; the parts are still in the spool.
    """
    start = time.perf_counter()
    moved: list[Counts | None] = []
    if (store.data / "spool").exists():
        with locks.exclusive(store.data / "locks", "ingest", _WAIT):
            spool.clean(store.data)
            vectors = Vectors(store.data)
            for parts in _batches(spool.pending(store.data)):
                try:
                    moved.append(_move(store, vectors, parts))
                except (MalformedPart, Refused, duckdb.Error, OSError):
                    # One of them may be bad. One by one, so that the others don't suffer for it.
                    moved += [_move_or_put_aside(store, vectors, part) for part in parts]
    added = [counts for counts in moved if counts]
    return Ingested(
        parts=sum(counts.parts for counts in added),
        predictions=sum(counts.predictions for counts in added),
        patches=sum(counts.patches for counts in added),
        quarantined=len(moved) - len(added),
        seconds=time.perf_counter() - start,
    )


def _batches(parts: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += sum(file.stat().st_size for file in part.iterdir())
        if len(batch) == _PARTS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _move(store: Store, vectors: Vectors, parts: Sequence[Path]) -> Counts:
    phases.at("before-merge")
    vectors.merge("images", spool.rows(parts, "image_vectors"))
    vectors.merge("patches", spool.rows(parts, "patch_vectors"))
    phases.at("after-merge")
    added = store.ingest_parts(parts)
    # Removing files is waiting for the disk, up to half of an ingest's time if done one after the other.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(spool.remove, parts))
    return added


def _move_or_put_aside(store: Store, vectors: Vectors, part: Path) -> Counts | None:
    """What was added; None if the part itself is bad. Trouble that isn't the part's, such as no memory, is raised."""
    try:
        return _move(store, vectors, [part])
    except (MalformedPart, Refused, duckdb.InvalidInputException) as error:
        aside = spool.quarantine(part, str(error))
        logger.warning("part=%s quarantined=%s reason=%s", part, aside, error)
        return None
