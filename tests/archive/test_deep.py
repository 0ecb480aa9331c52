"""A deep picture is seen as its 8-bit twin, in every format and depth; a run has one range for each camera."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.scoring.drawn import scanned
from workbench.archive import image_decoding, tone_range
from workbench.archive.image_decoding import inspect_image, open_image
from workbench.archive.tone_range import CameraTone, Tone, Tones
from workbench.archive.view import View
from workbench.errors import UnreadableImage

Values = NDArray[np.float64]
SIDE, WIDE = 72, 61
LEVELS = 4.0  # grey levels that a deep picture may differ by


def plate(seed: int = 0) -> Values:
    """(SIDE, WIDE, 3) of 0 to 255: a soft pattern of three colours, some noise, no two alike."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[0:SIDE, 0:WIDE]
    pattern = 40 * np.sin(x / 9)[..., None] * np.cos(y / 7)[..., None]
    values: Values = (np.array([130, 110, 90]) + pattern + rng.normal(0, 4, (SIDE, WIDE, 3))).clip(0, 255)
    return values


def hot(values: Values, brightest: float) -> Values:
    """The same with hot pixels, a hot column and a hot pair."""
    values = values.copy()
    values[10::20, 7::13] = brightest
    values[:, 31] = brightest
    values[50, 50:52] = brightest
    return values


def with_alpha(values: NDArray[np.generic], opaque: float) -> NDArray[np.generic]:
    return np.dstack([values, np.full(values.shape[:2], opaque).astype(values.dtype)])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(values: NDArray[np.generic]) -> bytes:
    """16 bits, one to four channels, rows with every one of the filters; Pillow writes none with several."""
    high, wide, channels = values.shape
    head = struct.pack(">IIBBBBB", wide, high, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    step, rows = 2 * channels, []
    above: NDArray[np.uint8] = np.zeros(2 * channels * wide, np.uint8)
    for number, row in enumerate(values.astype(">u2")):
        raw = np.frombuffer(row.tobytes(), np.uint8)
        left = np.concatenate([np.zeros(step, np.uint8), raw[:-step]])
        less = {0: 0 * raw, 1: left, 2: above, 3: ((left.astype(int) + above) // 2).astype(np.uint8)}[number % 4]
        rows.append(bytes([number % 4]) + (raw - less).tobytes())
        above = raw
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(
    values: NDArray[np.generic], order: str = "<", packed: bool = False, planar: bool = False, predictor: int = 1,
    tile: int = 0, rows: int = 16, photometric: int | None = None, extra: int = 2,
) -> bytes:  # fmt: skip
    """A TIFF of any numbers, as cameras' and scientists' tools write them."""
    high, wide, samples = values.shape
    values = values.astype(values.dtype.newbyteorder(order))  # type: ignore[arg-type]
    planes = [values[..., n : n + 1] for n in range(samples)] if planar else [values]
    if tile:
        padded = [np.pad(p, ((0, -high % tile), (0, -wide % tile), (0, 0))) for p in planes]
        boxes = [(y, x) for y in range(0, high, tile) for x in range(0, wide, tile)]
        pieces = [plane[y : y + tile, x : x + tile] for plane in padded for y, x in boxes]
    else:
        pieces = [plane[y : y + rows] for plane in planes for y in range(0, high, rows)]
    blobs = []
    for piece in pieces:
        if predictor == 2:
            whole = piece.view(f"{order}u{piece.dtype.itemsize}").astype(f"u{piece.dtype.itemsize}")
            piece = np.diff(whole, axis=1, prepend=whole[:, :1] * 0).astype(f"{order}u{piece.dtype.itemsize}")
        if predictor == 3:
            big = piece.astype(piece.dtype.newbyteorder(">")).reshape(len(piece), -1)
            parts = np.frombuffer(big.tobytes(), np.uint8).reshape(len(piece), big.shape[1], -1).transpose(0, 2, 1)
            spread = parts.reshape(len(piece), -1, piece.shape[2])
            piece = np.diff(spread, axis=1, prepend=spread[:, :1] * 0)
        blobs.append(zlib.compress(piece.tobytes()) if packed else piece.tobytes())
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("I", [wide]), 257: ("I", [high]), 258: ("H", [8 * values.dtype.itemsize] * samples),
        259: ("H", [8 if packed else 1]),
        262: ("H", [photometric if photometric is not None else 2 if samples > 2 else 1]),
        277: ("H", [samples]), 284: ("H", [2 if planar else 1]), 317: ("H", [predictor]),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[values.dtype.kind]] * samples),
    }  # fmt: skip
    if samples in (2, 4):
        tags[338] = ("H", [extra])
    starts = np.cumsum([8] + [len(blob) for blob in blobs]).tolist()
    where, sizes = ("I", starts[:-1]), ("I", [len(blob) for blob in blobs])
    tags |= (
        {322: ("I", [tile]), 323: ("I", [tile]), 324: where, 325: sizes}
        if tile
        else {278: ("I", [rows]), 273: where, 279: sizes}
    )
    place, beyond, entries = starts[-1], b"", b""
    behind = place + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        form, numbers = tags[tag]
        data = struct.pack(f"{order}{len(numbers)}{form}", *numbers)
        value = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{order}I", behind + len(beyond))
        beyond += data if len(data) > 4 else b""
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[form], len(numbers)) + value
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", place)
    return head + b"".join(blobs) + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4 + beyond


def pnm(values: NDArray[np.generic], greatest: int = 65535, plain: bool = False) -> bytes:
    high, wide, channels = values.shape
    magic = (2 if plain else 5) + (channels == 3)
    body = " ".join(map(str, values.ravel())).encode() if plain else values.astype(">u2").tobytes()
    return b"P%d\n# a camera's\n%d %d\n%d\n" % (magic, wide, high, greatest) + body


WRITERS: dict[str, Callable[[NDArray[np.generic]], bytes]] = {
    "png": png,
    "tiff": tiff,
    "tiff, the other byte order": lambda values: tiff(values, order=">"),
    "tiff, packed with differences": lambda values: tiff(values, packed=True, predictor=2),
    "tiff, packed with differences, the other byte order": lambda v: tiff(v, order=">", packed=True, predictor=2),
    "tiff, packed in tiles": lambda values: tiff(values, packed=True, predictor=2, tile=16),
    "tiff, in planes": lambda values: tiff(values, planar=True, rows=7),
    "tiff, packed in planes": lambda values: tiff(values, planar=True, packed=True, predictor=2),
    "pnm": pnm,
    "pnm in letters": lambda values: pnm(values, plain=True),
}


def differs(file: Path, twin: Values, range_: Tone = tone_range.ALONE) -> float:
    """By how many grey levels a picture is seen otherwise than its twin, hot pixels aside."""
    seen = np.asarray(open_image(file, View(tone=range_)), float)
    ordinary = np.ones((SIDE, WIDE), bool)
    ordinary[10::20, 7::13] = ordinary[:, 31] = ordinary[50, 50:52] = False
    return float(max(np.abs(seen - twin)[ordinary].max(), abs(seen.mean() - twin.mean()) - 8))


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("written", WRITERS)
def test_a_deep_picture_is_seen_as_its_twin_with_hot_pixels_and_without(
    tmp_path: Path, written: str, bits: int
) -> None:
    full, twin = 2**bits - 1, plate()
    colour = (twin * full / 255).round()
    forms = {"grey": colour[..., :1], "colour": colour}
    wanted = {"grey": twin[..., :1].repeat(3, 2), "colour": twin}
    for name, values in list(forms.items()):
        forms[f"{name}, hot"], wanted[f"{name}, hot"] = hot(values, 65535), wanted[name]
    if "pnm" not in written:
        for name, values in list(forms.items()):
            for opaque in (65535, full):
                forms[f"{name}, alpha {opaque}"] = with_alpha(values, opaque)
                wanted[f"{name}, alpha {opaque}"] = wanted[name]
    off = {}
    for name, values in forms.items():
        file = tmp_path / f"{name}.png"
        file.write_bytes(WRITERS[written](values.astype(np.uint16)))
        off[name] = max(differs(file, wanted[name]), differs(file, wanted[name], Tone(integer=full)))
    assert {name: levels for name, levels in off.items() if levels > LEVELS} == {}


@pytest.mark.parametrize("full", [1.0, 255.0, 4095.0])
@pytest.mark.parametrize("form", [np.float32, np.float64, np.float16])
def test_floats_are_seen_as_their_twin_though_some_lie_above_one(
    tmp_path: Path, form: type[np.floating], full: float
) -> None:
    twin = plate()
    values = hot(twin * full / 255, 1.02 * full).astype(form)
    written = {
        "grey": tiff(values[..., :1]),
        "colour": tiff(values),
        "planes": tiff(values, planar=True),
        "alpha": tiff(with_alpha(values, full).astype(form)),
        "predicted": tiff(values, packed=True, predictor=3),
        "predicted, other order": tiff(values[..., :1], order=">", packed=True, predictor=3),
    }
    off = {}
    for name, data in written.items():
        (tmp_path / f"{name}.tiff").write_bytes(data)
        wanted = twin if name not in ("grey", "predicted, other order") else twin[..., :1].repeat(3, 2)
        off[name] = differs(tmp_path / f"{name}.tiff", wanted)
    assert {name: levels for name, levels in off.items() if levels > LEVELS} == {}


def test_other_numbers_that_tools_write(tmp_path: Path) -> None:
    twin = plate()
    grey, wanted = twin[..., :1], twin[..., :1].repeat(3, 2)
    twelve = (grey * 4095 / 255).round()
    half = with_alpha(twelve, 65535 // 2).astype(np.uint16)
    half[0, 0, 1] = 65535
    written = {
        "signed": tiff(twelve.astype(np.int16)),
        "signed, packed": tiff(twelve.astype(np.int32), packed=True, predictor=2),
        "32 bits": tiff(twelve.astype(np.uint32)),
        "white is zero": tiff(65535 - (grey * 257).round().astype(np.uint16), photometric=0),
        "alpha means nothing": tiff(with_alpha(twelve, 7).astype(np.uint16), extra=0),
        "says twelve bits": pnm((grey / 4 * 4095 / 255).round().astype(np.uint16), 4095),
        "says its own greatest": pnm(twelve.astype(np.uint16), 3000),
        "half transparent": tiff(half),
    }
    seen = {}
    for name, data in written.items():
        (tmp_path / "a.tiff").write_bytes(data)
        seen[name] = np.asarray(open_image(tmp_path / "a.tiff"), float)
    assert np.abs(seen.pop("says twelve bits") - wanted / 4).max() <= LEVELS
    assert np.abs(seen.pop("half transparent") - (wanted / 2 + 127.5))[1:].max() <= LEVELS
    off = {name: float(np.abs(values - wanted).max()) for name, values in seen.items()}
    assert {name: levels for name, levels in off.items() if levels > LEVELS} == {}


def test_a_file_cut_short_is_truncated_or_damaged_never_half_shown(tmp_path: Path) -> None:
    values = (plate() * 16).astype(np.uint16)
    for name, write in WRITERS.items():
        data = write(values)
        (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
        with pytest.raises(UnreadableImage, match=r"^(truncated|damaged|not an image): "):
            open_image(tmp_path / "cut.png")
        assert name


@pytest.mark.parametrize("full", [1023, 4095, 65535, 1.0])
def test_a_tiff_whose_nought_is_white_is_turned_within_its_cameras_range(tmp_path: Path, full: float) -> None:
    grey = plate()[..., :1]
    raw = (255 - grey) * full / 255
    (tmp_path / "a.tif").write_bytes(tiff(raw.astype(np.float32 if full == 1 else np.uint16), photometric=0))
    assert differs(tmp_path / "a.tif", grey.repeat(3, 2), tone_range.ALONE) <= LEVELS


@pytest.mark.parametrize("form", ["centred", "about nought", "holes"])
def test_samples_below_0_and_no_numbers_are_told(tmp_path: Path, form: str) -> None:
    share = plate()[..., :1] / 255
    share[:30] += np.nan if form == "holes" else 0
    centred = (np.nan_to_num(share) * 65535 - 32768).astype(np.int16)
    forms: dict[str, NDArray[np.generic]] = {"centred": centred, "about nought": share * 2 - 1, "holes": share}
    (tmp_path / "a.tif").write_bytes(tiff(forms[form]))
    assert inspect_image(tmp_path / "a.tif").oddity == "partly below 0 or no numbers"


def test_signed_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff((plate()[..., :1] - 128).astype(np.int8)))
    with pytest.raises(UnreadableImage, match="signed 8-bit samples"):
        open_image(tmp_path / "a.tif")


def test_an_archive_has_one_range_for_each_product_and_camera(tmp_path: Path) -> None:
    """A dark picture, a glitch and the camera's dark neighbours are seen with the range of the others."""
    rows = ["path,product,camera"]
    for number in range(12):
        for camera, full, share in (("a", 4095, 0.05 if number == 3 else 1.0), ("b", 1023, 1.0)):
            values = (plate(number)[..., :1] * share * full / 255).round()
            if camera == "a" and number == 5:
                values = values * 0 + 65535
            (tmp_path / f"{camera}{number}.png").write_bytes(png(values.astype(np.uint16)))
            rows.append(f"{camera}{number}.png,widget,{camera}")
    Image.new("L", (9, 9), 80).save(tmp_path / "plain.png")
    rows.append("plain.png,bracket,")
    (tmp_path / "images.csv").write_text("\n".join(rows) + "\n")
    found = scanned(tmp_path)

    chosen = tone_range.choose(found.registered, lambda entry: image_decoding.brightness(tmp_path / entry.path))

    named = {(each.product, each.camera): each.tone for each in chosen.cameras}
    assert named == {("widget", "a"): Tone(integer=4095.0), ("widget", "b"): Tone(integer=1023.0)}
    (dataset,) = {each.dataset for each in chosen.cameras}
    dark = plate(3)[..., :1].repeat(3, 2) * 0.05
    assert differs(tmp_path / "a3.png", dark, chosen.of(dataset, "widget", "a")) <= LEVELS
    assert (
        inspect_image(tmp_path / "a3.png", View(tone=chosen.of(dataset, "widget", "a"))).oddity
        == get_args(image_decoding.Oddity)[2]
    )
    assert chosen.of(dataset, "bracket", None) == tone_range.ALONE
    assert chosen.in_words() == "0 to 4095: widget (a); 0 to 1023: widget (b)"


def test_a_range_that_is_given_is_taken_and_tones_come_back_from_a_runs_record(tmp_path: Path) -> None:
    def never(_: object) -> None:
        raise AssertionError

    given = tone_range.choose([], never, integer=1023.0, floating=1.0)
    assert given == Tones(Tone(1023.0, 1.0))
    tones = Tones(Tone(1023.0), (CameraTone("d", "p", None, Tone(floating=1.0)),))
    assert tone_range.from_record(tones.stated()) == tones
    assert Tones().stated() is None
