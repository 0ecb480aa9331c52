"""What is measured of a picture agrees with the same formulas over all its pixels, in every depth and size."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.archive.test_deep import png, pnm, tiff
from tests.scoring.drawn import NOTHING_KNOWN, remembered
from warehouse.queries.measures import PictureMeasures
from warehouse.records.measures import Measures
from warehouse.store import Store
from workbench.archive import measures, scan

Values = NDArray[np.float64]
ANY = "content"
# How far the squares that are looked at may lie from all pixels: in shares, and of sharpness its own size.
SHARE, SHARPNESS = 0.01, 0.15


def part(width: int, height: int, seed: int = 0) -> Values:
    """(height, width, 3) of 0..1: a bright disc with a soft edge on a dark plate, a lamp's glare, a touch of noise."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[0:height, 0:width]
    side = min(width, height)
    away = np.hypot(x - 0.6 * width, y - 0.4 * height) / side
    disc = 1 / (1 + np.exp((away - 0.25) * 60))
    grey = 0.15 + 0.55 * disc + 0.02 * np.sin(x / 7) * np.cos(y / 9) * disc
    grey = grey + rng.normal(0, 0.004, (height, width)) + 0.6 * (away < 0.08)
    values: Values = (grey[..., None] * np.array([1.0, 0.9, 0.8])).clip(0, 1)
    return values


def eight(values: Values) -> NDArray[np.uint8]:
    return (values * 255).round().astype(np.uint8)


def written(samples: NDArray[np.generic], form: str, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, form, **how)
    return file.getvalue()


def plain(samples: NDArray[Any], white: float = 255.0) -> Measures:
    """The definitions over all pixels of (height, width, 3) samples, without a thought for speed."""
    height, width, _ = samples.shape
    factor = max(f for f in (1, 2, 4, 8) if f == 1 or max(width, height) // f >= measures.SIDE)
    cut = samples[: height // factor * factor, : width // factor * factor].astype(float) / white
    small = cut.reshape(height // factor, factor, width // factor, factor, 3).mean((1, 3))
    grey = small @ np.array([0.299, 0.587, 0.114])
    steps = np.concatenate([np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel()])
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    span = np.percentile(grey, 99) - np.percentile(grey, 1)
    is_object = np.abs(grey - np.median(edge)) > span / 4
    y, x = np.nonzero(is_object)
    return Measures(
        content=ANY, width=width, height=height, white=white, brightness=grey.mean(), contrast=grey.std(),
        sharpness=np.sqrt((steps**2).mean()) / grey.std(), clipped_bright=(samples >= white).any(-1).mean(),
        clipped_dark=(samples == 0).all(-1).mean(), colour=(small.max(-1) - small.min(-1)).mean(),
        red=small[..., 0].mean(), green=small[..., 1].mean(), blue=small[..., 2].mean(), fill=is_object.mean(),
        centre_x=(x.mean() + 0.5) / grey.shape[1], centre_y=(y.mean() + 0.5) / grey.shape[0],
    )  # fmt: skip


def off(found: Measures, wanted: Measures, share: float = SHARE, sharpness: float = SHARPNESS) -> dict[str, Any]:
    """The measures that differ by more than the tolerance."""
    told = {}
    for name, value in asdict(wanted).items():
        got = getattr(found, name)
        if name in ("content", "width", "height", "white"):
            within = got == value
        elif value is None or got is None:
            within = got is value
        else:
            within = abs(got - value) <= (sharpness * value if name == "sharpness" else share)
        if not within:
            told[name] = (got, value)
    return told


SIZES = [(61, 72), (256, 256), (257, 400), (640, 480), (1023, 700), (1500, 300)]


@pytest.mark.parametrize("size", SIZES)
def test_the_squares_agree_with_all_pixels(size: tuple[int, int]) -> None:
    samples = eight(part(*size))
    assert off(measures.measure(written(samples, "PNG"), ANY), plain(samples)) == {}


@pytest.mark.parametrize("form", ["BMP", "PNG", "JPEG"])
def test_a_large_picture_is_measured_at_a_reduced_size_whatever_its_format(form: str) -> None:
    samples = eight(part(2200, 2100))
    data = written(samples, form, **({"quality": 95} if form == "JPEG" else {}))
    assert off(measures.measure(data, ANY), plain(samples)) == {}


DEPTHS: dict[str, tuple[Callable[[NDArray[np.generic]], bytes], Callable[[NDArray[np.uint8]], NDArray[np.generic]]]] = {
    "png": (png, lambda eight: eight.astype(np.uint16) * 257),
    "tiff": (tiff, lambda eight: eight.astype(np.uint16) * 257),
    "tiff in planes": (lambda values: tiff(values, planar=True), lambda eight: eight.astype(np.uint16) * 257),
    "pnm": (pnm, lambda eight: eight.astype(np.uint16) * 257),
    "floats": (tiff, lambda eight: (eight / 255).astype(np.float32)),
}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("size", [(61, 72), (300, 420)])
def test_a_deep_picture_has_the_measures_of_its_8_bit_twin(depth: str, size: tuple[int, int]) -> None:
    write, deepened = DEPTHS[depth]
    samples = eight(part(*size))
    twin, found = (measures.measure(data, ANY) for data in (written(samples, "PNG"), write(deepened(samples))))
    assert twin.clipped_bright
    assert twin.fill
    assert off(replace(found, white=255.0), twin, 1e-5, 1e-4) == {}
    assert found.white == (1.0 if depth == "floats" else 65535.0)


def test_a_camera_of_12_bits_is_measured_before_any_tone_range() -> None:
    values = part(300, 300)
    well, dark = (np.round(values * 4095 * light).astype(np.uint16) for light in (1.0, 0.1))
    said = {"well": measures.measure(png(well), ANY), "dark": measures.measure(png(dark), ANY)}
    assert said["well"].clipped_bright == pytest.approx((well.max(-1) == 4095).mean(), abs=SHARE)
    assert said["dark"].clipped_bright == 0
    assert said["well"].brightness == pytest.approx(plain(well, 65535.0).brightness, rel=0.02)
    assert said["dark"].brightness == pytest.approx((said["well"].brightness or 0) / 10, rel=0.02)
    named = measures.measure(pnm(well, greatest=4095), ANY)  # the file itself names the camera's range
    assert named.white == 4095
    assert named.brightness == pytest.approx(values.mean((0, 1)) @ [0.299, 0.587, 0.114], abs=SHARE)


def test_brightness_contrast_and_sharpness_go_the_way_their_names_say() -> None:
    values = part(400, 300)
    soft = np.asarray(Image.fromarray(eight(values)).resize((100, 75), Image.Resampling.BOX).resize((400, 300)))
    sharp, blurred, dark, flat = (
        measures.measure(written(samples, "PNG"), ANY)
        for samples in (eight(values), soft, eight(values * 0.5), eight(values * 0.3 + 0.4))
    )
    assert (sharp.sharpness or 0) > 1.5 * (blurred.sharpness or 0) > 0
    assert dark.brightness == pytest.approx((sharp.brightness or 0) / 2, abs=0.01)
    assert dark.sharpness == pytest.approx(sharp.sharpness, rel=0.1)
    assert flat.contrast == pytest.approx(0.3 * (sharp.contrast or 0), rel=0.05)
    grey = measures.measure(written(eight(values)[..., 0], "PNG"), ANY)
    assert (grey.colour, grey.red, grey.blue) == (0.0, grey.brightness, grey.brightness)
    assert (sharp.red or 0) > (sharp.blue or 0)
    assert sharp.colour


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_framing_is_that_of_the_upright_picture(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = written(eight(part(300, 200)), "JPEG", quality=95, exif=exif)
    upright = np.asarray(_upright(data))
    found = measures.measure(data, ANY)
    wanted = plain(upright)
    assert (found.width, found.height) == (upright.shape[1], upright.shape[0])
    assert (found.fill, found.centre_x, found.centre_y) == pytest.approx(
        (wanted.fill, wanted.centre_x, wanted.centre_y), abs=SHARE
    )


def _upright(data: bytes) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(Image.open(io.BytesIO(data)))


def test_cloth_that_fills_the_picture_and_one_colour_have_no_framing_and_one_colour_no_sharpness() -> None:
    cloth = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    found = measures.measure(written(cloth, "PNG"), ANY)
    assert (found.fill, found.centre_x, found.centre_y) == (None, None, None)
    assert found.sharpness == pytest.approx(2**0.5, rel=0.05)  # noise: neighbours differ by as much as any two pixels
    sheet = measures.measure(written(np.full((50, 50, 3), 90, np.uint8), "PNG"), ANY)
    assert (sheet.sharpness, sheet.fill) == (None, None)
    assert sheet.contrast == pytest.approx(0, abs=1e-9)
    dot = measures.measure(written(np.full((1, 1, 3), 255, np.uint8), "BMP"), ANY)
    assert (dot.width, dot.height, dot.clipped_bright, dot.sharpness) == (1, 1, 1.0, None)
    assert dot.brightness == pytest.approx(1)


def test_transparent_pixels_are_left_out_and_a_picture_transparent_throughout_is_measured_by_its_colours() -> None:
    samples = np.zeros((64, 64, 4), np.uint8)
    samples[..., :3], samples[16:48, 16:48, 3] = 200, 255
    samples[:16, :, :3] = 255
    found = measures.measure(written(samples, "PNG"), ANY)
    assert found.brightness == pytest.approx(200 / 255)
    assert found.clipped_bright == 0.0
    assert (found.fill, found.centre_x, found.centre_y) == pytest.approx((0.25, 0.5, 0.5))
    samples[..., 3] = 0
    assert measures.measure(written(samples, "PNG"), ANY).clipped_bright == pytest.approx(0.25)


def test_small_pictures_measured_together_are_measured_as_each_alone() -> None:
    clear = np.dstack([eight(part(40, 30)), np.indices((30, 40)).sum(0).astype(np.uint8) % 2 * 255])
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [
        *(written(eight(part(40, 30, seed)), "PNG") for seed in range(40)),
        *(written(eight(part(40, 30, seed)), "JPEG", exif=exif) for seed in range(3)),
        *(written(eight(part(40, 30, seed))[..., 0], "BMP") for seed in range(3)),
        *(png(np.round(part(40, 30, seed) * 4095).astype(np.uint16)) for seed in range(3)),
        *(written(np.full((30, 40, 3), shade, np.uint8), "PNG") for shade in (0, 90, 255)),
        *(written(np.roll(clear, by, 0), "PNG") for by in range(2)),
        *(written(eight(part(*size)), "JPEG") for size in ((30, 40), (2, 40), (1, 1), (128, 128), (300, 200))),
        b"nothing of the kind",
        b"",
    ]
    named = {f"content {number}": data for number, data in enumerate(files)}
    together = {one.content: one for one in measures.measure_together(named)}
    assert together == {content: measures.measure(data, content) for content, data in named.items()}
    assert sum(one.fill is not None for one in together.values()) > 40


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda data: data[: len(data) // 2],
    "no picture": lambda _: b"nothing of the kind",
    "empty": lambda _: b"",
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_what_cannot_be_decoded_has_no_measures(how: str, form: str) -> None:
    assert measures.measure(BROKEN[how](written(eight(part(200, 100)), form)), ANY) == Measures(ANY)


def test_a_scan_measures_each_content_once_and_what_an_older_warehouse_lacks_some_at_a_time(tmp_path: Path) -> None:
    root, data = tmp_path / "plant", tmp_path / "data"
    for place in range(6):
        (root / "nut").mkdir(parents=True, exist_ok=True)
        (root / "nut" / f"{place}.png").write_bytes(written(eight(part(40, 30, seed=place // 2)), "PNG"))
    (root / "nut" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    first = scan.scan(root, NOTHING_KNOWN, unmeasured=())
    assert len({one.content for one in first.measures}) == len(first.measures) == 4
    assert sum(one.white is None for one in first.measures) == 1

    assert scan.scan(root, NOTHING_KNOWN).measures == ()  # nobody asked for them
    store, stored = Store(data), PictureMeasures(data)
    store.register_archive(first.archive)
    store.upsert_entries(first.archive.archive_id, first.registered)
    for at_once in (3, 3, 3):
        missing = stored.missing(first.archive.archive_id, at_once)
        again = scan.scan(root, remembered(first), unmeasured=missing)
        assert again.images_read == 0
        assert {one.content for one in again.measures} == missing
        stored.store(again.measures)
        stored.store(again.measures)
    wanted = pl.DataFrame([asdict(one) for one in first.measures]).sort("content")
    assert pl.DataFrame([asdict(stored.of_content(one)) for one in wanted["content"]]).equals(wanted)  # type: ignore[arg-type]


def test_a_file_replaced_meanwhile_is_not_measured_as_the_picture_it_was(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(written(eight(part(40, 30)), "PNG"))
    assert measures.measure_known(file, "0" * 64) is None
    file.unlink()
    assert measures.measure_known(file, "0" * 64) is None
