"""Patches on and off the mask, and the level of chance, against counting pixel by pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis.patches import Box, Mask, hits

SIDE, CELLS = 24, 4  # pixels of the image; patches per side
SIZE = SIDE / CELLS
WHOLE = (0, 0, SIDE, SIDE)
GRID: list[Box] = [
    (col * SIZE, row * SIZE, (col + 1) * SIZE, (row + 1) * SIZE) for row in range(CELLS) for col in range(CELLS)
]


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    for y, x in draw(st.lists(st.tuples(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1)), max_size=12)):
        mask[y, x] = True
    return mask


@given(masks(), st.lists(st.sampled_from(GRID), min_size=1, max_size=8))
def test_a_patch_hits_when_any_of_its_pixels_is_on_the_mask(mask: Mask, boxes: list[Box]) -> None:
    def touches(box: Box) -> bool:
        return any(mask[y, x] for y in range(int(box[1]), int(box[3])) for x in range(int(box[0]), int(box[2])))

    found = hits(mask, boxes, WHOLE)
    assert found.on_mask == tuple(touches(box) for box in boxes)
    assert found.chance == sum(touches(box) for box in GRID) / len(GRID)


@given(masks())
def test_taking_every_patch_hits_exactly_as_often_as_chance(mask: Mask) -> None:
    found = hits(mask, GRID, WHOLE)
    assert found.count == found.expected


def test_a_mask_of_another_resolution_gives_the_same_hits() -> None:
    small = np.zeros((8, 8), dtype=np.bool_)
    small[2:4, 5:7] = True
    large = small.repeat(3, axis=0).repeat(3, axis=1)
    assert hits(small, GRID, WHOLE) == hits(large, GRID, WHOLE)


def test_no_patch_hits_nothing() -> None:
    found = hits(np.ones((SIDE, SIDE), dtype=np.bool_), [], WHOLE)
    assert (found.on_mask, found.expected) == ((), 0.0)


def test_a_box_beyond_the_image_is_held_to_it() -> None:
    corner = np.zeros((SIDE, SIDE), dtype=np.bool_)
    corner[-1, -1] = True
    assert hits(corner, [(SIDE - 2, SIDE - 2, SIDE + 4, SIDE + 4)], WHOLE).on_mask == (True,)
