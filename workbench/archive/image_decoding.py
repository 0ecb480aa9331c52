"""Opening one picture: a path goes in, 8-bit RGB as a person would see it comes out, or the reason why not.

Choices that bite:
- Samples deeper than 8 bit are shown by the range of their camera (`tone_range.py`), grey and colours alike.
- Transparent pixels become white, as most viewers show them; dropping alpha would bring hidden colours to light. A
  picture whose alpha is nought everywhere would be one white sheet: cameras leave that byte empty, so it is seen by
  its colours, and that is told; so is one with next to nothing opaque.
- A damaged file is an error, never half a picture: a missing half may be where the defect is.
- Of several pages or frames the first is taken. Colour profiles are not applied.
- What decoding takes is worked out from the header first. A picture that would take more than it may take here
  (`picture_memory.py`) is refused: a small file of a huge picture must not end a run. Given up: a picture
  that a larger computer answers may fail on a smaller one.
- A picture with more than PIXEL_LIMIT pixels is opened by its tiles alone. The newest one stays decoded, as it lies in
  its file, so that its tiles decode it once; each tile alone becomes RGB.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from warehouse.failures import DENIED, OUT_OF_MEMORY, VANISHED, Failure
from workbench.archive import high_bit_depth, picture_memory, tiff_pages, tone_range
from workbench.archive.high_bit_depth import Deep
from workbench.archive.picture_memory import LARGEST, PIXEL_LIMIT
from workbench.archive.view import SWAPPED, Frame, PlacedView, View
from workbench.errors import ReplacedImage, UnreadableImage
from workbench.lru_cache import LRUCache

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"}
)

# Only these decoders are ever tried, whatever a file claims to be: some of Pillow's others start outside programs.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
WHOLE = View()  # all of whatever lies there

Oddity = Literal[
    "one colour", "transparent throughout", "under a quarter of its range", "brighter than its range",
    "partly below 0 or no numbers", "more pages",
]  # fmt: skip
_KEPT_SECONDS = 60.0  # a large picture that nobody asks for
MORE_PAGES: Oddity = "more pages"  # behind the first, which alone is looked at
_SIDE = 256  # of the few pixels that a picture's brightness is judged by
_CLIPPED = 0.05  # share of a picture's samples that lie outside its range, from which on it is told
_FAINT = 8  # of 255: what is less opaque can't be told from white
_SEEN = 0.001  # share of a picture's pixels that has to be more opaque, else its colours are what it shows


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """A picture, and what a person should know of it."""

    image: Image.Image  # RGB, upright: what the view shows
    placed: PlacedView
    white: float | None  # the number shown as white; None where samples have 8 bits
    oddity: Oddity | None


def open_image(path: Path, view: View = WHOLE) -> Image.Image:
    """What a view shows, as RGB, turned upright by its EXIF orientation; the bytes hashed are the bytes decoded.

    Raises:
        ReplacedImage: the file holds other bytes than the view's content names.
        UnreadableImage: vanished, permission denied, empty, not an image, too large, truncated or damaged.
    """
    return _seen(_source(path, view), view).image


def inspect_image(path: Path, view: View = WHOLE) -> OpenedImage:
    """As `open_image`, with where the view lies and what is odd about the picture."""
    more_pages = None
    if view.tile is None:
        data = read(path, view.content)
        more_pages = MORE_PAGES if tiff_pages.further_pages(io.BytesIO(data)) else None
        with _reasons():
            found = _seen(load(data), view)
    else:
        found = _seen(_source(path, view), view)
    return replace(found, oddity=_oddity(found.image) or found.oddity or more_pages)


def brightness(path: Path) -> tuple[high_bit_depth.Kind, float] | None:
    """Whether a deep picture holds integers or floats, and how bright it is; None for any other."""
    try:
        with path.open("rb") as file:
            if not high_bit_depth.is_deep(file):
                return None
        found = load(read(path))
    except Exception:  # noqa: BLE001 - whatever is wrong with it is said when it is scored
        return None
    return (found.kind, tone_range.brightness(found)) if isinstance(found, Deep) else None


def frame_of(path: Path) -> Frame:
    """How the picture lies in its file; nothing is decoded.

    Raises:
        UnreadableImage: it is no picture, or can't be read.
    """
    with _reasons(), path.open("rb") as file:
        return frame_in(file)


def frame_in(file: BinaryIO) -> Frame:
    """The same of an open file.

    Raises:
        UnreadableImage: it is no picture.
    """
    with _reasons():
        try:
            with _quiet():
                image = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            file.seek(0)
            found = high_bit_depth.header(file.read())  # one that Pillow refuses
            if found is None:
                raise
            return Frame(found.width, found.height, found.orientation)
        with image:
            (width, height), of_png = image.size, image.format == "PNG"
            turned = high_bit_depth.png_orientation(file) if of_png else high_bit_depth.orientation(image)
        if image.format == "TIFF" and turned in SWAPPED:  # Pillow gives the size that it will have
            width, height = height, width
        return Frame(width, height, turned)


def read(path: Path, content: str | None = None) -> bytes:
    """The file's bytes, all of one moment.

    Raises:
        ReplacedImage: they aren't those that `content`, a SHA-256 in hex, names.
        UnreadableImage: vanished, permission denied, a disk in trouble, empty, too many.
    """
    with _reasons(), _file(path).open("rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > picture_memory.limit():
            raise UnreadableImage.of(picture_memory.too_much(size))
        data = file.read()
    if content is not None and hashlib.sha256(data).hexdigest() != content:
        raise ReplacedImage
    if not data:
        raise UnreadableImage("empty", "empty: the file has no bytes")
    return data


def _file(path: Path) -> Path:
    """The same, unless it is a device or a pipe, which may have no end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableImage("not an image", "not an image: it is no file")
    return path


def decode(data: bytes, view: View = WHOLE) -> Image.Image:
    """What a view shows of the picture that a file's bytes hold, as `open_image` gives it.

    Raises:
        UnreadableImage: not an image, too large, truncated or damaged.
    """
    with _reasons():
        return _seen(load(data), view).image


def load(
    data: bytes, limit: int = PIXEL_LIMIT, before_decoding: Callable[[Image.Image], None] | None = None
) -> Image.Image | Deep:
    """The picture as it lies in the file, its memory looked at before: deep samples, or Pillow's picture, loaded.

    Args:
        data: the file's bytes.
        limit: the most pixels. A picture that may have more than PIXEL_LIMIT never becomes RGB as a whole.
        before_decoding: is handed a picture that Pillow decodes, its header read.

    Raises:
        UnreadableImage: too large.
        whatever damaged bytes make a decoder raise.
    """
    rgb = limit <= PIXEL_LIMIT
    if (head := high_bit_depth.header(data)) is not None:
        as_rgb = 4 * head.width * head.height if rgb else 0
        picture_memory.make_sure_of(head.width, head.height, head.working_bytes + len(data) + as_rgb, limit)
        if (found := high_bit_depth.read(data)) is not None:
            return found
    with _quiet():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    if before_decoding is not None:
        before_decoding(image)
    picture_memory.make_sure_of(*image.size, picture_memory.working_bytes(image, len(data), rgb), limit)
    if 2 in getattr(image, "tag_v2", {}).get(TiffImagePlugin.SAMPLEFORMAT, ()):  # Pillow takes it for unsigned
        raise UnreadableImage("unsupported", "a TIFF of signed 8-bit samples, which aren't read; save it unsigned")
    if rgb:
        image.load()
    else:
        with _quiet():  # Pillow asks for its own limit once more
            image.load()
    return high_bit_depth.of_image(image) if image.mode.startswith(("I", "F")) else image


def parts(path: Path, content: str, views: Iterable[View]) -> Iterator[tuple[Image.Image | Deep, Frame]]:
    """What each view shows of a large picture, which is decoded once and not kept, as it lies in the file; and how it
    lies there.

    Raises:
        ReplacedImage: the file holds other bytes than those of `content`.
        UnreadableImage: it can't be decoded.
    """
    with _reasons():
        found = _large(path, content)
        frame = _frame(found)
        for view in views:
            yield _cut(found, view.placed(frame)), frame


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture upright."""
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _large(path: Path, content: str) -> Image.Image | Deep:
    """A picture of any size, decoded as it lies in its file."""
    found = load(read(path, content), LARGEST)
    return found if isinstance(found, Deep) else found._new(found.im)  # without the file's bytes


class _Newest:
    """The newest large picture, decoded, until nobody asked for it for a while; two would take twice as much."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoded: LRUCache[str, Image.Image | Deep] = LRUCache(1)
        self._timer: threading.Timer | None = None

    def get(self, path: Path, content: str) -> Image.Image | Deep:
        """The picture of this content."""
        with self._lock:
            found = self._decoded.get(content)
            if found is None:
                self._decoded.clear()
                found = _large(path, content)
                self._decoded.put(content, found)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(_KEPT_SECONDS, self._forget)
            self._timer.daemon = True
            self._timer.start()
            return found

    def _forget(self) -> None:
        with self._lock:
            self._decoded.clear()


_newest = _Newest()


def _source(path: Path, view: View) -> Image.Image | Deep:
    with _reasons():
        if view.tile is not None and view.content is not None:
            return _newest.get(path, view.content)
        return load(read(path, view.content))


def _seen(found: Image.Image | Deep, view: View) -> OpenedImage:
    """What a view shows of a picture as it lies in its file."""
    with _reasons():
        placed = view.placed(_frame(found))
        part = _cut(found, placed)
        if isinstance(part, Deep):
            assert isinstance(found, Deep)
            white = view.tone.of(found.kind) or tone_range.camera_range(tone_range.brightness(found), found.kind)
            return _deep_rgb(part, white, placed)
        return _rgb(part, placed)


def _frame(found: Image.Image | Deep) -> Frame:
    orientation = found.orientation if isinstance(found, Deep) else high_bit_depth.orientation(found)
    return Frame(found.width, found.height, orientation)


def _cut(found: Image.Image | Deep, placed: PlacedView) -> Image.Image | Deep:
    """The part of a picture, as it lies in the file."""
    if placed.is_whole:
        return found
    if isinstance(found, Deep):
        return _rows_of(found, placed)
    with _quiet():
        return found.crop(placed.in_file)


def _rows_of(found: Deep, placed: PlacedView) -> Deep:
    left, top, right, bottom = placed.in_file

    def rows(first: int, last: int) -> high_bit_depth.Numbers:
        return found.rows(top + first, top + last)[:, left:right]

    return replace(found, width=right - left, height=bottom - top, rows=rows)


@contextmanager
def _reasons() -> Iterator[None]:
    """Whatever goes wrong in here is an `UnreadableImage` with the reason."""
    try:
        yield
    except UnreadableImage:
        raise
    except MemoryError as error:
        raise UnreadableImage.of(OUT_OF_MEMORY) from error
    except Exception as error:  # decoders meet damaged bytes with every kind of exception
        raise UnreadableImage.of(_reason(error)) from error


def _reason(error: Exception) -> Failure:
    match error:
        case FileNotFoundError():
            return VANISHED
        case PermissionError():
            return DENIED
        case OSError(errno=int()):  # what decoders raise has no number
            return Failure("disk error", f"can't be read: {error.strerror or error}")
        case UnidentifiedImageError():
            return Failure("not an image", f"not an image: its content is none of {', '.join(FORMATS)}")
    text = str(error) or type(error).__name__
    if "truncated" in text.lower():
        return Failure("truncated", "truncated: the file ends before the picture does")
    return Failure("damaged", f"damaged: {text}")


_warnings_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's remarks on odd metadata and large pictures, kept from people who can't act on them.

    Warning filters and Pillow's limit belong to the process, so only one thread at a time may bend them; decoding stays
    outside, and `picture_memory` holds to the limits that count.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


# -- pixels ------------------------------------------------------------------------------------------------------------


def _rgb(image: Image.Image, placed: PlacedView) -> OpenedImage:
    oddity: Oddity | None = None
    if image.has_transparency_data:
        opaque = sum(sum(strip.getchannel("A").histogram()[_FAINT:]) for _, strip in _strips(image))
        transparent = opaque < _SEEN * image.width * image.height
        oddity = "transparent throughout" if transparent else None
        out = Image.new("RGB", image.size)
        for top, strip in _strips(image):
            seen = strip if transparent else Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
            out.paste(seen.convert("RGB"), (0, top))
    else:
        out = image if image.mode == "RGB" else image.convert("RGB")
    return OpenedImage(turned(_plain(out), placed.frame.orientation), placed, None, oddity)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture as RGBA, a few rows at a time: a copy of all of it would double what it takes."""
    step = max(1, high_bit_depth.ROWS_AT_ONCE // image.width)
    for top in range(0, image.height, step):
        yield top, image.crop((0, top, image.width, min(image.height, top + step))).convert("RGBA")


def _plain(image: Image.Image) -> Image.Image:
    """The same pixels without the file they came from, its metadata and its orientation."""
    if type(image) is Image.Image:
        return image
    return Image.Image()._new(image.im)


def _deep_rgb(found: Deep, white: float, placed: PlacedView) -> OpenedImage:
    """Deep samples from black at 0 to white at the camera's greatest value, in strips."""
    opaque = _opaque(found)
    out, above, below = Image.new("RGB", (found.width, found.height)), 0, 0
    for top, rows in found.strips():
        values: high_bit_depth.Numbers = np.nan_to_num(
            rows[..., : found.channels].astype(np.float32), posinf=0.0, neginf=0.0
        )
        above += int((values > white).sum())
        below += int((values < 0).sum()) + int((~np.isfinite(rows[..., : found.channels])).sum())
        values = values.clip(0, white) * (255 / white) if white > 0 else np.zeros_like(values)
        values = 255 - values if found.inverted else values
        if opaque:
            share = (np.nan_to_num(rows[..., found.channels :].astype(np.float32)) / opaque).clip(0, 1)
            values = (values if found.alpha == "premultiplied" else values * share) + 255 * (1 - share)
        if found.clear is not None:
            values[(rows[..., : found.channels] == np.array(found.clear)).all(-1)] = 255
        eight = values.clip(0, 255).round().astype(np.uint8)
        out.paste(Image.fromarray(eight.repeat(3, 2) if found.channels == 1 else eight), (0, top))
    oddity: Oddity | None = "transparent throughout" if opaque == 0 else None
    outside = _CLIPPED * found.width * found.height * found.channels
    if above > outside:
        oddity = oddity or "brighter than its range"
    if below > outside:
        oddity = oddity or "partly below 0 or no numbers"
    return OpenedImage(turned(out, found.orientation), placed, white, oddity)


def _opaque(found: Deep) -> float | None:
    """The alpha that is opaque: tools write the file's greatest value, or the camera's; None without alpha."""
    if found.alpha == "none":
        return None
    most = max(float(np.nan_to_num(rows[..., found.channels :]).max()) for _, rows in found.strips())
    return tone_range.camera_range(most, found.kind) if most > 0 else 0.0


def _oddity(image: Image.Image) -> Oddity | None:
    """What a glance at a few pixels says; that there is one colour alone is made sure of."""
    few = np.asarray(image.resize((min(_SIDE, image.width), min(_SIDE, image.height)), Image.Resampling.NEAREST))
    if (few == few[0, 0]).all() and all(low == high for low, high in image.getextrema()):  # type: ignore[misc]
        return "one colour"
    return "under a quarter of its range" if np.quantile(few.max(-1), 0.995) < 64 else None
