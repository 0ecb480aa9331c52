"""A visual token's box is where its pixels are: what moves when a block of the original picture is inverted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.model import probes, tiny
from workbench.model import backbone, latent
from workbench.model.backbone import HubBackbone
from workbench.model.case import Picture
from workbench.model.method import Method
from workbench.model.segmented_engine import SegmentedEngine

BLOCK = 4  # pixels


@pytest.fixture(params=tiny.FAMILIES)
def blinkered(request: pytest.FixtureRequest, folders: dict[str, Path]) -> HubBackbone:
    """A model whose visual tokens see nothing but their own pixels: no attention in the vision tower."""
    body = backbone.load(folders[request.param])
    with torch.no_grad():
        for layer in tiny.model(body).model.visual.blocks:
            layer.attn.proj.weight.zero_()
            layer.attn.proj.bias.zero_()
    return body


@pytest.mark.parametrize("size", [(96, 64), (130, 87), (70, 150), (600, 400)])
def test_the_features_that_move_have_boxes_touching_the_pixels_that_changed(
    blinkered: HubBackbone, size: tuple[int, int]
) -> None:
    picture = tiny.picture(5, *size)
    prefix = probes.read(SegmentedEngine(blinkered), [tiny.case(picture, tiny.picture(1, 80, 120))])
    before = prefix.visual_tokens(0)
    places = [prefix.place(0, token) for token in range(len(before))]
    assert [(row, col) for row, col, _ in places] == [
        divmod(token, blinkered.prepare("", picture.image).cols) for token in range(len(before))
    ]
    assert places[-1][2][2:] == pytest.approx(size)
    block = BLOCK * max(1, min(size) // 60)  # as visible after a large picture was scaled down
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(12):
        x, y = (int(generator.integers(0, side - block)) for side in size)
        pixels = np.array(picture.image)
        pixels[y : y + block, x : x + block] = 255 - pixels[y : y + block, x : x + block]
        changed = Picture("changed", Image.fromarray(pixels))
        after = blinkered.encode([blinkered.prepare("", changed.image)])[0].tokens
        moved = (after - before).abs().amax(-1)
        assert float(moved.max()) > 0
        for token in (moved > 0.2 * moved.max()).nonzero()[:, 0].tolist():
            x0, y0, x1, y1 = places[token][2]
            reach = 2 * size[0] / 100 + 1  # resizing blurs a little over the edge
            assert x0 - reach < x + block, (token, x, y)
            assert x1 + reach > x, (token, x, y)
            assert y0 - reach < y + block, (token, x, y)
            assert y1 + reach > y, (token, x, y)
            hits += 1
    print(f"{size}: {hits} moved features, all in place")
    assert hits >= 12


def test_patch_choices_carry_the_box_of_their_token(blinkered: HubBackbone) -> None:
    picture = tiny.picture(5, 130, 87)
    engine = SegmentedEngine(blinkered)
    (reasoned,) = latent.reason(engine, [tiny.case(picture, tiny.picture(1))], Method(iterations=1))
    prefix = probes.read(engine, [tiny.case(picture)])
    cols = blinkered.prepare("", picture.image).cols
    assert reasoned.patches
    for patch in reasoned.patches:
        assert prefix.place(0, patch.row * cols + patch.col) == (patch.row, patch.col, patch.box)
