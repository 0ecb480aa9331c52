"""Wilson's interval and margins, against their definitions."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis import metrics


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_both_ends_of_the_interval_are_just_not_rejected_by_the_score_test(counts: tuple[int, int]) -> None:
    right, n = counts
    interval = metrics.wilson(right, n)
    assert 0 <= interval.low <= right / n <= interval.high <= 1
    for end in (interval.low, interval.high):
        if 0 < end < 1:
            assert abs(right / n - end) / sqrt(end * (1 - end) / n) == pytest.approx(1.959963985, rel=1e-6)


def test_the_interval_of_eight_in_ten_is_the_published_one() -> None:
    interval = metrics.wilson(8, 10)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.4902, 0.9433)


def test_the_interval_of_nothing_says_nothing() -> None:
    assert metrics.wilson(0, 0) == metrics.Interval(0.0, 1.0)


def test_more_right_than_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        metrics.wilson(3, 2)


def test_the_margin_is_the_lead_over_the_second() -> None:
    assert metrics.margin({"A": 0.2, "B": 0.5, "C": 0.3}) == pytest.approx(0.2)
    assert metrics.margin({"A": 1.0}) is None
    assert metrics.margin({}) is None
