"""A defect's contrast is the grey of what is marked against the grey around it, whatever else the picture shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis.defect_contrast import Grey, contrast
from workbench.analysis.patches import Mask


def plate(defect: float, ground: float = 0.5) -> tuple[Grey, Mask]:
    """A plate with a bright half far from its square defect."""
    grey = np.full((60, 80), ground, np.float32)
    grey[:, 60:] = 1.0
    mask = np.zeros((60, 80), bool)
    mask[20:30, 20:30] = True
    grey[mask] = defect
    return grey, mask


@given(st.floats(0, 1, width=16))
def test_it_is_the_difference_from_the_surroundings_alone_and_has_no_sign(defect: float) -> None:
    grey, mask = plate(defect)
    assert contrast(grey, mask) == pytest.approx(abs(defect - 0.5), abs=1e-6)


def test_light_added_everywhere_changes_nothing_and_a_coarse_mask_says_the_same() -> None:
    grey, mask = plate(0.75)
    assert contrast(grey * np.float32(0.5) + np.float32(0.25), mask) == pytest.approx(0.125, abs=1e-6)
    assert contrast(grey, mask[::2, ::2]) == pytest.approx(0.25, abs=1e-6)


def test_without_anything_marked_or_anything_around_it_there_is_none() -> None:
    grey, mask = plate(0.75)
    assert contrast(grey, np.zeros_like(mask)) is None
    assert contrast(grey, np.ones_like(mask)) is None


@given(st.integers(0, 2**32 - 1))
def test_the_surroundings_are_all_within_the_radius_and_nothing_marked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grey, mask = rng.random((14, 17), np.float32), rng.random((14, 17)) < rng.choice([0.02, 0.2])
    radius = max(2, round(int(mask.sum()) ** 0.5 / 2))
    marked = np.argwhere(mask)
    around = [
        grey[row, col]
        for row, col in np.argwhere(~mask)
        if len(marked) and np.abs(marked - (row, col)).max(axis=1).min() <= radius
    ]
    found = contrast(grey, mask)
    assert found is None if not around else found == pytest.approx(abs(grey[mask].mean() - np.mean(around)), abs=1e-5)
