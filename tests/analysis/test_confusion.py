"""What is taken for what, answers that contradict each other, and a liking for a letter."""

from __future__ import annotations

import polars as pl
import pytest

from tests.analysis import invented
from workbench.analysis import bias, confusion

FACTS = invented.facts(images=200)


def test_counts_add_up_to_the_judged_rows_and_shares_to_one() -> None:
    for table in (confusion.by_option(FACTS), confusion.by_option(FACTS, ("product", "subtask"))):
        assert table["n"].sum() == FACTS.height
        keys = table.columns[: table.columns.index("truth") + 1]
        assert table.group_by(keys).agg(pl.col("share").sum())["share"].round(9).unique().to_list() == [1.0]
        assert table.filter("hit")["n"].sum() == FACTS["right"].sum()


def test_an_answer_that_could_not_be_read_is_a_column_of_its_own() -> None:
    facts = FACTS.head(4).with_columns(
        status=pl.Series(["invalid", *["answered"] * 3]), right=pl.Series([False, True, True, True])
    )
    assert confusion.UNREAD in confusion.by_option(facts)["answer"].to_list()


def test_a_defect_type_is_mostly_taken_for_its_most_frequent_wrong_answer() -> None:
    table = confusion.by_defect(FACTS, ("defect",))
    for row in table.iter_rows(named=True):
        wrong = FACTS.filter(pl.col("defect") == row["defect"], ~pl.col("right"))["answer_text"]
        assert row["times"] == wrong.value_counts()["count"].max()
        assert (wrong == row["taken_for"]).sum() == row["times"]
        assert row["n"] - row["right"] == len(wrong)


def letters(answer: pl.Expr | str) -> pl.DataFrame:
    return FACTS.with_columns(answer=answer).with_columns(right=pl.col("answer") == pl.col("correct_answer"))


def test_a_model_that_always_says_a_is_flagged_for_a() -> None:
    positions = bias.by_position(letters(pl.lit("A")))
    verdict = bias.verdict(positions)
    assert verdict.flagged
    assert verdict.sentence.startswith("Option A is preferred: answered in 100 %")
    row = positions.filter(pl.col("letter") == "A").row(0, named=True)
    asked = FACTS.filter(pl.col("subtask") != "Anomaly Detection")
    truly = (asked["correct_answer"] == "A").to_numpy().mean()
    assert (row["n"], row["answered"], row["recall"]) == (asked.height, 1.0, 1.0)
    assert row["excess"] == pytest.approx(1 - truly)
    assert row["hits"] == (asked["correct_answer"] == "A").sum()


def test_a_model_that_is_always_right_is_not() -> None:
    assert not bias.verdict(bias.by_position(letters("correct_answer"))).flagged


def test_a_liking_for_yes_is_no_liking_for_a() -> None:
    facts = letters(pl.lit("A")).with_columns(subtask=pl.lit("Anomaly Detection"), detection=pl.lit(True))
    assert bias.by_position(facts).is_empty()
    assert not bias.verdict(bias.by_position(facts)).flagged


def test_a_letter_is_judged_on_questions_that_offer_it() -> None:
    facts = letters(pl.lit("A")).with_columns(choices=pl.when(pl.col("product") == "0").then(2).otherwise(5))
    positions = bias.by_position(facts)
    for letter in "CD":  # the first that two options lack, and another
        row = positions.filter(pl.col("letter") == letter).row(0, named=True)
        assert row["n"] == facts.filter(pl.col("product") != "0", pl.col("subtask") != "Anomaly Detection").height
