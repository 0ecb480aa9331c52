"""Copies of the warehouse, made beside whatever runs, and going back to one.

A copy is one file: the DuckDB database at one moment. What it doesn't hold is derived (vectors, thumbnails) or comes
again (a run's blocks in the spool: a run that was at work goes on). Going back puts the present database and its
vectors aside; nothing is deleted.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warehouse import database, locks, migrations
from warehouse.errors import Refused, full_disk_named
from warehouse.night_records import Backup
from warehouse.nights import Nights
from warehouse.upkeep import Upkeep, sound
from workbench.nights.errors import BackupError

_NIGHTLY = re.compile(r"\d{8}T\d{6}Z\.duckdb")
_WAIT = 60.0  # seconds
_FORGOTTEN = 3600.0  # seconds since somebody wrote to a copy that is still being made


@dataclass(frozen=True, slots=True)
class Restored:
    """What going back did."""

    version: int  # of the copy's tables; an older one is brought up when it is opened
    aside: Path | None  # where the database that was there lies now


def make(data: Path, now: datetime, to: Path | None = None) -> Path:
    """The copy's file; below backups/ in the data folder unless told otherwise.

    Raises:
        BackupError: there is no warehouse, or the file is there already.
        WarehouseError: the disk is full, the warehouse is locked.
    """
    file = to or data / "backups" / _name(now)
    try:
        Upkeep(data).copy_to(file)
    except Refused as error:
        raise BackupError(f"no backup was made: {error}") from error
    try:
        sound(file)
    except Refused as error:
        file.unlink()  # it would be taken for one, and an older one thinned out in its place
        raise BackupError(f"no backup was made: {error}") from error
    Nights(data).keep_backup(Backup(now, str(file.resolve())))
    return file


def thin_out(data: Path, keep: int, now: datetime) -> int:
    """Remove all but the newest so many of the copies that nights made; those with names of their own stay.

    One dated later than now was dated by a clock that ran ahead, and goes before all others. What a killed process
    left of a copy goes too; it isn't counted.
    """
    for left in (data / "backups").glob("*.unfinished*"):
        if time.time() - left.stat().st_mtime > _FORGOTTEN:
            left.unlink()
    mine = [file for file in (data / "backups").glob("*.duckdb") if _NIGHTLY.fullmatch(file.name)]
    mine.sort(key=lambda file: (file.name <= _name(now), file.name))
    for file in mine[:-keep]:
        file.unlink()
    return len(mine[:-keep])


def restore(data: Path, file: Path, now: datetime) -> Restored:
    """Go back to a copy.

    Raises:
        BackupError: the file is no sound copy; the data folder is as it was.
        Locked: somebody uses the warehouse.
    """
    try:
        version = sound(file)
    except Refused as error:
        raise BackupError(f"{file} can't be restored: {error}") from error
    if version > migrations.newest():
        raise BackupError(f"{file} has version {version}, this program knows versions up to {migrations.newest()}")
    data.mkdir(parents=True, exist_ok=True)
    here, arriving = data / database.FILE, data / f"{database.FILE}.arriving"
    aside = data / f"before-restore-{now:%Y%m%dT%H%M%SZ}"
    with full_disk_named(data), locks.exclusive(data / "locks", "warehouse", _WAIT):
        shutil.copyfile(file, arriving)
        _to_disk(arriving)
        if here.exists():
            aside.mkdir()
            wal = here.with_suffix(".duckdb.wal")
            for name in (wal, here, data / "vectors"):  # the log first: alone it is harmless, without it a file is old
                if name.exists():
                    name.rename(aside / name.name)
        arriving.rename(here)
    return Restored(version, aside if aside.exists() else None)


def _name(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}.duckdb"


def _to_disk(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
