"""Tiles of pictures that are too large to be inspected at once: a picture's entry goes in, an entry per tile comes out.

Choices that bite:
- Tiles are near-equal, of about SIDE pixels, and overlap by OVERLAP, so that a small defect on a seam is whole in one.
- Nothing is decoded: the size follows from the file's head. A head is only read of a file that has a byte for
  FEWEST_PIXELS pixels or more, as real pictures do; one that claims to be huge and is nearly empty stays one picture,
  and fails when it is opened.
- All tiles of one picture are one piece, unless a sidecar names another.
- A good picture's tiles are good. Of a defective one with a mask a tile is defective where the mask marks something in
  it, else good; where no mask tells, its label is unknown.

Knows nothing of storage and the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from warehouse.records.scoring import Entry, Tile
from workbench.archive import image_decoding, masks
from workbench.archive.picture_entry import image_id
from workbench.archive.picture_memory import LARGEST, PIXEL_LIMIT
from workbench.archive.run_views import ViewTable
from workbench.archive.view import View, Window
from workbench.errors import UnreadableImage

SIDE = 1024  # pixels, about
OVERLAP = 32
FEWEST_PIXELS = 1024  # to a byte of the file
RULE = 1  # in digests: raise it when tiles are cut otherwise


@dataclass(frozen=True, slots=True)
class Tiling:
    """Which pictures are inspected in tiles, and of which part of them."""

    above: int = PIXEL_LIMIT  # pixels; larger ones are
    views: ViewTable = field(default_factory=ViewTable)

    def split(self, entry: Entry, root: Path, is_known_whole: bool = False) -> list[Entry]:
        """The picture's tiles, row by row; the picture itself where it is not inspected in tiles, or can't be read.

        Args:
            entry: of the whole picture.
            root: of its archive.
            is_known_whole: at an earlier scan it was no larger than a picture may be.
        """
        path = root / entry.path
        if entry.size * FEWEST_PIXELS <= self.above or (is_known_whole and self.above >= PIXEL_LIMIT):
            return [entry]
        try:
            frame = image_decoding.frame_of(path)
        except UnreadableImage:
            return [entry]
        width, height = frame.upright
        if not self.above < width * height <= LARGEST:
            return [entry]
        region = self.views.region(entry.product, entry.camera)
        inspected = Window(0, 0, width, height) if region is None else region.window(width, height)
        marked = masks.newest(root / entry.mask_path, frame) if entry.mask_path else None
        found = []
        for window in windows(inspected):
            view = View(entry.content, tile=window)
            part = replace(
                entry,
                image_id=image_id(entry.archive_id, entry.path, view.identity),
                content=view.identity,
                tile=Tile(entry.content, window.x0, window.y0, window.x1, window.y1),
            )
            if entry.label == "defective" and marked is None:
                part = replace(part, label=None, defect=None)
            elif marked is not None and entry.label == "defective" and masks.cut(marked, view.placed(frame)) is None:
                part = replace(part, label="good", defect=None, mask_path=None)
            found.append(part)
        return found


def tile_notes(entries: Iterable[Entry]) -> Iterator[str]:
    """How many pictures are inspected in how many tiles."""
    tiled = [entry.path for entry in entries if entry.tile]
    if tiled:
        yield (
            f"large pictures inspected in tiles of about {SIDE:,} pixels: {len(set(tiled)):,}, in {len(tiled):,} tiles "
            f"that overlap by {OVERLAP}"
        )


def windows(inspected: Window) -> Iterator[Window]:
    """Near-equal tiles of about SIDE pixels that cover a part of a picture, row by row."""
    width, height = inspected.size
    across, down = _edges(width), _edges(height)
    for top, bottom in down:
        for left, right in across:
            yield Window(inspected.x0 + left, inspected.y0 + top, inspected.x0 + right, inspected.y0 + bottom)


def _edges(length: int) -> list[tuple[int, int]]:
    count = max(1, round((length - OVERLAP) / (SIDE - OVERLAP)))
    side = -(-(length + (count - 1) * OVERLAP) // count)
    starts = [round(place * (length - side) / (count - 1)) for place in range(count)] if count > 1 else [0]
    return [(start, start + side) for start in starts]
