"""Copies of the warehouse, made beside whatever runs, and going back to one.

A copy is one file: the DuckDB database at one moment. What it doesn't hold is derived (vectors, thumbnails) or comes
again (a run's blocks in the spool: a run that was at work goes on). Going back puts the present database and its
vectors aside; nothing is deleted. The copy takes the database's place in one step, so that there is a whole one at
every moment, the present or the older, whenever the process is killed; the vectors, which are derived, go before it.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from warehouse import database, file_permissions, kill_points, locks, migrations
from warehouse.errors import BrokenWarehouse, NewerWarehouse, Refused, full_disk_named
from warehouse.queries.nights import Nights
from warehouse.records.audit import Actor
from warehouse.records.nights import Backup
from warehouse.upkeep import Upkeep, arrived, sound
from workbench.errors import BackupError

logger = logging.getLogger(__name__)

_NIGHTLY = re.compile(r"\d{8}T\d{6}Z\.duckdb")
_WAIT = 60.0  # seconds
_FORGOTTEN = 3600.0  # seconds since somebody wrote to a copy that is still being made


@dataclass(frozen=True, slots=True)
class Restored:
    """What going back did."""

    version: int  # of the copy's tables; an older one is brought up when it is opened
    aside: Path | None  # where the database that was there lies now


def make(data: Path, now: datetime, to: Path | None = None, *, actor: Actor) -> Path:
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
    Nights(data).keep_backup(Backup(now, str(file.resolve())), actor=actor)
    return file


def thin_out(data: Path, keep: int, now: datetime, *, actor: Actor) -> int:
    """Remove all but the newest so many of the copies that nights made; those with names of their own stay.

    One dated later than now was dated by a clock that ran ahead, and goes before all others. What a killed process
    left of a copy goes too; it isn't counted.
    """
    for left in (data / "backups").glob("*.unfinished*"):
        with _left_if_it_must_be(left):
            if time.time() - left.stat().st_mtime > _FORGOTTEN:
                left.unlink()
    mine = [file for file in (data / "backups").glob("*.duckdb") if _NIGHTLY.fullmatch(file.name)]
    mine.sort(key=lambda file: (file.name <= _name(now), file.name))
    too_many = mine[:-keep]
    Upkeep(data).note_dropping("backups", len(too_many), actor=actor)
    for file in too_many:
        with _left_if_it_must_be(file):
            file.unlink()
            kill_points.at("within-drop")
    return sum(not file.exists() for file in too_many)


@contextmanager
def _left_if_it_must_be(file: Path) -> Iterator[None]:
    """One that can't be removed keeps no other from being removed."""
    try:
        yield
    except OSError as error:
        logger.warning("backup=%s can't be removed: %s", file, error)


def restore(data: Path, file: Path, now: datetime, *, actor: Actor) -> Restored:
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
    file_permissions.folder(data)
    here, arriving = data / database.FILE, data / f"{database.FILE}.arriving"
    with full_disk_named(data), _nobody_else(data):
        kill_points.at("before-arrival")
        try:
            _fetch(file, arriving)
            arrived(arriving, file, actor=actor)
            kill_points.at("after-arrival")
            aside = _set_aside(data, now) if here.exists() else None
            arriving.replace(here)
            _to_disk(data)
            kill_points.at("after-replace")
        finally:
            arriving.unlink(missing_ok=True)
    return Restored(version, aside)


@contextmanager
def _nobody_else(data: Path) -> Iterator[None]:
    """No ingester, and nobody in the vectors or the warehouse; in the order in which an ingester takes them."""
    with ExitStack() as stack:
        for name in ("ingest", "vectors", "warehouse"):
            stack.enter_context(locks.exclusive(data / "locks", name, _WAIT))
        yield


def _fetch(file: Path, arriving: Path) -> None:
    """The copy beside the database, on disk; what its log still holds is in it."""
    if _log(file).exists():
        database.copy(file, arriving)
    else:
        shutil.copyfile(file, arriving)
    _to_disk(arriving)


def _set_aside(data: Path, now: datetime) -> Path:
    """A second name for the database that is there, in a folder of its own with its vectors; it stays in its place."""
    here = data / database.FILE
    try:
        database.Database(data).settle()
    except (BrokenWarehouse, NewerWarehouse):
        # What can't be opened is no database; its log goes with it, or the copy would be read with it.
        settled = False
    else:
        settled = True
    kill_points.at("after-checkpoint")
    aside = _folder_aside(data, now)
    if not (aside / here.name).exists():
        try:
            os.link(here, aside / here.name)
        except OSError:  # a file system without links
            shutil.copyfile(here, aside / here.name)
            _to_disk(aside / here.name)
    kill_points.at("after-copy-aside")
    if not settled and _log(here).exists():
        _log(here).rename(aside / _log(here).name)
    if (data / "vectors").exists():
        name = f"vectors-{time.time_ns()}" if (aside / "vectors").exists() else "vectors"
        (data / "vectors").rename(aside / name)
    _to_disk(aside)
    _to_disk(data)
    kill_points.at("after-vectors")
    return aside


def _folder_aside(data: Path, now: datetime) -> Path:
    """A new folder; or the one in which a killed process gave the same database its second name."""
    here = data / database.FILE
    for folder in data.glob("before-restore-*"):
        if (folder / here.name).exists() and (folder / here.name).samefile(here):
            return folder
    base = data / f"before-restore-{now:%Y%m%dT%H%M%SZ}"
    for number in itertools.count(1):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        break
    return folder


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _name(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}.duckdb"


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
