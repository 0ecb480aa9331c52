"""A picture opens as a person would see it, or says why it can't."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.scoring.drawn import picture
from workbench.archive.image_decoding import frame_of, inspect_image, open_image
from workbench.archive.tone_range import Tone
from workbench.archive.view import View
from workbench.errors import UnreadableImage


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return tuple(np.asarray(image)[y, x].tolist())


def reason(path: Path) -> str:
    with pytest.raises(UnreadableImage) as caught:
        open_image(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "deep.png", "deep.tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :30] = 255  # white top left
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright[..., 0].astype(np.uint16) * 257) if "deep" in suffix else Image.fromarray(upright)
    stored = stored.transpose(undo[orientation]) if orientation in undo else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"turned.{suffix}", exif=exif, lossless=True)
    opened, frame = open_image(tmp_path / f"turned.{suffix}"), frame_of(tmp_path / f"turned.{suffix}")
    assert np.array_equal(np.asarray(opened), upright)
    assert (frame.width, frame.height, frame.orientation) == (*stored.size, orientation)
    assert frame.upright == (60, 40)


def test_a_jpeg_with_damaged_exif_opens_as_it_lies(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "grey").save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff broken")
    assert open_image(tmp_path / "a.jpg").size == (60, 40)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_deep_grey_is_scaled_by_its_cameras_range(tmp_path: Path, bits: int, suffix: str) -> None:
    full = 2**bits - 1
    values = np.array([[0, full // 2, full]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
    opened = open_image(tmp_path / f"deep.{suffix}")
    assert opened.mode == "RGB"
    assert [pixel(opened, x) for x in range(3)] == [(0, 0, 0), (127, 127, 127), (255, 255, 255)]


def test_a_faint_pattern_stays_faint(tmp_path: Path) -> None:
    values = np.array([[30000, 30010]], np.uint16)
    Image.fromarray(values).save(tmp_path / "plate.png")
    assert np.ptp(np.asarray(open_image(tmp_path / "plate.png"))) <= 1


@pytest.mark.parametrize(("full", "expected"), [(1.0, 255), (255.0, 255), (4095.0, 255)])
def test_floating_grey_is_scaled_by_its_range(tmp_path: Path, full: float, expected: int) -> None:
    Image.fromarray(np.array([[0.0, full, np.nan]], np.float32)).save(tmp_path / "f.tiff")
    opened = open_image(tmp_path / "f.tiff")
    assert [pixel(opened, x)[0] for x in range(3)] == [0, expected, 0]


def test_a_black_deep_image_is_black(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / "black.png")
    assert not np.asarray(open_image(tmp_path / "black.png")).any()


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "seen"),
    [
        ("1", 1, "png", (255, 255, 255)),
        ("L", 77, "png", (77, 77, 77)),
        ("RGB", (200, 10, 20), "bmp", (200, 10, 20)),
        ("CMYK", (0, 255, 255, 0), "tiff", (255, 0, 0)),
        ("RGBA", (200, 10, 20, 255), "png", (200, 10, 20)),
        ("LA", (77, 255), "png", (77, 77, 77)),
    ],
)
def test_every_mode_becomes_rgb_on_white(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], suffix: str, seen: tuple[int, int, int]
) -> None:
    Image.new(mode, (4, 4), colour).save(tmp_path / f"a.{suffix}")
    opened = open_image(tmp_path / f"a.{suffix}")
    assert opened.mode == "RGB"
    assert pixel(opened) == seen


@pytest.mark.parametrize(("mode", "colour", "suffix"), [("RGBA", (9, 200, 20), "png"), ("LA", (77,), "tiff")])
def test_transparent_pixels_are_white_but_an_alpha_of_noughts_shows_the_colours_and_is_told(
    tmp_path: Path, mode: str, colour: tuple[int, ...], suffix: str
) -> None:
    image = Image.new(mode, (4, 4), (*colour, 0))
    image.save(tmp_path / f"noughts.{suffix}")
    image.putpixel((0, 0), (*colour, 255))
    image.putpixel((1, 0), (*colour, 51))
    image.save(tmp_path / f"some.{suffix}")
    full = (colour * 3)[:3]
    noughts, some = (inspect_image(tmp_path / f"{name}.{suffix}") for name in ("noughts", "some"))
    assert {pixel(noughts.image, x) for x in range(4)} == {full}
    assert [pixel(some.image, x) for x in (0, 3)] == [full, (255, 255, 255)]
    assert all(abs(seen - (0.2 * own + 204)) < 2 for seen, own in zip(pixel(some.image, 1), full, strict=True))
    assert (noughts.oddity, some.oddity) == ("one colour", None)


def test_what_is_odd_about_a_picture_is_told_and_ordinary_ones_are_not_odd(tmp_path: Path) -> None:
    plate = (60 + 4 * np.mgrid[0:40, 0:40][1]).astype(np.uint8)  # up to 216
    Image.new("L", (40, 40), 128).save(tmp_path / "flat.png")
    Image.fromarray(plate // 4).save(tmp_path / "dark.png")
    Image.fromarray(plate).save(tmp_path / "plate.png")
    Image.fromarray(np.dstack([plate, plate, plate, plate * 0])).save(tmp_path / "clear.png")
    Image.fromarray(plate.astype(np.uint16) * 16).save(tmp_path / "deep.png")
    odd = {file.stem: inspect_image(file).oddity for file in sorted(tmp_path.iterdir())}
    assert odd == {
        "clear": "transparent throughout",
        "dark": "under a quarter of its range",
        "deep": None,
        "flat": "one colour",
        "plate": None,
    }
    deep = {
        full: inspect_image(tmp_path / "deep.png", View(tone=Tone(integer=full))).oddity for full in (1023, 4095, 65535)
    }
    assert deep == {1023: "brighter than its range", 4095: None, 65535: "under a quarter of its range"}


@pytest.mark.parametrize("alpha", ["ones", "one pixel"])
def test_a_picture_with_next_to_nothing_opaque_is_seen_by_its_colours_and_told(tmp_path: Path, alpha: str) -> None:
    plate = (60 + 4 * np.mgrid[0:40, 0:40][1]).astype(np.uint8)
    opacity = np.full_like(plate, 1 if alpha == "ones" else 0)
    opacity[0, 0] = 1 if alpha == "ones" else 255
    Image.fromarray(np.dstack([plate, plate, plate, opacity])).save(tmp_path / "faint.png")
    opened = inspect_image(tmp_path / "faint.png")
    assert np.array_equal(np.asarray(opened.image)[..., 0], plate)
    assert opened.oddity == "transparent throughout"


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = pixel(open_image(tmp_path / "a.jpg"))
    assert (red > 240, green < 15, blue < 15) == (True, True, True)


def test_a_palettes_transparent_entry_becomes_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    image.save(tmp_path / "plain.png")
    image.save(tmp_path / "clear.png", transparency=bytes([0, 255]))
    plain, clear = open_image(tmp_path / "plain.png"), open_image(tmp_path / "clear.png")
    assert (pixel(plain), pixel(plain, 1)) == ((10, 20, 30), (200, 100, 50))
    assert (pixel(clear), pixel(clear, 1)) == ((255, 255, 255), (200, 100, 50))


def test_of_several_pages_the_first_is_taken(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 4), shade) for shade in (10, 200)]
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    assert pixel(open_image(tmp_path / "pages.tiff")) == (10, 10, 10)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tiff", "webp"])
def test_half_a_picture_is_truncated_or_damaged_never_half_shown(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(noise).save(whole)
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert reason(half).startswith(("truncated: ", "damaged: ", "not an image: "))


def test_a_truncated_jpeg_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-2000])
    assert reason(tmp_path / "a.jpg") == "truncated: the file ends before the picture does"


def test_an_empty_file_a_text_and_a_missing_file_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("%!PS a program, not a picture")
    assert reason(tmp_path / "empty.png") == "empty: the file has no bytes"
    assert reason(tmp_path / "text.png").startswith("not an image: its content is none of PNG, JPEG")
    assert reason(tmp_path / "gone.png") == "vanished: the file was there when the archive was scanned"


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def bomb(side: int) -> bytes:
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        pixels = zlib.compress(b"\0" * 1000)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

    for side in (13_400, 60_000):
        (tmp_path / f"{side}.png").write_bytes(bomb(side))
        assert reason(tmp_path / f"{side}.png") == "too large: more than 178,956,970 pixels"


def test_a_large_picture_below_the_limit_opens_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_000)).save(tmp_path / "scan.png")
    assert open_image(tmp_path / "scan.png").size == (10_000, 9_000)


def encoded(form: str) -> bytes:
    values = np.arange(24 * 24 * 3, dtype=np.uint8).reshape(24, 24, 3)
    file = io.BytesIO()
    Image.fromarray(values).save(file, form)
    return file.getvalue()


@settings(max_examples=300)
@given(
    st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM"]).map(encoded),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0.5, 1),
)
def test_damaged_bytes_open_or_say_why_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, good: bytes, changes: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(good)
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    file = tmp_path_factory.getbasetemp() / "damaged.png"
    file.write_bytes(bytes(damaged[: int(kept * len(damaged))]))
    try:
        outcome = open_image(file).mode
    except UnreadableImage as error:
        outcome = str(error).split(":")[0]
    assert outcome in {"RGB", "truncated", "damaged", "not an image", "too large", "empty"}


@pytest.mark.real_images
def test_every_real_photograph_opens(inspection_pack: Path) -> None:
    photographs = sorted(inspection_pack.glob("*/*/test/*/*.jpg"))
    assert len(photographs) == 211
    assert {open_image(file).mode for file in photographs} == {"RGB"}


def test_a_drawn_picture_opens_unchanged(tmp_path: Path) -> None:
    assert pixel(open_image(picture(tmp_path / "a.png", 37))) == (37, 37, 37)
