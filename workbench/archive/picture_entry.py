"""One picture's entry, from its file, its place in the archive and its row of the sidecar."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from warehouse.records.scoring import Archive, Entry
from workbench.archive import layout, masks, sidecar
from workbench.archive.labels import Label
from workbench.archive.unchanged_files import File

_NO_ROW = sidecar.Row(path="-")  # what a sidecar says of an image it doesn't name


def image_id(archive_id: str, path: str, content: str) -> str:
    """The identity of an image: where it lies and what is in it."""
    return hashlib.sha256(f"{archive_id}\0{path}\0{content}".encode()).hexdigest()[:32]


def labelled_by_mask(root: Path, place: layout.Place) -> layout.Place:
    """The place with what its mask says, where the layout leaves the label to it."""
    if not place.by_mask or place.mask is None:
        return place
    marked = masks.read(root / place.mask) is not None
    if marked:
        return replace(place, label="defective", role="query")
    return replace(place, label="good")


def _captured_at(place: layout.Place) -> datetime | None:
    """When the file's name says that the picture was taken; None where it says none that can be."""
    if place.time is None:
        return None
    try:
        digits = "".join(filter(str.isdigit, place.time))
        return sidecar.moment(f"{digits[:8]}T{digits[8:]}")
    except ValueError:
        return None


def make_entry(
    archive: Archive,
    file: File,
    content: str,
    seen_at: datetime,
    place: layout.Place,
    row: sidecar.Row | None,
    words: Mapping[str, Label],
) -> Entry:
    """What is known of a picture: its row before its place, its place before its name."""
    row = row or _NO_ROW
    said = words[row.label] if row.label else Label("unlabelled")
    label, defect = (said.label, said.defect) if said.label else (place.label, place.defect)
    return Entry(
        image_id=image_id(archive.archive_id, file.path, content),
        archive_id=archive.archive_id,
        path=file.path,
        content=content,
        size=file.size,
        mtime_ns=file.mtime_ns,
        dataset=place.dataset,
        product=row.product or place.product,
        label=label,
        defect=defect,
        mask_path=row.mask or place.mask,
        reference_path=row.reference,
        line=row.line or place.line,
        camera=row.camera or place.camera,
        captured_at=row.captured_at or _captured_at(place),
        seen_at=seen_at,
        ctime_ns=file.ctime_ns,
        inode=file.inode,
        serial=row.serial or place.serial,
        lot=row.lot or place.lot,
    )
