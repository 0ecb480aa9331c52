"""Parts: finished blocks on their way into the warehouse, as folders of Arrow files that need no lock.

    spool/RUN_ID/block-000012/   predictions.arrow patches.arrow image_vectors.arrow patch_vectors.arrow manifest.json
                                 comparisons.arrow where pictures were compared with normal ones

A part is written under another name, forced to disk file by file, its manifest last, then renamed: a part that is there
is whole, whenever its writer was killed. Any number of processes write; `ingest.py` moves the rows into the warehouse
and removes the part; one that can't be stored goes to the quarantine (a dead letter queue). What is read is what was
written: each file is compared with the manifest (`manifest.py`), and numbers are finite. A part of a release that wrote
no manifest is read by its columns alone.

Arrow's own file format, because a part holds a few dozen rows of sixty nested columns: opening that as Parquet costs
more than storing its rows, and the file is gone seconds later.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from warehouse import file_permissions, kill_points, manifest, names, schema
from warehouse.errors import HOST_ERRORS, MalformedPart, full_disk_named
from warehouse.records import scoring
from warehouse.records.comparisons import StoredComparison

logger = logging.getLogger(__name__)

FILES: dict[str, type] = {
    "predictions": scoring.Prediction,
    "patches": scoring.Patch,
    "image_vectors": scoring.ImageVector,
    "patch_vectors": scoring.PatchVector,
    "comparisons": StoredComparison,
}
MAY_BE_ABSENT = frozenset({"comparisons"})  # without a row no file is written, as no older release wrote one
QUARANTINE = "quarantine"
_PART = re.compile(r"block-([0-9]{6,18})")
_UNFINISHED = re.compile(r"block-[0-9]{6,18}\.(?:tmp-(?P<host>.+)-(?P<pid>[0-9]+)|ingested)", re.DOTALL)
_STATED = {b"manifest": b"1"}  # in the schema of every file that has a manifest: without it the part isn't whole
_FORGOTTEN = 24 * 3600  # seconds after which an unfinished part of another host has no writer; writing takes seconds


@dataclass(frozen=True, slots=True)
class Block:
    """A part as it was read: compared with its manifest, with every column of its tables."""

    part: Path
    run_id: str
    number: int
    tables: Mapping[str, pa.Table]  # by the names in FILES
    is_former: bool = False  # its questions are named as up to version 4, see `former_questions.py`


def write_part(
    data: Path,
    run_id: str,
    block: int,
    predictions: Iterable[scoring.Prediction],
    patches: Iterable[scoring.Patch] = (),
    image_vectors: Iterable[scoring.ImageVector] = (),
    patch_vectors: Iterable[scoring.PatchVector] = (),
    comparisons: Iterable[StoredComparison] = (),
) -> Path:
    """The part's folder, durable on disk. A part already there is kept: the same block has the same rows.

    Raises:
        DiskFull: nothing of the part is left.
        ValueError: a row doesn't fit its table, or a number isn't finite.
    """
    tables = {
        "predictions": schema.table(scoring.Prediction, predictions),
        "patches": schema.table(scoring.Patch, patches),
        "image_vectors": schema.table(scoring.ImageVector, image_vectors),
        "patch_vectors": schema.table(scoring.PatchVector, patch_vectors),
        "comparisons": schema.table(StoredComparison, comparisons),
    }
    tables = {name: table for name, table in tables.items() if len(table) or name not in MAY_BE_ABSENT}
    for name, table in tables.items():
        if column := _not_finite(table):
            raise ValueError(f"{FILES[name].__name__}.{column} holds a number that isn't finite")
    part = data / "spool" / run_id / f"block-{block:06d}"
    unfinished = part.with_name(f"{part.name}.tmp-{socket.gethostname()}-{os.getpid()}")
    with full_disk_named(part.parent):
        try:
            file_permissions.folder(data)
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            kill_points.at("before-write")
            stated = {}
            for name, table in tables.items():
                content = _encoded(table)
                stated[f"{name}.arrow"] = manifest.state(table, content)
                _write_durably(unfinished / f"{name}.arrow", content)
            _write_durably(unfinished / manifest.FILE, manifest.render(run_id, block, stated).encode())
            _sync(unfinished)
            kill_points.at("after-fsync")
            if not part.exists():
                unfinished.rename(part)
                kill_points.at("after-rename")
                _sync(part.parent)
                _sync(part.parents[1])  # the run's own folder may be new
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return part


def pending(data: Path) -> list[Path]:
    """Whole parts not yet ingested, by run and block."""
    found = (path for path in (data / "spool").glob("*/block-*") if _PART.fullmatch(path.name))
    return sorted(path for path in found if path.parent.name != QUARANTINE)


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


def read(part: Path) -> Block:
    """The part's rows, each file as its manifest states it.

    A column added to a table after a part was written may be absent if it may be empty.

    Raises:
        MalformedPart: a file is missing, torn or changed, its columns are not the table's, a number isn't finite.
        OSError: the machine can't read it now: no more files can be opened, say.
    """
    run_id, number = identity(part)
    if not stat.S_ISDIR(part.lstat().st_mode):
        raise MalformedPart("it is no folder")
    stated: Mapping[str, manifest.Statement] | None = None
    if os.path.lexists(part / manifest.FILE):
        stated = manifest.parse(_content(part / manifest.FILE, manifest.MOST_BYTES), run_id, number)
    written = {name: _read(part / f"{name}.arrow", stated) for name in FILES if not _is_absent(part, name, stated)}
    is_former = "evidence_id" not in written["predictions"].column_names
    tables = {name: _fitted(f"{name}.arrow", table, schema.arrow(FILES[name])) for name, table in written.items()}
    tables |= {name: schema.arrow(FILES[name]).empty_table() for name in FILES if name not in written}
    for name, table in tables.items():
        if column := _not_finite(table):
            raise MalformedPart(f"{name}.arrow holds a number that isn't finite in its column {column}")
    for name in ("predictions", "patches", "comparisons"):
        strangers = {*tables[name]["run_id"].unique().to_pylist()} - {run_id}
        strangers |= {*tables[name]["block"].unique().to_pylist()} - {number}
        if strangers:
            raise MalformedPart(f"{name}.arrow holds rows of another run or block: {sorted(map(str, strangers))[:5]}")
    return Block(part, run_id, number, tables, is_former)


def rows(blocks: Sequence[Block], name: str) -> pa.Table:
    """The rows of one of the FILES of these blocks, one block after the other."""
    found = pa.concat_tables([block.tables[name] for block in blocks])
    # Chunks of a few dozen rows take longer to scan than to be copied together once; larger ones don't.
    return found.combine_chunks() if len(found) < 500 * len(blocks) else found


def remove(part: Path) -> None:
    """Remove an ingested part; killed half-way, it is no longer taken for a part.

    What can't be removed is warned of: its rows are stored, and the next ingest removes it.
    """
    kill_points.at("before-remove")
    doomed = part.with_name(f"{part.name}.ingested")
    try:
        shutil.rmtree(doomed, ignore_errors=True)
        part.rename(doomed)
        kill_points.at("within-remove")
        for file in doomed.iterdir():  # a quarter of the time of `rmtree`, which looks for folders below
            file.unlink()
        doomed.rmdir()
    except OSError as error:
        logger.warning("part=%s is stored but can't be removed: %s", part, error)
    kill_points.at("after-remove")


def quarantine(part: Path, reason: str) -> Path:
    """Put a part aside with the reason beside it, and return where it lies now."""
    folder = part.parents[1] / QUARANTINE / part.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{part.name}-{time.time_ns()}"
    part.rename(aside)  # first: on a full disk there is no room for a reason, and the others must go on
    _reason(aside).write_text(reason + "\n", encoding="utf-8", errors="backslashreplace")
    return aside


def put_aside(data: Path) -> list[tuple[Path, str]]:
    """The parts that lie aside, each with the reason, oldest last."""
    found = [path for path in (data / "spool" / QUARANTINE).glob("*/block-*") if not path.name.endswith(_REASON)]
    return [(path, _told(_reason(path))) for path in sorted(found, key=lambda path: path.name, reverse=True)]


def clean(data: Path) -> None:
    """Remove what killed writers and killed ingesters left; whoever still writes keeps its own."""
    for path in (data / "spool").glob("*/block-*"):
        match = _UNFINISHED.fullmatch(path.name)
        if match and not _has_a_writer(path, match["host"], match["pid"]):
            shutil.rmtree(path, ignore_errors=True)


_REASON = ".reason.txt"


def _reason(aside: Path) -> Path:
    return aside.with_name(f"{aside.name}{_REASON}")


def _told(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "its reason is not on record"


def _encoded(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema.with_metadata(_STATED)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _write_durably(path: Path, content: pa.Buffer | bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        kill_points.at("after-write")
        file.flush()
        os.fsync(file.fileno())


def _content(file: Path, most: int | None = None) -> bytes:
    """The bytes of a file that lies in the part itself: no link, which may lead anywhere, and no pipe, which may wait.

    Args:
        most: bytes that it can have, so that no memory is asked for one that grew out of all bounds.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise MalformedPart(f"{file.name} is no file")
            if most is not None and found.st_size > most:
                raise MalformedPart(f"{file.name} has {found.st_size} bytes and {most} at most are expected")
            with open(handle, "rb", closefd=False) as opened:
                return opened.read()
        finally:
            os.close(handle)
    except FileNotFoundError as error:
        raise MalformedPart(f"{file.name} is missing") from error
    except OSError as error:
        if error.errno in HOST_ERRORS:
            raise
        raise MalformedPart(f"{file.name} can't be read: {error.strerror}") from error


def _is_absent(part: Path, name: str, stated: Mapping[str, manifest.Statement] | None) -> bool:
    """Whether a file that has no rows was left out: no manifest states it, and none lies there."""
    file = f"{name}.arrow"
    unstated = stated is None or file not in stated
    return name in MAY_BE_ABSENT and unstated and not os.path.lexists(part / file)


def _read(file: Path, stated: Mapping[str, manifest.Statement] | None) -> pa.Table:
    if stated is not None and file.name not in stated:
        raise MalformedPart(f"{manifest.FILE} doesn't state {file.name}")
    statement = None if stated is None else stated[file.name]
    content = _content(file, None if statement is None else statement.size)
    if statement is not None:
        statement.check_content(file.name, content)
    try:
        found = pa.ipc.open_file(content).read_all()
        found.validate(full=True)  # a torn offset would be followed to wherever it points
    except (OSError, pa.ArrowException) as error:
        if statement is not None and isinstance(error, MemoryError):  # its lengths are as they were written
            raise
        raise MalformedPart(f"{file.name} can't be read: {error}") from error
    if statement is not None:
        statement.check_table(file.name, found)
    elif (found.schema.metadata or {}).items() >= _STATED.items():
        raise MalformedPart(f"{manifest.FILE} is missing")
    return found.replace_schema_metadata(None)


def _fitted(name: str, found: pa.Table, expected: pa.Schema) -> pa.Table:
    """The rows with the table's columns in its order."""
    if found.schema.equals(expected):
        return found
    if "descriptions" in expected.names:
        found = names.declare(found, expected.field("descriptions"))
    for field in found.schema:
        if field.name not in expected.names or expected.field(field.name).type != field.type:
            raise MalformedPart(f"{name} has a column {field.name} {field.type} that the table doesn't have")
    for field in expected:
        if field.name not in found.schema.names:
            if not field.nullable:
                raise MalformedPart(f"{name} lacks the column {field.name}")
            found = found.append_column(field, pa.nulls(len(found), field.type))
    try:
        return found.select(expected.names).cast(expected)
    except (ValueError, KeyError, pa.ArrowException) as error:  # nulls in a column that has none; a column twice
        raise MalformedPart(f"{name} doesn't fit the table: {error}") from error


def _not_finite(table: pa.Table) -> str | None:
    """The first column with a NaN or an infinite number in it, however deep."""
    for field in table.schema:
        if _holds_floats(field.type) and not all(map(_is_finite, table[field.name].chunks)):
            return str(field.name)
    return None


def _holds_floats(found: pa.DataType) -> bool:
    if pa.types.is_nested(found):
        return any(_holds_floats(found.field(at).type) for at in range(found.num_fields))
    return bool(pa.types.is_floating(found))


def _is_finite(array: pa.Array) -> bool:
    if pa.types.is_floating(array.type):
        return bool(np.isfinite(array.drop_null().to_numpy(zero_copy_only=False)).all())
    if pa.types.is_map(array.type):
        return _is_finite(array.keys) and _is_finite(array.items)
    if pa.types.is_struct(array.type):
        return all(map(_is_finite, array.flatten()))
    return not _holds_floats(array.type) or _is_finite(array.flatten())


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
        try:
            return time.time() - path.lstat().st_mtime < _FORGOTTEN
        except FileNotFoundError:  # it was finished meanwhile
            return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):  # no process has a number as long as that
        return False
    except PermissionError:
        pass
    return True
