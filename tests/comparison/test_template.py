"""Scans of black and white beside their templates: found where one is, and where it is not nothing is ranked by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.comparison.pretended import PretendedTower
from workbench.comparison import Comparer, Normal, NormalBank, refusals
from workbench.comparison.template import Scan, beside_template, scan_of
from workbench.model.case import Picture

GRID = (8, 8)


def layout(seed: int, side: int = 320) -> Scan:
    """Black lines on white, of a board of its own."""
    rng = np.random.default_rng(seed)
    scan = np.ones((side, side), bool)
    for _ in range(14):
        row, col = rng.integers(10, side - 80, 2)
        length, width = rng.integers(60, 150), rng.integers(8, 20)
        part = (slice(row, row + width), slice(col, col + length))
        scan[part if rng.random() < 0.5 else part[::-1]] = False
    return scan


def picture(scan: Scan) -> Image.Image:
    return Image.fromarray((scan * 255).astype(np.uint8)).convert("RGB")


def shifted(scan: Scan, down: int, across: int) -> Scan:
    return np.roll(scan, (down, across), (0, 1))


def pinhole(scan: Scan, size: int = 6) -> Scan:
    """A white hole in the middle of something black."""
    rows, cols = np.nonzero(~scan[20:-20, 20:-20])
    at = len(rows) // 2
    holed = scan.copy()
    holed[20 + rows[at] : 20 + rows[at] + size, 20 + cols[at] : 20 + cols[at] + size] ^= True
    return holed


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 5)])
def test_the_template_is_found_through_a_shift_and_a_jittered_edge(shift: tuple[int, int]) -> None:
    query = layout(3)
    rng = np.random.default_rng(0)
    jittered = query.copy()
    rows, cols = np.nonzero(query[:, 1:] != query[:, :-1])
    chosen = rng.random(len(rows)) < 0.3
    jittered[rows[chosen], cols[chosen]] ^= True  # edges that lie a pixel elsewhere here and there
    normals = [layout(seed) for seed in range(6)]
    found = beside_template(shifted(jittered, *shift), normals, GRID)
    assert found is not None
    assert (found.template, found.score) == (3, 0.0)
    assert not found.map.any()
    defective = beside_template(shifted(pinhole(query), *shift), normals, GRID)
    assert defective is not None
    assert defective.score > 0.4
    assert defective.map.max() > 0.4


def test_another_layout_another_size_and_a_shift_beyond_reach_are_no_template() -> None:
    query = layout(3)
    assert beside_template(query, [layout(seed) for seed in (0, 1, 2)], GRID) is None
    assert beside_template(query, [layout(3, side=300)], GRID) is None
    assert beside_template(shifted(query, 14, 0), [query], GRID) is None
    assert beside_template(query, [], GRID) is None


def test_a_scan_is_kept_with_its_features_and_ranked_by_its_template_without_a_threshold(tmp_path: Path) -> None:
    tower = PretendedTower()
    pictures = {f"{seed:064x}": picture(layout(seed)) for seed in range(6)}
    normals = [Normal(content, "d", "board") for content in pictures]
    bank = NormalBank.open(tmp_path, tower, normals, lambda normal: pictures[normal.content])
    assert bank.has_scans
    stored = bank.store.scan(normals[4].content)
    assert stored is not None
    assert (stored == layout(4)).all()
    comparer = Comparer(tower, bank)

    good, bad, strange = (
        comparer.compare(Picture(name * 64, picture(scan)))
        for name, scan in (("a", shifted(layout(4), 1, 2)), ("b", pinhole(layout(4))), ("c", layout(40)))
    )

    assert {each.claim for each in (good, bad, strange)} == {"cannot say"}
    assert (good.why, bad.why, strange.why) == (refusals.TEMPLATE_ALONE,) * 2 + (refusals.BINARISED,)
    assert (good.score, good.box) == (0.0, None)
    assert bad.score > 0.4
    assert [each.normal.content for each in bad.nearest] == [f"{4:064x}"]
    assert (strange.rank, strange.threshold) == (None, None)


def test_normals_that_have_templates_among_each_other_give_a_threshold(tmp_path: Path) -> None:
    tower = PretendedTower()
    pictures = {f"{n:064x}": picture(shifted(layout(n // 4), n % 4, 0)) for n in range(8)}
    normals = [Normal(content, "d", "board") for content in pictures]
    bank = NormalBank.open(tmp_path, tower, normals, lambda normal: pictures[normal.content])
    comparer = Comparer(tower, bank)
    good = comparer.compare(Picture("a" * 64, picture(shifted(layout(1), 2, 1))))
    bad = comparer.compare(Picture("b" * 64, picture(pinhole(layout(1)))))
    assert (good.claim, bad.claim, good.why, bad.why) == ("good", "defective", None, None)
    assert (bad.normals, bad.rank) == (8, 0)
    assert bad.box is not None


def test_a_photograph_is_no_scan() -> None:
    assert scan_of(Image.linear_gradient("L")) is None


@given(st.integers(1, 4), st.integers(1, 3_000), st.booleans())
def test_a_scan_of_any_shape_keeps_a_pixel_each_way_and_lies_on_itself(short: int, long: int, upright: bool) -> None:
    pixels = np.zeros((long, short) if upright else (short, long), np.uint8)
    pixels.ravel()[::2] = 255
    scan = scan_of(Image.fromarray(pixels))
    if scan is not None:
        assert min(scan.shape) >= 1
        found = beside_template(scan, [scan], (9, 9))
        assert found is None or found.score == 0
