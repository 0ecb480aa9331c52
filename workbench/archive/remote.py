"""Archives in object stores: an address goes in, a folder with the same files comes out.

The images of an s3://, gs:// or other address that fsspec knows are copied below the data folder, each once: an object
whose ETag (or size and time) is what it was is not fetched again. From there on an object store is a folder like any
other: scanned, scored, shown. What was given up is the disk that the copies take (`fetched_gib` bounds it); what was
won is that nothing else needs to know, and that a night survives a store that goes away. An object that is gone is gone
from the copy too; the record of it stays.

What was fetched is remembered object by object, in a journal: a line is written when an object is whole beside its
place, before it takes it. A line counts where the file has the size and time that it names, and what lies beside its
place is named by its version and whole when it has the object's size; so a process that is killed anywhere fetches
nothing twice and takes nothing old for new. Requests go out many at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from warehouse.errors import is_full_disk
from workbench.archive import sidecar, skipped_files, split_tables
from workbench.archive.problems import Problem, account, in_words
from workbench.archive.skipped_files import SkippedFiles
from workbench.errors import ArchiveError

logger = logging.getLogger(__name__)

_JOURNAL, _BEFORE = ".fetched.jsonl", ".fetched.json"  # hidden: the scan passes them over without a word
_NAMES = (*sidecar.NAMES, "mmad.json")
_REQUESTS = 32  # at a time
_MOST_FAILURES = 20  # objects of one pass; with more it is the store that can't be read
_TOLD_EVERY = 100  # objects


@dataclass(frozen=True, slots=True)
class _Object:
    """What a listing says of one object that is wanted."""

    path: str  # as the store names it
    version: str  # ETag, or size and time
    size: int
    changed_at: float | None  # seconds since 1970


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A line of the journal."""

    name: str
    version: str
    size: int
    mtime_ns: int

    def is_at(self, file: Path) -> bool:
        """Whether the file is the one that was fetched."""
        try:
            stat = file.stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns)


def is_remote(archive: str) -> bool:
    """Whether it is an address rather than a folder."""
    return "://" in archive


def local(archive: str, data: Path, step: Callable[[str], None], gib: float | None = None) -> Path:
    """The folder itself, or the up-to-date copy of an address.

    Args:
        archive: a folder, or an address.
        data: below which copies lie.
        step: is told what is being done.
        gib: a copy may take so much disk.

    Raises:
        ArchiveError: the address can't be listed or read, a package for it is missing, or its objects take more than
            `gib`. What was fetched stays.
    """
    if not is_remote(archive):
        return Path(archive)
    folder = data / "fetched" / _folder_name(archive)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _bring_up_to_date(archive, folder, step, gib)
    except ArchiveError:
        raise
    except Exception as error:  # every store's client has its own exceptions
        raise ArchiveError(f"the archive {archive} can't be read: {type(error).__name__}: {error}") from error
    return folder


def _bring_up_to_date(archive: str, folder: Path, step: Callable[[str], None], gib: float | None) -> None:
    import fsspec

    try:
        store, root = fsspec.core.url_to_fs(archive, use_listings_cache=False)
    except ImportError as error:
        raise ArchiveError(f"the archive {archive} needs a package that isn't installed here: {error}") from error
    step(f"listing {archive}")
    store.invalidate_cache()
    if not store.exists(root):
        raise ArchiveError(f"the archive {archive} isn't there")
    wanted, left_there = _wanted(archive, store, root)
    needed = sum(each.size for each in wanted.values()) / 2**30
    if gib is not None and needed > gib:
        raise ArchiveError(
            f"the pictures of {archive} take {needed:.1f} GiB and the setting fetched_gib allows {gib:g}; raise it, or "
            "name a folder of the store with less in it"
        )
    fetched = _journal(folder)
    for name in [name for name in fetched if name not in wanted]:
        (folder / name).unlink(missing_ok=True)
        del fetched[name]
    skipped_files.note_left_behind(folder, left_there)
    missing = {name: each for name, each in wanted.items() if not _is_here(fetched.get(name), each, folder)}
    with _rewritten(folder, fetched) as journal:
        failed = _fetch_all(store, missing, _Copy(folder, journal), step)
    if missing and not failed:
        for left in folder.rglob(".*.part"):  # of versions that are no more
            left.unlink(missing_ok=True)
    if failed and len(failed) == len(wanted):
        raise ArchiveError(f"none of the {len(wanted):,} objects of {archive} can be fetched: {failed[0]}")
    if failed:
        step(f"{len(failed)} of {len(wanted):,} objects can't be fetched, such as {failed[0]}")


def _wanted(archive: str, store: Any, root: str) -> tuple[dict[str, _Object], list[Problem]]:
    """The pictures, tables and questions that no folder above them keeps out, by name; the rest is counted by kind."""
    skipped = SkippedFiles()
    found: dict[str, _Object] = {}
    closed: set[str] = set()
    listed: dict[str, Mapping[str, Any]] = store.find(root, detail=True)
    for path in sorted(listed):
        info, name = listed.pop(path), os.path.relpath(path, root)  # what stores say of an object takes a kilobyte
        if ".." not in PurePosixPath(name).parts and not _is_kept_out(name, closed, skipped):
            found[name] = _Object(path, _version(info), int(info.get("size") or 0), _changed_at(info))
    note = list(skipped.problems())
    for kind in account(note):
        logger.warning("archive=%s passed over: %s", archive, in_words(kind))
    return found, note


def _is_kept_out(name: str, closed: set[str], skipped: SkippedFiles) -> bool:
    folders = [str(folder) for folder in reversed(PurePosixPath(name).parents) if folder.name]
    outermost = next((folder for folder in folders if folder in closed or skipped.folder(folder)), None)
    if outermost is not None:
        closed.add(outermost)
        return True
    is_table = PurePosixPath(name).name.lower() in _NAMES or split_tables.is_candidate(name)
    return not is_table and skipped.file(name)


class _Copy:
    """The folder that objects are copied to, with its journal."""

    def __init__(self, folder: Path, journal: TextIO) -> None:
        self._folder, self._journal, self._turn = folder, journal, threading.Lock()

    def fetch(self, store: Any, name: str, wanted: _Object) -> None:
        """One object to its place, with the store's time; what an earlier process left whole beside it is taken."""
        target, whole = self._folder / name, _beside(self._folder / name, wanted.version)
        if not (wanted.size and whole.exists() and whole.stat().st_size == wanted.size):
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch(store, wanted.path, whole)
        if wanted.changed_at is not None:
            os.utime(whole, (wanted.changed_at, wanted.changed_at))
        stat = whole.stat()
        line = json.dumps(asdict(_Fetched(name, wanted.version, stat.st_size, stat.st_mtime_ns)))
        with self._turn:
            self._journal.write(f"{line}\n")
            self._journal.flush()
            whole.rename(target)


def _fetch(store: Any, path: str, target: Path) -> None:
    store.get_file(path, str(target))


def _is_here(fetched: _Fetched | None, wanted: _Object, folder: Path) -> bool:
    """Whether this version lies in its place."""
    return fetched is not None and fetched.version == wanted.version and fetched.is_at(folder / fetched.name)


def _fetch_all(store: Any, missing: Mapping[str, _Object], copy: _Copy, step: Callable[[str], None]) -> list[str]:
    """Fetch them, many at a time; what can't be fetched is told and tried again by the next pass.

    Raises:
        Exception: the disk is full, or so many failed that the store can't be read; what was fetched is remembered.
    """
    failed: list[str] = []

    def fetch(name: str) -> Exception | None:
        try:
            copy.fetch(store, name, missing[name])
        except Exception as error:  # noqa: BLE001 - whatever one object raises, the others are fetched
            return error
        return None

    names = list(missing)
    with ThreadPoolExecutor(_REQUESTS) as requests:
        for start in range(0, len(names), _TOLD_EVERY):
            batch = names[start : start + _TOLD_EVERY]
            step(f"fetching {start + 1:,} to {start + len(batch):,} of {len(names):,} objects")
            for name, error in zip(batch, requests.map(fetch, batch), strict=True):
                if error is None:
                    continue
                if is_full_disk(error) or len(failed) + 1 >= _MOST_FAILURES:
                    raise error
                logger.warning("object=%s can't be fetched, the next pass tries again: %s", name, error)
                failed.append(f"{name}: {type(error).__name__}: {error}")
    return failed


def _beside(target: Path, version: str) -> Path:
    """Where an object lies until it is whole; of another version in another file."""
    return target.with_name(f".{target.name}.{hashlib.sha256(version.encode()).hexdigest()[:8]}.part")


def _changed_at(info: Mapping[str, Any]) -> float | None:
    """When the store says that the object was written, in seconds since 1970."""
    said = next((info[key] for key in ("LastModified", "updated", "created", "mtime") if info.get(key)), None)
    with contextlib.suppress(ValueError, OverflowError):
        if isinstance(said, str):
            said = datetime.fromisoformat(said)
        if isinstance(said, datetime):
            return said.timestamp()
        if isinstance(said, int | float):
            return float(said)
    return None


def _version(info: Mapping[str, Any]) -> str:
    named = next((str(info[key]) for key in ("ETag", "etag", "generation", "md5Hash") if info.get(key)), None)
    times = (info.get(key) for key in ("LastModified", "updated", "created", "mtime"))
    return named or f"{info.get('size')} {next((str(time) for time in times if time), '')}"


def _journal(folder: Path) -> dict[str, _Fetched]:
    """What was fetched, by name; of several lines the last, and none that a kill cut off."""
    found: dict[str, _Fetched] = {}
    for line in _lines(folder / _JOURNAL):
        with contextlib.suppress(ValueError, TypeError):
            each = _Fetched(**json.loads(line))
            found[each.name] = each
    return found or _older_manifest(folder)


def _older_manifest(folder: Path) -> dict[str, _Fetched]:
    """What an earlier release remembered: names and versions; the files' own sizes and times are taken as fetched."""
    found: dict[str, _Fetched] = {}
    with contextlib.suppress(ValueError, OSError, AttributeError):
        for name, version in json.loads((folder / _BEFORE).read_text(encoding="utf-8")).items():
            with contextlib.suppress(OSError):
                stat = (folder / name).stat()
                found[name] = _Fetched(name, version, stat.st_size, stat.st_mtime_ns)
    return found


def _lines(file: Path) -> Sequence[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()


@contextlib.contextmanager
def _rewritten(folder: Path, fetched: Mapping[str, _Fetched]) -> Iterator[TextIO]:
    """The journal with one line for each object, open for more."""
    unfinished = folder / f"{_JOURNAL}.tmp"
    with unfinished.open("w", encoding="utf-8") as journal:
        journal.writelines(json.dumps(asdict(each)) + "\n" for each in fetched.values())
        journal.flush()
        unfinished.rename(folder / _JOURNAL)
        (folder / _BEFORE).unlink(missing_ok=True)
        yield journal


def _folder_name(archive: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", archive.rstrip("/")).strip("-")[-60:]
    return f"{plain}-{hashlib.sha256(archive.encode()).hexdigest()[:8]}"
