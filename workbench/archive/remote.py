"""Archives in object stores: an address goes in, a folder with the same files comes out.

The images of an s3://, gs:// or other address that fsspec knows are copied below the data folder, each once: an object
whose ETag (or size and time) is what it was is not fetched again. From there on an object store is a folder like any
other: scanned, scored, shown. What was given up is the disk that the copies take; what was won is that nothing else
needs to know, and that a night survives a store that goes away. An object that is gone is gone from the copy too; the
record of it stays.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from warehouse.errors import is_full_disk
from workbench.archive import sidecar
from workbench.archive.skipped_files import PassedOver
from workbench.errors import ArchiveError

logger = logging.getLogger(__name__)

_MANIFEST = ".fetched.json"  # hidden: the scan passes it over without a word
_NAMES = (*sidecar.NAMES, "mmad.json")
_MOST_FAILURES = 20  # objects of one pass; with more it is the store that can't be read

logger = logging.getLogger(__name__)


def is_remote(archive: str) -> bool:
    """Whether it is an address rather than a folder."""
    return "://" in archive


def local(archive: str, data: Path, step: Callable[[str], None]) -> Path:
    """The folder itself, or the up-to-date copy of an address.

    Raises:
        ArchiveError: the address can't be listed or read, or a package for it is missing. What was fetched stays.
    """
    if not is_remote(archive):
        return Path(archive)
    folder = data / "fetched" / _folder_name(archive)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _bring_up_to_date(archive, folder, step)
    except ArchiveError:
        raise
    except Exception as error:  # every store's client has its own exceptions
        raise ArchiveError(f"the archive {archive} can't be read: {type(error).__name__}: {error}") from error
    return folder


def _bring_up_to_date(archive: str, folder: Path, step: Callable[[str], None]) -> None:
    import fsspec

    try:
        store, root = fsspec.core.url_to_fs(archive)
    except ImportError as error:
        raise ArchiveError(f"the archive {archive} needs a package that isn't installed here: {error}") from error
    step(f"listing {archive}")
    store.invalidate_cache()
    if not store.exists(root):
        raise ArchiveError(f"the archive {archive} isn't there")
    listed: dict[str, Mapping[str, Any]] = store.find(root, detail=True)
    names = {path: os.path.relpath(path, root) for path in listed}
    passed_over = PassedOver()
    wanted = _wanted(sorted(names.values()), passed_over)
    found = {path: info for path, info in listed.items() if names[path] in wanted}
    for problem in passed_over.problems():
        logger.warning("archive=%s path=%s %s", archive, problem.path, problem.reason)
    fetched = _manifest(folder)
    now: dict[str, str] = {}
    failed: list[str] = []
    for number, (path, info) in enumerate(sorted(found.items())):
        name = names[path]
        version, target = _version(info), folder / name
        if ".." in PurePosixPath(name).parts:
            continue
        if fetched.get(name) != version or not target.exists():
            step(f"fetching {number + 1:,} of {len(found):,} objects")
            try:
                _fetch(store, path, target, info)
            except Exception as error:
                if is_full_disk(error) or len(failed) + 1 >= _MOST_FAILURES:
                    raise
                logger.warning("object=%s can't be fetched, the next pass tries again: %s", name, error)
                failed.append(f"{name}: {type(error).__name__}: {error}")
                version = ""  # what there is of it stays, and is fetched again
        now[name] = version
    if failed and len(failed) == len(found):
        raise ArchiveError(f"none of the {len(found):,} objects of {archive} can be fetched: {failed[0]}")
    if failed:
        step(f"{len(failed)} of {len(found):,} objects can't be fetched, such as {failed[0]}")
    for name in fetched.keys() - now.keys():
        (folder / name).unlink(missing_ok=True)
    unfinished = folder / f"{_MANIFEST}.tmp"
    unfinished.write_text(json.dumps(now), encoding="utf-8")
    unfinished.rename(folder / _MANIFEST)


def _fetch(store: Any, path: str, target: Path, info: Mapping[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    with store.open(path, "rb") as source, unfinished.open("wb") as copy:
        while piece := source.read(2**20):
            copy.write(piece)
    changed_at = next((info[key] for key in ("LastModified", "updated", "created", "mtime") if info.get(key)), None)
    if isinstance(changed_at, str):
        changed_at = datetime.fromisoformat(changed_at)
    if isinstance(changed_at, datetime):
        os.utime(unfinished, (changed_at.timestamp(), changed_at.timestamp()))
    unfinished.rename(target)


def _wanted(names: Iterable[str], passed_over: PassedOver) -> frozenset[str]:
    """The names of pictures, tables and questions that no folder above them keeps out; the rest is counted."""
    wanted: set[str] = set()
    closed: set[str] = set()
    for name in names:
        folders = [str(folder) for folder in reversed(PurePosixPath(name).parents) if folder.name]
        outermost = next((folder for folder in folders if folder in closed or passed_over.folder(folder)), None)
        if outermost is not None:
            closed.add(outermost)
        elif PurePosixPath(name).name.lower() in _NAMES or not passed_over.file(name):
            wanted.add(name)
    return frozenset(wanted)


def _version(info: Mapping[str, Any]) -> str:
    named = next((str(info[key]) for key in ("ETag", "etag", "generation", "md5Hash") if info.get(key)), None)
    times = (info.get(key) for key in ("LastModified", "updated", "created", "mtime"))
    return named or f"{info.get('size')} {next((str(time) for time in times if time), '')}"


def _manifest(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _folder_name(archive: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", archive.rstrip("/")).strip("-")[-60:]
    return f"{plain}-{hashlib.sha256(archive.encode()).hexdigest()[:8]}"
