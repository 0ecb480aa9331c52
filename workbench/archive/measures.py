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
- About as many pictures are measured at once as there are cores, and of small ones one batch: theirs are short calls,
  and threads that hand the interpreter to each other between them take several times as long as one. Small pictures of
  one size and format are one array; no value depends on which they are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from warehouse.errors import WorkbenchError
from warehouse.records.measures import Measures
from workbench.archive import high_bit_depth, image_decoding, tone_range
from workbench.archive.high_bit_depth import Deep
from workbench.archive.view import View
from workbench.errors import ReplacedImage, UnreadableImage

Numbers = NDArray[Any]

SIDE = 1024  # pixels of the longer side that a reduced picture keeps at least
SQUARES = 128  # along each side, at most
KNOWN_AT_ONCE = 2000  # pictures of an older warehouse that are measured with each scan
LARGE = 2**25  # bytes of samples, or of a file, from which on one picture at a time is decoded
_LUMA = (0.299, 0.587, 0.114)
_FLAT = 0.0005  # contrast below which nothing is sharp or blurred
_SPAN = 0.02  # of grey, below which nothing stands out from its background
_TOPS = (1023.0, 4095.0, 16383.0)  # where a camera of fewer bits than its file stops
SMALL = 2**16  # bytes of a file, and of samples, up to which pictures are measured together
_COPIED = 2**21  # pixels of a picture of which all are copied; of a larger one the rows of squares alone
_ARRAY = 2**15  # samples of pictures that are measured as one array
_one_large = threading.RLock()
_one_batch = threading.Lock()
_computing = threading.BoundedSemaphore((os.cpu_count() or 1) + 1)  # each waits for the interpreter now and then


@dataclass(frozen=True, slots=True)
class _Samples:
    """A picture's pixels in squares of 2 x 2, each of `factor` x `factor` samples."""

    size: tuple[int, int]  # width and height of the picture as it lies in its file
    orientation: int  # as EXIF counts
    values: Numbers  # (rows, columns, channels) of the squares, as they lie in the file
    visible: NDArray[np.bool_] | None  # (rows, columns); None: all are
    factor: tuple[int, int]  # down, across
    white: float
    top: float  # at which a sample is clipped
    inverted: bool

    @property
    def kind(self) -> Hashable:
        """Equal for pictures that can be measured as one array; None where this one can't."""
        if self.visible is not None:
            return None
        return (
            self.size, self.orientation, self.values.shape, self.values.dtype, self.factor, self.white, self.top,
            self.inverted,
        )  # fmt: skip


def measure_known(file: Path, content: str) -> Measures | None:
    """What is measured of a file of known content; None where it holds another now, or can't be read."""
    try:
        if file.stat().st_size <= LARGE:
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
    with ExitStack() as decoding:  # until the picture is measured
        has_turn = False

        def take_turn(decoded_bytes: int) -> None:
            nonlocal has_turn
            if has_turn:
                return
            if decoded_bytes > LARGE:
                decoding.enter_context(_one_large)
            decoding.enter_context(_computing)  # after the large one's lock: who measures must not wait for it
            has_turn = True

        try:
            return _of_alike([content], [_decoded(data, take_turn)])[0]
        except Exception:  # noqa: BLE001 - whatever is wrong with it is said when it is scored
            return Measures(content)


def measure_together(files: Mapping[str, bytes]) -> list[Measures]:
    """As `measure`, of several files; small pictures that are alike take far less than each alone.

    Args:
        files: bytes by their SHA-256 in hex.
    """
    measured: list[Measures] = []
    larger: list[str] = []
    alike: dict[Hashable, dict[str, _Samples]] = {}
    with _one_batch:
        for content, data in files.items():
            try:
                samples = _decoded(data, _refuse_larger)
            except _LargerError:
                larger.append(content)
            except Exception:  # noqa: BLE001 - as above
                measured.append(Measures(content))
            else:
                alike.setdefault(samples.kind or content, {})[content] = samples
        for pictures in alike.values():
            names, all_samples = list(pictures), list(pictures.values())
            step = max(1, _ARRAY // all_samples[0].values.size)
            for start in range(0, len(names), step):
                measured += _of_alike(names[start : start + step], all_samples[start : start + step])
    return [*measured, *(measure(files[content], content) for content in larger)]


def measure_tiles(file: Path, content: str, tiles: Mapping[str, View]) -> list[Measures]:
    """What is measured of the tiles of a large picture, which is decoded once; nothing of one that can't be.

    Args:
        file: the picture's.
        content: the SHA-256 of its bytes in hex.
        tiles: by what their measures are stored under.

    Raises:
        ReplacedImage: the file holds another picture now.
    """
    measured: list[Measures] = []
    names = iter(tiles)
    try:
        with _one_large, _computing:
            for part, frame in image_decoding.parts(file, content, tiles.values()):
                if isinstance(part, Deep):
                    samples = _of_deep(part)
                else:
                    samples = _of_eight_bits(part, frame.orientation, part.size, _factor(*part.size))
                measured += _of_alike([next(names)], [samples])
    except ReplacedImage:
        raise
    except Exception:  # noqa: BLE001 - as above
        return [Measures(name) for name in tiles]
    return measured


class _LargerError(WorkbenchError):
    """A picture is not small."""


def _refuse_larger(decoded_bytes: int) -> None:
    if decoded_bytes > SMALL:
        raise _LargerError


def _decoded(data: bytes, before_decoding: Callable[[int], None]) -> _Samples:
    """The samples that are looked at.

    Args:
        data: the file's bytes.
        before_decoding: is told once or twice how many bytes the picture takes at most.
    """
    size = (0, 0)

    def prepare(image: Image.Image) -> None:
        nonlocal size
        size, factor = image.size, _factor(*image.size)
        if image.format == "JPEG" and factor > 1:
            image.draft(None, (image.width // factor, image.height // factor))
        before_decoding(image.width * image.height * 4)

    if head := high_bit_depth.header(data):
        before_decoding(head.width * head.height * 8)
    found = image_decoding.load(data, before_decoding=prepare)
    if isinstance(found, Deep):
        return _of_deep(found)
    is_reduced = found.width < size[0] and found.format == "JPEG"  # a TIFF is turned when it is decoded
    size, factor = (size, 1) if is_reduced else (found.size, _factor(*found.size))
    return _of_eight_bits(found, high_bit_depth.orientation(found), size, factor)


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


def _of_eight_bits(image: Image.Image, orientation: int, size: tuple[int, int], factor: int) -> _Samples:
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    down, across = _axis(image.height, factor), _axis(image.width, factor)
    if image.width * image.height > _COPIED:
        strips = (image.crop((0, top, image.width, top + down.side)) for top in down.first)
        values = np.concatenate([np.asarray(strip)[:, across.places] for strip in strips])
    else:
        values = np.asarray(image)[down.places][:, across.places]
    if values.ndim == 2:
        values = values[..., None]
    visible = None
    if image.mode == "RGBA":
        visible, values = values[..., 3] >= 128, values[..., :3]
    return _Samples(size, orientation, values, _seen(visible), (down.factor, across.factor), 255.0, 255.0, False)


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
    size, top = (deep.width, deep.height), most if most in _TOPS else white
    return _Samples(
        size, deep.orientation, values, _seen(visible), (down.factor, across.factor), white, top, deep.inverted
    )


def _seen(visible: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Of a picture that is transparent throughout all: it is seen by its colours, as when it is scored."""
    return None if visible is None or visible.all() or not visible.any() else visible


def _of_alike(contents: Sequence[str], alike: Sequence[_Samples]) -> list[Measures]:
    """What is measured of n pictures of one kind; arrays begin with the axis of the pictures."""
    first = alike[0]
    raw = np.stack([each.values for each in alike]) if len(alike) > 1 else first.values[None]
    visible = None if first.visible is None else first.visible[None]
    channels = [raw[..., channel] for channel in range(raw.shape[-1])]  # (n, rows, columns) each
    at_top, at_zero = (first.top <= channels[0]), (channels[0] <= 0)
    for channel in channels[1:]:  # a channel at a time: reducing an axis of three takes several times as long
        at_top, at_zero = at_top | (channel >= first.top), at_zero & (channel <= 0)
    bright, dark = (at_zero, at_top) if first.inverted else (at_top, at_zero)
    planes = [_squares(channel, first.factor) / first.white for channel in channels]  # (n, squares, 2, squares, 2) each
    if first.inverted:
        planes = [1 - plane for plane in planes]
    grey: Numbers = planes[0]
    if len(planes) == 3:
        grey = _LUMA[0] * planes[0] + _LUMA[1] * planes[1] + _LUMA[2] * planes[2]
    there = None if visible is None else _squares(visible, first.factor) > 0.5
    means = [_means(plane, there) for plane in planes]  # (n,) each
    brightness = _means(grey, there)
    contrast = _means((grey - brightness[:, None, None, None, None]) ** 2, there) ** 0.5
    colour: Numbers = np.zeros(len(alike))
    if len(planes) == 3:
        spread = np.maximum(np.maximum(*planes[:2]), planes[2]) - np.minimum(np.minimum(*planes[:2]), planes[2])
        colour = _means(spread, there)
    step = _step(grey, there)
    framing = _framing(grey if there is None else np.where(there, grey, 1.0), first.orientation)
    red, green, blue = means * 3 if len(means) == 1 else means
    shares = (brightness, contrast, step, _means(bright, visible), _means(dark, visible), colour, red, green, blue)
    width, height = reversed(first.size) if first.orientation >= 5 else first.size
    return [
        Measures(
            content=content,
            width=width,
            height=height,
            white=first.white,
            brightness=b,
            contrast=c,
            sharpness=s / c if c > _FLAT else None,
            clipped_bright=at_white,
            clipped_dark=at_black,
            colour=colourful,
            red=r,
            green=g,
            blue=bl,
            fill=fill,
            centre_x=x,
            centre_y=y,
        )
        for content, (fill, x, y), b, c, s, at_white, at_black, colourful, r, g, bl in zip(
            contents, framing, *(share.tolist() for share in shares), strict=True
        )
    ]


def _squares(values: Numbers, factor: tuple[int, int]) -> Numbers:
    """(n, rows, columns) as (n, squares, 2, squares, 2), reduced; one row or column is no square."""
    (down, across), (n, rows, columns) = factor, values.shape
    high, wide = min(2, rows // down), min(2, columns // across)
    if factor == (1, 1):
        return values.reshape(n, rows // high, high, columns // wide, wide)
    apart = values.reshape(n, rows // (high * down), high, down, columns // (wide * across), wide, across)
    reduced: Numbers = apart.mean((3, 6), dtype=np.float64)
    return reduced


def _means(values: Numbers, there: NDArray[np.bool_] | None) -> Numbers:
    """(n,), each over all of a picture, or over what is there of the only one."""
    chosen = values.reshape(len(values), -1) if there is None else values[there][None]
    total: Numbers = np.add.reduce(chosen, axis=1, dtype=np.float64)
    return total / chosen.shape[1]


def _step(grey: Numbers, there: NDArray[np.bool_] | None) -> Numbers:
    """(n,), the root mean square of the differences of neighbours within the squares."""
    total, count = np.zeros(len(grey)), 0
    for first, second in (
        ((..., 0, slice(None), slice(None)), (..., 1, slice(None), slice(None))),
        ((..., 0), (..., 1)),
    ):
        if grey.shape[2 if len(first) > 2 else 4] < 2:
            continue
        steps = grey[second] - grey[first]
        steps = steps.reshape(len(grey), -1) if there is None else steps[there[first] & there[second]][None]
        total += np.add.reduce(steps * steps, axis=1)  # a product of vectors would start threads of its own
        count += steps.shape[1]
    return (total / count) ** 0.5 if count else total


def _framing(grey: Numbers, orientation: int) -> list[tuple[float | None, float | None, float | None]]:
    """The object's share of each picture and its middle, upright; nothing without a plain background."""
    n, rows, high, columns, wide = grey.shape
    if min(rows, columns) < 3 or high * wide < 4:
        return [(None, None, None)] * n
    small = (grey[:, :, 0, :, 0] + grey[:, :, 0, :, 1] + grey[:, :, 1, :, 0] + grey[:, :, 1, :, 1]) / 4
    spread = np.sort(small.reshape(n, -1), axis=1)
    span = _at(spread, 0.99) - _at(spread, 0.01)
    outermost = (small[:, 0], small[:, -1], small[:, 1:-1, 0], small[:, 1:-1, -1])
    edge = np.sort(np.concatenate(outermost, axis=1), axis=1)
    is_plain = (span >= _SPAN) & (_at(edge, 0.9) - _at(edge, 0.1) <= span / 4)
    is_object = np.abs(small - _at(edge, 0.5)[:, None, None]) > (span / 4)[:, None, None]
    of_columns, of_rows = is_object.sum(1), is_object.sum(2)
    counts = of_rows.sum(1)
    x, y = (  # of a picture without an object anything
        (each * (np.arange(each.shape[1]) + 0.5)).sum(1) / np.maximum(counts, 1) / each.shape[1]
        for each in (of_columns, of_rows)
    )
    x, y = (1 - x if orientation in (2, 3, 7, 8) else x), (1 - y if orientation in (3, 4, 6, 7) else y)
    middles = zip(*((y.tolist(), x.tolist()) if orientation >= 5 else (x.tolist(), y.tolist())), strict=True)
    found: list[tuple[float | None, float | None, float | None]] = []
    for has_fill, count, middle in zip(is_plain.tolist(), counts.tolist(), middles, strict=True):
        fill = count / (rows * columns) if has_fill else None
        found.append((fill, *(middle if fill else (None, None))))
    return found


def _at(ordered: Numbers, share: float) -> Numbers:
    """(n,), of values in order along the second axis."""
    found: Numbers = ordered[:, round(share * (ordered.shape[1] - 1))]
    return found
