"""Masks as tools save them give the right region; one that is in doubt gives none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.archive.test_deep import png, tiff
from workbench.archive import masks, regions
from workbench.question_sets import REGION_NAMES

WIDE, HIGH = 90, 60
CLASSES = np.zeros((HIGH, WIDE), np.uint8)  # two classes beside each other in the lower right, the greater one smaller
CLASSES[45:55, 70:85] = 1
CLASSES[50:55, 80:85] = 3
MARKED = CLASSES > 0


def image(values: NDArray[np.generic], mode: str | None = None) -> Image.Image:
    found = Image.fromarray(values)
    return found if mode is None else found.convert(mode)


def palette(*colours: tuple[int, int, int]) -> Image.Image:
    found = Image.fromarray(CLASSES, "P")
    found.putpalette([value for colour in colours for value in colour])
    return found


def with_alpha(mode: str, colour: int) -> Image.Image:
    found = Image.new(mode, (WIDE, HIGH), (colour,) * len(mode))
    found.putalpha(image(MARKED.astype(np.uint8) * 255))
    return found


def coloured(colours: dict[int, tuple[int, ...]], mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.array([colours[n] for n in range(4)], np.uint8)[CLASSES], mode)


def blurred() -> Image.Image:
    found = Image.new("L", (8 * WIDE, 8 * HIGH))
    ImageDraw.Draw(found).ellipse((8 * 70, 8 * 45, 8 * 85, 8 * 55), fill=255)
    return found.resize((WIDE, HIGH), Image.Resampling.BICUBIC)


BLACK, RED, BLUE = (0, 0, 0), (128, 0, 0), (0, 0, 64)
FORMS = {
    "numbers.png": image(CLASSES),
    "white.png": image(MARKED.astype(np.uint8) * 255),
    "white.bmp": image(MARKED.astype(np.uint8) * 255),
    "ones.png": image(MARKED.astype(np.uint8)),
    "bits.png": image(MARKED),
    "bits.tiff": image(MARKED),
    "sixteen.png": image(MARKED.astype(np.uint16) * 65535),
    "sixteen-numbers.png": image(CLASSES.astype(np.uint16)),
    "sixteen-instances.tiff": image(CLASSES.astype(np.uint16) * 300),
    "floats.tiff": image(MARKED.astype(np.float32)),
    "palette.png": palette(BLACK, RED, BLACK, BLUE),
    "palette-without-colours.png": palette(BLACK, BLACK, BLACK, BLACK),
    "palette-of-a-white-background.png": palette((255, 255, 255), BLACK, BLACK, BLACK),
    "palette-of-a-coloured-background.png": palette((68, 1, 84), (253, 231, 37), BLACK, RED),
    "colours.png": coloured({0: BLACK, 1: RED, 2: BLACK, 3: BLUE}),
    "colours.webp": coloured({0: BLACK, 1: (255, 0, 0), 2: BLACK, 3: (0, 0, 255)}),
    "alpha-of-black.png": with_alpha("RGB", 0),
    "alpha-of-white.png": with_alpha("RGB", 255),
    "alpha-of-grey.png": with_alpha("L", 255),
    "alpha-of-grey.tiff": with_alpha("L", 0),
    "opaque.png": coloured({0: (*BLACK, 255), 1: (255, 255, 255, 255), 2: (0,) * 4, 3: (255, 0, 0, 255)}, "RGBA"),
    "red-on-clear.png": coloured({0: (0,) * 4, 1: (255, 0, 0, 200), 2: (0,) * 4, 3: (0, 255, 0, 200)}, "RGBA"),
    "blurred.png": blurred(),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_mask_in_every_form_marks_what_it_marks(tmp_path: Path, name: str) -> None:
    FORMS[name].save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))  # type: ignore[arg-type]
    found = masks.read(tmp_path / name)
    assert found is not None
    assert (found != MARKED).sum() <= (40 if name.startswith("blurred") else 0)
    assert regions.letter_of(tmp_path / name) == "I"


def test_deep_masks_with_alpha_and_noisy_jpegs_mark_what_they_mark(tmp_path: Path) -> None:
    deep = np.dstack([MARKED * 65535, MARKED * 65535, MARKED * 65535, MARKED * 65535]).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(png(deep))
    (tmp_path / "deep.tiff").write_bytes(tiff(deep[..., 2:]))
    image(MARKED.astype(np.uint8) * 255).save(tmp_path / "noisy.jpg", quality=40)
    assert np.asarray(Image.open(tmp_path / "noisy.jpg"))[~MARKED].any()
    for name in ("deep.png", "deep.tiff", "noisy.jpg"):
        found = masks.read(tmp_path / name)
        assert found is not None
        assert (found != MARKED).sum() <= (20 if name == "noisy.jpg" else 0)
        assert regions.letter_of(tmp_path / name) == "I"


def test_a_mask_in_doubt_says_nothing(tmp_path: Path) -> None:
    forms = {
        "inverted": image((~MARKED).astype(np.uint8) * 255),
        "inverted, the defect in a corner": image(~drawn((0, 0, 20, 20)), "L"),
        "of counted colours": image(MARKED.astype(np.uint8) * 255, "RGB").quantize(2),
        "inverted, of counted colours": image((~MARKED).astype(np.uint8) * 255, "RGB").quantize(2),
        "white": Image.new("L", (WIDE, HIGH), 255),
        "black": Image.new("L", (WIDE, HIGH)),
        "white background": coloured({0: (255, 255, 255), 1: RED, 2: RED, 3: BLUE}),
    }
    for name, form in forms.items():
        form.save(tmp_path / "mask.png")
        assert masks.read(tmp_path / "mask.png") is None, name
    (tmp_path / "mask.png").write_bytes(b"no mask")
    assert masks.read(tmp_path / "mask.png") is None
    assert masks.read(tmp_path / "gone.png") is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_as_its_picture_is_where_the_sizes_say_so(tmp_path: Path, orientation: int) -> None:
    undo = {5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}
    exif, upright = Image.Exif(), Image.new("RGB", (WIDE, HIGH), "grey")
    exif[0x0112] = orientation
    swap = getattr(Image.Transpose, undo.get(orientation, "FLIP_LEFT_RIGHT"))
    stored = upright.transpose(swap) if orientation in undo else upright
    stored.save(tmp_path / "picture.jpg", exif=exif)
    image(MARKED).save(tmp_path / "upright.png")
    image(MARKED).transpose(swap).save(tmp_path / "turned.png", exif=exif) if orientation in undo else None
    image(MARKED).transpose(swap).save(tmp_path / "as-stored.png") if orientation in undo else None
    for name in ("upright", "turned", "as-stored")[: 3 if orientation in undo else 1]:
        found = masks.read(tmp_path / f"{name}.png", tmp_path / "picture.jpg")
        assert found is not None, name
        assert np.array_equal(found, MARKED), name
    image(MARKED).crop((0, 0, 60, 60)).save(tmp_path / "other.png")
    assert masks.read(tmp_path / "other.png", tmp_path / "picture.jpg") is None
    image(MARKED).resize((180, 120), Image.Resampling.NEAREST).save(tmp_path / "larger.png")
    assert masks.read(tmp_path / "larger.png", tmp_path / "picture.jpg") is not None


def drawn(*boxes: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    found = np.zeros((600, 900), bool)
    for left, top, right, bottom in boxes:
        found[top:bottom, left:right] = True
    return found


def test_a_region_is_where_the_marked_parts_lie_and_none_where_they_disagree() -> None:
    corners = drawn((0, 0, 60, 60), (840, 540, 900, 600))
    frame = drawn((0, 0, 900, 600)) & ~drawn((30, 30, 870, 570))
    scratch = drawn((50, 290, 850, 310))
    dashed = drawn(*((left, 290, left + 60, 310) for left in range(50, 850, 70)))
    speck = drawn((0, 0, 120, 120), (880, 580, 890, 590))
    assert [regions.region_of(each) for each in (corners, frame)] == [None, None]
    named = [regions.region_of(each) for each in (scratch, dashed, speck)]
    assert [REGION_NAMES[region] for region in named if region is not None] == ["Center.", "Center.", "Top left."]
    assert regions.region_of(drawn((0, 0, 60, 60), (840, 0, 900, 60), (440, 0, 460, 10))) is None
