"""From a folder of images to entries: what is there, what it is, and what it is called.

A folder and what is known of it from last time go in; entries, references and problems come out. The identity of an
image is the SHA-256 of its bytes; a file is not read again whose path, size, modification time, change time and inode
are those that are known. What is read is measured too (`measures.py`); a file that is no picture is an entry without
measures, and fails with its reason when it is opened.

The change time finds what a copy hides that keeps its source's time. It and the inode can only cause a file to be read
in vain, never a wrong answer, as whoever opens a picture checks its content. Two choices keep that cheap. Entries from
before either was stored are taken as known, and both are filled in. Inodes count only while most stay what they were:
some network shares number all files anew when they are mounted, and reading a million files each time would cost a
night. Given up: a file that another one replaced at that very scan with size and both times the same.

Links to folders are not followed: what they point to inside the archive is found at its own place, so a loop can't
arise, and what lies outside isn't part of the archive. A link to a file counts if the file lies inside, or in the
Hugging Face cache that the archive is a snapshot in; those are counted in a note. What is passed over is told by kind
with its count (`skipped_files.py`), and an item that can't be asked what it is ends no scan.

Knows nothing of storage, questions or the model.
"""

from __future__ import annotations

import hashlib
import operator
import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import polars as pl

from warehouse.bounded import is_text
from warehouse.identity import cluster_id
from warehouse.records.measures import Measures
from warehouse.records.scoring import Archive, Entry
from workbench import wording
from workbench.archive import image_paths, labels, layout, sidecar, skipped_files, split_tables, unchanged_files
from workbench.archive.image_decoding import frame_of, open_image
from workbench.archive.labels import Label
from workbench.archive.layout_table import Layout
from workbench.archive.measuring import Measuring
from workbench.archive.picture_entry import labelled_by_mask, make_entry
from workbench.archive.picture_memory import PIXEL_LIMIT
from workbench.archive.problems import Problem, printable
from workbench.archive.sidecar import ISO, Times
from workbench.archive.skipped_files import SkippedFiles
from workbench.archive.tiles import Tiling, tile_notes
from workbench.archive.unchanged_files import File, Remembered, of_stat
from workbench.errors import ArchiveError, UnreadableImage

__all__ = ["Problem", "Scan", "content_of", "identify", "scan"]

_READERS = 8  # threads; on a network disk most of the time is spent waiting
_BATCH = 2048  # files handed to them at once, so that memory stays flat
_TOGETHER = 32  # files of a task, at most

_Read = Callable[[Sequence[Path]], Sequence[str | Exception]]  # each file's SHA-256, or why it can't be read

# What may change about an entry; a mask that only a question file names is found again when the image is asked about.
_SAID = (
    "size", "mtime_ns", "dataset", "product", "label", "defect", "reference_path", "line", "camera", "captured_at",
    "ctime_ns", "inode", "serial", "lot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """An archive as it lies there now. Remember `registered`, all of it, so that nothing is read twice."""

    archive: Archive
    entries: list[Entry]  # the images to score, by path
    references: list[Entry]  # normal images that others are compared with, by path
    problems: list[Problem]  # what was left out
    images_read: int  # how many had to be read to know their content
    waiting: list[str] = field(default_factory=list)  # paths of files that may still be being written
    notes: tuple[str, ...] = ()  # what a person should see: links that were followed, how words were read as labels
    layouts: Mapping[str, int] = field(default_factory=dict)  # how many pictures lie in which layout
    measures: Sequence[Measures] = ()  # of the pictures that were read, one of each content

    @property
    def registered(self) -> list[Entry]:
        """Everything the warehouse should know: the entries, then the references."""
        return [*self.entries, *self.references]


def scan(
    root: Path,
    registered: pl.DataFrame,
    sidecar_file: Path | None = None,
    progress: Callable[[int], None] | None = None,
    read_content: Callable[[Path], str] | None = None,
    settle_seconds: float = 0.0,
    again: Container[str] = frozenset(),
    picture: str | None = None,
    layouts: Sequence[Layout] = (),
    times: Times = ISO,
    tiling: Tiling | None = None,
    unmeasured: Container[str] | None = None,
) -> Scan:
    """The archive below `root`, in the order of its paths.

    Args:
        registered: the archive's stored entries (path, size, mtime_ns, ctime_ns, inode, content, seen_at); empty at the
            first scan.
        sidecar_file: instead of the archive's own images.csv, images.jsonl or images.xlsx.
        progress: is told how many images are done, now and then.
        read_content: what reads a file to its SHA-256; the tests count with it.
        settle_seconds: a new or changed file must have been left alone for so long, else it waits for another scan;
            0 takes all as they are.
        again: paths to read whatever is known, as those of pictures that failed: a file system may hide a change.
        picture: only this one, with what is known of the archive as its references; no folder of pictures is listed.
        layouts: one's own, looked for before the project's.
        times: how the sidecar's are meant where they don't say it themselves.
        tiling: which pictures become an entry per tile; None: none does.
        unmeasured: contents of known pictures to measure beside those that are read; None: nothing is measured.

    Raises:
        ArchiveError: the folder or the sidecar can't be used at all.
    """
    archive = identify(root)
    root = Path(archive.root)
    problems: list[Problem] = []
    skipped = SkippedFiles(split_tables.is_candidate, [] if picture is None else split_tables.near(root, picture))
    listed = _walk(root, problems, skipped) if picture is None else unchanged_files.named(root, picture, registered)
    files = {file.path: file for file in listed}

    table, rows = _rows(root, sidecar_file, files, problems, times)
    words = labels.read_column(row.label for row in rows.values() if row.label)
    understood = layout.places(root, files, layouts)
    splits = split_tables.read(root, skipped.tables, understood.places)
    places = understood.places | splits.places
    for path in splits.other_tables:
        if sidecar_file is None or root / path != sidecar_file.absolute():
            skipped.no_picture(path)
    problems += [*skipped.problems(), *skipped_files.read_left_behind(root), *understood.problems, *splits.problems]
    as_masks = {row.mask for row in rows.values() if row.mask}
    serving = {row.reference for row in rows.values() if row.reference} - rows.keys()
    wanted = [files[path] for path in sorted(places) if places[path].role != "mask" and path not in as_masks]
    if picture is not None:
        places.setdefault(picture, layout.Place("query", root.name, layout.UNKNOWN, None, None))
        serving -= {picture}
        wanted = [files[picture]] + [
            file
            for file in wanted
            if file.path != picture and (places[file.path].role == "reference" or file.path in serving)
        ]

    measuring = None if unmeasured is None else Measuring()
    read = measuring.read if measuring and read_content is None else _each(read_content or content_of)
    remembered = Remembered(registered, again, wanted)
    waiting = unchanged_files.unsettled(wanted, remembered, settle_seconds)
    wanted = [file for file in wanted if file.path not in waiting]
    entries: list[Entry] = []
    references: list[Entry] = []
    images_read = 0
    with ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            unread = [file for file in batch if file not in remembered]
            images_read += len(unread)
            fresh = _contents(root, unread, read, readers, problems)
            if measuring and unmeasured:
                known = {file: content for file in batch if (content := remembered.content_of(file)) in unmeasured}
                list(readers.map(measuring.measure_known, (root / file.path for file in known), known.values()))
            if settle_seconds:
                waiting |= {file.path for file in unread if unchanged_files.changed_meanwhile(root, file)}
            for file in batch:
                if file.path in waiting:
                    continue
                content = remembered.content_of(file) or fresh[file.path]
                if content is not None:
                    seen_at = remembered.seen_at(file.path, content) or archive.registered_at
                    place = labelled_by_mask(root, places[file.path])
                    serves = file.path != picture and (place.role == "reference" or file.path in serving)
                    entry = make_entry(archive, file, content, seen_at, place, rows.get(file.path), words)
                    parts = tiling.split(entry, root, remembered.is_whole(file)) if tiling else [entry]
                    (references if serves else entries).extend(parts)
                    if measuring and parts[0].tile:
                        chosen = [
                            part for part in parts if file not in remembered or part.content in (unmeasured or ())
                        ]
                        measuring.measure_tiles(root / file.path, chosen)
            if progress:
                progress(start + len(batch))
    defective = {entry.path for entry in (*entries, *references) if entry.label == "defective"}
    for entry in entries:
        if entry.reference_path in defective:
            reason = "its reference is labelled defective"
            problems.append(Problem(entry.path, f"{reason}: {entry.reference_path}", kind=reason, unit="remark"))
    measures = measuring.measures if measuring else ()
    if picture is not None:
        told = [one for one in problems if one.path == picture]
        return Scan(archive, entries, references, told, images_read, measures=measures)
    said = _label_notes(entries, places, table, rows, words)
    notes = (*_link_notes(root, files), *splits.notes, *said, *tile_notes(entries))
    return Scan(
        archive, entries, references, problems, images_read, sorted(waiting), notes, understood.layouts, measures
    )


def identify(root: Path) -> Archive:
    """The archive below `root`, by its resolved path.

    Raises:
        ArchiveError: there is no such folder, or it can't be listed.
    """
    try:
        root = root.resolve(strict=True)
        os.scandir(root).close()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArchiveError(f"the archive {root} can't be listed: {reason}") from error
    if not is_text(str(root)):
        raise ArchiveError(f"the archive's path isn't UTF-8: {printable(str(root))}; rename the folder")
    return Archive(hashlib.sha256(str(root).encode()).hexdigest()[:16], str(root), root.name, datetime.now(UTC))


def placed(picture: Path, archives: Sequence[Archive]) -> tuple[Path, str]:
    """The root of the archive that a picture belongs to, and its path below it: the nearest known one, else its folder.

    Raises:
        ArchiveError: it can't be read as a picture.
    """
    try:
        picture = picture.resolve(strict=True)
        if not _is_large(picture):
            open_image(picture)
    except (OSError, RuntimeError, UnreadableImage) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArchiveError(f"{picture} can't be scored: {reason}; give a picture, or a folder of pictures") from error
    roots = [Path(archive.root) for archive in archives if picture.is_relative_to(archive.root)]
    root = max(roots, key=lambda root: len(root.parts), default=picture.parent)
    return root, picture.relative_to(root).as_posix()


def _is_large(picture: Path) -> bool:
    """Whether it is opened by its tiles alone."""
    try:
        width, height = frame_of(picture).upright
    except UnreadableImage:
        return False
    return width * height > PIXEL_LIMIT


def is_there(root: Path) -> bool:
    """Whether the folder can be listed and has something in it; an unmounted disk leaves an empty folder."""
    try:
        with os.scandir(root) as listing:
            return any(not item.name.startswith(".") for item in listing)
    except OSError:
        return False


def changed(entries: Sequence[Entry], registered: pl.DataFrame) -> list[Entry]:
    """The entries that are new, or of which the archive says something else than what is known."""
    if registered.is_empty():
        return list(entries)
    as_known = dict(zip(registered["image_id"], registered.select(*_SAID).iter_rows(), strict=True))
    said = operator.attrgetter(*_SAID)
    return [entry for entry in entries if as_known.get(entry.image_id) != said(entry)]


def content_of(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _walk(root: Path, problems: list[Problem], skipped: SkippedFiles) -> Iterator[File]:
    """Every image file below the root; what can't be used is a problem, and what isn't meant to be is counted."""
    folders = [""]
    while folders:
        folder = folders.pop()
        for item in _listing(root, folder, problems):
            path = f"{folder}/{item.name}" if folder else item.name
            if not is_text(path):
                problems.append(Problem(path, "the name isn't UTF-8; rename it"))
                continue
            try:
                is_folder = item.is_dir(follow_symlinks=False)
            except Exception as error:  # noqa: BLE001 - whatever one item raises, the others are found
                problems.append(Problem(path, _why(error)))
                continue
            if is_folder:
                if not skipped.folder(path):
                    folders.append(path)
                continue
            file = _file(root, path, item, skipped)
            if isinstance(file, File):
                yield file
            elif file:
                problems.append(file)


def _listing(root: Path, folder: str, problems: list[Problem]) -> list[os.DirEntry[str]]:
    """A folder's items by name; as many as came, if the listing breaks off."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(root / folder) as listing:
            for item in listing:
                found.append(item)
    except Exception as error:  # noqa: BLE001 - whatever one folder raises, the others are listed
        what = "the folder's listing broke off" if found else "the folder can't be listed"
        problems.append(Problem(folder or ".", f"{what}: {getattr(error, 'strerror', None) or error}", unit="folder"))
    return sorted(found, key=lambda item: item.name)


def _file(root: Path, path: str, item: os.DirEntry[str], skipped: SkippedFiles) -> File | Problem | None:
    """The image file; or why it can't be used; or None for what isn't meant to be an image."""
    try:
        is_link = item.is_symlink()
        if is_link and not item.name.startswith("."):
            target = Path(item.path).resolve(strict=True)
            if target.is_dir():
                reason = "a link to a folder isn't followed"
                return Problem(path, f"{reason}: {target}", kind=reason, unit="link")
        if skipped.file(path):
            return None
        if is_link and not target.is_relative_to(image_paths.link_folder(root)):
            return Problem(path, "a link that leaves the archive isn't followed; copy its file here", unit="link")
        stat = item.stat()
        return of_stat(path, stat) if item.is_file() else Problem(path, "not a file")
    except Exception as error:  # noqa: BLE001 - RuntimeError is pathlib's word for links that go in a circle
        return Problem(path, _why(error))


def _each(read_content: Callable[[Path], str]) -> _Read:
    """Reads files one by one."""

    def read(file: Path) -> str | Exception:
        try:
            return read_content(file)
        except Exception as error:  # noqa: BLE001 - whatever one file raises, the others are read
            return error

    return lambda files: [read(file) for file in files]


def _contents(
    root: Path, files: Sequence[File], read: _Read, readers: ThreadPoolExecutor, problems: list[Problem]
) -> dict[str, str | None]:
    """Content by path, None where the file can't be read any more (a problem)."""
    step = max(1, min(_TOGETHER, len(files) // _READERS))
    tasks = ([root / file.path for file in files[start : start + step]] for start in range(0, len(files), step))
    contents: dict[str, str | None] = {}
    for file, content in zip(files, chain.from_iterable(readers.map(read, tasks)), strict=True):
        if isinstance(content, Exception):
            problems.append(Problem(file.path, _why(content)))
        contents[file.path] = content if isinstance(content, str) else None
    return contents


def _why(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "vanished while the archive was scanned, or a link that leads nowhere"
        case PermissionError():
            return "permission denied: the file can't be read"
    return f"can't be read: {getattr(error, 'strerror', None) or error}"


def _rows(
    root: Path, given: Path | None, files: dict[str, File], problems: list[Problem], times: Times
) -> tuple[str, dict[str, sidecar.Row]]:
    """The sidecar's name, and its rows by image; a mask or reference that isn't there is taken out of its row."""
    file = given or sidecar.find(root)
    if file is None:
        return "", {}
    if given is None:
        beside = [name for name in sidecar.NAMES if name != file.name and (root / name).is_file()]
        problems += (Problem(name, f"not read: {file.name} counts") for name in beside)
    said, invalid = sidecar.read(file, times)
    problems += invalid
    there = sidecar.Paths(files)
    rows: dict[str, sidecar.Row] = {}
    for name, row in said.items():
        path = there.find(name)
        if path is None:
            absent = f"{file.name} names it, but the archive has no such image"
            problems.append(Problem(name, absent, unit="row"))
            continue
        if path in rows:
            twice = f"another row of {file.name} names the same image; the first one counts"
            problems.append(Problem(name, twice, unit="row"))
            continue
        found = {"mask": row.mask and there.find(row.mask), "reference": row.reference and there.find(row.reference)}
        for kind, file_path in found.items():
            if getattr(row, kind) and file_path is None:
                reason = f"{file.name} gives it the {kind} {getattr(row, kind)}, which isn't there"
                absent = f"{file.name} gives it a {kind} that isn't there"
                problems.append(Problem(path, reason, kind=absent, unit="field"))
            if file_path == path:
                itself = f"{file.name} gives it itself as its {kind}, which isn't used"
                problems.append(Problem(path, itself, unit="field"))
                found[kind] = None
        rows[path] = row.model_copy(update=found)
    for path in sorted({row.mask for row in rows.values() if row.mask} & rows.keys()):
        a_mask = f"{file.name} has a row for it and gives it to another image as its mask: it isn't scored"
        problems.append(Problem(path, a_mask, unit="row"))
    return file.name, rows


def _link_notes(root: Path, files: Iterable[str]) -> Iterator[str]:
    """How many links lead out of the archive into the Hugging Face cache that it is a part of, and are followed."""
    repository = image_paths.link_folder(root)
    if repository != root:
        followed = sum((root / path).is_symlink() for path in files)
        yield f"{wording.counted(followed, 'link')} into the Hugging Face cache {repository.name} followed"


def _label_notes(
    entries: Sequence[Entry],
    places: Mapping[str, layout.Place],
    table: str,
    rows: Mapping[str, sidecar.Row],
    words: Mapping[str, Label],
) -> Iterator[str]:
    """How the table's and the folders' words, and its serials, were read, so that a person sees a misreading."""
    column = Counter(row.label for row in rows.values() if row.label)
    if column:
        yield f"labels in {table}: {labels.counts(column, words)}"
    said_by_row = {path for path, row in rows.items() if row.label and words[row.label].label}
    kinds = [places[entry.path] for entry in entries if places[entry.path].kind and entry.path not in said_by_row]
    if kinds:
        yield f"labels of folders: {layout.counts(kinds)}"
    named = [entry for entry in entries if entry.serial is not None]
    if named:
        pieces = len({cluster_id(entry) for entry in named})
        yield (
            f"{f'serial in {table}' if table else 'serials of names'}: {wording.counted(len(named), 'image')} of "
            f"{wording.counted(pieces, 'piece')}; a piece counts once in every interval"
        )
