"""One view of a picture's pixels: what part of a file is seen, and the one affine map from there to the file.

    View        content, tone range, region of interest, tile: what is to be seen of which picture
    Frame       how the picture lies in its file: its size there and its orientation
    PlacedView  both: the window that is seen, and the maps between a view's pixels and all others

    percent, a reduced copy, a view's pixels -> the upright picture's -> the file's

Whoever has a coordinate takes the map from here: patches of the model, boxes that people draw, masks, outlines. What
is stored lies in pixels of the whole upright picture, whatever part of it was seen. Coordinates are edges, not centres:
the first pixel reaches from 0 to 1.

A region of interest is given in percent of the upright picture and reaches to whole pixels. The model, the encoder of
retrieval and the reference are seen through it; people are shown the whole picture. A tile is a part of a picture that
is too large to be inspected at once, in its upright pixels; a picture's region is what tiles are cut from, so a view
with a tile shows the tile. Knows nothing of storage, decoders and the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workbench.archive.tone_range import ALONE, Tone

Box = tuple[float, float, float, float]  # x0, y0, x1, y1

SWAPPED = frozenset({5, 6, 7, 8})  # orientations that swap width and height
ORIENTATION_RULE = 1  # in digests: raise it when an orientation is read otherwise
SMALLEST_PERCENT = 1.0  # of a side: a region of interest has at least so much of it


@dataclass(frozen=True, slots=True)
class Affine:
    """x' = xx x + xy y + x0, y' = yx x + yy y + y0."""

    xx: float = 1.0
    xy: float = 0.0
    x0: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    y0: float = 0.0

    @staticmethod
    def scaling(x: float, y: float) -> Affine:
        """Both axes scaled."""
        return Affine(xx=x, yy=y)

    @staticmethod
    def shift(x: float, y: float) -> Affine:
        """Moved."""
        return Affine(x0=x, y0=y)

    def then(self, after: Affine) -> Affine:
        """This map, and another one after it."""
        return Affine(
            after.xx * self.xx + after.xy * self.yx,
            after.xx * self.xy + after.xy * self.yy,
            after.xx * self.x0 + after.xy * self.y0 + after.x0,
            after.yx * self.xx + after.yy * self.yx,
            after.yx * self.xy + after.yy * self.yy,
            after.yx * self.x0 + after.yy * self.y0 + after.y0,
        )

    @property
    def inverse(self) -> Affine:
        """The way back."""
        of = self.xx * self.yy - self.xy * self.yx
        xx, xy, yx, yy = self.yy / of, -self.xy / of, -self.yx / of, self.xx / of
        return Affine(xx, xy, -(xx * self.x0 + xy * self.y0), yx, yy, -(yx * self.x0 + yy * self.y0))

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies."""
        return self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0

    def box(self, box: Sequence[float]) -> Box:
        """Where an upright box lies, its edges in order; the maps of this module keep boxes upright."""
        x0, y0, x1, y1 = box
        (a, b), (c, d) = self.point(x0, y0), self.point(x1, y1)
        return min(a, c), min(b, d), max(a, c), max(b, d)


@dataclass(frozen=True, slots=True)
class Frame:
    """How a picture lies in its file, from the file's head."""

    width: int  # as stored
    height: int
    orientation: int = 1  # as EXIF counts; 1 is upright

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as the picture is shown."""
        return (self.height, self.width) if self.orientation in SWAPPED else (self.width, self.height)

    @property
    def to_file(self) -> Affine:
        """From the upright picture's pixels to the file's."""
        width, height = float(self.width), float(self.height)
        return {
            2: Affine(xx=-1, x0=width),
            3: Affine(xx=-1, x0=width, yy=-1, y0=height),
            4: Affine(yy=-1, y0=height),
            5: Affine(xx=0, xy=1, yx=1, yy=0),
            6: Affine(xx=0, xy=1, yx=-1, yy=0, y0=height),
            7: Affine(xx=0, xy=-1, x0=width, yx=-1, yy=0, y0=height),
            8: Affine(xx=0, xy=-1, x0=width, yx=1, yy=0),
        }.get(self.orientation, Affine())


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an upright picture in whole pixels."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.x1 - self.x0, self.y1 - self.y0

    @property
    def box(self) -> Box:
        """Its edges."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def middle(self) -> Window:
        """Its middle square, as wide as its shorter side, to half a pixel."""
        width, height = self.size
        side = min(width, height)
        x0, y0 = self.x0 + (width - side) // 2, self.y0 + (height - side) // 2
        return Window(x0, y0, x0 + side, y0 + side)

    @property
    def to_whole(self) -> Affine:
        """From the part's pixels to the whole upright picture's."""
        return Affine.shift(self.x0, self.y0)

    def from_copy(self, width: float, height: float) -> Affine:
        """From the pixels of a copy of the part with this size to the whole picture's."""
        wide, high = self.size
        return Affine.scaling(wide / width, high / height).then(self.to_whole)

    @property
    def from_percent(self) -> Affine:
        """From percent of the part's width and height, as Label Studio measures, to the whole picture's pixels."""
        return self.from_copy(100, 100)

    def scaled(self, across: float, down: float) -> Window:
        """The same part of a picture so many times as wide and high, at least one pixel of it."""
        x0, y0 = round(self.x0 * across), round(self.y0 * down)
        return Window(x0, y0, max(x0 + 1, round(self.x1 * across)), max(y0 + 1, round(self.y1 * down)))


@dataclass(frozen=True, slots=True)
class RegionOfInterest:
    """What of a camera's pictures is inspected, in percent of the upright picture.

    Raises:
        ValueError: it lies outside the picture, or is smaller than SMALLEST_PERCENT.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        edges = (self.left, self.top, self.right, self.bottom)
        if not all(0 <= edge <= 100 for edge in edges):
            raise ValueError(f"{list(edges)} must be left, top, right, bottom in percent of the picture, 0 to 100")
        if min(self.right - self.left, self.bottom - self.top) < SMALLEST_PERCENT:
            raise ValueError(
                f"{list(edges)} must have right beyond left and bottom beyond top by {SMALLEST_PERCENT:g} percent or "
                "more"
            )

    def window(self, width: int, height: int) -> Window:
        """The pixels of a picture that lie in it, at least one."""
        x0, y0 = min(int(self.left * width / 100), width - 1), min(int(self.top * height / 100), height - 1)
        return Window(
            x0,
            y0,
            max(x0 + 1, min(round(self.right * width / 100), width)),
            max(y0 + 1, min(round(self.bottom * height / 100), height)),
        )


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of a picture."""

    content: str | None = None  # the SHA-256 that the file's bytes must have, in hex; None takes whatever lies there
    tone: Tone = ALONE  # the range of its camera, as a run knows it; else it follows from the picture
    region: RegionOfInterest | None = None
    tile: Window | None = None

    @property
    def identity(self) -> str:
        """What tells views of other pixels apart: the content, for a part of a picture with where that lies."""
        content, tile, region = self.content or "", self.tile, self.region
        if tile is not None:
            return _hash(f"{content} tile {tile.x0} {tile.y0} {tile.x1} {tile.y1}")
        if region is not None:
            return _hash(f"{content} region {region.left} {region.top} {region.right} {region.bottom}")
        return content

    @property
    def for_display(self) -> View:
        """As people see it: the whole picture, or the tile."""
        return replace(self, region=None)

    def placed(self, frame: Frame) -> PlacedView:
        """The view of a picture that lies so in its file."""
        return PlacedView(self, frame)


@dataclass(frozen=True, slots=True)
class PlacedView:
    """A view of one picture, with its maps."""

    view: View
    frame: Frame

    @property
    def window(self) -> Window:
        """What is seen of the upright picture, cut at its edges."""
        width, height = self.frame.upright
        if self.view.tile is not None:
            tile = self.view.tile
            x0, y0 = min(max(tile.x0, 0), width - 1), min(max(tile.y0, 0), height - 1)
            return Window(x0, y0, max(x0 + 1, min(tile.x1, width)), max(y0 + 1, min(tile.y1, height)))
        region = self.view.region
        return Window(0, 0, width, height) if region is None else region.window(width, height)

    @property
    def is_whole(self) -> bool:
        """Whether all of the picture is seen."""
        return self.window.size == self.frame.upright

    @property
    def to_file(self) -> Affine:
        """From the view's pixels to the file's."""
        return self.window.to_whole.then(self.frame.to_file)

    @property
    def in_file(self) -> tuple[int, int, int, int]:
        """The window as it lies in the file: left, top, right, bottom."""
        x0, y0, x1, y1 = self.to_file.box((0, 0, *self.window.size))
        return round(x0), round(y0), round(x1), round(y1)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
