"""Metrics by labels or by what people settled: the same rows, another truth, the label kept beside."""

from __future__ import annotations

import polars as pl

from workbench.analysis.adjudicated import adjudicate

PREDICTIONS = pl.DataFrame(
    {
        "image_id": ["1", "2", "3", "4"],
        "question_id": ["q"] * 4,
        "label": ["good", "good", "defective", "good"],
        "answer": ["A", "A", "A", "B"],
        "correct_answer": ["B", "B", "A", "B"],
    }
)


def overrides(*rows: tuple[str, str, str | None, str | None]) -> pl.DataFrame:
    schema = {"image_id": pl.String, "decision": pl.String, "right_answer": pl.String, "label": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(question_id=pl.lit("q"))


def test_without_settlements_nothing_changes_but_the_columns_beside() -> None:
    found = adjudicate(PREDICTIONS, overrides())
    assert found.select(PREDICTIONS.columns).equals(PREDICTIONS)
    assert found["adjudicated"].to_list() == [False] * 4


def test_a_settled_answer_counts_instead_of_the_label_and_the_label_is_kept() -> None:
    found = adjudicate(PREDICTIONS, overrides(("1", "correct", "A", "defective")))
    row = found.row(0, named=True)
    assert (row["correct_answer"], row["label"], row["adjudicated"]) == ("A", "defective", True)
    assert (row["original_answer"], row["original_label"]) == ("B", "good")


def test_what_nobody_can_tell_has_no_answer_and_what_no_option_says_has_no_letter() -> None:
    found = adjudicate(PREDICTIONS, overrides(("3", "unsure", None, None), ("4", "wrong", None, None)))
    assert found["correct_answer"].to_list() == ["B", "B", None, "-"]
    assert found["label"].to_list() == PREDICTIONS["label"].to_list()
