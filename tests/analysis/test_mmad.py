"""MMAD's scorers: the published numbers, and each quirk there in `official` and gone in `strict`."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.mmad import SUBTASKS
from tests.warehouse import rows
from workbench.analysis import mmad, published_results

AD, DC, DL, DD, DA, OC, OA = SUBTASKS
PUBLISHED = Path(__file__).parents[2].parent / "shared/data/mmad/published"

# (questions, right) of Qwen2.5-VL-7B-Instruct, one-shot: detection on good and on bad images, then the others.
GOLDEN = {
    "DS-MVTec": (
        (465, 425), (1226, 998), (1205, 881), (1193, 890), (1213, 905), (1205, 1093), (464, 462), (1367, 1271),
    ),
    "MVTec-LOCO": ((573, 385), (992, 554), (982, 437), (982, 509), (974, 583), (954, 696), (544, 488), (1623, 1281)),
    "VisA": ((943, 877), (1198, 697), (1190, 610), (1197, 731), (1190, 757), (1163, 853), (935, 808), (2806, 2325)),
    "GoodsAD": (
        (1269, 679), (1631, 1114), (1311, 724), (1506, 832), (1333, 779), (1460, 1110), (1211, 1093), (3367, 2691),
    ),
}  # fmt: skip


def said(*rows: tuple[str, str, str | None], correct: str = "A") -> pl.DataFrame:
    """Answers from (path, subtask, answer); the data set is the path's first folder, good is a folder of its own."""
    return pl.DataFrame(
        [
            {
                "dataset": path.split("/")[0],
                "image": path,
                "subtask": subtask,
                "normal": "good" in path.split("/"),
                "correct": correct,
                "official": answer,
                "strict": answer,
            }
            for path, subtask, answer in rows
        ],
        schema=mmad.ANSWERS,
    )


def golden() -> pl.DataFrame:
    rows = []
    for dataset, counts in GOLDEN.items():
        cells = zip((AD, AD, DC, DL, DD, DA, OC, OA), ("good", *["crack"] * 7), counts, strict=True)
        for subtask, folder, (questions, right) in cells:
            path = f"{dataset}/product/test/{folder}/000.png"
            rows += [(path, subtask, "A")] * right + [(path, subtask, "B")] * (questions - right)
    return said(*rows)


def test_official_is_the_published_table_with_overkill_and_miss() -> None:
    scores = mmad.score(golden())
    assert scores.questions == 39_672
    assert scores.average.average == pytest.approx(72.19455716252939, abs=1e-9)
    assert scores.average.overkill == pytest.approx(23.726, abs=5e-4)
    assert scores.average.miss == pytest.approx(34.067, abs=5e-4)
    assert scores.micro == pytest.approx(71.93, abs=5e-3)
    assert (scores.invalid, scores.skipped) == (0, 0)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="MMAD's published tables are not shipped with the project")
def test_every_cell_is_the_published_one() -> None:
    with (PUBLISHED / "answers_1_shot_Qwen2.5-VL-7B-Instruct_accuracy.csv").open() as file:
        theirs = {row[""]: row for row in csv.DictReader(file)}
    ours = list(csv.DictReader(io.StringIO(mmad.as_csv(mmad.score(golden())))))
    assert [row[""] for row in ours] == list(theirs)
    for row in ours:
        assert {name: float(row[name]) for name in theirs[row[""]] if name} == pytest.approx(
            {name: float(value) for name, value in theirs[row[""]].items() if name}, abs=1e-9
        )


def test_without_invalid_answers_both_scorers_agree() -> None:
    answers = golden()
    assert mmad.as_frame(mmad.score(answers, "strict")).equals(mmad.as_frame(mmad.score(answers, "official")))


def test_an_unreadable_answer_takes_the_next_one_with_it_in_official_and_is_wrong_in_strict() -> None:
    path = "VisA/pcb/test/good/1.png"
    answers = said((path, OA, "A"), (path, OA, "unsure"), (path, OA, "B"), (path, OA, "A")).with_columns(
        strict=pl.when(pl.col("strict").str.len_chars() == 1).then("strict")
    )
    official, strict = mmad.score(answers), mmad.score(answers, "strict")
    assert official.average.accuracy[OA] == 100  # "B" is skipped, so 2 of 2
    assert (official.invalid, official.skipped) == (1, 1)
    assert strict.average.accuracy[OA] == 50  # 2 of 4
    assert (strict.invalid, strict.skipped) == (1, 0)


def test_of_two_unreadable_answers_in_a_row_the_second_is_merely_skipped_and_saves_the_third() -> None:
    path = "VisA/pcb/test/good/1.png"
    answers = said((path, OA, ""), (path, OA, ""), (path, OA, "B"), (path, OA, "A")).with_columns(strict=None)
    official = mmad.score(answers)
    assert official.average.accuracy[OA] == 50  # "B" and "A" count
    assert (official.invalid, official.skipped) == (2, 0)


def test_a_letter_beyond_e_is_unreadable_to_official_alone() -> None:
    answers = said(("VisA/pcb/1.png", OA, "F"), ("VisA/pcb/1.png", OA, "A")).with_columns(correct=pl.Series(["F", "A"]))
    assert mmad.score(answers).questions == 2
    assert mmad.score(answers).invalid == 1
    assert mmad.score(answers, "strict").average.accuracy[OA] == 100


def test_a_subtask_that_a_data_set_lacks_is_zero_in_official_and_absent_in_strict() -> None:
    answers = said(("VisA/pcb/1.png", OA, "A"), ("VisA/pcb/1.png", OC, "A"), ("GoodsAD/box/1.png", OA, "A"))
    official, strict = mmad.score(answers), mmad.score(answers, "strict")
    assert [row.average for row in official.rows] == [100, 50, 75]
    assert [row.accuracy[OC] for row in official.rows] == [100, 0, 50]
    assert [row.average for row in strict.rows] == [100, 100, 100]
    assert [row.accuracy[OC] for row in strict.rows] == [100, None, 100]


def test_good_anywhere_in_the_path_is_normal_to_official_and_a_label_is_to_strict() -> None:
    answers = said(
        ("VisA/goodie_bag/test/good/1.png", AD, "A"),
        ("VisA/goodie_bag/test/torn/1.png", AD, "B"),
        ("VisA/pcb/test/bent/1.png", AD, "A"),
    )
    official, strict = mmad.score(answers).average, mmad.score(answers, "strict").average
    assert (official.overkill, official.miss) == (50, 0)
    assert (strict.overkill, strict.miss) == (0, 50)


def test_one_kind_of_image_alone_has_no_balanced_accuracy_in_strict() -> None:
    answers = said(("VisA/pcb/test/good/1.png", AD, "A"))
    official, strict = mmad.score(answers).average, mmad.score(answers, "strict").average
    assert (official.accuracy[AD], official.miss, official.f1) == (50, 100, 0)
    assert (strict.accuracy[AD], strict.overkill, strict.miss, strict.f1) == (None, 0, None, None)


def predictions(raw: str | None, answer: str | None, status: str = "answered") -> pl.DataFrame:
    options = [{"letter": "A", "text": "Yes."}, {"letter": "B", "text": "No."}]
    return pl.DataFrame(
        {
            "image_path": ["pcb/test/good/1.png"], "dataset": ["VisA"], "subtask": [AD], "label": ["good"],
            "status": [status], "answer": [answer], "correct_answer": ["B"], "options": [options], "raw_text": [raw],
        },
        schema_overrides={"raw_text": pl.String, "answer": pl.String},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "answer", "status", "official", "strict"),
    [
        (None, "B", "answered", "B", "B"),  # read from the letters' probabilities
        ("The answer is B.", "B", "answered", "B", "B"),
        ("no.", "B", "answered", "B", "B"),  # an option's very text
        ("Nothing to be seen", "B", "answered", "B", None),  # the closest option is a guess
        ("D", None, "invalid", "D", None),  # a letter that isn't offered is wrong to official, not unreadable
        ("", None, "invalid", "", None),
    ],
)
def test_a_generated_text_is_guessed_at_by_official_alone(
    raw: str | None, answer: str | None, status: str, official: str, strict: str | None
) -> None:
    row = mmad.answers(predictions(raw, answer, status)).row(0, named=True)
    assert (row["official"], row["strict"]) == (official, strict)


def test_an_imported_text_is_left_as_its_script_left_it() -> None:
    row = mmad.answers(predictions("Answer: B", None, "invalid"), verbatim=True).row(0, named=True)
    assert (row["official"], row["strict"]) == ("Answer: B", None)


def test_no_answer_is_read_from_what_explains_it() -> None:
    row = mmad.answers(predictions("Unlike A good one", "B", "answered"), explained=True).row(0, named=True)
    assert (row["official"], row["strict"]) == ("B", "B")
    row = mmad.answers(predictions("Unlike A good one", None, "invalid"), explained=True).row(0, named=True)
    assert (row["official"], row["strict"]) == ("", None)


def test_a_key_that_cannot_be_read_and_a_repeated_answer_count_for_official_alone() -> None:
    path = "VisA/pcb/test/good/1.png"
    answers = said((path, OA, "A"), (path, OA, "B"), (path, OA, "A"), (path, OA, "B")).with_columns(
        correct=pl.Series(["A", "A", "A", ""]), repeated=pl.Series([False, True, False, False])
    )
    official, strict = mmad.score(answers), mmad.score(answers, "strict")
    assert (official.questions, official.invalid, round(official.average.average or 0, 2)) == (4, 1, 66.67)
    assert (strict.questions, strict.invalid, strict.average.average) == (2, 0, 100)


def test_questions_without_label_and_those_failed_are_no_answers() -> None:
    failed = predictions(None, None, "failed")
    unlabelled = predictions(None, "A").with_columns(correct_answer=pl.lit(None, pl.String))
    assert mmad.answers(pl.concat([failed, unlabelled])).is_empty()
    assert mmad.score(mmad.answers(failed)).average.average is None


def test_the_csv_has_the_official_layout() -> None:
    lines = mmad.as_csv(mmad.score(golden())).splitlines()
    assert lines[0] == "," + ",".join((*SUBTASKS, "Average", "Recall", "Precision", "F1", "Overkill", "Miss"))
    assert [line.split(",")[0] for line in lines[1:]] == [*GOLDEN, "Average"]


def test_published_rows_average_to_what_they_claim_and_name_their_source() -> None:
    quoted = published_results.table()
    for row in quoted.rows:
        if None not in row.accuracy:
            assert sum(filter(None, row.accuracy)) / 7 == pytest.approx(row.average, abs=0.06), row.method
        assert row.source
        assert row.setting
    assert published_results.frame().height == len(quoted.rows)
    assert [row.average for row in quoted.rows if row.method == "AD-Copilot"] == [78.71, 82.29]


def test_no_drawn_foreign_or_partial_run_stands_among_published_rows() -> None:
    run, own = rows.run(demo=False, question_set="mmad"), published_results.table().datasets
    every = published_results.table().questions
    assert published_results.why_apart(run, own, every) is None
    assert published_results.why_apart(run, own, every - 100) is None
    assert "demo model" in str(published_results.why_apart(replace(run, demo=True), own, every))
    assert "question set wareneingang" in str(
        published_results.why_apart(replace(run, question_set="wareneingang"), own, every)
    )
    assert "about GoodsAD" in str(published_results.why_apart(run, own[:3], every))
    assert "over drawn" in str(published_results.why_apart(run, (*own, "drawn"), every))
    assert "over 400 of MMAD's 39,672 questions" in str(published_results.why_apart(run, own, 400))


def full_size() -> pl.DataFrame:
    """The golden answers spread at random over images that are asked each subtask at most once, as MMAD's are."""
    answers = golden()
    luck = pl.Series(np.random.default_rng(1).random(answers.height))
    images = {name: max(n for n, _ in counts[1:7]) for name, counts in GOLDEN.items()}
    return (
        answers.with_columns(luck=luck)
        .with_columns(place=pl.col("luck").rank("ordinal").over("dataset", "subtask", "normal"))
        .with_columns(place=pl.col("place") % pl.col("dataset").replace_strict(images, return_dtype=pl.UInt32))
        .with_columns(image=pl.col("image").str.replace("000.png", pl.format("{}.png", "place"), literal=True))
        .drop("luck", "place")
    )


@pytest.mark.parametrize("scorer", ["official", "strict"])
def test_at_full_size_the_average_is_known_to_half_a_point_and_detection_to_one(scorer: mmad.Scorer) -> None:
    answers = full_size()
    found, scores = mmad.intervals(answers, scorer), mmad.score(answers, scorer)
    by_number = {(row["name"], row["subtask"], row["side"]): row for row in found.iter_rows(named=True)}
    average, detection = by_number["Average", None, None], by_number["Average", AD, None]
    assert (average["high"] - average["low"]) / 2 == pytest.approx(0.5, abs=0.1)
    assert (detection["high"] - detection["low"]) / 2 == pytest.approx(1.0, abs=0.15)
    for row in scores.rows:
        assert by_number[row.name, None, None]["accuracy"] == pytest.approx(row.average)
        assert 100 - by_number[row.name, AD, "good"]["accuracy"] == pytest.approx(row.overkill)
        assert 100 - by_number[row.name, AD, "defective"]["accuracy"] == pytest.approx(row.miss)
        for subtask, accuracy in row.accuracy.items():
            assert by_number[row.name, subtask, None]["accuracy"] == pytest.approx(accuracy)


def test_what_official_counts_as_zero_is_in_its_average_and_its_interval() -> None:
    answers = said(("A/good/1.png", OC, "A"), ("A/good/1.png", DC, "B"), ("B/good/2.png", OC, "A"))
    for scorer in ("official", "strict"):
        average = mmad.score(answers, scorer).average.average
        assert mmad.intervals(answers, scorer).row(0, named=True)["accuracy"] == pytest.approx(average)
