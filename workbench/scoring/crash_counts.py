"""Crash counts of images: a poison pill, an image that kills every process that opens or answers it, is passed over.

Before images go to the model their ids are written down, and struck out when they are answered: a death while answers
are stored is no image's. A coordinator that finds some at its start, or after a process of its own died, knows where
that one died. Images that were there once are answered one at a time, so that the next death has one name on it, and
then together again, as those of a run that was never cut; images that were there `MOST` times are stored as failed and
not tried again. A kill that had nothing to do with the image counts too: it can't be told apart from a crash.

Files are opened ahead, while other images are answered, and their contents are written down likewise, under a word of
their own. A death counts for both; what it counted for is then opened and answered while nothing else goes on
(`safe_opening.py`), so that neither is blamed for the other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from warehouse.errors import full_disk_named
from warehouse.failures import POISON
from workbench.errors import DeviceLost
from workbench.scoring.block import OpenedBlock, Rows
from workbench.scoring.plan import Block

T = TypeVar("T")

FOLDER = "tries"  # below the data folder
MOST = 2  # deaths of processes over one image: it isn't tried again; `failures.POISON` says so
ANSWERING, OPENING = "at-work", "opening"  # in the names of the files that say what a process is at


class CrashCounts:
    """The deaths of one run's processes, as its coordinator counts them."""

    def __init__(self, data: Path, run_id: str) -> None:
        self._folder, self._run_id = data / FOLDER, run_id
        self._deaths_file = self._folder / f"{run_id}.json"
        self._deaths: Counter[str] = Counter(_read(self._deaths_file, {}))
        for doing in (ANSWERING, OPENING):
            for left in sorted(self._folder.glob(f"{run_id}.{doing}-*.json")):
                self._bury(left)

    def of(self, names: Iterable[str]) -> dict[str, int]:
        """How often a process died over each of these names of images, blocks and files; those of none are left out."""
        return {name: self._deaths[name] for name in names if self._deaths[name]}

    def died(self, place: int) -> None:
        """The process of this place is dead: what it was at counts."""
        for doing in (ANSWERING, OPENING):
            self._bury(_file(self._folder, self._run_id, place, doing))

    def spare(self, place: int) -> None:
        """The process of this place was ended on purpose: what it was at doesn't count."""
        for doing in (ANSWERING, OPENING):
            _file(self._folder, self._run_id, place, doing).unlink(missing_ok=True)

    def forget(self) -> None:
        """The run is finished."""
        self._deaths_file.unlink(missing_ok=True)

    def _bury(self, file: Path) -> None:
        died_at: list[str] = _read(file, [])
        if died_at:
            self._deaths.update(died_at)
            _write(self._deaths_file, dict(self._deaths))
        file.unlink(missing_ok=True)


class AtWork:
    """What one process of a run is answering or opening, written where its coordinator finds it."""

    def __init__(self, data: Path, run_id: str, place: int, doing: str = ANSWERING) -> None:
        self._file = _file(data / FOLDER, run_id, place, doing)

    @contextmanager
    def on(self, names: Iterable[str]) -> Iterator[None]:
        """These are being answered or opened meanwhile.

        An exception is no death, the process lives to tell; but for a lost device, which the process can't survive.
        """
        _write(self._file, sorted(names))
        try:
            yield
        except DeviceLost:
            raise
        except BaseException:
            self._file.unlink(missing_ok=True)
            raise
        self._file.unlink(missing_ok=True)


def named(block: Block) -> str:
    """What stands for a block that is answered together once more."""
    return f"block {block.number}"


def opening(file: str) -> str:
    """What stands for a file that is opened: a picture by its content, a mask by its path."""
    return f"opening {file}"


def files_of(block: Block) -> set[str]:
    """What stands for the files that the block needs opened."""
    files = {item.entry.file_content for item in block.asked}
    files |= {item.reference.file_content for item in block.asked if item.reference}
    return {opening(file) for file in files | {item.entry.mask_path for item in block.asked if item.entry.mask_path}}


def only(opened: OpenedBlock, image_id: str) -> OpenedBlock:
    """The block's questions about one of its images."""
    asked = tuple(item for item in opened.block.asked if item.entry.image_id == image_id)
    share = opened.seconds * len(asked) / len(opened.block.asked)
    picture = opened.queries[image_id]
    return replace(opened, block=replace(opened.block, asked=asked), queries={image_id: picture}, seconds=share)


def passed_over(opened: OpenedBlock) -> OpenedBlock:
    """The block with none of its images opened, so that each of its questions becomes a failure with the reason."""
    return replace(opened, queries=dict.fromkeys(opened.queries, POISON))


def joined(parts: Iterable[Rows]) -> Rows:
    """The rows of a block that was answered in pieces."""
    whole = Rows()
    for part in parts:
        whole.predictions.extend(part.predictions)
        whole.patches.extend(part.patches)
        whole.image_vectors.extend(part.image_vectors)
        whole.patch_vectors.extend(part.patch_vectors)
        whole.comparisons.extend(part.comparisons)
        whole = replace(whole, retrieval_seconds=whole.retrieval_seconds + part.retrieval_seconds)
    return whole


def _file(folder: Path, run_id: str, place: int, doing: str) -> Path:
    return folder / f"{run_id}.{doing}-{place}.json"


def _read(file: Path, nothing: T) -> T:
    try:
        found: T = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none yet, or the process died while writing it
        return nothing
    return found


def _write(file: Path, what: object) -> None:
    with full_disk_named(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(what), encoding="utf-8")
        unfinished.rename(file)
