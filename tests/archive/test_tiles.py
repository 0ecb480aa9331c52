"""Large pictures in tiles: how they are cut, opened and labelled, and what a scan makes of them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.archive.test_deep import png
from tests.archive.test_questions_file import DETECT, record
from tests.scoring.drawn import NOTHING_KNOWN, picture, remembered
from warehouse.identity import cluster_id
from workbench.archive import image_decoding, masks, question_file, questions, scan, tiles
from workbench.archive.image_decoding import open_image
from workbench.archive.picture_memory import LARGEST, PIXEL_LIMIT
from workbench.archive.run_views import RunViews, ViewRow, ViewTable
from workbench.archive.scan import Scan
from workbench.archive.tiles import OVERLAP, SIDE, Tiling
from workbench.archive.view import Window
from workbench.errors import UnreadableImage
from workbench.question_sets import INSPECTION, built_in

WIDTH, HEIGHT = 3000, 1000
SMALL = Tiling(above=1_000_000)


def line_scan(path: Path, orientation: int = 1, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    """A grey scan with noise, saved as its suffix says; its pixels as they lie in the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(3).integers(100, 140, shape).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if path.suffix in (".tif", ".bmp"):
        Image.fromarray(pixels).save(path)
    else:
        Image.fromarray(pixels).save(path, exif=exif, compress_level=1)
    return pixels


def scanned(root: Path, known: pl.DataFrame = NOTHING_KNOWN, tiling: Tiling = SMALL) -> Scan:
    return scan.scan(root, known, tiling=tiling)


@given(st.integers(1, 70_000), st.integers(1, 9_000), st.integers(0, 500))
def test_tiles_cover_the_picture_overlap_a_little_and_are_near_equal(width: int, height: int, left: int) -> None:
    found = list(tiles.windows(Window(left, 7, left + width, 7 + height)))
    for low, high, first, last in ((0, 2, left, left + width), (1, 3, 7, 7 + height)):
        edges = sorted({(window.box[low], window.box[high]) for window in found})
        assert (edges[0][0], edges[-1][1]) == (first, last)
        for (_, before), (after, _) in itertools.pairwise(edges):
            assert 1 <= before - after <= OVERLAP + 2
        sides = {end - start for start, end in edges}
        assert len(sides) == 1
        assert max(sides) <= 1.5 * SIDE
        assert len(edges) == 1 or min(sides) >= SIDE / 2
    assert len(set(found)) == len(found)


def test_a_line_scan_of_60000_by_4096_pixels_is_240_tiles_of_about_1024() -> None:
    found = list(tiles.windows(Window(0, 0, 60_000, 4096)))
    assert len(found) == 240
    assert {window.size for window in found} == {(1032, 1048)}


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "turned.png"])
def test_a_tile_shows_its_part_of_the_upright_picture_and_its_file_is_decoded_once(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = line_scan(tmp_path / name, orientation=6 if name == "turned.png" else 1)
    upright = np.rot90(pixels, -1) if name == "turned.png" else pixels
    found = scanned(tmp_path).entries
    assert len(found) == 3
    load, decoded = image_decoding.load, []

    def counted(data: bytes, limit: int = PIXEL_LIMIT) -> object:
        decoded.append(len(data))
        return load(data, limit)

    monkeypatch.setattr(image_decoding, "load", counted)
    for entry in found:
        assert entry.tile is not None
        seen = np.asarray(open_image(tmp_path / name, RunViews().of(entry)))
        tile = entry.tile
        assert np.array_equal(seen[..., 0], upright[tile.y0 : tile.y1, tile.x0 : tile.x1])
    assert len(decoded) == 1


def test_a_picture_over_pillows_limit_is_opened_by_its_tiles_alone(tmp_path: Path) -> None:
    large = Image.new("1", (60_000, 4096))
    large.paste(1, (59_000, 0, 60_000, 4096))
    large.save(tmp_path / "large.tif", compression="group4")
    (tmp_path / "large.tif").write_bytes((tmp_path / "large.tif").read_bytes() + bytes(300_000))
    found = scanned(tmp_path, tiling=Tiling()).entries
    assert len(found) == 240
    assert len({cluster_id(entry) for entry in found}) == 1
    assert len({entry.image_id for entry in found}) == len({entry.content for entry in found}) == 240
    dark, bright = (open_image(tmp_path / "large.tif", RunViews().of(found[at])) for at in (0, 59))
    assert dark.getpixel((500, 500)) == (0, 0, 0)
    assert bright.getpixel((500, 500)) == (255, 255, 255)
    with pytest.raises(UnreadableImage, match="too large"):
        open_image(tmp_path / "large.tif")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "deep.png", "turned.png"])
def test_tiles_are_measured_as_pictures_of_their_own_and_their_file_is_decoded_once(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = line_scan(tmp_path / "belt" / name, orientation=6 if name == "turned.png" else 1)
    pixels[:, 2000:] //= 2  # a dark end
    if name == "deep.png":
        (tmp_path / "belt" / name).write_bytes(png(np.dstack([pixels.astype(np.uint16) * 257] * 3)))
    else:
        with Image.open(tmp_path / "belt" / name) as image:
            exif = image.getexif()
        Image.fromarray(pixels).save(tmp_path / "belt" / name, exif=exif)
    upright = np.rot90(pixels, -1) if name == "turned.png" else pixels
    load, decoded = image_decoding.load, []

    def counted(*arguments: Any, **options: Any) -> object:
        decoded.append(arguments[1:] == (LARGEST,))
        return load(*arguments, **options)

    monkeypatch.setattr(image_decoding, "load", counted)
    found = scan.scan(tmp_path, NOTHING_KNOWN, tiling=SMALL, unmeasured=())
    assert decoded.count(True) == 1
    measured = {each.content: each for each in found.measures}
    brightness = []
    for entry in found.entries:
        tile, seen = entry.tile, measured[entry.content]
        assert tile is not None
        shown = upright[tile.y0 : tile.y1, tile.x0 : tile.x1]
        assert (seen.width, seen.height) == (tile.x1 - tile.x0, tile.y1 - tile.y0)
        assert (seen.brightness, seen.contrast) == pytest.approx((shown.mean() / 255, shown.std() / 255), abs=0.005)
        brightness.append(round((seen.brightness or 0) * 255, -1))
    assert brightness == [120, 120, 60]

    decoded.clear()
    some = {found.entries[0].content, found.entries[2].content}
    again = scan.scan(tmp_path, remembered(found), tiling=SMALL, unmeasured=some)
    assert {each.content: each for each in again.measures} == {content: measured[content] for content in some}
    assert decoded == [True]
    assert scan.scan(tmp_path, remembered(found), tiling=SMALL, unmeasured=()).measures == []


def test_a_question_file_asks_nothing_of_a_picture_in_tiles_and_says_how_its_tiles_are_asked_about(
    tmp_path: Path,
) -> None:
    line_scan(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "mmad.json").write_text(json.dumps({"a.png": record(DETECT), "b.png": record(DETECT)}))
    found = scanned(tmp_path)
    asked = question_file.read(tmp_path / "mmad.json", found, None)
    assert [item.entry.path for item in asked.items] == ["b.png"]
    (told,) = asked.problems
    assert (told.path, told.unit, told.count) == ("a.png", "record", 1)
    assert "`--questions inspection` asks about each tile" in told.reason
    of_set = questions.of_set(built_in(INSPECTION), found, [], None).items
    assert sum(item.entry.tile is not None for item in of_set) == 3 * sum(item.entry.path == "b.png" for item in of_set)


def test_masks_are_cut_alike_and_label_each_tile(tmp_path: Path) -> None:
    line_scan(tmp_path / "belt/test/crack/a.png")
    line_scan(tmp_path / "belt/test/crack/b.png")
    line_scan(tmp_path / "belt/test/good/c.png")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[400:420, 2500:2600] = 255
    (tmp_path / "belt/ground_truth/crack").mkdir(parents=True)
    Image.fromarray(mask).save(tmp_path / "belt/ground_truth/crack/a_mask.png")
    by_path: dict[str, list[tuple[str | None, str | None]]] = {}
    for entry in scanned(tmp_path).entries:
        by_path.setdefault(entry.path, []).append((entry.label, entry.defect))
    assert by_path == {
        "belt/test/crack/a.png": [("good", None), ("good", None), ("defective", "crack")],
        "belt/test/crack/b.png": [(None, None)] * 3,
        "belt/test/good/c.png": [("good", None)] * 3,
    }
    last = scanned(tmp_path).entries[2]
    assert last.tile is not None
    found = masks.of_view(tmp_path / (last.mask_path or ""), tmp_path / last.path, RunViews().of(last))
    assert found is not None
    rows, columns = np.nonzero(found)
    assert (columns.min() + last.tile.x0, rows.min() + last.tile.y0, found.sum()) == (2500, 400, 2000)


def test_a_known_large_picture_is_not_read_again_and_keeps_its_tiles(tmp_path: Path) -> None:
    line_scan(tmp_path / "a.png")
    Image.new("L", (90, 60), 99).save(tmp_path / "small.png")
    first = scanned(tmp_path)
    again = scanned(tmp_path, remembered(first))
    assert [len(first.entries), first.images_read, again.images_read] == [4, 2, 0]
    assert again.entries == first.entries
    assert any("large pictures inspected in tiles" in note and ": 1, in 3 tiles" in note for note in first.notes)


def test_tiles_are_cut_from_the_region_of_interest(tmp_path: Path) -> None:
    line_scan(tmp_path / "belt/a.png")
    table = ViewTable((ViewRow.model_validate({"product": "belt", "region_of_interest": (10, 0, 90, 50)}),))
    found = scanned(tmp_path, tiling=Tiling(1_000_000, table)).entries
    windows = [RunViews(regions=table.regions).of(entry).tile for entry in found]
    assert all(window is not None for window in windows)
    assert min(window.x0 for window in windows if window) == 300
    assert max(window.x1 for window in windows if window) == 2700
    assert {window.y1 for window in windows if window} == {500}
    assert RunViews(regions=table.regions).of(found[0]).identity == found[0].content


def test_a_header_that_claims_to_be_huge_makes_no_tiles(tmp_path: Path) -> None:
    Image.new("1", (30_000, 9_000)).save(tmp_path / "empty.png")
    (entry,) = scanned(tmp_path, tiling=Tiling()).entries
    assert entry.tile is None
