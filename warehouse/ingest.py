"""From spool parts to warehouse rows, exactly once.

Every part is read and compared with its manifest first. Vectors go in before rows, by key: written twice they are there
once, and a killed ingest leaves at worst vectors whose rows come later. Then the rows of many parts and their ledger
entries in one transaction; then the parts are removed. A part whose ledger entry is there already is only removed: a
commit can be durable although its process died before it knew.

A part that can't go in is put aside with its reason, whatever it raised, and the others go in. What is the machine's
fault - a full disk, a locked or newer warehouse, a damaged index - is raised and leaves every part where it is. Where
an error doesn't say whose fault it is, the part is rehearsed: it is at fault if an empty warehouse doesn't take it
either. A part that finds no memory waits for a quieter moment; the others don't wait for it.

Any process may call this, also while others write parts; one works, the others wait for it.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse import kill_points, locks, spool
from warehouse.errors import (
    HOST_ERRORS,
    BrokenWarehouse,
    DiskFull,
    Locked,
    MalformedPart,
    NewerWarehouse,
    Refused,
    full_disk_named,
    is_full_disk,
)
from warehouse.ledger import Counts
from warehouse.store import Store
from warehouse.vectors import Vectors

logger = logging.getLogger(__name__)

# What goes into one transaction bounds its memory and how long readers wait.
_PARTS_AT_ONCE = 1000
_BYTES_AT_ONCE = 256 * 2**20  # of the parts' files
_WAIT = 600.0  # seconds to wait for another ingester

_NO_MEMORY = (MemoryError, duckdb.OutOfMemoryException)
_HOST = (DiskFull, Locked, NewerWarehouse, BrokenWarehouse, duckdb.IOException)
_PARTS_OWN = (MalformedPart, Refused, duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException)


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
        MemoryError: a part found no memory, alone; it is still in the spool, the others went in.
    """
    start = time.perf_counter()
    moving = _Moving(store)
    if (store.data / "spool").exists():
        with locks.exclusive(store.data / "locks", "ingest", _WAIT), full_disk_named(store.data):
            spool.clean(store.data)
            for parts in _batches(spool.pending(store.data)):
                moving.move(parts)
    if moving.starved is not None:
        raise moving.starved
    return Ingested(
        parts=sum(counts.parts for counts in moving.added),
        predictions=sum(counts.predictions for counts in moving.added),
        patches=sum(counts.patches for counts in moving.added),
        quarantined=moving.quarantined,
        seconds=time.perf_counter() - start,
    )


def _batches(parts: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += _size(part)
        if len(batch) == _PARTS_AT_ONCE or size > _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(part: Path) -> int:
    """The bytes of its files; 0 where they can't be told, which reading the part will say."""
    try:
        return sum(file.lstat().st_size for file in part.iterdir())
    except OSError:
        return 0


class _Moving:
    """One call's way through the parts."""

    def __init__(self, store: Store) -> None:
        self._store, self._vectors = store, Vectors(store.data)
        self.added: list[Counts] = []
        self.quarantined = 0
        self.starved: Exception | None = None  # why a part found no memory

    def move(self, parts: Sequence[Path]) -> None:
        """Store these parts together, or those that can be one by one; what can't is put aside."""
        blocks = []
        for part in parts:
            try:
                blocks.append(spool.read(part))
            except Exception as error:  # noqa: BLE001  a part is put aside whatever it raises
                self._decide(part, error, at_fault=not isinstance(error, OSError) or error.errno not in HOST_ERRORS)
        if not blocks:
            return
        try:
            self._store_together(blocks)
        except _HOST:
            raise
        except Exception as error:  # noqa: BLE001  as above
            logger.info("%d parts can't be stored together, so one by one: %s", len(blocks), error)
            # One of them may be bad. One by one, so that the others don't suffer for it.
            for block in blocks:
                self._store_alone(block)

    def _store_together(self, blocks: Sequence[spool.Block]) -> None:
        kill_points.at("before-merge")
        self.added.append(_stored(self._store, self._vectors, blocks))
        # Removing files is waiting for the disk, up to half of an ingest's time if done one after the other.
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(spool.remove, [block.part for block in blocks]))

    def _store_alone(self, block: spool.Block) -> None:
        try:
            self._store_together([block])
        except _HOST:
            raise
        except Exception as error:  # noqa: BLE001  as above
            starved = isinstance(error, _NO_MEMORY)
            at_fault = not starved and (isinstance(error, _PARTS_OWN) or _is_at_fault(self._store, block))
            self._decide(block.part, error, at_fault=at_fault)

    def _decide(self, part: Path, error: Exception, *, at_fault: bool) -> None:
        """Put the part aside, or leave it and raise what isn't its fault."""
        if isinstance(error, _NO_MEMORY):
            self.starved = self.starved or error
            logger.warning("part=%r waits in the spool: there is no memory for it (%s)", str(part), error)
            return
        if not at_fault:
            raise error
        if not os.path.lexists(part):  # somebody took it away
            return
        reason = str(error) if isinstance(error, MalformedPart | Refused) else f"{type(error).__name__}: {error}"
        self.quarantined += 1
        try:
            aside = spool.quarantine(part, reason)
        except OSError as trouble:
            if is_full_disk(trouble):
                raise
            logger.error("part=%r can't be stored (%s), nor put aside: %s", str(part), reason, trouble)
        else:
            logger.warning("part=%r quarantined=%r reason=%s", str(part), str(aside), reason)


def _stored(store: Store, vectors: Vectors, blocks: Sequence[spool.Block]) -> Counts:
    vectors.merge("images", spool.rows(blocks, "image_vectors"))
    vectors.merge("patches", spool.rows(blocks, "patch_vectors"))
    kill_points.at("after-merge")
    return store.ingest_blocks(blocks)


def _is_at_fault(store: Store, block: spool.Block) -> bool:
    """Whether an empty warehouse that knows its run doesn't take the block either."""
    run = store.run(block.run_id)
    with tempfile.TemporaryDirectory() as folder:
        empty = Store(Path(folder))
        try:
            if run is not None:
                empty.open_run(run)
            _stored(empty, Vectors(empty.data), [block])
        except (*_HOST, *_NO_MEMORY):
            return False
        except Exception as error:  # noqa: BLE001  whatever it is, the block alone brought it about
            logger.debug("an empty warehouse doesn't take it either: %s", error)
            return True
    return False
