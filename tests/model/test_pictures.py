"""How pictures are cut up: against a plain reading of what the families do, and at the sizes of the released models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tests.model import tiny
from workbench.errors import BackboneError
from workbench.model import backbone
from workbench.model.backbone import Pictures
from workbench.model.backbone.internvl import InternVLPictures
from workbench.model.backbone.loading import MAX_IMAGE_TOKENS
from workbench.model.backbone.qwen25 import QwenPictures


def _qwen(patch: int) -> QwenPictures:
    size = {"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": MAX_IMAGE_TOKENS * (2 * patch) ** 2}
    return QwenPictures(Qwen2VLImageProcessorPil(size=size, patch_size=patch), 2)


def _internvl(most: int) -> InternVLPictures:
    return InternVLPictures(GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}), 448, 16, most)


SIZES = ((700, 500), (900, 900), (1024, 1024), (1536, 1024))
RELEASED: dict[str, tuple[Pictures, tuple[int, ...]]] = {
    "Qwen2.5-VL": (_qwen(14), (450, 1024, 1225, 1247)),
    "Qwen3-VL": (_qwen(16), (352, 784, 1024, 1247)),
    "InternVL, 4 tiles": (_internvl(4), (256, 1280, 1280, 1280)),
    "InternVL, 12 tiles": (_internvl(12), (3328, 1280, 2560, 1792)),
}


@pytest.mark.parametrize("family", RELEASED)
def test_pictures_cost_as_many_tokens_as_with_the_released_models(family: str) -> None:
    pictures, counts = RELEASED[family]
    made = tuple(pictures.prepare("", Image.new("RGB", size)).tokens for size in SIZES)
    print(f"{family}: {dict(zip(SIZES, made, strict=True))}")
    assert made == counts


def _normal(image: Image.Image, processor: Any) -> Tensor:
    """(3, height, width) as the processor's mean and deviation have it, in plain numpy."""
    values = np.asarray(image, dtype=np.float64) / 255
    return torch.from_numpy((values - processor.image_mean) / processor.image_std).permute(2, 0, 1).float()


@pytest.mark.parametrize(
    ("size", "grid"), [((96, 64), (3, 2)), ((70, 150), (1, 2)), ((30, 180), (1, 6)), ((20, 20), (1, 1))]
)
def test_tiles_are_cut_from_the_stretched_picture_row_by_row_and_the_whole_comes_last(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    processor = GotOcr2ImageProcessorPil(size={"height": tiny.TILE, "width": tiny.TILE})
    picture, side = tiny.picture(1, *size).image, tiny.TILE
    made = InternVLPictures(processor, side, 2, 6).prepare("", picture)
    cols, rows = grid
    stretched = picture.resize((cols * side, rows * side), Image.Resampling.BICUBIC)
    cuts = [
        stretched.crop((c * side, r * side, (c + 1) * side, (r + 1) * side)) for r in range(rows) for c in range(cols)
    ]
    if len(cuts) > 1:
        cuts.append(picture.resize((side, side), Image.Resampling.BICUBIC))
    torch.testing.assert_close(made.pixels, torch.stack([_normal(cut, processor) for cut in cuts]), atol=1e-5, rtol=0)
    assert len(made.tiles) == len(cuts)
    assert [tile.coarse for tile in made.tiles] == [False] * (rows * cols) + [True] * (len(cuts) > 1)


def test_qwen_patches_are_the_stretched_picture_in_blocks_of_a_token() -> None:
    pictures = _qwen(14)
    made = pictures.prepare("", picture := tiny.picture(1, 130, 87).image)
    _, height, width = made.grid
    stretched = picture.resize((width * 14, height * 14), Image.Resampling.BICUBIC)
    normal = _normal(stretched, pictures.processor)
    for token in (0, 1, made.tiles[0].cols, made.tokens - 1):
        row, col, _ = made.place(token)
        block = made.pixels[4 * token : 4 * token + 4].view(2, 2, 3, 2, 14, 14)  # down, across, colour, time
        cut = normal[:, row * 28 : row * 28 + 28, col * 28 : col * 28 + 28]
        for time in (0, 1):
            laid = block[:, :, :, time].permute(2, 0, 3, 1, 4).reshape(3, 28, 28)
            torch.testing.assert_close(laid, cut, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("most", "tiles"), [(None, 6), (28, 6), (20, 4), (12, 2), (8, 1), (1, 1), (1000, 6)])
def test_a_limit_of_tokens_is_a_limit_of_tiles(internvl: Path, most: int | None, tiles: int) -> None:
    made = [
        backbone.load(internvl, max_image_tokens=most).prepare("", tiny.picture(1, *size).image)
        for size in [(30, 180), (64, 64), (200, 200)]
    ]
    finest = [sum(not tile.coarse for tile in each.tiles) for each in made]
    assert finest[0] == tiles
    assert max(finest) <= tiles
    if most is not None and most >= 8:
        assert max(each.tokens for each in made) <= most


@pytest.fixture(scope="module")
def internvl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("internvl3"), "internvl3")


def test_a_picture_too_long_for_the_family_is_refused_with_its_size() -> None:
    with pytest.raises(BackboneError, match=r"a picture of 3000 x 2 pixels: .*aspect ratio.*; crop it"):
        _qwen(14).prepare("", Image.new("RGB", (3000, 2)))
    assert _internvl(12).prepare("", Image.new("RGB", (3000, 2))).tokens == 13 * 256
