"""The model card: what was measured, rendered; and the measures themselves against plain counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics import auroc, calibration_error


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([float(s) for s, _ in rows]), np.array([p for _, p in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    expected = sum(pairs) / len(pairs) if pairs else math.nan
    assert auroc(scores, positive) == pytest.approx(expected, nan_ok=True)


def test_calibration_error_is_nought_when_confidence_is_accuracy_and_large_when_it_boasts() -> None:
    right = np.array([True] * 75 + [False] * 25)
    assert calibration_error(np.full(100, 0.75), right) == pytest.approx(0)
    assert calibration_error(np.full(100, 1.0), right) == pytest.approx(0.25)
