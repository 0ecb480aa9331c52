"""The inspection protocol: four questions about every image, answered as far as label, type and mask know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.scoring.drawn import bottle, mask, picture, scanned
from warehouse.records.scoring import Description
from workbench.archive import questions, references, regions
from workbench.archive.questions import Asked
from workbench.question_sets import INSPECTION, REGION_NAMES, built_in, parse


def described(entry: str, product: str = "bottle", dataset: str = "DATA") -> Description:
    key = f"{dataset}/{product}/{entry}"
    now = datetime(2025, 1, 3, tzinfo=UTC)
    return Description(key, 1, dataset, product, entry, f"How {entry} looks.", "published", "test", "first", now)


KNOWLEDGE = [described("good"), described("scratch"), described("broken_large"), described("bent", product="nut")]


def inspected(root: Path, knowledge: list[Description] = KNOWLEDGE) -> list[Asked]:
    scan = scanned(root)
    return questions.of_set(built_in(INSPECTION), scan, knowledge, references.gather(scan)).items


def texts(item: Asked) -> list[str]:
    return [option.text for option in item.question.options]


def right(item: Asked) -> str | None:
    return next((option.text for option in item.question.options if option.letter == item.correct_answer), None)


def test_every_image_is_asked_four_things_and_all_but_the_first_are_conditional(tmp_path: Path) -> None:
    bottle(tmp_path)
    items = inspected(tmp_path)
    expected = ["Anomaly Detection", "Defect Classification", "Defect Localization", "Defect Description"]
    assert [item.question.subtask for item in items] == expected * 2
    assert [item.question.conditional for item in items] == [False, True, True, True] * 2
    detect, which, where, describe = items[:4]
    assert texts(detect) == ["Yes.", "No."]
    assert texts(which) == ["Broken large.", "Scratch.", "No defect.", "Another defect."]
    assert len(texts(where)) == 9
    assert texts(describe) == []
    assert {item.reference_path for item in items} == {items[0].reference_path} != {None}


def test_what_the_labels_know_is_the_right_answer(tmp_path: Path) -> None:
    bottle(tmp_path)
    answers = [right(item) for item in inspected(tmp_path)]
    assert answers[:4] == ["No.", "No defect.", None, None]  # test/good/000
    assert answers[4:] == ["Yes.", "Scratch.", None, None]  # test/scratch/000, its mask not looked at yet


def test_the_region_is_read_from_the_mask_when_the_question_is_due(tmp_path: Path) -> None:
    bottle(tmp_path)
    items = questions.located(inspected(tmp_path), tmp_path)
    assert [right(item) for item in items if item.question.subtask == "Defect Localization"] == [None, "Top right."]
    assert [right(item) for item in items if item.question.subtask == "Defect Classification"] == [
        "No defect.",
        "Scratch.",
    ]


def test_a_right_region_that_a_question_file_gives_is_not_read_from_the_mask(tmp_path: Path) -> None:
    bottle(tmp_path)
    given = [replace(item, correct_answer="A") for item in inspected(tmp_path)]
    assert questions.located(given, tmp_path) == given


def test_a_type_that_no_description_names_has_no_right_answer(tmp_path: Path) -> None:
    bottle(tmp_path)
    items = inspected(tmp_path, [described("dent")])
    assert [right(item) for item in items if item.question.subtask == "Defect Classification"] == ["No defect.", None]


def test_an_archive_without_labels_is_asked_the_same_without_right_answers(tmp_path: Path) -> None:
    picture(tmp_path / "bottle/a.png")
    items = inspected(tmp_path)
    assert len(items) == 4
    assert {item.correct_answer for item in items} == {None}
    assert texts(items[1]) == ["Broken large.", "Scratch.", "No defect.", "Another defect."]


def test_without_knowledge_the_type_is_none_or_another(tmp_path: Path) -> None:
    bottle(tmp_path)
    items = inspected(tmp_path, [])
    assert texts(items[1]) == ["No defect.", "Another defect."]
    assert (right(items[1]), right(items[5])) == ("No defect.", None)


def test_a_question_without_two_options_is_not_asked_and_told_once_for_a_product(tmp_path: Path) -> None:
    lines = ('name = "mine"', "[[subtasks]]", 'name = "Art"', 'kind = "choice"', 'question = "Which?"',
             'options = ["{defects}", "None."]', "[[subtasks]]", 'name = "Words"', 'kind = "open"',
             'question = "What?"')  # fmt: skip
    declared = parse("\n".join(lines), "mine.toml")
    bottle(tmp_path)
    scan = scanned(tmp_path)
    asked = questions.of_set(declared, scan, KNOWLEDGE[:1], None)
    assert {item.question.subtask for item in asked.items} == {"Words"}
    assert [problem.reason for problem in asked.problems] == [
        "Art is not asked: it needs two options, and no knowledge is published that names a defect type"
    ]
    assert not questions.of_set(declared, scan, KNOWLEDGE, None).problems


def test_a_products_own_data_set_comes_before_others_of_its_name(tmp_path: Path) -> None:
    bottle(tmp_path)
    knowledge = [described("scratch"), described("leak", dataset="ELSEWHERE")]
    assert texts(inspected(tmp_path, knowledge)[1]) == ["Scratch.", "No defect.", "Another defect."]


def test_more_types_than_letters_leave_room_for_none_and_another(tmp_path: Path) -> None:
    bottle(tmp_path)
    options = texts(inspected(tmp_path, [described(f"type {number:02}") for number in range(40)])[1])
    assert len(options) == 26
    assert options[-2:] == ["No defect.", "Another defect."]


@given(st.integers(0, 2), st.integers(0, 2), st.integers(0, 20), st.integers(0, 20))
def test_a_mark_inside_a_ninth_is_in_that_ninth(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: int, x: int, y: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "mark.png"
    left, top = 30 * column + x, 30 * row + y
    mask(file, (left, top, left + 9, top + 9), size=(90, 90))
    letter = regions.letter_of(file)
    assert letter is not None
    assert (
        REGION_NAMES["ABCDEFGHI".index(letter)]
        == (
            ("Top left.", "Top.", "Top right."),
            ("Left.", "Center.", "Right."),
            ("Bottom left.", "Bottom.", "Bottom right."),
        )[row][column]
    )


def test_a_mask_of_class_numbers_and_a_noisy_jpeg_mask_are_read_too(tmp_path: Path) -> None:
    numbers = Image.new("L", (90, 90))
    numbers.paste(2, (70, 70, 80, 80))
    numbers.save(tmp_path / "numbers.png")
    mask(tmp_path / "noisy.jpg", (10, 70, 20, 80), size=(90, 90))
    assert regions.letter_of(tmp_path / "numbers.png") == "I"
    assert regions.letter_of(tmp_path / "noisy.jpg") == "G"


def test_an_empty_or_unreadable_mask_has_no_region(tmp_path: Path) -> None:
    mask(tmp_path / "black.png", (0, 0, 0, 0))
    (tmp_path / "text.png").write_text("no mask")
    assert [regions.letter_of(tmp_path / name) for name in ("black.png", "text.png", "gone.png")] == [None] * 3
