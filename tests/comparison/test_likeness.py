"""The few normals that stand for all of a product, and the one of them that a picture is most like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.comparison.pretended import PretendedTower, features, filled, unit
from workbench.comparison import Comparer, Features, Normal, likeness


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 14))
def test_no_exchange_of_one_medoid_lowers_the_distance_to_the_nearest(seed: int, count: int, number: int) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(number, 3)))
    found = likeness.medoids(vectors, count)

    def total(chosen: list[int]) -> float:
        return float((1 - vectors @ vectors[chosen].T).min(axis=1).sum())

    assert found == sorted(set(found))
    assert len(found) == min(count, number)
    for gone in found:
        for taken in set(range(number)) - set(found):
            assert total(found) <= total([*(set(found) - {gone}), taken]) + 1e-3


def test_three_clusters_have_a_medoid_each_whatever_the_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    middles = unit(rng.normal(size=(3, 16)))
    seen = {
        f"{cluster}{number:02d}": Features(unit(middles[cluster] + rng.normal(0, 0.02, 16)), features(rng).patches)
        for cluster in range(3)
        for number in range(7)
    }
    normals = [Normal(content, "set", "bolt") for content in seen]
    of_orders = set()
    for order in (normals, normals[::-1], [normals[at] for at in rng.permutation(21)]):
        bank = filled(tmp_path, PretendedTower(), order, seen)
        found = likeness.representatives(Comparer(PretendedTower(), bank), "set", "bolt", 3)
        of_orders.add(found)
        for cluster in range(3):
            alike = likeness.most_alike(bank, found, unit(middles[cluster]))
            assert alike.content.startswith(str(cluster))
    assert len(of_orders) == 1
    assert likeness.representatives(Comparer(PretendedTower(), bank), "set", "nut", 3) == ()


def test_a_suspect_stands_for_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    middle = features(rng)
    seen = {
        f"{number:02d}": Features(
            unit(middle.class_vector + rng.normal(0, 0.02, 16)),
            unit(middle.patches + rng.normal(0, 0.02, middle.patches.shape)).astype(np.float16),
        )
        for number in range(12)
    }
    seen["spoilt"] = features(rng)
    bank = filled(tmp_path, PretendedTower(), [Normal(content, "set", "bolt") for content in seen], seen)
    comparer = Comparer(PretendedTower(), bank)
    assert [each.content for each in comparer.calibration("set", "bolt").suspects] == ["spoilt"]
    for count in (1, 4, 50):
        found = likeness.representatives(comparer, "set", "bolt", count)
        assert len(found) == min(count, 12)
        assert "spoilt" not in {each.content for each in found}
