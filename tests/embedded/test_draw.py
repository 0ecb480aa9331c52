"""The drawings: repeatable, defects where their masks say, facts that are true of the pixels."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.embedded.blemishes import Severity, blemish
from workbench.embedded.draw import Shift, draw
from workbench.embedded.drawn_world import ENTRIES, PRODUCTS, REGIONS
from workbench.embedded.scenes import SIDE, scene


def test_the_same_seed_draws_the_same_pixels_and_another_seed_others() -> None:
    first, again, other = (draw(np.random.default_rng([seed, 0]), "hex nut", "rust") for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert first.facets == again.facets
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize(("product", "defect"), ENTRIES)
def test_a_defect_lies_on_the_product_and_changes_the_image_there_and_nowhere_else(product: str, defect: str) -> None:
    rng = np.random.default_rng(3)
    color = next(iter(PRODUCTS[product].colors))
    piece = scene(rng, product, color, parts=3, line="A")
    before, body = piece.image.copy(), piece.body.copy()
    drawn = blemish(rng, piece, defect, Severity(large=True, extent=1.0, contrast=0.9, tone="dark"))
    mask, change = drawn.mask > 0, np.abs(piece.image.astype(int) - before).max(-1)
    assert mask.any()
    assert change[mask].mean() > 10
    # Soft edges may fade out a little beyond the mask.
    assert change[~mask].sum() < 0.25 * change.sum()
    if defect != "blockage":  # which fills a hole in the body
        assert (body[mask] > 0).mean() > 0.97


def test_the_region_is_where_the_masks_centre_lies() -> None:
    for seed in range(12):
        drawing = draw(np.random.default_rng(seed), good=False)
        rows, columns = np.nonzero(drawing.mask)
        cell = 3 * int(3 * rows.mean() / SIDE) + int(3 * columns.mean() / SIDE)
        assert drawing.facets.region == REGIONS[cell]


def test_a_good_piece_has_an_empty_mask_and_no_defect() -> None:
    drawing = draw(np.random.default_rng(0), good=True)
    assert not drawing.mask.any()
    assert drawing.facets.defect is None
    assert drawing.facets.region is None


def test_the_other_line_and_a_shift_change_the_picture_of_the_same_seed() -> None:
    usual = draw(np.random.default_rng(1), "metal plate", "dent")
    other = draw(np.random.default_rng(1), "metal plate", "dent", line="B")
    dark = draw(np.random.default_rng(1), "metal plate", "dent", shift=Shift(lighting=0.8))
    assert not np.array_equal(usual.image, other.image)
    assert dark.image.mean() < usual.image.mean() - 10


def test_a_shift_outside_its_range_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"shift blur is 1.5; it must lie in 0..1"):
        Shift(blur=1.5)
