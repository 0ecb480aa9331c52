"""From stored predictions to facts: every dimension, stated one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tests.warehouse import rows
from warehouse import schema
from warehouse.records import Option, Prediction, RetrievedDescription
from workbench.analysis import facts, shapes

OPTIONS = (Option("A", "Scratch."), Option("B", "Dent."))


def fact(**changes: Any) -> dict[str, object]:
    """The fact of one prediction, as it is stored."""
    stored = rows.prediction(0, 0, **{"options": OPTIONS, **changes})
    found = facts.of(pl.DataFrame(schema.table(Prediction, [stored])))
    assert found.columns == list(facts.COLUMNS)
    return found.row(0, named=True)


def test_letters_become_texts() -> None:
    found = fact(answer="B", correct_answer="A", status="answered")
    assert (found["answer_text"], found["correct_text"], found["choices"], found["letter"]) == (
        "Dent.",
        "Scratch.",
        2,
        "A",
    )
    assert found["right"] is False


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"answer": "A", "correct_answer": "A"}, True),
        ({"answer": None, "correct_answer": "A", "status": "invalid"}, False),
        ({"answer": None, "correct_answer": "A", "status": "failed", "error": "truncated"}, None),
        ({"answer": "A", "correct_answer": None}, None),
        ({"answer": "A thin line.", "correct_answer": None, "options": ()}, None),
    ],
)
def test_an_answer_is_judged_if_it_is_labelled_and_did_not_fail(changes: dict[str, object], right: bool | None) -> None:
    assert fact(**{"status": "answered", **changes})["right"] is right


def test_a_question_is_known_by_its_words_whatever_its_reference() -> None:
    one = fact(question_id="one", reference_path="train/good/0.png")
    other = fact(question_id="other", reference_path=None)
    changed = fact(options=(Option("A", "Dent."), Option("B", "Scratch.")))
    assert one["asked"] == other["asked"] != changed["asked"]


@pytest.mark.parametrize(
    ("captured", "night"),
    [
        (datetime(2025, 1, 4, 2, tzinfo=UTC), "2025-01-03"),
        (datetime(2025, 1, 3, 22, tzinfo=UTC), "2025-01-03"),
        (datetime(2025, 1, 3, 11, 59, tzinfo=UTC), "2025-01-02"),
    ],
)
def test_a_night_has_the_date_of_its_evening(captured: datetime, night: str) -> None:
    assert fact(captured_at=captured)["night"] == night


@pytest.mark.parametrize(
    ("label", "defect", "retrieved", "said"),
    [
        ("defective", "Scratch", "mvtec/bottle/scratch", "right"),
        ("defective", "scratch", "mvtec/bottle/good", "other entry"),
        ("good", None, "mvtec/bottle/good", "right"),
        ("good", None, "mvtec/nut/good", "other product"),
        ("good", None, None, "none"),
        (None, None, "mvtec/bottle/good", None),
        ("defective", None, "mvtec/bottle/good", None),
    ],
)
def test_retrieval_is_right_when_it_is_the_image_s_own_entry(
    label: str | None, defect: str | None, retrieved: str | None, said: str | None
) -> None:
    described = (RetrievedDescription(retrieved, 1, 1, 0.5),) if retrieved else ()
    found = fact(product="bottle", label=label, defect=defect, descriptions=described)
    assert (found["retrieval"], found["description"]) == (said, retrieved)


def test_confidence_and_entropy_are_those_of_the_answer_and_fall_into_bands() -> None:
    found = fact(option_probabilities={"A": 0.7, "B": 0.3}, entropy=(3.0, 0.5, 2.0), best_iteration=1)
    assert (found["confidence"], found["confidence_band"]) == (0.7, "0.7 to 0.9")
    assert (found["entropy"], found["entropy_band"]) == (0.5, "0.5 to 1")


def test_bands_include_their_lower_edge_and_go_on_for_ever() -> None:
    frame = pl.DataFrame({"x": [None, 0.0, 0.25, 3.9, 4.0, 99.0]})
    bands = frame.select(facts.band("x", facts.ENTROPY_BANDS)).to_series().to_list()
    assert bands == [None, "below 0.25", "0.25 to 0.5", "2 to 4", "4 and above", "4 and above"]


@pytest.mark.parametrize(
    ("entropy", "shape"),
    [
        ([], None),
        ([1.0, 0.5], None),
        ([0.3, 0.32, 0.31, 0.3], "flat-low"),
        ([3.0, 3.02, 3.0], "stuck-high"),
        ([3.0, 2.0, 1.0, 0.5], "falling"),
        ([3.0, 2.0, 1.0, 0.5, 0.52], "falling"),
        ([3.0, 2.0, 3.0, 2.0, 3.0], "oscillating"),
        ([3.0, 1.0, 1.0, 2.9], "late rise"),
        ([2.0, 2.5, 3.0], "stuck-high"),
        ([0.1, 0.3, 0.5], "flat-low"),
    ],
)
def test_a_trace_has_one_of_six_shapes(entropy: list[float], shape: str | None) -> None:
    frame = pl.DataFrame({"entropy": [entropy]}, schema={"entropy": pl.List(pl.Float64)})
    assert frame.select(shapes.shape(pl.col("entropy"))).item() == shape
