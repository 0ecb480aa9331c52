"""Accuracy, intervals, outcomes and the order of cases, against plain loops and their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.records import SUBTASKS
from workbench.analysis import look, metrics
from workbench.analysis.metrics import Key

CASE = {
    "image_id": "i1",
    "image_path": "plate/test/good/000.png",
    "question_id": "q1",
    "subtask": "Anomaly Detection",
    "label": "good",
    "status": "answered",
    "answer": "B",
    "correct_answer": "B",
    "claims": ["defective", "good"],
    "choices": 2,
    "settled_entropy": 0.2,
    "seconds": 0.5,
}


def frame(*changes: Mapping[str, object]) -> pl.DataFrame:
    """One case per argument, each with what differs from a right answer about a good image."""
    return pl.DataFrame([{**CASE, **change} for change in changes], infer_schema_length=None)


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


def test_every_way_a_prediction_ends_has_its_outcome() -> None:
    ends: dict[str, dict[str, object]] = {
        "right": {},
        "overkill": {"answer": "A"},
        "escape": {"answer": "B", "correct_answer": "A", "label": "defective"},
        "wrong": {"answer": "A", "subtask": "Object Analysis", "claims": None},
        "invalid": {"status": "invalid", "answer": None},
        "failed": {"status": "failed", "answer": None},
        "unlabelled": {"correct_answer": None, "label": None},
    }
    found = metrics.outcomes(frame(*ends.values()))["outcome"].to_list()
    assert found == list(ends)
    assert set(ends) == set(get_args(look.Outcome)) == set(look.OUTCOMES)


def test_a_wrong_detection_is_only_wrong_without_a_label_or_where_nothing_tells_what_it_claims() -> None:
    unknown = {"answer": "A", "claims": ["unknown", "unknown"]}
    no_claim = {"answer": "A", "claims": ["cannot say", "good"]}
    cases = metrics.outcomes(frame({"answer": "A", "label": None}, unknown, no_claim, {"status": "invalid"}))
    assert cases["outcome"].to_list() == ["wrong", "wrong", "wrong", "invalid"]
    assert cases["claim"].to_list() == ["defective", None, "cannot say", "unreadable"]


ends = st.tuples(
    st.sampled_from(SUBTASKS),
    st.sampled_from(["answered", "invalid", "failed"]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["A", "B", None]),
)


@given(st.lists(ends, max_size=40))
def test_accuracy_per_subtask_equals_a_plain_count(predictions: list[tuple[str, str, str, str | None]]) -> None:
    rows: list[dict[str, object]] = [
        {
            "subtask": subtask,
            "status": status,
            "answer": answer if status == "answered" else None,
            "correct_answer": correct,
        }
        for subtask, status, answer, correct in predictions
    ]
    cases = metrics.outcomes(frame(*rows)) if rows else metrics.outcomes(frame({}).clear())
    found = {
        row["subtask"]: (row["right"], row["n"]) for row in metrics.accuracy_by_subtask(cases).iter_rows(named=True)
    }
    plain: dict[str, tuple[int, int]] = {}
    for subtask, status, answer, correct in predictions:
        if status != "failed" and correct is not None:
            right, n = plain.get(subtask, (0, 0))
            plain[subtask] = (right + (status == "answered" and answer == correct), n + 1)
    assert found == plain


def test_accuracy_keeps_the_benchmark_order_and_knows_the_rate_of_guessing() -> None:
    cases = metrics.outcomes(frame({"subtask": "Object Analysis", "choices": 4}, {"choices": 2}, {"choices": 4}))
    rows = metrics.accuracy_by_subtask(cases)
    assert rows["subtask"].to_list() == ["Anomaly Detection", "Object Analysis"]
    assert rows["chance"].to_list() == [0.375, 0.25]


def test_the_margin_is_the_lead_over_the_second() -> None:
    assert metrics.margin({"A": 0.2, "B": 0.5, "C": 0.3}) == pytest.approx(0.2)
    assert metrics.margin({"A": 1.0}) is None
    assert metrics.margin({}) is None


def test_images_per_second_counts_images_not_questions() -> None:
    cases = frame({"question_id": "q1"}, {"question_id": "q2"}, {"image_id": "i2"})
    assert metrics.images_per_second(cases) == pytest.approx(2 / 1.5)
    assert metrics.images_per_second(cases.clear()) is None


def test_neighbours_walk_the_list_and_stop_at_its_ends() -> None:
    cases = frame({"question_id": "q1"}, {"question_id": "q2"}, {"question_id": "q3"})
    walk = [metrics.neighbours(cases, Key("i1", question)) for question in ("q1", "q2", "q3")]
    assert [(one.place, one.before, one.after) for one in walk] == [
        (1, None, Key("i1", "q2")),
        (2, Key("i1", "q1"), Key("i1", "q3")),
        (3, Key("i1", "q2"), None),
    ]


def test_from_outside_the_list_next_leads_to_its_first() -> None:
    assert metrics.neighbours(frame({}), Key("other", "q9")) == metrics.Neighbours(None, 1, None, Key("i1", "q1"))
