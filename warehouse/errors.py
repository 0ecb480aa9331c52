"""What can go wrong in the warehouse, as few classes.

WarehouseError
├── Locked           another process held the warehouse for too long
├── DiskFull         nothing was stored, nothing half-stored is left
├── NewerWarehouse   the database was made by a newer version of this program
├── MalformedPart    a spool part that can't be read or doesn't fit the tables
└── Refused          a row the tables don't accept: a constraint, or a name that isn't there
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class WarehouseError(Exception):
    """Root of this room's errors."""


class Locked(WarehouseError):
    """Another process held the warehouse for too long."""


class DiskFull(WarehouseError):
    """The disk is full; the message says where and what to do."""


class NewerWarehouse(WarehouseError):
    """The database was made by a newer version of this program."""


class MalformedPart(WarehouseError):
    """A spool part that can't be read or doesn't fit the tables."""


class Refused(WarehouseError):
    """A row the tables don't accept."""


@contextmanager
def full_disk_named(place: Path) -> Iterator[None]:
    """Turn whatever a library raises on a full disk into `DiskFull`, and let everything else pass.

    DuckDB and LanceDB wrap the operating system's error in their own, so its text is looked at too.
    """
    try:
        yield
    except WarehouseError:
        raise
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not full and not any(text in str(error) for text in ("No space left on device", "Disk quota exceeded")):
            raise
        raise DiskFull(
            f"the disk that holds {place} is full; what was stored before is safe. "
            "Free some space there and give the same command again: it goes on where it stopped"
        ) from error
