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


CLAIMS = {"No.": "good", "No": "good", "Yes.": "defective", "Yes, there is.": "defective"}


def stated(**answers: str) -> pl.DataFrame:
    """Facts of one image's answers by subtask (underscores for spaces)."""
    return pl.DataFrame(
        [
            {
                "image_id": "one", "question_id": subtask, "subtask": subtask.replace("_", " "),
                "status": "answered", "answer_text": text,
                "claim": CLAIMS.get(text) if subtask == "Anomaly_Detection" else None,
            }
            for subtask, text in answers.items()
        ]
    )  # fmt: skip


def offered(*texts: str) -> pl.DataFrame:
    options = [{"letter": "A", "text": text} for text in texts]
    names = ("Anomaly_Detection", "Defect_Classification", "Defect_Localization")
    return pl.DataFrame({"question_id": names, "options": [options] * 3})


@pytest.mark.parametrize(
    ("detection", "kind_of", "kinds"),
    [
        ("No.", "Scratch.", ["denied, yet named"]),
        ("No", "No defect.", []),
        ("Yes.", "Scratch.", []),
        ("Perhaps.", "Scratch.", []),
        ("Yes, there is.", "None of these; the object is normal.", ["claimed, yet denied"]),
    ],
)
def test_no_defect_and_yet_one_is_named_contradicts_itself(detection: str, kind_of: str, kinds: list[str]) -> None:
    facts = stated(Anomaly_Detection=detection, Defect_Classification=kind_of)
    found = confusion.contradictions(facts, offered("Scratch.", "No defect."))
    assert found["kind"].to_list() == kinds
    assert found["forced"].to_list() == [False] * len(kinds)


def test_a_question_without_a_way_out_is_told_apart() -> None:
    facts = stated(Anomaly_Detection="No.", Defect_Localization="Top left.")
    found = confusion.contradictions(facts, offered("Top left.", "Center."))
    assert found.select("kind", "forced").row(0) == ("denied, yet located", True)


def letters(answer: pl.Expr | str) -> pl.DataFrame:
    return FACTS.with_columns(answer=answer).with_columns(right=pl.col("answer") == pl.col("correct_answer"))


def test_a_model_that_always_says_a_is_flagged_for_a() -> None:
    positions = bias.by_position(letters(pl.lit("A")))
    verdict = bias.verdict(positions)
    assert verdict.flagged
    assert verdict.sentence.startswith("Option A is preferred: answered in 100%")
    row = positions.filter(pl.col("letter") == "A").row(0, named=True)
    asked = FACTS.filter(pl.col("subtask") != "Anomaly Detection")
    truly = (asked["correct_answer"] == "A").to_numpy().mean()
    assert (row["n"], row["answered"], row["recall"]) == (asked.height, 1.0, 1.0)
    assert row["excess"] == pytest.approx(1 - truly)
    assert row["hits"] == (asked["correct_answer"] == "A").sum()


def test_a_model_that_is_always_right_is_not() -> None:
    assert not bias.verdict(bias.by_position(letters("correct_answer"))).flagged


def test_a_liking_for_yes_is_no_liking_for_a() -> None:
    facts = letters(pl.lit("A")).with_columns(subtask=pl.lit("Anomaly Detection"))
    assert bias.by_position(facts).is_empty()
    assert not bias.verdict(bias.by_position(facts)).flagged


def test_a_letter_is_judged_on_questions_that_offer_it() -> None:
    facts = letters(pl.lit("A")).with_columns(choices=pl.when(pl.col("product") == "0").then(2).otherwise(5))
    row = bias.by_position(facts).filter(pl.col("letter") == "D").row(0, named=True)
    assert row["n"] == facts.filter(pl.col("product") != "0", pl.col("subtask") != "Anomaly Detection").height
