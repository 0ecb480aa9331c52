"""Files that a scan passes over, counted by kind: names go in, one problem for each kind comes out.

File servers, operating systems and packers keep folders of their own in a share: thumbnails, recycle bins, snapshots.
Pictures in them are no pictures of the archive, and a snapshot may hold it all a hundred times over, so these folders
are counted and not entered. So are hidden ones. Files of kinds that hold pictures and aren't read are counted by kind,
and so are files that hold none, but for the tables that are read.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from warehouse.records.scoring import Unit
from workbench.archive.image_decoding import SUFFIXES
from workbench.archive.problems import Problem

_FOLDERS = """
    @eaDir, #recycle, #snapshot, @tmp, @sharebin, @Recycle, @Recently-Snapshot, @__thumb, ~snapshot, $RECYCLE.BIN,
    $Extend, RECYCLER, RECYCLED, System Volume Information, FOUND.000, lost+found, __MACOSX, Network Trash Folder,
    Temporary Items, Thumbs, _thumbs, _thumbnails
"""
HOUSEKEEPING = frozenset(name.strip().casefold() for name in _FOLDERS.split(","))

_PICTURES = """
    jp2 j2k jpf jpx j2c jxl gif heic heif hif avif apng svg psd exr hdr dcm ico tga pcx dds mpo dib fits fit dng
    pfm pam qoi cr2 cr3 nef arw raw raf orf rw2 pef srw czi nd2 lif vsi svs ndpi mrxs
"""
_FILMS = "avi mp4 mov mkv mpg mpeg wmv webm"
_PACKED = "zip tar gz tgz 7z rar bz2 xz zst parquet tfrecord h5 hdf5 npy npz"
UNREAD = frozenset(f".{kind}" for kind in f"{_PICTURES} {_FILMS} {_PACKED}".split())

# At the root; others are told. The last is read by `workbench knowledge import`.
TABLES = frozenset({"images.csv", "images.jsonl", "images.xlsx", "mmad.json", "domain_knowledge.json"})

_WHY: Mapping[str, tuple[Unit, str]] = {
    "housekeeping": ("folder", "a file server's or system's own"),
    "hidden": ("folder", "hidden"),
    "hidden pictures": ("file", "hidden"),
    "unread": ("file", "of a kind that isn't read"),
    "no pictures": ("file", "no picture by its name"),
}


def is_housekeeping(name: str) -> bool:
    """Whether a folder of this name is a file server's, a system's or a packer's own."""
    return name.casefold() in HOUSEKEEPING


@dataclass(slots=True)
class SkippedFiles:
    """What one scan passed over."""

    is_table: Callable[[str], bool] = lambda _: False  # whether a file lies where a table may that is read later
    tables: list[str] = field(default_factory=list)  # those that do
    first: dict[str, str] = field(default_factory=dict)  # a path of each kind
    names: dict[str, Counter[str]] = field(default_factory=dict)  # by kind: folders' names, files' suffixes

    def folder(self, path: str) -> bool:
        """Whether the folder is passed over; counts it if so."""
        name = posixpath.basename(path)
        kind = "housekeeping" if is_housekeeping(name) else "hidden" if name.startswith(".") else None
        return self._count(kind, path, name) if kind else False

    def file(self, path: str) -> bool:
        """Whether the file is passed over; counts it if it may hold pictures."""
        name, suffix = posixpath.basename(path), posixpath.splitext(path)[1].lower()
        if name.startswith("."):
            return self._count("hidden pictures", path, name) if suffix in SUFFIXES else True
        if suffix in UNREAD:
            return self._count("unread", path, suffix)
        if suffix in SUFFIXES:
            return False
        if path.lower() in TABLES:
            return True
        if self.is_table(path):
            self.tables.append(path)
            return True
        return self.no_picture(path)

    def no_picture(self, path: str) -> bool:
        """Count a file that holds no picture."""
        return self._count("no pictures", path, posixpath.splitext(path)[1].lower() or "without an ending")

    def problems(self) -> Iterable[Problem]:
        """One for each kind, at the first path of its kind."""
        for kind, names in sorted(self.names.items()):
            unit, why = _WHY[kind]
            told = "" if kind == "hidden pictures" else f": {by_kind(names)}"
            yield Problem(self.first[kind], f"{why}{told}", kind=why, unit=unit, count=names.total())

    def _count(self, kind: str, path: str, name: str) -> bool:
        self.first.setdefault(kind, path)
        self.names.setdefault(kind, Counter())[name] += 1
        return True


def note_left_behind(folder: Path, problems: Sequence[Problem]) -> None:
    """Leave in a copy of an archive what was left where the copy is from."""
    (folder / _LEFT_BEHIND).write_text(json.dumps([asdict(each) for each in problems]), encoding="utf-8")


def read_left_behind(root: Path) -> list[Problem]:
    """What was left where this copy of an archive is from; nothing where it is no copy."""
    try:
        return [Problem(**each) for each in json.loads((root / _LEFT_BEHIND).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


_LEFT_BEHIND = ".left-behind.json"  # hidden: a scan doesn't count it


def by_kind(names: Counter[str], limit: int = 6) -> str:
    """Such as `3 .png, 1 .pdf`, the commonest first."""
    said = ", ".join(f"{count:,} {name}" for name, count in names.most_common(limit))
    return f"{said}, ..." if len(names) > limit else said
