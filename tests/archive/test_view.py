"""One map from any view to the file: each pixel of a drawn file says in its colour where it was drawn."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from warehouse.records.reviews import DefectBox
from workbench.archive import masks, run_views
from workbench.archive.image_decoding import decode, frame_in, inspect_image, open_image
from workbench.archive.tone_range import Tone
from workbench.archive.view import Affine, Box, Frame, PlacedView, RegionOfInterest, View, Window
from workbench.errors import SettingsError
from workbench.review import boxes

ORIENTATIONS = range(1, 9)
PIXEL = 1.0


def drawn(width: int, height: int, orientation: int, file_format: str = "PNG") -> bytes:
    """A file whose pixels are red by their column and green by their row, as they lie in it."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([columns, rows, np.full_like(rows, 7)], 2).astype(np.uint8)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    if file_format == "TIFF":
        Image.fromarray(pixels).save(file, file_format, tiffinfo={274: orientation})
    else:
        Image.fromarray(pixels).save(file, file_format, exif=exif)
    return file.getvalue()


def told(seen: Image.Image, box: Box) -> Box:
    """Where the pixels within a box of what is seen were drawn, by their colours."""
    x0, y0, x1, y1 = (int(edge + 0.5) for edge in box)
    within = np.asarray(seen)[y0:y1, x0:x1]
    assert (within[..., 2] == 7).all()
    return (
        float(within[..., 0].min()), float(within[..., 1].min()),
        float(within[..., 0].max()) + 1, float(within[..., 1].max()) + 1,
    )  # fmt: skip


@st.composite
def views(draw: st.DrawFn) -> tuple[Frame, View, str]:
    """A picture as it lies in its file, and a view of all of it or a part."""
    frame = Frame(draw(st.integers(9, 90)), draw(st.integers(9, 90)), draw(st.sampled_from(ORIENTATIONS)))
    width, height = frame.upright
    kind = draw(st.sampled_from(["whole", "region", "tile"]))
    view = View()
    if kind == "region":
        left, top = draw(st.floats(0, 90)), draw(st.floats(0, 90))
        view = View(region=RegionOfInterest(left, top, draw(st.floats(left + 5, 100)), draw(st.floats(top + 5, 100))))
    if kind == "tile":
        x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        view = View(tile=Window(x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))))
    return frame, view, draw(st.sampled_from(["PNG", "TIFF", "WEBP"]))


def opened(frame: Frame, view: View, file_format: str) -> tuple[Image.Image, PlacedView]:
    """What the view shows, and its maps by the file's head alone."""
    data = (
        drawn(frame.width, frame.height, frame.orientation, file_format)
        if file_format != "WEBP"
        else drawn(frame.width, frame.height, frame.orientation)
    )
    head = frame_in(io.BytesIO(data))
    assert head == frame
    return decode(data, view), view.placed(head)


@settings(max_examples=150, deadline=None)
@given(views(), st.tuples(*[st.floats(0, 1)] * 4), st.integers(1, 5))
def test_a_box_drawn_on_any_view_comes_back_to_the_files_pixels(
    of: tuple[Frame, View, str], shares: tuple[float, ...], zoom: int
) -> None:
    seen, placed = opened(*of)
    width, height = placed.window.size
    assert seen.size == (width, height)
    copy = seen.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)  # as a page or the model zooms in
    (left, right), (top, bottom) = sorted(shares[:2]), sorted(shares[2:])
    box = (
        left * (copy.width - 1), top * (copy.height - 1),
        max(left * (copy.width - 1) + 1, right * copy.width), max(top * (copy.height - 1) + 1, bottom * copy.height),
    )  # fmt: skip
    truth = told(copy, box)

    from_copy = placed.window.from_copy(*copy.size).then(placed.frame.to_file)
    assert from_copy.box(box) == pytest.approx(truth, abs=PIXEL)

    percent = boxes.PercentBox(
        100 * box[0] / copy.width, 100 * box[1] / copy.height,
        100 * (box[2] - box[0]) / copy.width, 100 * (box[3] - box[1]) / copy.height,
    )  # fmt: skip
    stored = boxes.to_pixels(percent, placed.window)  # as a reviewer's box is stored, on the whole upright picture
    edges = (stored.x0, stored.y0, stored.x1, stored.y1)
    assert placed.frame.to_file.box(edges) == pytest.approx(truth, abs=PIXEL)
    back = boxes.to_percent(DefectBox(*edges), placed.window)
    assert (back.x, back.y, back.width, back.height) == pytest.approx(
        (percent.x, percent.y, percent.width, percent.height), abs=1e-6
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(views(), st.integers(0, 10_000))
def test_a_mask_is_cut_and_turned_as_its_picture_is(tmp_path: Path, of: tuple[Frame, View, str], marked: int) -> None:
    """A mask that lies as the picture lies in its file, with one pixel marked."""
    frame, view, _ = of
    row, column = divmod(marked % (frame.width * frame.height), frame.width)
    values = np.zeros((frame.height, frame.width), np.uint8)
    values[row, column] = 255
    Image.fromarray(values).save(tmp_path / "mask.tif", tiffinfo={274: frame.orientation})
    seen, _ = opened(frame, view, "PNG")
    pixels = np.asarray(seen)
    truth = (pixels[..., 0] == column) & (pixels[..., 1] == row)
    found = masks.of_view(tmp_path / "mask.tif", frame, view)
    assert (found is None) == (not truth.any())
    if found is not None:
        assert np.array_equal(found, truth)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("behind", [False, True])
def test_a_pngs_head_is_read_without_its_pixels(
    orientation: int, behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its orientation may stand behind them."""
    data = drawn(20, 10, orientation)
    if behind:
        at = data.index(b"eXIf") - 4
        chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
        data = data.replace(chunk, b"").replace(data[-12:], chunk + data[-12:])

    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "load", never)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    assert frame_in(io.BytesIO(data)) == Frame(20, 10, orientation)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_maps_undo_each_other(orientation: int) -> None:
    placed = View(tile=Window(3, 4, 20, 30)).placed(Frame(50, 60, orientation))
    assert placed.to_file.then(placed.to_file.inverse).box((1, 2, 3, 4)) == pytest.approx((1, 2, 3, 4))
    assert placed.to_file.box((0, 0, *placed.window.size)) == placed.in_file
    assert Affine.scaling(2, 3).then(Affine.shift(1, 1)).point(1, 1) == (3, 4)


def test_parts_of_a_picture_have_names_of_their_own_and_the_whole_has_its_contents() -> None:
    region, tile = RegionOfInterest(0, 0, 50, 50), Window(0, 0, 5, 5)
    names = [
        each.identity for each in (
            View("a"), View("b"), View("a", region=region), View("b", region=region), View("a", tile=tile),
            View("a", tile=Window(5, 0, 10, 5)),
        )
    ]  # fmt: skip
    assert names[0] == "a"
    assert len(set(names)) == len(names)
    assert View("a", Tone(1023.0)).identity == View("a").identity  # the range is in a picture's key
    assert View("a", region=region, tile=tile).for_display == View("a", tile=tile)


def test_a_deep_picture_is_cropped_with_the_range_of_all_of_it(tmp_path: Path) -> None:
    values = np.full((40, 60), 900, np.uint16)
    values[:, 30:] = 4000
    Image.fromarray(values).save(tmp_path / "deep.png")
    left = View(region=RegionOfInterest(0, 0, 50, 100))
    whole = np.asarray(open_image(tmp_path / "deep.png"))
    assert np.array_equal(np.asarray(open_image(tmp_path / "deep.png", left)), whole[:, :30])
    assert inspect_image(tmp_path / "deep.png", left).white == 4095


# -- what settings say -------------------------------------------------------------------------------------------------

ROWS = """
[[view]]
product = "plate"
camera = "cam1"
region_of_interest = [10, 0, 90, 100]
[[view]]
product = "plate"
integer_range = 4095
region_of_interest = [25, 25, 75, 75]
[[view]]
camera = "cam9"
float_range = 2.0
"""


def test_the_first_row_that_fits_a_product_and_camera_counts(tmp_path: Path) -> None:
    (tmp_path / "workbench.toml").write_text(ROWS)
    table = run_views.from_settings(tmp_path / "workbench.toml")
    views = run_views.RunViews(regions=table.regions)
    assert table.region("plate", "cam1") == RegionOfInterest(10, 0, 90, 100)
    assert table.region("plate", None) == table.region("plate", "cam2") == RegionOfInterest(25, 25, 75, 75)
    assert table.region("nut", "cam1") is None
    assert table.tone("plate", "cam1") == Tone(4095.0)
    assert table.tone("plate", "cam9") == Tone(4095.0, 2.0)
    assert table.tone("nut", "cam1") == Tone()
    stated = {"views": views.stated(), "tones": None}
    assert run_views.from_facts(stated) == views
    assert run_views.RunViews().stated() is None
    assert run_views.in_words(views.stated()).startswith("plate (cam1): 10 %, 0 % to 90 %, 100 %; plate: 25 %")
    assert run_views.from_settings(None).rows == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("region_of_interest = [0, 0, 101, 100]", "0 to 100"),
        ("region_of_interest = [0, nan, 50, 100]", "finite"),
        ("region_of_interest = [-1, 0, 50, 100]", "0 to 100"),
        ("region_of_interest = [60, 0, 50, 100]", "right beyond left"),
        ("region_of_interest = [50, 0, 50.5, 100]", "1 percent or more"),
        ("region_of_interest = [0, 0, 50]", "region_of_interest"),
        ("region_of_interest = 'left half'", "region_of_interest"),
        ("product = ''", "product"),
        ("integer_range = 0", "integer_range"),
        ("float_range = inf", "float_range"),
        ("regoin = [0, 0, 50, 50]", "regoin"),
        ("region_of_interest = [", "not valid TOML"),
    ],
)
def test_a_view_that_cannot_be_is_refused_with_its_reason(tmp_path: Path, row: str, said: str) -> None:
    (tmp_path / "workbench.toml").write_text(f"[[view]]\n{row}\n")
    with pytest.raises(SettingsError, match=said):
        run_views.from_settings(tmp_path / "workbench.toml")


def test_a_views_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the views in .*gone.toml"):
        run_views.from_settings(tmp_path / "gone.toml")
