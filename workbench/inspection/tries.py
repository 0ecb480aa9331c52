"""What was being answered when a process died, so that an image that kills every process is found and passed over.

Before a block's images go to the model their ids are written down, and struck out when the block is stored. A process
that finds some at its start knows that the one before it died there. Images that were there once are answered one at a
time, so that the next death has one name on it; images that were there `MOST` times are stored as failed and not tried
again. A kill that had nothing to do with the image counts too: it can't be told apart from a crash.
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
from workbench.inspection.block import OpenedBlock, Rows
from workbench.inspection.errors import UnreadableImage

T = TypeVar("T")

MOST = 2


class Tries:
    """The deaths of one run's processes. One process at a time may use it: the run's coordinator."""

    def __init__(self, data: Path, run_id: str) -> None:
        self._deaths_file = data / "tries" / f"{run_id}.json"
        self._flying_file = data / "tries" / f"{run_id}.at-work.json"
        self._deaths: Counter[str] = Counter(_read(self._deaths_file, {}))
        died_at: list[str] = _read(self._flying_file, [])
        if died_at:
            self._deaths.update(died_at)
            _write(self._deaths_file, dict(self._deaths))
            self._flying_file.unlink()

    def deaths(self, image_id: str) -> int:
        """How often a process died while this image was being answered."""
        return self._deaths[image_id]

    @contextmanager
    def at_work(self, images: Iterable[str]) -> Iterator[None]:
        """These images are being answered meanwhile; an exception is no death, the process lives to tell."""
        _write(self._flying_file, sorted(images))
        try:
            yield
        finally:
            self._flying_file.unlink(missing_ok=True)

    def forget(self) -> None:
        """The run is finished."""
        self._deaths_file.unlink(missing_ok=True)


def only(opened: OpenedBlock, image_id: str) -> OpenedBlock:
    """The block's questions about one of its images."""
    asked = tuple(item for item in opened.block.asked if item.entry.image_id == image_id)
    share = opened.seconds * len(asked) / len(opened.block.asked)
    picture = opened.queries[image_id]
    return replace(opened, block=replace(opened.block, asked=asked), queries={image_id: picture}, seconds=share)


def not_opened(opened: OpenedBlock, reason: str) -> OpenedBlock:
    """The block with none of its images opened, so that each of its questions becomes a failure with this reason."""
    return replace(opened, queries=dict.fromkeys(opened.queries, UnreadableImage(reason)))


def joined(parts: Iterable[Rows]) -> Rows:
    """The rows of a block that was answered in pieces."""
    whole = Rows()
    for part in parts:
        whole.predictions.extend(part.predictions)
        whole.patches.extend(part.patches)
        whole.image_vectors.extend(part.image_vectors)
        whole.patch_vectors.extend(part.patch_vectors)
        whole = replace(whole, retrieval_seconds=whole.retrieval_seconds + part.retrieval_seconds)
    return whole


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
