"""The root of all our errors, and what can go wrong in the warehouse; `workbench/errors.py` draws the whole tree.

WarehouseError
├── Locked           another process held the warehouse for too long
├── DiskFull         nothing was stored, nothing half-stored is left
├── BrokenWarehouse  the database's file is damaged, isn't one, or may not be opened
├── BrokenIndex      the vectors' files can't be used; they can be made anew
├── NewerWarehouse   the database was made by a newer version of this program
├── MalformedPart    a spool part that can't be read or doesn't fit the tables
└── Refused          a row the tables don't accept: a constraint, or a name that isn't there
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST_ERRORS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS, errno.ESTALE, errno.EINTR)
)
"""What the system says when it is the machine that can't, whichever file was asked for."""


# What a command ends with: some items failed, or something could not go on; wrong use; another process
# is at it, and the same command may be given again later (EX_TEMPFAIL). 0 is done.
FAILED, WRONG_USE, TRY_LATER = 1, 2, 75


class WorkbenchError(Exception):
    """The root of everything of ours that is raised; a command that ends with one exits with its `exit_code`."""

    exit_code: int = WRONG_USE


class WarehouseError(WorkbenchError):
    """What can go wrong in the warehouse."""


class Locked(WarehouseError):
    """Another process held the warehouse for too long."""

    exit_code = TRY_LATER


class DiskFull(WarehouseError):
    """The disk is full; the message says where and what to do."""

    exit_code = FAILED


class BrokenWarehouse(WarehouseError):
    """The database's file is damaged, isn't one, or may not be opened."""


class BrokenIndex(WarehouseError):
    """LanceDB can't use its files; they are derived and can be made anew."""


class NewerWarehouse(WarehouseError):
    """The database was made by a newer version of this program."""


class MalformedPart(WarehouseError):
    """A spool part that can't be read or doesn't fit the tables."""


class Refused(WarehouseError):
    """A row the tables don't accept."""


@contextmanager
def full_disk_named(place: Path) -> Iterator[None]:
    """Turn whatever a library raises on a full disk into `DiskFull`, and let everything else pass."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise DiskFull(
            f"the disk that holds {place} is full; what was stored before is safe. "
            "Free some space there and give the same command again: it goes on where it stopped"
        ) from error


def is_full_disk(error: Exception) -> bool:
    """Whether the operating system said so; DuckDB and LanceDB wrap its error in their own, so the text counts too."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(text in str(error) for text in ("No space left on device", "Disk quota exceeded"))
