"""Samples of more than 8 bits as they lie in a file: bytes go in, rows of numbers come out.

    PNG of 16 bits     grey, grey with alpha, colour, colour with alpha
    TIFF               integers and floats of 16, 32 and 64 bits, chunky or planar, one to four channels
    PGM, PPM           with a greatest value above 255; PFM in grey

Pillow reduces most of these to the upper byte of 16, which shows a 12-bit camera as black, and refuses the others. Its
decoders are used all the same, and asked for bytes: a PNG is decoded once for the upper and once for the lower bytes,
and a TIFF is opened as a grey picture of bytes, so many times as wide. What these can't be had from (12 packed bits, a
TIFF compressed as JPEG) is left to Pillow.

Knows nothing of what the numbers mean; that is `tone_range.py`.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

Numbers = NDArray[Any]  # of any width, integer or floating
Kind = Literal["integer", "floating"]

ROWS_AT_ONCE = 2**22  # bytes of a strip: what is worked on beside the whole picture
DEPTHS = tuple(float(2**bits - 1) for bits in (8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32))


@dataclass(frozen=True, slots=True)
class Deep:
    """A picture whose samples are deeper than 8 bit, decoded and as it lies in the file."""

    width: int
    height: int
    channels: int  # grey, or red, green and blue
    alpha: Literal["none", "straight", "premultiplied"]  # the channel after those
    kind: Kind
    declared: float  # what the file itself says its greatest value is, where it is a camera's; else 0
    orientation: int  # as EXIF counts, where it is the container that says it; 1 is upright
    rows: Callable[[int, int], Numbers]  # (top, bottom) -> (rows, width, channels and alpha)
    clear: tuple[int, ...] | None = None  # the colour that stands for transparent
    inverted: bool = False  # 0 is white, and the camera's greatest value black

    def strips(self) -> Iterator[tuple[int, Numbers]]:
        """The whole picture, a few rows at a time, each with the row it begins at."""
        step = max(1, ROWS_AT_ONCE // (self.width * 16))
        for top in range(0, self.height, step):
            yield top, self.rows(top, min(self.height, top + step))


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself before anything is decoded."""

    width: int
    height: int
    working_bytes: int  # that decoding it takes beside the file's own
    orientation: int = 1  # where it is the container that says it


def is_deep(file: BinaryIO) -> bool:
    """Whether an open file's samples are deeper than 8 bit, from its head and, of a TIFF, from its tags.

    Raises:
        whatever damaged bytes make a parser raise.
    """
    head = file.read(1024)
    if head.startswith(_PNG):
        return head[24:25] == b"\x10"
    if head[:4] in _TIFF:
        return max((_tags(file) or {}).get(_BITS, (8,))) > 8
    return head.startswith(b"Pf") or ((pnm := _pnm(head)) is not None and pnm.greatest > 255)


def header(data: bytes) -> Header | None:
    """Size and memory of a picture that `read` would read; None for any other, damaged ones among them."""
    try:
        return _header(data)
    except Exception:  # noqa: BLE001 - parsers meet damaged bytes with every kind of exception; Pillow says what it is
        return None


def _header(data: bytes) -> Header | None:
    if data.startswith(_PNG) and data[24:25] == b"\x10":
        width, height = struct.unpack(">II", data[16:24])
        per_pixel = {0: 2, 4: 4, 2: 8, 6: 8}.get(data[25], 8)
        return Header(width, height, width * height * per_pixel)
    if data[:4] in _TIFF and (layout := _layout(data)) is not None:
        pixels = layout.width * layout.height
        tile = layout.tile[0] * layout.tile[1] * layout.bytes_per_pixel
        working = pixels * layout.bytes_per_pixel + tile + len(data)
        return Header(layout.width, layout.height, working, layout.orientation)
    if (pnm := _pnm(data)) is not None and pnm.greatest > 255:
        plain = 100 * pnm.width * pnm.height * pnm.channels if pnm.magic in b"P2P3" else 0
        return Header(pnm.width, pnm.height, plain)
    return None


def read(data: bytes) -> Deep | None:
    """The picture, decoded; None where its samples aren't deep, or can't be had.

    Raises:
        whatever damaged bytes make a decoder raise.
    """
    if data.startswith(_PNG):
        return _png(data) if data[24:25] == b"\x10" else None
    if data[:4] in _TIFF:
        layout = _layout(data)
        return None if layout is None else _tiff(data, layout)
    pnm = _pnm(data)
    return _pnm_samples(data, pnm) if pnm is not None and pnm.greatest > 255 else None


def of_image(image: Image.Image) -> Deep:
    """A picture that Pillow has with its whole depth, in one of its modes I and F."""
    image.load()

    def rows(top: int, bottom: int) -> Numbers:
        return np.asarray(image.crop((0, top, image.width, bottom)))[..., None]

    kind: Kind = "floating" if image.mode == "F" else "integer"
    return Deep(image.width, image.height, 1, "none", kind, 0.0, 1, rows)


def orientation(image: Image.Image) -> int:
    """As EXIF counts; 1, upright, where a damaged EXIF block says nothing. A TIFF that is loaded is upright already."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001 - as every parser of damaged bytes
        return 1


def png_orientation(file: BinaryIO) -> int:
    """The same of an open PNG. Pillow decodes all of it to find what may stand behind its pixels, so the file is handed
    to it without them.
    """
    file.seek(0)
    kept = [file.read(len(_PNG))]
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"IDAT" or length > _LONGEST_CHUNK:
            file.seek(length + 4, io.SEEK_CUR)
        elif head[4:] == b"IEND":
            break
        else:
            kept.append(head + file.read(length + 4))
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(b"".join((*kept, _NO_PIXELS)))) as image:
            return int(Image.Image.getexif(image).get(0x0112, 1))
    except Exception:  # noqa: BLE001 - as every parser of damaged bytes
        return 1


# -- PNG ---------------------------------------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82"
_LONGEST_CHUNK = 2**24  # bytes; a longer one says nothing of an orientation


def _png(data: bytes) -> Deep:
    """One decoding for grey; for colours a second one, which takes the other byte of each sample."""
    upper = _as_bytes(data, "upper")
    clear, turned = upper.info.get("transparency"), orientation(upper)
    colour = data[25]  # 0 grey, 2 colour, 4 and 6 the same with alpha
    if colour == 0:
        return replace(of_image(upper), orientation=turned, clear=(clear,) if isinstance(clear, int) else None)
    if colour == 4:

        def rows(top: int, bottom: int) -> Numbers:
            four = np.asarray(upper.crop((0, top, upper.width, bottom)), np.uint16)  # upper and lower byte, twice
            return four[..., 0::2] << 8 | four[..., 1::2]

        return Deep(upper.width, upper.height, 1, "straight", "integer", 0.0, turned, rows)
    lower = _as_bytes(data, "lower")

    def colours(top: int, bottom: int) -> Numbers:
        box = (0, top, upper.width, bottom)
        return np.asarray(upper.crop(box), np.uint16) << 8 | np.asarray(lower.crop(box), np.uint16)

    alpha: Literal["none", "straight"] = "straight" if colour == 6 else "none"
    keyed = tuple(clear) if isinstance(clear, tuple) else None
    return Deep(upper.width, upper.height, 3, alpha, "integer", 0.0, turned, colours, keyed)


def _as_bytes(data: bytes, which: Literal["upper", "lower"]) -> Image.Image:
    """A 16-bit PNG with one byte of each sample; of grey with alpha both, as red and green, blue and alpha."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    raw = {4: "RGBA", 2: f"RGB;16{'B' if which == 'upper' else 'L'}", 6: f"RGBA;16{'B' if which == 'upper' else 'L'}"}
    if data[25] in raw:
        image.tile = [tile._replace(args=raw[data[25]]) for tile in image.tile]
    image.load()
    return image


# -- TIFF --------------------------------------------------------------------------------------------------------------

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL, _ORIENTATION = 256, 257, 258, 259, 262, 266, 274
_OFFSETS, _SAMPLES, _STRIP, _COUNTS, _PLANAR, _PREDICTOR, _EXTRA, _FORMAT = 273, 277, 278, 279, 284, 317, 338, 339
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_LOSSLESS = {1, 5, 8, 32773, 32946, 34925, 50000}  # none, LZW, deflate, PackBits, deflate, LZMA, zstd


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a TIFF's samples lie."""

    width: int
    height: int
    samples: int  # of a pixel
    type: np.dtype[Any]
    planar: bool
    predictor: int
    white_is_zero: bool
    channels: int
    alpha: Literal["none", "straight", "premultiplied"]
    orientation: int
    tile: tuple[int, int]  # width and height; (0, 0) in strips
    tags: Mapping[int, tuple[int, ...]]
    order: Literal["<", ">"]

    @property
    def bytes_per_pixel(self) -> int:
        """Of all its samples."""
        return self.samples * self.type.itemsize


def _tags(file: BinaryIO) -> dict[int, tuple[int, ...]] | None:
    """The first page's tags that are whole numbers; None if there are none."""
    file.seek(0)
    head = file.read(16)
    directory = TiffImagePlugin.ImageFileDirectory_v2(head if b"+" in head[2:4] else head[:8])
    file.seek(directory.next)
    directory.load(file)
    found: dict[int, tuple[int, ...]] = {}
    for tag in directory:
        value = directory[tag]
        values = value if isinstance(value, tuple) else (value,)
        if values and all(isinstance(each, int) for each in values):
            found[tag] = values
    return found or None


def _layout(data: bytes) -> _Layout | None:
    """None for what isn't deep, and for what can't be read as bytes."""
    tags = _tags(io.BytesIO(data))
    if tags is None or not {_WIDTH, _LENGTH} <= tags.keys():
        return None

    def one(tag: int, otherwise: int) -> int:
        return tags.get(tag, (otherwise,))[0]

    samples = one(_SAMPLES, 1)
    bits = set(tags.get(_BITS, (1,)))
    form = set(tags.get(_FORMAT, (1,)))
    letter = {1: "u", 2: "i", 3: "f", 4: "u"}.get(one(_FORMAT, 1))
    photometric, extra = one(_PHOTOMETRIC, 1), tags.get(_EXTRA, ())
    if (
        bits - {16, 32, 64}
        or len(bits) != 1
        or len(form) != 1
        or letter is None
        or photometric not in (0, 1, 2)
        or one(_COMPRESSION, 1) not in _LOSSLESS
        or one(_FILL, 1) != 1
        or not 1 <= samples <= 16
        or one(_PREDICTOR, 1) not in (1, 2, 3)
    ):
        return None
    channels = 3 if photometric == 2 else 1
    if samples < channels:
        return None
    kinds: dict[int, Literal["straight", "premultiplied"]] = {1: "premultiplied", 2: "straight", 999: "straight"}
    alpha: Literal["none", "straight", "premultiplied"] = "none"
    if samples > channels:  # of colours a fourth channel that nothing is said of is alpha, as Pillow takes it
        alpha = kinds.get(extra[0], "none") if extra else "straight" if (channels, samples) == (3, 4) else "none"
    order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
    return _Layout(
        width=one(_WIDTH, 0),
        height=one(_LENGTH, 0),
        samples=samples,
        type=np.dtype(f"{order}{letter}{bits.pop() // 8}"),
        planar=one(_PLANAR, 1) == 2 and samples > 1,
        predictor=one(_PREDICTOR, 1),
        white_is_zero=photometric == 0,
        channels=channels,
        alpha=alpha,
        orientation=one(_ORIENTATION, 1),
        tile=(one(_TILE_WIDTH, 0), one(_TILE_LENGTH, 0)) if _TILE_OFFSETS in tags else (0, 0),
        tags=tags,
        order=order,
    )


def _tiff(data: bytes, layout: _Layout) -> Deep:
    kept = layout.channels + (layout.alpha != "none")
    if layout.planar:
        offsets = layout.tags[_TILE_OFFSETS if layout.tile[0] else _OFFSETS]
        share = len(offsets) // layout.samples
        planes = [_plane(data, layout, slice(n * share, (n + 1) * share)) for n in range(kept)]
    else:
        planes = [_plane(data, layout, slice(None))]

    def rows(top: int, bottom: int) -> Numbers:
        found = [_unpredicted(_strip(plane, top, bottom), layout) for plane in planes]
        return np.concatenate(found, axis=2)[..., :kept] if layout.planar else found[0][..., :kept]

    kind: Kind = "floating" if layout.type.kind == "f" else "integer"
    return Deep(
        layout.width, layout.height, layout.channels, layout.alpha, kind, 0.0, layout.orientation, rows,
        inverted=layout.white_is_zero,
    )  # fmt: skip


def _plane(data: bytes, layout: _Layout, part: slice) -> Image.Image:
    """The samples' bytes as a grey picture, so many times as wide: the same strips under other tags."""
    wide = layout.type.itemsize * (1 if layout.planar else layout.samples)
    told = {
        _WIDTH: (layout.width * wide,),
        _LENGTH: (layout.height,),
        _BITS: (8,),
        _COMPRESSION: layout.tags.get(_COMPRESSION, (1,)),
        _PHOTOMETRIC: (1,),
        _SAMPLES: (1,),
        _PLANAR: (1,),
    }
    if layout.tile[0]:
        told |= {_TILE_WIDTH: (layout.tile[0] * wide,), _TILE_LENGTH: (layout.tile[1],)}
        told |= {_TILE_OFFSETS: layout.tags[_TILE_OFFSETS][part], _TILE_COUNTS: layout.tags[_TILE_COUNTS][part]}
    else:
        offsets = layout.tags[_OFFSETS][part]
        whole = (layout.width * wide * layout.height,) if len(offsets) == 1 else ()
        told |= {_STRIP: (min(layout.tags.get(_STRIP, (layout.height,))[0], layout.height),), _OFFSETS: offsets}
        told |= {_COUNTS: layout.tags.get(_COUNTS, whole)[part if _COUNTS in layout.tags else slice(None)]}
    image = _Bytes(io.BytesIO(_retagged(data, layout.order, told)))
    image.load()
    return image


class _Bytes(TiffImagePlugin.TiffImageFile):
    """A TIFF opened for its bytes, many times as wide as the picture: its size was looked at before."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.core.new(self.mode, self.size)  # type: ignore[attr-defined]
        super().load_prepare()


def _retagged(data: bytes, order: Literal["<", ">"], told: Mapping[int, tuple[int, ...]]) -> bytes:
    """The file with these tags alone; where its samples lie doesn't change."""
    start = len(data) + len(data) % 2
    beyond = start + 2 + 12 * len(told) + 4
    entries, values = b"", b""
    for tag in sorted(told):
        packed = struct.pack(f"{order}{len(told[tag])}I", *told[tag])
        place = packed if len(packed) == 4 else struct.pack(f"{order}I", beyond + len(values))
        values += packed if len(packed) > 4 else b""
        entries += struct.pack(f"{order}HHI", tag, 4, len(told[tag])) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    directory = struct.pack(f"{order}H", len(told)) + entries + struct.pack(f"{order}I", 0) + values
    return b"".join((head, memoryview(data)[8:], b"\0" * (start - len(data)), directory))


def _strip(image: Image.Image, top: int, bottom: int) -> NDArray[np.uint8]:
    return np.asarray(image.crop((0, top, image.width, bottom)))


def _unpredicted(rows: NDArray[np.uint8], layout: _Layout) -> Numbers:
    """(rows, width, samples) of the numbers whose bytes these are, with differences added up."""
    count = 1 if layout.planar else layout.samples
    wide = layout.type.itemsize * count
    step = layout.tile[0] or layout.width
    parts: list[Numbers] = []
    for left in range(0, layout.width, step):
        part = rows[:, left * wide : (left + step) * wide]
        if layout.predictor == 3:  # bytes of all samples by significance, each less the one before it
            if layout.tile[0] and part.shape[1] != step * wide:
                raise ValueError("a floating predictor in a tile that the picture's edge cuts")
            added = part.reshape(len(part), -1, count).cumsum(1, dtype=np.uint8)
            planes = added.reshape(len(part), layout.type.itemsize, -1).transpose(0, 2, 1)
            numbers: Numbers = (
                np.ascontiguousarray(planes).view(layout.type.newbyteorder(">")).reshape(len(part), -1, count)
            )
        else:
            numbers = np.ascontiguousarray(part).view(layout.type).reshape(len(part), -1, count)
            if layout.predictor == 2:
                unsigned = np.dtype(f"u{layout.type.itemsize}")
                added = numbers.view(unsigned.newbyteorder(layout.order)).cumsum(1, dtype=unsigned)
                numbers = added.view(layout.type.newbyteorder("="))
        parts.append(numbers)
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return values.astype(layout.type.newbyteorder("="))


# -- PGM, PPM ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pnm:
    magic: bytes
    width: int
    height: int
    greatest: int  # the file's own word for white
    start: int  # of its samples

    @property
    def channels(self) -> int:
        return 3 if self.magic in (b"P3", b"P6") else 1


_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM = re.compile(rb"(P[2356])" + _SPACE + rb"(\d{1,10})" + _SPACE + rb"(\d{1,10})" + _SPACE + rb"(\d{1,5})\s")


def _pnm(data: bytes) -> _Pnm | None:
    found = _PNM.match(data[:65536])
    if found is None or not 0 < int(found[4]) < 65536:
        return None
    return _Pnm(found[1], int(found[2]), int(found[3]), int(found[4]), found.end())


def _pnm_samples(data: bytes, pnm: _Pnm) -> Deep:
    """The numbers themselves: a greatest value that a camera's depth gives is believed, any other says nothing."""
    shape = (pnm.height, pnm.width, pnm.channels)
    count = pnm.height * pnm.width * pnm.channels
    if pnm.magic in (b"P5", b"P6"):
        if len(data) - pnm.start < 2 * count:
            raise ValueError("image file is truncated")
        values: Numbers = np.frombuffer(data, ">u2", count, pnm.start).reshape(shape)
    else:
        text = re.sub(rb"#[^\r\n]*", b" ", data[pnm.start :])
        values = np.array(text.split(maxsplit=count)[:count], dtype=np.uint16)
        if len(values) < count:
            raise ValueError("image file is truncated")
        values = values.reshape(shape)

    def rows(top: int, bottom: int) -> Numbers:
        return values[top:bottom].astype(np.uint16)

    declared = float(pnm.greatest) if pnm.greatest < 65535 and float(pnm.greatest) in DEPTHS else 0.0
    return Deep(pnm.width, pnm.height, pnm.channels, "none", "integer", declared, 1, rows)
