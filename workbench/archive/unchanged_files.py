"""Files of an archive as they lie on the disk, and which of them are what they were at the last scan."""

from __future__ import annotations

import os
import time
from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import polars as pl


class File(NamedTuple):  # a million of them: made and hashed three times as fast as a frozen dataclass
    """A file of an archive as the disk describes it."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def of_stat(path: str, stat: os.stat_result) -> File:
    """The file at a path relative to the archive's root."""
    # As DuckDB's BIGINT takes it: some file systems number files up to 2^64.
    return File(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & 2**63 - 1)


def named(root: Path, picture: str, registered: pl.DataFrame) -> Iterator[File]:
    """A picture, and what is known of its archive; nothing is listed, and what is gone is left out.

    Args:
        root: the archive's.
        picture: its path below the root.
        registered: the archive's stored entries: path, mask_path.
    """
    known: list[str] = []
    if not registered.is_empty():
        known = [*registered["path"], *registered["mask_path"].drop_nulls()]
    for path in dict.fromkeys((picture, *known)):
        try:
            yield of_stat(path, (root / path).stat())
        except OSError:
            continue


class Remembered:
    """What is known of the archive's files, and which of them are what they were."""

    def __init__(self, known: pl.DataFrame, again: Container[str], files: Sequence[File]) -> None:
        self._rows: dict[str, tuple[tuple[int | None, ...], str, datetime]] = {}
        self._tiled: set[str] = set()
        if not known.is_empty():
            rows = known.select("path", "size", "mtime_ns", "ctime_ns", "inode", "content", "seen_at").iter_rows()
            self._rows = {path: (tuple(stat), content, seen_at) for path, *stat, content, seen_at in rows}
            tiles = zip(known["path"], known["tile"], strict=True) if "tile" in known.columns else ()
            for path, tile in tiles:
                if tile is not None:
                    stat, _, seen_at = self._rows[path]
                    self._rows[path] = stat, tile["content"], seen_at
                    self._tiled.add(path)
        self._again, self._inodes = again, False
        alike = [file for file in files if self._agrees(file)]
        self._inodes = True
        self._inodes = 2 * sum(map(self._agrees, alike)) >= len(alike)

    def __contains__(self, file: object) -> bool:
        """Whether it needs not be read."""
        return isinstance(file, File) and file.path not in self._again and self._agrees(file)

    def is_whole(self, file: File) -> bool:
        """Whether it needs not be read and was no picture in tiles."""
        return file in self and file.path not in self._tiled

    def content_of(self, file: File) -> str | None:
        """What a file that needs not be read holds; None for one that must be."""
        return self._rows[file.path][1] if file in self else None

    def seen_at(self, path: str, content: str) -> datetime | None:
        """When the path was first seen with this content; None if it holds another now."""
        row = self._rows.get(path)
        return row[2] if row and row[1] == content else None

    def _agrees(self, file: File) -> bool:
        row = self._rows.get(file.path)
        if row is None:
            return False
        (size, mtime_ns, ctime_ns, inode), _, _ = row
        return (
            (size, mtime_ns) == (file.size, file.mtime_ns)
            and ctime_ns in (None, file.ctime_ns)
            and (inode in (None, file.inode) or not self._inodes)
        )


def unsettled(files: Sequence[File], remembered: Container[File], settle_seconds: float) -> set[str]:
    """New files that were changed just now, by the clock of this machine; one dated ahead of it counts as settled."""
    if not settle_seconds:
        return set()
    since = time.time_ns() - int(settle_seconds * 1e9)
    return {file.path for file in files if since < file.mtime_ns <= time.time_ns() and file not in remembered}


def changed_meanwhile(root: Path, file: File) -> bool:
    """Whether a file is another one by now; one that is gone is told by whoever opens it."""
    try:
        stat = (root / file.path).stat()
    except OSError:
        return False
    return of_stat(file.path, stat) != file
