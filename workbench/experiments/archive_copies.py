"""A changed copy of an archive: the same paths, questions, labels and references, some images with other pixels.

A copy is an archive like any other, so a stressed or painted image is scored, stored and looked at like any other.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import JsonValue

from warehouse.records.scoring import Entry
from warehouse.store import Store
from workbench.archive import image_decoding, image_paths, json_text, layout_table, masks, sidecar
from workbench.archive import scan as archive
from workbench.archive.run_views import RunViews
from workbench.archive.tone_range import ALONE

Change = Callable[[Entry, Image.Image], Image.Image]
WHOLE_PICTURES = RunViews()
_WHOLE = ".copied"  # written last: its presence says that the copy is whole


def sample(entries: Sequence[Entry], count: int | None) -> list[Entry]:
    """So many of the labelled entries, a mixture that is the same every time; all of them for None."""
    labelled = [entry for entry in entries if entry.label is not None]
    mixed = sorted(labelled, key=lambda entry: hashlib.sha256(entry.path.encode()).digest())
    return sorted(mixed[:count], key=lambda entry: entry.path)


def scan(root: Path, store: Store, layouts: Path | None = None) -> archive.Scan:
    """What lies in the archive now, with the layouts of this settings file before the known ones."""
    archive_id = archive.identify(root).archive_id
    own = layout_table.from_settings(layouts)
    return archive.scan(root, store.entries(archive_id), again=store.failed_paths(archive_id), layouts=own)


def make(
    scan: archive.Scan,
    target: Path,
    entries: Sequence[Entry],
    change: Change,
    mask: Change | None = None,
    views: RunViews = WHOLE_PICTURES,
) -> None:
    """Write the copy, unless it is there whole.

    Args:
        scan: the archive as it lies there.
        entries: the images it has to score; the archive's references come along as they are.
        change: of each image, RGB to RGB of the same size.
        mask: of each mask, white on black, where pixels move. One that marks nothing comes along as it is: in some
            layouts that says that its picture is good.
        views: how the pictures are seen; the copies have 8 bits and all of each picture, whatever its region of
            interest is.

    Raises:
        UnreadableImage: an image can't be opened, or isn't the one that was found any more.
    """
    if (target / _WHOLE).exists():
        return
    root, kept = Path(scan.archive.root), {entry.path for entry in entries}
    for reference in scan.references:
        view = views.of(reference).for_display
        if view.tone == ALONE:
            image_decoding.read(root / reference.path, reference.content)
            _link(root / reference.path, target / reference.path)
        else:  # 8 bits as the images beside it have, or the copy would know no range for it
            _write(image_decoding.open_image(root / reference.path, view), target / reference.path)
    for entry in entries:
        _write(
            change(entry, image_decoding.open_image(root / entry.path, views.of(entry).for_display)),
            target / entry.path,
        )
        if entry.mask_path is None:
            continue
        marked = masks.read(root / entry.mask_path, root / entry.path)
        if marked is None:
            _link(root / entry.mask_path, target / entry.mask_path)
        else:
            lies = Image.fromarray(marked).convert("L")  # as on the upright picture, which the copy holds
            _write(lies if mask is None else mask(entry, lies), target / entry.mask_path)
    _questions(root / "mmad.json", target / "mmad.json", kept)
    if (said := sidecar.find(root)) is not None:
        _sidecar(said, target / said.name, kept | {reference.path for reference in scan.references})
    (target / _WHOLE).touch()


def _link(source: Path, target: Path) -> None:
    """The same file; a copy where links can't be made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write(image: Image.Image, target: Path) -> None:
    """Without loss, whatever the name says: readers go by the content, and JPEG would add a change of its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(
        missing_ok=True
    )  # a reference that is scored too is linked: written through, the archive would change
    image.save(target, format="PNG", compress_level=1)


def _questions(source: Path, target: Path, kept: set[str]) -> None:
    if source.is_file():
        asked = json_text.load(source.read_bytes()).value
        if isinstance(asked, dict):
            said: dict[str, JsonValue] = {}
            for path, record in asked.items():
                said.setdefault(image_paths.plain(path), record)  # of two, the first counts
            target.write_text(json.dumps({path: said[path] for path in said if path in kept}), "utf-8")


def _sidecar(source: Path, target: Path, kept: set[str]) -> None:
    """The rows of the images that are there, under the images' own paths."""
    there = sidecar.Paths(kept)
    rows = [
        {**row, "path": path}
        for _, row in sidecar.raw_rows(source, [])
        if isinstance(row.get("path"), str) and (path := there.find(str(row["path"])))
    ]
    if source.suffix.lower() == ".jsonl":
        target.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["path"])
        writer.writeheader()
        writer.writerows(rows)


def randomness(entry: Entry, purpose: str) -> np.random.Generator:
    """A generator that follows from the image's content and `purpose` alone."""
    digest = hashlib.sha256(f"{purpose}/{entry.content}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
