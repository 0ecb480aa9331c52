"""What a person would say of a picture, measured without a model: bright, sharp, clipped, coloured, how it is framed.

A file's bytes go in, `Measures` come out; a picture that can't be decoded has none. They are taken where a scan reads
the bytes for their hash, stored by content, and change no answer. Samples are measured as they lie in the file, before
any tone range is chosen, so that an under-exposed 12-bit camera is seen as such.

With v a pixel's samples as shares of `white`, and grey = 0.299 red + 0.587 green + 0.114 blue:

| measure                | is                                                                                          |
| ---------------------- | ------------------------------------------------------------------------------------------- |
| white                  | 255; of deeper integers 65535, or the camera's range that the file itself names; of floats  |
|                        | and wider integers the smallest of 1, 1023, 4095, ... that holds them                       |
| brightness             | mean of grey                                                                                |
| contrast               | standard deviation of grey                                                                  |
| sharpness              | root mean square of the differences of neighbouring pixels' grey / contrast                 |
| clipped_bright         | share of pixels of which a channel is at the top: `white`, or where the brightest sample is |
|                        | exactly the greatest of a 10, 12 or 14 bit camera, that                                     |
| clipped_dark           | share of pixels of which all channels are 0                                                 |
| colour                 | mean of a pixel's greatest less its smallest channel                                        |
| red, green, blue       | mean of the channel                                                                         |
| fill                   | share of pixels that are the object: their grey differs from the median of the picture's    |
|                        | outermost pixels by more than a quarter of the span of grey (1st to 99th percentile)        |
| centre_x, centre_y     | mean position of the object's pixels, as shares of width and height                         |

Choices that bite:
- A picture whose longer side has 2,048 pixels or more is measured reduced by 2, 4 or 8, to at least 1,024: sharpness is
  what is seen at that size. A JPEG is reduced by its decoder.
- At most 128 by 128 squares of 2 x 2 pixels, spread evenly, are looked at. A test holds them to the same formulas over
  all pixels.
- There is no framing where the outermost pixels differ among themselves by more than that quarter (10th to 90th
  percentile), as of cloth that fills the picture, or where the span is under 0.02.
- Transparent pixels are left out; for the framing they are white.
- Pictures of one product and camera compare; sharpness of a screw and of a carpet do not.
- Large pictures are decoded one at a time, so that a scan's readers stay within their memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Container
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from warehouse.records.measures import Measures
from workbench.archive import high_bit_depth, image_decoding, tone_range
from workbench.archive.high_bit_depth import Deep
from workbench.errors import UnreadableImage

Numbers = NDArray[Any]

SIDE = 1024  # pixels of the longer side that a reduced picture keeps at least
SQUARES = 128  # along each side, at most
KNOWN_AT_ONCE = 2000  # pictures of an older warehouse that are measured with each scan
_LARGE = 2**25  # bytes of samples, or of a file, from which on one picture at a time is decoded
_LUMA = (0.299, 0.587, 0.114)
_FLAT = 0.0005  # contrast below which nothing is sharp or blurred
_SPAN = 0.02  # of grey, below which nothing stands out from its background
_TOPS = (1023.0, 4095.0, 16383.0)  # where a camera of fewer bits than its file stops
_one_large = threading.RLock()


@dataclass(frozen=True, slots=True)
class _Samples:
    """A picture's pixels in squares of 2 x 2, each of `factor` x `factor` samples."""

    values: Numbers  # (rows, columns, channels) of the squares, as they lie in the file
    visible: NDArray[np.bool_] | None  # (rows, columns); None: all are
    factor: tuple[int, int]  # down, across
    white: float
    top: float  # at which a sample is clipped
    inverted: bool


def read(file: Path, measured: Container[str] = ()) -> tuple[str, Measures | None]:
    """The SHA-256 of a file's bytes, and what is measured of them; of a large file that changes meanwhile nothing.

    Args:
        file: the picture's.
        measured: contents that were measured already; they have no measures here.

    Raises:
        OSError: the file can't be read.
    """
    if file.stat().st_size > _LARGE:
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        return content, None if content in measured else measure_known(file, content)
    data = file.read_bytes()
    content = hashlib.sha256(data).hexdigest()
    return content, None if content in measured else measure(data, content)


def measure_known(file: Path, content: str) -> Measures | None:
    """What is measured of a file of known content; None where it holds another now, or can't be read."""
    try:
        if file.stat().st_size <= _LARGE:
            return measure(image_decoding.read(file, content), content)
        with _one_large:
            return measure(image_decoding.read(file, content), content)
    except (OSError, UnreadableImage):
        return None


def measure(data: bytes, content: str) -> Measures:
    """What is measured of a picture's bytes; nothing of what is no picture, damaged or too large.

    Args:
        data: the file's bytes.
        content: their SHA-256 in hex.
    """
    try:
        with ExitStack() as decoding:
            return _measured(data, content, decoding)
    except Exception:  # noqa: BLE001 - whatever is wrong with it is said when it is scored
        return Measures(content)


def _measured(data: bytes, content: str, decoding: ExitStack) -> Measures:
    """What is measured; a large picture is decoded alone, until `decoding` ends."""
    size = (0, 0)

    def before_decoding(image: Image.Image) -> None:
        nonlocal size
        size, factor = image.size, _factor(*image.size)
        if image.format == "JPEG" and factor > 1:
            image.draft(None, (image.width // factor, image.height // factor))
        if image.width * image.height * 4 > _LARGE:
            decoding.enter_context(_one_large)

    if (head := high_bit_depth.header(data)) and head.width * head.height * 8 > _LARGE:
        decoding.enter_context(_one_large)
    found = image_decoding.load(data, before_decoding=before_decoding)
    if isinstance(found, Deep):
        (width, height), orientation, samples = (found.width, found.height), found.orientation, _of_deep(found)
    else:
        is_reduced = found.width < size[0] and found.format == "JPEG"  # a TIFF is turned when it is decoded
        (width, height), orientation = size if is_reduced else found.size, high_bit_depth.orientation(found)
        samples = _of_eight_bits(found, 1 if is_reduced else _factor(*found.size))
    if orientation >= 5:
        width, height = height, width
    return _of_samples(content, width, height, orientation, samples)


def _factor(width: int, height: int) -> int:
    """By how much a picture is reduced."""
    return max(factor for factor in (1, 2, 4, 8) if factor == 1 or max(width, height) // factor >= SIDE)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where the squares lie along one side of a picture."""

    first: tuple[int, ...]  # the row, or column, that each begins at
    side: int  # rows, or columns, of each
    factor: int  # by how much they are reduced
    places: NDArray[np.intp] | slice  # the rows, or columns, of all squares, one square after the other


@lru_cache(maxsize=256)  # pictures of an archive have few sizes
def _axis(length: int, factor: int) -> _Axis:
    factor = max(1, min(factor, length // 2))
    side = min(2, length) * factor
    first = np.linspace(0, length - side, min(SQUARES, length // side)).round().astype(np.intp)
    places = (first[:, None] + np.arange(side)).ravel()
    return _Axis(tuple(first.tolist()), side, factor, slice(None) if len(places) == length else places)


def _of_eight_bits(image: Image.Image, factor: int) -> _Samples:
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    down, across = _axis(image.height, factor), _axis(image.width, factor)
    if image.height > 2 * SQUARES:  # without a copy of all of it
        strips = (image.crop((0, top, image.width, top + down.side)) for top in down.first)
        values = np.concatenate([np.asarray(strip)[:, across.places] for strip in strips])
    else:
        values = np.asarray(image)[down.places][:, across.places]
    if values.ndim == 2:
        values = values[..., None]
    visible = None
    if image.mode == "RGBA":
        visible, values = values[..., 3] >= 128, values[..., :3]
    return _Samples(values, visible, (down.factor, across.factor), 255.0, 255.0, False)


def _of_deep(deep: Deep) -> _Samples:
    factor = _factor(deep.width, deep.height)
    down, across = _axis(deep.height, factor), _axis(deep.width, factor)
    strips = (deep.rows(top, top + down.side)[:, across.places] for top in down.first)
    stored = np.concatenate(list(strips))
    values: Numbers = np.nan_to_num(stored[..., : deep.channels].astype(np.float32), posinf=0.0, neginf=0.0).clip(0)
    most = float(values.max())
    if deep.declared:
        white = deep.declared
    elif deep.kind == "integer" and most <= 65535:
        white = 65535.0
    else:
        white = tone_range.camera_range(most, deep.kind)
    visible = None
    if deep.alpha != "none":
        alpha = np.nan_to_num(stored[..., deep.channels].astype(np.float32))
        visible = alpha >= tone_range.camera_range(float(alpha.max()), deep.kind) / 2
    if deep.clear is not None:
        visible = (stored[..., : deep.channels] != np.array(deep.clear)).any(-1)
    return _Samples(
        values, visible, (down.factor, across.factor), white, most if most in _TOPS else white, deep.inverted
    )


def _of_samples(content: str, width: int, height: int, orientation: int, samples: _Samples) -> Measures:
    raw, visible = samples.values, samples.visible
    if visible is not None and (visible.all() or not visible.any()):  # seen by its colours, as when it is scored
        visible = None
    channels = [raw[..., channel] for channel in range(raw.shape[-1])]
    at_top, at_zero = (samples.top <= channels[0]), (channels[0] <= 0)
    for channel in channels[1:]:  # a channel at a time: reducing an axis of three takes several times as long
        at_top, at_zero = at_top | (channel >= samples.top), at_zero & (channel <= 0)
    bright, dark = (at_zero, at_top) if samples.inverted else (at_top, at_zero)
    planes = [_squares(channel, samples.factor) / samples.white for channel in channels]  # (n, 2, m, 2) each
    if samples.inverted:
        planes = [1 - plane for plane in planes]
    grey: Numbers = planes[0]
    if len(planes) == 3:
        grey = _LUMA[0] * planes[0] + _LUMA[1] * planes[1] + _LUMA[2] * planes[2]
    there = None if visible is None else _squares(visible, samples.factor) > 0.5
    means = [_mean(plane, there) for plane in planes]
    brightness = _mean(grey, there)
    contrast = _mean((grey - brightness) ** 2, there) ** 0.5
    red, green, blue = means * 3 if len(means) == 1 else means
    colour = 0.0
    if len(planes) == 3:
        spread = np.maximum(np.maximum(*planes[:2]), planes[2]) - np.minimum(np.minimum(*planes[:2]), planes[2])
        colour = _mean(spread, there)
    fill, x, y = _framing(grey if there is None else np.where(there, grey, 1.0), orientation)
    return Measures(
        content=content,
        width=width,
        height=height,
        white=samples.white,
        brightness=brightness,
        contrast=contrast,
        sharpness=_step(grey, there) / contrast if contrast > _FLAT else None,
        clipped_bright=_mean(bright, visible),
        clipped_dark=_mean(dark, visible),
        colour=colour,
        red=red,
        green=green,
        blue=blue,
        fill=fill,
        centre_x=x,
        centre_y=y,
    )


def _squares(values: Numbers, factor: tuple[int, int]) -> Numbers:
    """(rows, columns) as (squares, 2, squares, 2), reduced; one row or column is no square."""
    (down, across), (rows, columns) = factor, values.shape
    high, wide = min(2, rows // down), min(2, columns // across)
    if factor == (1, 1):
        return values.reshape(rows // high, high, columns // wide, wide)
    apart = values.reshape(rows // (high * down), high, down, columns // (wide * across), wide, across)
    reduced: Numbers = apart.mean((2, 5), dtype=np.float64)
    return reduced


def _mean(values: Numbers, there: NDArray[np.bool_] | None) -> float:
    chosen = values if there is None else values[there]
    return float(np.add.reduce(chosen, axis=None, dtype=np.float64)) / chosen.size


def _step(grey: Numbers, there: NDArray[np.bool_] | None) -> float:
    """The root mean square of the differences of neighbours within the squares."""
    total, count = 0.0, 0
    for first, second in (((slice(None), 0), (slice(None), 1)), ((..., 0), (..., 1))):
        if grey.shape[1 if first[0] is not ... else 3] < 2:
            continue
        steps = grey[second] - grey[first]
        steps = steps.ravel() if there is None else steps[there[first] & there[second]]
        total += float(np.add.reduce(steps * steps))  # a product of vectors would start threads of its own
        count += steps.size
    return (total / count) ** 0.5 if count else 0.0


def _framing(grey: Numbers, orientation: int) -> tuple[float | None, float | None, float | None]:
    """The object's share of the picture and its middle, upright; nothing without a plain background."""
    if min(grey.shape[0], grey.shape[2]) < 3 or grey[0, :, 0].size < 4:
        return None, None, None
    small = (grey[:, 0, :, 0] + grey[:, 0, :, 1] + grey[:, 1, :, 0] + grey[:, 1, :, 1]) / 4  # (n, m)
    spread = np.sort(small, axis=None)
    span = _at(spread, 0.99) - _at(spread, 0.01)
    edge = np.sort(np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]]))
    if span < _SPAN or _at(edge, 0.9) - _at(edge, 0.1) > span / 4:
        return None, None, None
    is_object = np.abs(small - _at(edge, 0.5)) > span / 4
    rows, columns = is_object.sum(1), is_object.sum(0)
    count = int(rows.sum())
    if not count:
        return 0.0, None, None
    x, y = (float((each * (np.arange(len(each)) + 0.5)).sum()) / count / len(each) for each in (columns, rows))
    x, y = (1 - x if orientation in (2, 3, 7, 8) else x), (1 - y if orientation in (3, 4, 6, 7) else y)
    return count / small.size, *((y, x) if orientation >= 5 else (x, y))


def _at(ordered: Numbers, share: float) -> float:
    return float(ordered[round(share * (len(ordered) - 1))])


class Measuring:
    """Measures pictures where their bytes are read for their hash, each content once; shared by a scan's readers."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._found: dict[str, Measures] = {}

    @property
    def measures(self) -> list[Measures]:
        """What was measured, one of each content."""
        return list(self._found.values())

    def content_of(self, file: Path) -> str:
        """The SHA-256 of a file's bytes, measured on the way.

        Raises:
            OSError: the file can't be read.
        """
        content, measured = read(file, self._found)
        self._keep(measured)
        return content

    def measure_known(self, file: Path, content: str | None) -> None:
        """Measure a file that holds what it held."""
        if content is not None and content not in self._found:
            self._keep(measure_known(file, content))

    def _keep(self, measured: Measures | None) -> None:
        if measured is not None:
            self._found[measured.content] = measured
