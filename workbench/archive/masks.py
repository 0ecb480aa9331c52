"""The one reader of masks: a mask's file goes in, where the defect is comes out; None when in doubt.

Choices that bite:
- In a palette the indices are class numbers, 0 the background, whatever colours they have. Any other class is a defect.
  Only where white is 0 and black the one other is it in doubt: tools that count the colours of a black and white mask
  number the brightest first.
- Where colours are the same all over, alpha is the mask; where both vary, what is opaque and not black.
- Of a lossless file every value but 0 is marked; of one with more than FLAT values, and of a JPEG, those from half of
  the greatest on, for edges are blurred and noise lies around them. Given up: classes below half of the greatest in
  such a file.
- An inverted mask is not guessed: one that marks two corners or more and more than half of the picture says nothing,
  nor does one of a single value. Given up: a defect that really covers that much.
- A mask lies on its upright picture. Where that one is turned by EXIF and the mask has the size that the picture has in
  its file, it is turned too. Where the sizes don't tell (a square, a half turn), it lies as it is. One of another shape
  says nothing; a smaller one of the same shape does.
- A view of a part of the picture shows that part of the mask. The newest mask of a large picture is kept, so that the
  picture's tiles read it once.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.analysis.patches import Mask
from workbench.archive import high_bit_depth, image_decoding
from workbench.archive.high_bit_depth import Deep, Numbers
from workbench.archive.picture_memory import LARGEST, PIXEL_LIMIT
from workbench.archive.view import Frame, PlacedView, View
from workbench.errors import UnreadableImage
from workbench.lru_cache import LRUCache

FLAT = 32  # more values than that are no class numbers
_LOSSY = (b"\xff\xd8\xff",)  # JPEG


def read(mask: Path, picture: Path | Frame | None = None, content: str | None = None) -> Mask | None:
    """True on the defect, upright as the picture is; None where nothing is marked, it can't be read, or in doubt.

    Args:
        mask: its file.
        picture: the file of the picture it belongs to, or how that lies in it; None takes the mask as it lies, whatever
            its shape.
        content: the SHA-256 that the mask's bytes must have, in hex.
    """
    try:
        frame = image_decoding.frame_of(picture) if isinstance(picture, Path) else picture
        return _read(image_decoding.read(mask, content), frame)
    except UnreadableImage:
        return None
    except (MemoryError, Exception):  # noqa: BLE001 - decoders meet damaged bytes with every kind of exception
        return None


def of_view(mask: Path, picture: Path | Frame, view: View) -> Mask | None:
    """The part of the mask that a view of its picture shows, as `read` gives it; None also where that is unmarked.

    Args:
        mask: its file.
        picture: the file of the picture it belongs to, or how that lies in it.
        view: of the picture.
    """
    try:
        placed = view.placed(image_decoding.frame_of(picture) if isinstance(picture, Path) else picture)
    except UnreadableImage:
        return None
    found = newest(mask, placed.frame) if view.tile is not None else read(mask, placed.frame)
    return None if found is None else cut(found, placed)


def cut(mask: Mask, placed: PlacedView) -> Mask | None:
    """The part of a whole picture's mask, of any resolution, that a view shows; None where nothing is marked in it."""
    if placed.is_whole:
        return mask
    (high, wide), (width, height) = mask.shape, placed.frame.upright
    window = placed.window.scaled(wide / width, high / height)
    part = mask[window.y0 : window.y1, window.x0 : window.x1]
    return part if part.any() else None


def newest(mask: Path, frame: Frame) -> Mask | None:
    """As `read`, of a large picture: the newest is kept."""
    try:
        return _newest.read(mask, frame)
    except OSError:
        return None


class _Newest:
    """The newest mask of a large picture, as long as its file stays what it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: LRUCache[object, tuple[Mask | None]] = LRUCache(1)

    def read(self, mask: Path, frame: Frame) -> Mask | None:
        """As the module's own `read`."""
        stat = mask.stat()
        key = (str(mask), frame, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        with self._lock:
            kept = self._read.get(key)
            if kept is None:
                self._read.clear()
                kept = (read(mask, frame),)
                self._read.put(key, kept)
            return kept[0]


_newest = _Newest()


def _read(data: bytes, frame: Frame | None) -> Mask | None:
    is_large = frame is None or frame.width * frame.height > PIXEL_LIMIT
    found = image_decoding.load(data, LARGEST if is_large else PIXEL_LIMIT)
    orientation = found.orientation if isinstance(found, Deep) else high_bit_depth.orientation(found)
    marked = _marked_deep(found) if isinstance(found, Deep) else _marked(found, data.startswith(_LOSSY))
    if marked is None:
        return None
    mask = _turned(marked, orientation)
    lies = mask if frame is None else _as_its_picture(mask, frame)
    return None if lies is None or _doubtful(lies) else lies


def _as_its_picture(mask: Mask, frame: Frame) -> Mask | None:
    if _fits(mask, *frame.upright):
        return mask
    return _turned(mask, frame.orientation) if _fits(mask, frame.width, frame.height) else None


def _fits(mask: Mask, width: int, height: int) -> bool:
    """Of the same shape, to a pixel of the smaller."""
    high, wide = mask.shape
    return abs(wide * height - high * width) <= max(width, height)


def _doubtful(mask: Mask) -> bool:
    corners = sum(map(int, (mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1])))
    share = float(mask.mean())
    return share in (0.0, 1.0) or (corners > 1 and share > 0.5)


def _turned(mask: Mask, orientation: int) -> Mask:
    if orientation == 1:
        return mask
    return np.asarray(image_decoding.turned(Image.fromarray(mask), orientation))


# -- what is marked ----------------------------------------------------------------------------------------------------


def _marked(image: Image.Image, lossy: bool) -> Mask | None:
    if image.mode in ("P", "PA"):
        indices = np.asarray(image if image.mode == "P" else image.getchannel("P"))
        return None if _counted_colours(image, np.unique(indices).tolist()) else np.not_equal(indices, 0)
    alpha = None
    if image.mode in ("LA", "La", "RGBA", "RGBa"):
        alpha = np.asarray(image.getchannel(image.getbands()[-1]))
        image = image.convert("L") if image.mode.startswith("L") else image.convert("RGB")
    if image.mode in ("1", "L"):
        values: Numbers = np.asarray(image)
    else:
        values = _brightest(image if image.mode == "RGB" else image.convert("RGB"))
    if alpha is None:
        return _above(values, lossy)
    return _opaque_and_coloured(values, alpha)


def _counted_colours(image: Image.Image, used: list[int]) -> bool:
    """Whether a palette looks like a black and white mask's, white first."""
    if len(used) != 2 or used[0] != 0:
        return False
    colours = image.getpalette("RGB") or []
    background, other = (colours[3 * index : 3 * index + 3] for index in used)
    return background == [255] * 3 and other == [0] * 3


def _brightest(image: Image.Image) -> NDArray[np.uint8]:
    """Of each pixel the greatest of its colours; black alone is nought."""
    red, green, blue = (np.asarray(image.getchannel(band)) for band in "RGB")
    brightest: NDArray[np.uint8] = np.maximum(np.maximum(red, green), blue)
    return brightest


def _marked_deep(found: Deep) -> Mask | None:
    rows = [strip for _, strip in found.strips()]
    values = np.concatenate([np.nan_to_num(strip[..., : found.channels]).max(-1) for strip in rows])
    values = values.max() - values if found.inverted else values
    if found.alpha == "none":
        return _above(values, False)
    return _opaque_and_coloured(values, np.concatenate([strip[..., -1] for strip in rows]))


def _opaque_and_coloured(values: Numbers, alpha: Numbers) -> Mask | None:
    """Where both say something a mark is opaque and not black; else the one that does."""
    if alpha.min() == alpha.max():
        return _above(values, False)
    opaque = 2 * alpha.astype(np.float32) >= float(alpha.max())
    inside = values[opaque]
    if inside.min() == inside.max():
        return opaque
    coloured = _above(np.where(opaque, values, 0), False)
    return None if coloured is None else opaque & coloured


def _above(values: Numbers, lossy: bool) -> Mask | None:
    """Not nought; from half of the greatest on where values are no class numbers."""
    if values.dtype == np.bool_:
        return values
    most = float(values.max())
    if most <= 0:
        return None
    blurred = values.dtype.kind == "f" or values.dtype.itemsize == 1  # nobody blurs 16 bits, and instances are many
    if lossy or (blurred and _count(values) > FLAT):
        return np.greater_equal(values, most / 2)
    return np.greater(values, 0)


def _count(values: Numbers) -> int:
    """Different values, of a few million that lie spread over the picture."""
    few = values.ravel()[:: max(1, values.size // 2**22)]
    return len(np.unique(few)) if few.dtype.kind == "f" else int((np.bincount(few, minlength=256) > 0).sum())
