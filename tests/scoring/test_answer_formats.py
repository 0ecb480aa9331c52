"""RobustMAD's answers and plain CSV as runs: the same counts as a few lines over the file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.queries.rollups import Rollups, Selection
from warehouse.store import Store
from workbench.analysis import bias, compare
from workbench.errors import AnswersError
from workbench.scoring import answer_file, answer_formats

ROBUSTMAD = Path(__file__).parents[2].parent / "shared/data/robustmad"
MODELS = sorted(path.stem for path in ROBUSTMAD.glob("*.json"))
PAIRS, ALONE = "Pair-wise comparison", "Stand-alone"
CSV = """image,question,answer,truth,options,subtask,detects
a/x/1.png,Is there a defect?,Yes,A,Yes|No,Check,yes
a/x/2.png,Is there a defect?,B,Yes,Yes|No,Check,yes
a/x/2.png,Which colour?,"It is (B).",B,Red|Blue|Green,Colour,
a/x/3.png,Which colour?,dunno,Green,Red|Blue|Green,Colour,
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("answers"))


def facts(store: Store, file: Path) -> pl.DataFrame:
    run = answer_file.store(store, answer_formats.read(file), file.stem).run
    return Rollups(store.data).facts(Selection(run.run_id))


def numbered(rows: pl.DataFrame, category: str) -> pl.DataFrame:
    """The questions of a category, numbered within each picture."""
    own = rows.filter(pl.col("subtask").str.contains(category, literal=True)).sort("image_id", "question")
    return own.with_columns(place=pl.int_range(pl.len()).over("image_id"))


@pytest.mark.skipif(not MODELS, reason="the answers are not at hand")
@pytest.mark.parametrize("model", MODELS)
def test_a_models_accuracy_is_a_count_over_its_file(store: Store, model: str) -> None:
    records = json.loads((ROBUSTMAD / f"{model}.json").read_text())
    right = sum(record["answer"] == record["mslm_answer"] for record in records)
    found = facts(store, ROBUSTMAD / f"{model}.json")
    assert (int(found["right"].sum()), found.height) == (right, len(records))


@pytest.mark.skipif(not MODELS, reason="the answers are not at hand")
def test_a_normal_picture_beside_it_helps_by_eight_points_paired_by_picture(store: Store) -> None:
    rows = facts(store, ROBUSTMAD / "Qwen3_VL_4B_Instruct.json")
    pairs = compare.pair(numbered(rows, ALONE), numbered(rows, PAIRS), on=("image_id", "place"))
    found = compare.table(pairs.frame).row(0, named=True)
    assert (pairs.only_old, pairs.only_new, found["images"]) == (0, 0, 410)
    assert round(100 * found["difference"], 1) == 8.3
    assert found["word"] == "better"


@pytest.mark.skipif(not MODELS, reason="the answers are not at hand")
def test_a_letter_that_is_avoided_is_named(store: Store) -> None:
    verdict = bias.verdict(bias.by_position(facts(store, ROBUSTMAD / "phi_3.5_vision_instruct.json")))
    assert verdict.flagged
    assert "Option E is avoided: answered in 14 % of 4,510 questions and right in 18 %" in verdict.sentence


@pytest.mark.skipif(not MODELS, reason="the answers are not at hand")
def test_blur_and_low_light_cost_what_paired_pictures_say(store: Store) -> None:
    clear, low = (facts(store, ROBUSTMAD / f"Qwen3_VL_4B_Instruct{end}.json") for end in ("", "_low"))
    condition = r"/(blur|light)/"
    low = low.with_columns(
        condition=pl.col("image_path").str.extract(condition),
        image_path=pl.col("image_path").str.replace(condition, "/").str.replace("_(blur|light)", ""),
    )
    found = compare.table(compare.pair(clear, low, on=("image_path", "question_id")).frame, ("condition",))
    assert found["n"].to_list() == [2255, 2255]
    records = [json.loads((ROBUSTMAD / f"Qwen3_VL_4B_Instruct{end}.json").read_text()) for end in ("", "_low")]
    rights = [sum(record["answer"] == record["mslm_answer"] for record in of_file) for of_file in records]
    assert found["difference"].sum() * 2255 == pytest.approx(rights[1] - rights[0])
    assert (found["low"] <= found["difference"]).all()
    assert (found["difference"] <= found["high"]).all()


def test_a_csv_is_a_run_with_claims_and_invalid_answers(store: Store, tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text(CSV)
    rows = facts(store, tmp_path / "answers.csv").sort("image_path", "subtask")
    assert rows.select("subtask", "status", "right", "claim").rows() == [
        ("Check", "answered", True, "defective"),
        ("Check", "answered", False, "good"),
        ("Colour", "answered", True, None),
        ("Colour", "invalid", False, None),
    ]


def test_texts_that_are_right_somewhere_are_the_options_where_a_csv_has_none(tmp_path: Path) -> None:
    lines = ("image;question;answer;truth", "1.png;Whole?;yes;no", "2.png;Whole?;yes;yes", "3.png;Whole?;maybe;no")
    (tmp_path / "a.csv").write_text("\n".join(lines))
    file = answer_formats.read(tmp_path / "a.csv")
    assert [(one.options, one.key, one.letter) for one in file.answers] == [
        (("no", "yes"), "A", "B"), (("no", "yes"), "B", "B"), (("no", "yes"), "A", None),
    ]  # fmt: skip


def test_a_csv_that_lacks_a_column_is_refused_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,answer\n1.png,A\n")
    with pytest.raises(AnswersError, match="has no column question, truth; write the columns image, question"):
        answer_formats.read(tmp_path / "a.csv")


def test_a_line_without_image_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,question,answer,truth\n,Why?,A,A\n1.png,Why?,A,A\n")
    file = answer_formats.read(tmp_path / "a.csv")
    assert len(file.answers) == 1
    assert [(problem.path, problem.reason) for problem in file.problems] == [("line 2", "it has no image")]


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n,;\t"|'), min_size=1, max_size=12)
"""Whatever people and models write, line ends and separators among it."""


@given(
    st.lists(st.tuples(CELL, CELL, st.sampled_from("ABC"), st.sampled_from("ABC")), min_size=1, max_size=6),
    st.permutations(["image", "question", "answer", "truth"]),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_csv_that_is_written_by_the_rules_is_read_back_whatever_its_cells_hold(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str, str]],
    columns: list[str],
    delimiter: str,
    ends: str,
) -> None:
    rows = [
        (f"a/x/{place}{image}", f"Q{question}", answer, truth)
        for place, (image, question, answer, truth) in enumerate(rows)
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator=ends)
    writer.writeheader()
    writer.writerows(dict(zip(("image", "question", "answer", "truth"), row, strict=True)) for row in rows)
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    file.write_bytes(text.getvalue().encode())
    found = answer_formats.read(file)
    assert [(one.question, one.letter, one.key) for one in found.answers] == [
        (question.strip(), answer, truth) for _, question, answer, truth in rows
    ]
    assert found.problems == []


@pytest.mark.parametrize(
    ("truths", "options"),
    [
        (("0", "1", "1"), ("0", "1")),
        (("否", "是", "是"), ("否", "是")),
        (("yes", "No", "Yes."), ("No", "Yes.")),
        (("A", "b", "(A)"), ()),
    ],
)
def test_right_answers_in_words_of_any_script_and_case_are_options_and_letters_are_none(
    tmp_path: Path, truths: tuple[str, ...], options: tuple[str, ...]
) -> None:
    lines = [f"{place}.png,Whole?,{truth},{truth}" for place, truth in enumerate(truths)]
    (tmp_path / "a.csv").write_text("\n".join(["image,question,answer,truth", *lines]))
    file = answer_formats.read(tmp_path / "a.csv")
    assert {one.options for one in file.answers} == {options}
    assert all(one.letter == one.key is not None for one in file.answers)


def test_a_row_that_a_separator_tore_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,question,answer,truth\n1.png,Is it, or not?,Yes,No\n2.png,Why?,A,A\n")
    file = answer_formats.read(tmp_path / "a.csv")
    assert [one.image for one in file.answers] == ["2.png"]
    assert [(problem.path, problem.reason.partition(";")[0]) for problem in file.problems] == [
        ("line 2", "it has 5 cells where the header has 4")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('image,question,answer,truth\n1.png,"Why,A,A\n2.png,Why?,A,A\n', "is no table from line 3 on"),
        ("image,question,answer,truth\n1.png," + "x" * 200_000 + ",A,A\n", "is no table from line 2 on"),
        ("image,question,answer,truth,Truth\n1.png,Why?,A,A,B\n", "has the column truth more than once"),
    ],
)
def test_a_file_of_which_nobody_can_tell_what_is_where_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(AnswersError, match=said):
        answer_formats.read(tmp_path / "a.csv")


def test_categories_where_images_belong_are_refused(tmp_path: Path) -> None:
    swapped = {**RECORD, "image_path": "Pairs", "robustness_category": "a/b.png"}
    (tmp_path / "a.json").write_text(json.dumps([swapped]))
    with pytest.raises(AnswersError, match=r"such as a/b\.png.*are two columns swapped"):
        answer_formats.read(tmp_path / "a.json")


def test_one_right_answer_in_words_throughout_is_told_with_the_column_that_helps(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,question,answer,truth\n1.png,Whole?,good,good\n2.png,Whole?,bad,good\n")
    (problem,) = (one for one in answer_formats.read(tmp_path / "a.csv").problems if one.path == "a.csv")
    assert "1 question has right answers in words" in problem.reason
    assert problem.reason.endswith("write a column options: Yes|No")


RECORD = {"image_path": "a/b.png", "robustness_category": "Pairs", "question": "Q", "answer": "A", "mslm_answer": "B"}
VALUE = st.one_of(
    st.text(st.characters(categories=["Cs", "Ll", "Cc"]), max_size=5),
    st.none(),
    st.integers(),
    st.floats(),
    st.lists(st.none()),
)
"""Half a character, a number, nothing: whatever JSON holds."""


@given(st.lists(st.dictionaries(st.sampled_from(sorted(RECORD)), VALUE), max_size=4))
def test_whatever_a_robustmad_record_holds_the_others_count_and_what_is_read_can_be_stored(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, object]]
) -> None:
    file = tmp_path_factory.mktemp("records") / "a.json"
    file.write_text(json.dumps([*({**RECORD, **each} for each in changes), RECORD]))
    answers = answer_formats.read(file).answers
    assert answers[-1].image == "a/b.png"
    for one in answers:
        assert "".join((one.image, one.subtask, one.question, one.said, one.correct)).encode()
