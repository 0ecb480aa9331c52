"""Opening one picture: a path goes in, 8-bit RGB as a person would see it comes out, or the reason why not.

Choices that bite:
- Grey values deeper than 8 bit are scaled by the range of the camera that fits them (8, 10, 12, 14 or 16 bit), not by
  the file's 16 bits, which would show a 12-bit camera as black, and not by the image's own minimum and maximum, which
  would show a clean plate as noise and make a picture and its reference incomparable. Given up: a picture that uses
  less than a quarter of its camera's range comes out brighter than its neighbours.
- Transparent pixels become white, as most viewers show them; dropping alpha would bring hidden colours to light.
- A damaged file is an error, never half a picture: a missing half may be where the defect is.
- Of several pages or frames the first is taken. Colour profiles are not applied.
"""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from warehouse.failures import DENIED, NOT_READ, VANISHED
from workbench.inspection.errors import ReplacedImage, UnreadableImage

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"}
)

# Only these decoders are ever tried, whatever a file claims to be: some of Pillow's others start outside programs.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")

PIXEL_LIMIT = 178_956_970  # half a gigabyte as RGB; the size at which Pillow itself gives up

_DEPTHS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))


def open_image(path: Path, content: str | None = None) -> Image.Image:
    """The picture as RGB, turned upright by its EXIF orientation; the bytes that are hashed are the bytes decoded.

    Args:
        path: the file.
        content: the SHA-256 that its bytes must have, in hex; None takes whatever lies there.

    Raises:
        ReplacedImage: the file holds other bytes than `content` names.
        UnreadableImage: vanished, permission denied, empty, not an image, too large, truncated or damaged.
    """
    return decode(read(path, content))


def read(path: Path, content: str | None = None) -> bytes:
    """The file's bytes, all of one moment.

    Raises:
        ReplacedImage: they aren't those that `content`, a SHA-256 in hex, names.
        UnreadableImage: vanished, permission denied, a disk in trouble, empty.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that is none, with a null byte in it
        raise UnreadableImage(_reason(error)) from error
    if content is not None and hashlib.sha256(data).hexdigest() != content:
        raise ReplacedImage
    if not data:
        raise UnreadableImage("empty: the file has no bytes")
    return data


def decode(data: bytes) -> Image.Image:
    """The picture that a file's bytes hold, as `open_image` gives it.

    Raises:
        UnreadableImage: not an image, too large, truncated or damaged.
    """
    try:
        with _quiet():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > PIXEL_LIMIT:
            raise UnreadableImage(_TOO_LARGE)
        image.load()
        return _upright(_as_rgb(image))
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # decoders meet damaged bytes with every kind of exception
        raise UnreadableImage(_reason(error)) from error


_TOO_LARGE = f"too large: more than {PIXEL_LIMIT:,} pixels"


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return f"{VANISHED}: the file was there when the archive was scanned"
        case PermissionError():
            return f"{DENIED}: the file can't be read"
        case OSError(errno=int()):  # what decoders raise has no number
            return f"{NOT_READ}: {error.strerror or error}"
        case Image.DecompressionBombError():
            return _TOO_LARGE
        case UnidentifiedImageError():
            return f"not an image: its content is none of {', '.join(FORMATS)}"
    text = str(error) or type(error).__name__
    if "truncated" in text.lower():
        return "truncated: the file ends before the picture does"
    return f"damaged: {text}"


_warnings_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow's remarks on odd metadata and large pictures, kept from people who can't act on them.

    Warning filters belong to the process, so only one thread at a time may bend them; decoding stays outside.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _eight_bit(image).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Deep grey values divided by the smallest range that holds the brightest; floats within 0..1 by 1."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
    brightest = float(values.max())
    ranges = (1, *_DEPTHS) if image.mode == "F" else _DEPTHS
    full = next((float(limit) for limit in ranges if brightest <= limit), brightest)
    grey = Image.fromarray((values.clip(0, full) * (255 / full)).round().astype(np.uint8))
    grey.info = image.info  # where the EXIF orientation is
    return grey


def _upright(image: Image.Image) -> Image.Image:
    try:
        with _quiet():
            return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - a damaged EXIF block says nothing; the pixels are good
        return image
