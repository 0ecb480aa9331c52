"""RobustMAD's answers and plain CSV as runs: the same counts as a few lines over the file."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

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
