"""When nothing is claimed: each rule on pictures and normals that it is for, and on those that it must leave alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.comparison.pretended import PretendedTower, filled, unit
from workbench.comparison import Comparer, Features, MutualComparer, Normal, NormalBank, refusals
from workbench.comparison.mutual import RANKING_ONLY
from workbench.model.case import Picture

GRID, WIDTH = 8, 16


class Kind:
    """Pictures of one product: a place has its own look, and every picture is a little different."""

    def __init__(self, rng: np.random.Generator, scatter: float = 0.1):
        self._rng, self._scatter = rng, scatter
        self._look = unit(rng.normal(size=(GRID, GRID, WIDTH)))
        self._whole = unit(rng.normal(size=WIDTH))

    def features(self, defect: bool = False) -> Features:
        """One more picture, with a defect of four patches or without."""
        noise = self._scatter * self._rng.normal(size=self._look.shape)
        patches = unit(self._look + noise)
        if defect:
            patches[2:4, 5:7] = unit(self._rng.normal(size=(2, 2, WIDTH)))
        whole = unit(self._whole + 0.3 * self._scatter * self._rng.normal(size=WIDTH))
        return Features(whole, patches.astype(np.float16))


def comparer_of(folder: Path, kinds: dict[str, Kind], count: int = 24) -> Comparer:
    tower = PretendedTower()
    normals = [
        Normal(hashlib.sha256(f"{product} {number}".encode()).hexdigest(), "d", product)
        for product in kinds
        for number in range(count)
    ]
    made = {normal.content: kinds[normal.product].features() for normal in normals}
    return Comparer(tower, filled(folder, tower, normals, made))


def test_defects_are_claimed_and_good_pictures_spared(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    kinds = {name: Kind(rng) for name in "ab"}
    comparer = comparer_of(tmp_path, kinds)
    found = [comparer.compare_features(kinds["a"].features(defect=True)) for _ in range(20)]
    assert {each.claim for each in found} == {"defective"}
    assert {each.quarter for each in found} == {"top right"}
    assert {each.product for each in found} == {("d", "a")}
    assert {each.rank for each in found} == {0}
    good = [comparer.compare_features(kinds["b"].features()) for _ in range(60)]
    assert sum(each.claim == "good" for each in good) >= 50
    assert not [each for each in good if each.claim == "cannot say"]


def test_a_product_without_normals_is_not_judged_by_those_of_another(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    comparer = comparer_of(tmp_path, {"a": Kind(rng)})
    found = [comparer.compare_features(Kind(rng).features()) for _ in range(20)]
    assert {each.claim for each in found} == {"cannot say"}
    assert {each.why for each in found} == {refusals.UNLIKE}


def test_normals_that_scatter_as_widely_as_everything_else_claim_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    kinds = {"calm": Kind(rng), "wild": Kind(rng, scatter=5.0)}
    comparer = comparer_of(tmp_path, kinds)
    assert comparer.calibration("d", "wild").why == refusals.SCATTERED
    assert comparer.calibration("d", "calm").why is None


def test_variants_that_look_alike_are_not_taken_for_scatter(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    kind = Kind(rng)
    comparer = comparer_of(tmp_path, {"left": kind, "right": kind})
    assert comparer.calibration("d", "left").why is None


def test_a_binarised_scan_is_told_from_a_photograph_whatever_its_size(tmp_path: Path) -> None:
    scan = Image.new("RGB", (320, 200), "white")
    draw = ImageDraw.Draw(scan)
    for at in range(0, 320, 16):
        draw.rectangle((at, 0, at + 5, 200), fill="black")
    assert refusals.is_binarised(scan)
    assert refusals.is_binarised(scan.resize((1280, 800), Image.Resampling.NEAREST))
    assert not refusals.is_binarised(Image.new("RGB", (50, 50), "white"))  # one colour is another matter
    assert not refusals.is_binarised(Image.linear_gradient("L"))
    comparer = comparer_of(tmp_path, {"a": Kind(np.random.default_rng(5))}, count=4)
    found = comparer.compare_features(Kind(np.random.default_rng(5)).features(), binarised=True)
    assert (found.claim, found.why) == ("cannot say", refusals.BINARISED)


def test_binarised_normals_claim_nothing_of_a_photograph(tmp_path: Path) -> None:
    scan = Image.new("RGB", (64, 64), "white")
    scan.paste("black", (0, 0, 20, 64))
    pictures = {f"{n:064x}": scan.rotate(90 * n) for n in range(4)}
    normals, tower = [Normal(content, "d", "p") for content in pictures], PretendedTower()
    bank = NormalBank.open(tmp_path, tower, normals, lambda normal: pictures[normal.content])
    found = Comparer(tower, bank).compare(Picture("f" * 64, Image.linear_gradient("L").convert("RGB")))
    assert (found.claim, found.why) == ("cannot say", refusals.NORMALS_BINARISED)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_normals_claim_nothing(tmp_path: Path, count: int) -> None:
    kind = Kind(np.random.default_rng(6))
    found = comparer_of(tmp_path, {"a": kind}, count).compare_features(kind.features())
    assert found.claim == "cannot say"
    assert found.threshold is None
    assert found.why


def test_an_archive_against_itself_ranks_and_claims_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    kinds, tower = {name: Kind(rng) for name in "ab"}, PretendedTower()
    made = {f"{n:064x}": kinds["ab"[n % 2]].features(defect=n < 4) for n in range(40)}
    bank = filled(tmp_path, tower, [Normal(content, "d", "p") for content in made], made)
    comparer = MutualComparer(tower, bank)
    found = {c: comparer.compare(Picture(c, Image.new("RGB", (64, 64)))) for c in made}
    assert tower.calls == 0  # features of the archive's own pictures are there
    assert {each.claim for each in found.values()} == {"cannot say"}
    assert {each.why for each in found.values()} == {RANKING_ONLY}
    assert {each.product for each in found.values()} == {None}
    ranked = sorted(found, key=lambda content: -found[content].score)
    assert {int(content, 16) for content in ranked[:4]} == {0, 1, 2, 3}
    assert {found[content].quarter for content in ranked[:4]} == {"top right"}
