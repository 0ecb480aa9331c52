"""Parts: finished blocks on their way into the warehouse, as folders of Arrow files that need no lock.

    spool/RUN_ID/block-000012/   predictions.arrow patches.arrow image_vectors.arrow patch_vectors.arrow

A part is written under another name, forced to disk file by file, then renamed: a part that is there is whole,
whenever its writer was killed. Any number of processes write; `ingest.py` moves the rows into the warehouse and
removes the part.

Arrow's own file format, because a part holds a few dozen rows of sixty nested columns: opening that as Parquet costs
more than storing its rows, and the file is gone seconds later.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from warehouse import phases, records, schema
from warehouse.errors import MalformedPart, full_disk_named

logger = logging.getLogger(__name__)

FILES: dict[str, type] = {
    "predictions": records.Prediction,
    "patches": records.Patch,
    "image_vectors": records.ImageVector,
    "patch_vectors": records.PatchVector,
}
_PART = re.compile(r"block-(\d{6,})")
_UNFINISHED = re.compile(r"block-\d{6,}\.(?:tmp-(?P<host>.+)-(?P<pid>\d+)|ingested)")
_FORGOTTEN = 24 * 3600  # seconds after which an unfinished part of another host has no writer; writing takes seconds


def write_part(
    data: Path,
    run_id: str,
    block: int,
    predictions: Iterable[records.Prediction],
    patches: Iterable[records.Patch] = (),
    image_vectors: Iterable[records.ImageVector] = (),
    patch_vectors: Iterable[records.PatchVector] = (),
) -> Path:
    """The part's folder, durable on disk. A part already there is kept: the same block has the same rows.

    Raises:
        DiskFull: nothing of the part is left.
        ValueError: a row doesn't fit its table.
    """
    tables = {
        "predictions": schema.table(records.Prediction, predictions),
        "patches": schema.table(records.Patch, patches),
        "image_vectors": schema.table(records.ImageVector, image_vectors),
        "patch_vectors": schema.table(records.PatchVector, patch_vectors),
    }
    part = data / "spool" / run_id / f"block-{block:06d}"
    unfinished = part.with_name(f"{part.name}.tmp-{socket.gethostname()}-{os.getpid()}")
    with full_disk_named(part.parent):
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            phases.at("before-write")
            for name, rows in tables.items():
                _write_durably(unfinished / f"{name}.arrow", rows)
            _sync(unfinished)
            phases.at("after-fsync")
            if not part.exists():
                unfinished.rename(part)
                phases.at("after-rename")
                _sync(part.parent)
                _sync(part.parents[1])  # the run's own folder may be new
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return part


def pending(data: Path) -> list[Path]:
    """Whole parts not yet ingested, by run and block."""
    return sorted(path for path in (data / "spool").glob("*/block-*") if _PART.fullmatch(path.name))


def spooled_blocks(data: Path, run_id: str) -> frozenset[int]:
    """Blocks of a run that are whole in the spool."""
    found = (_PART.fullmatch(path.name) for path in (data / "spool" / run_id).glob("block-*"))
    return frozenset(int(match[1]) for match in found if match)


def identity(part: Path) -> tuple[str, int]:
    """The run and the block a part belongs to, from where it lies."""
    match = _PART.fullmatch(part.name)
    if match is None:
        raise ValueError(f"{part} is not a part")
    return part.parent.name, int(match[1])


def rows(parts: Sequence[Path], name: str) -> pa.Table:
    """The rows of one of the FILES of these parts, one part after the other, with every column of the table.

    A column added to a table after a part was written may be absent if it may be empty.

    Raises:
        MalformedPart: a file is missing or torn, or its columns are not the table's.
    """
    found = pa.concat_tables([_read(part / f"{name}.arrow", schema.arrow(FILES[name])) for part in parts])
    # Chunks of a few dozen rows take longer to scan than to be copied together once; larger ones don't.
    return found.combine_chunks() if len(found) < 500 * len(parts) else found


def remove(part: Path) -> None:
    """Remove an ingested part; killed half-way, it is no longer taken for a part.

    What can't be removed is warned of: its rows are stored, and the next ingest removes it.
    """
    phases.at("before-remove")
    doomed = part.with_name(f"{part.name}.ingested")
    try:
        shutil.rmtree(doomed, ignore_errors=True)
        part.rename(doomed)
        phases.at("within-remove")
        for file in doomed.iterdir():  # a quarter of the time of `rmtree`, which looks for folders below
            file.unlink()
        doomed.rmdir()
    except OSError as error:
        logger.warning("part=%s is stored but can't be removed: %s", part, error)
    phases.at("after-remove")


def quarantine(part: Path, reason: str) -> Path:
    """Put a part aside with the reason beside it, and return where it lies now."""
    run_id, block = identity(part)
    folder = part.parents[1] / "quarantine" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"block-{block:06d}-{time.time_ns()}"
    aside.with_suffix(".reason.txt").write_text(reason + "\n", encoding="utf-8")
    part.rename(aside)
    return aside


def clean(data: Path) -> None:
    """Remove what killed writers and killed ingesters left; whoever still writes keeps its own."""
    for path in (data / "spool").glob("*/block-*"):
        match = _UNFINISHED.fullmatch(path.name)
        if match and not _has_a_writer(path, match["host"], match["pid"]):
            shutil.rmtree(path, ignore_errors=True)


def _write_durably(path: Path, rows: pa.Table) -> None:
    with path.open("wb") as file:
        with pa.ipc.new_file(file, rows.schema) as writer:
            writer.write_table(rows)
        phases.at("after-write")
        file.flush()
        os.fsync(file.fileno())


def _read(file: Path, expected: pa.Schema) -> pa.Table:
    try:
        found = pa.ipc.open_file(file.read_bytes()).read_all()
        found.validate(full=True)  # a torn offset would be followed to wherever it points
    except FileNotFoundError as error:
        raise MalformedPart(f"{file.name} is missing") from error
    except (OSError, pa.ArrowException) as error:
        raise MalformedPart(f"{file.name} can't be read: {error}") from error
    if found.schema.equals(expected):
        return found
    for field in found.schema:
        if field.name not in expected.names or expected.field(field.name).type != field.type:
            raise MalformedPart(f"{file.name} has a column {field.name} {field.type} that the table doesn't have")
    for field in expected:
        if field.name not in found.schema.names:
            if not field.nullable:
                raise MalformedPart(f"{file.name} lacks the column {field.name}")
            found = found.append_column(field, pa.nulls(len(found), field.type))
    try:
        return found.select(expected.names).cast(expected)
    except (ValueError, pa.ArrowException) as error:  # ValueError: nulls in a column that has none
        raise MalformedPart(f"{file.name} doesn't fit the table: {error}") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _has_a_writer(path: Path, host: str | None, pid: str | None) -> bool:
    if host is None or pid is None:  # an ingester's leftover, and the caller is the only ingester
        return False
    if host != socket.gethostname():
        return time.time() - path.stat().st_mtime < _FORGOTTEN
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
