"""Each rule on a case of its own: what it suspects, how strongly, and what it lets be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.pages import seed
from tests.people import ANN, by
from warehouse.queries.reviews import Reviews
from workbench.analysis import option_region
from workbench.analysis.metrics import Key
from workbench.archive.view import Window
from workbench.errors import ReviewError, UnknownRun
from workbench.review import disputes, rules
from workbench.review.rules import Rules, Suspicion

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "image_id": pl.String, "image_path": pl.String, "product": pl.String, "label": pl.String,
    "question_id": pl.String, "subtask": pl.String, "question": pl.String, "status": pl.String,
    "letters": pl.List(pl.String), "texts": pl.List(pl.String), "answer": pl.String, "correct_answer": pl.String,
    "first_entropy": pl.Float64, "entropy": pl.Float64, "ranked": pl.List(pl.Float64), "probability": pl.Float64,
    "first_probability": pl.Float64, "first_highest": pl.Float64, "earlier_answer": pl.String,
    "patch_x": pl.Float64, "patch_y": pl.Float64, "patches": pl.Int64, "claims": pl.List(pl.String),
    "no_defect": pl.List(pl.String),
    "compared_claim": pl.String, "compared_score": pl.Float64, "compared_rank": pl.Int64, "compared_normals": pl.Int64,
    "kind": pl.String, "about": pl.String, "scorer": pl.String,
}  # fmt: skip


def case(image: str = "1", question: str = "q", **values: Any) -> dict[str, Any]:
    plain: dict[str, Any] = dict.fromkeys(SCHEMA) | {
        "image_id": image,
        "image_path": f"{image}.png",
        "product": "plate",
        "question_id": question,
        "subtask": "Anomaly Detection",
        "question": "Is there any defect?",
        "status": "answered",
        "letters": ["A", "B"],
        "texts": ["Yes.", "No."],
        "answer": "B",
        "entropy": 0.5,
        "ranked": [0.75, 0.25],
        "probability": 0.75,
        "patches": 0,
        "claims": ["defective", "good"],
        "no_defect": None,
    }
    return plain | values


def raised(*rows: dict[str, Any], size: tuple[int, int] | None = (100, 200), **chosen: Any) -> list[Suspicion]:
    cases = rules.disputable(pl.DataFrame(list(rows), schema=SCHEMA))
    return list(
        rules.suspicions(
            cases,
            rules.distances(cases, lambda _: None if size is None else Window(0, 0, *size)),
            None,
            Rules(**chosen),
        )
    )


def by_reason(found: list[Suspicion], reason: str) -> list[tuple[Key, float]]:
    return [(one.key, round(one.score, 3)) for one in found if one.reason == reason]


def test_uncertainty_is_the_margin_until_something_was_judged_and_never_more_than_the_budget() -> None:
    rows = [case(str(at), ranked=[0.5 + at / 20, 0.5 - at / 20]) for at in range(5)]
    found = raised(*rows, budget=3)
    assert by_reason(found, "uncertain") == [(Key("0", "q"), 1.0), (Key("1", "q"), 0.9), (Key("2", "q"), 0.8)]
    assert found[0].note == "entropy 0.50 nat, margin 0.00; not calibrated yet"


def test_an_answer_against_the_label_is_as_suspicious_as_it_is_sure() -> None:
    rows = [case("1", correct_answer="A", probability=0.75), case("2", correct_answer="B"), case("3")]
    assert by_reason(raised(*rows), "label") == [(Key("1", "q"), 0.75)]
    assert by_reason(raised(*rows, labels=False), "label") == []


def test_answers_of_one_image_that_contradict_each_other() -> None:
    which: dict[str, Any] = {
        "subtask": "Defect Classification",
        "letters": ["A", "B"],
        "texts": ["Scratch.", "No defect."],
    }
    which |= {"about": "defect type", "kind": "choice", "claims": None, "no_defect": ["B"]}
    where: dict[str, Any] = {"subtask": "Defect Localization", "letters": ["A", "B"], "texts": ["Top left.", "Center."]}
    where |= {"kind": "region", "claims": None, "no_defect": []}
    no_but_named = [case("1"), case("1", "which", **which, answer="A", probability=0.6)]
    yes_but_none = [case("2", answer="A"), case("2", "which", **which, answer="B", probability=0.9)]
    fine = [case("3"), case("3", "which", **which, answer="B")]
    nobody_knows = [case("5", claims=["unknown"] * 2), case("5", "which", **which, answer="A")]
    never_offered = [case("4"), case("4", "where", **where, answer="A")]

    found = raised(*no_but_named, *yes_but_none, *fine, *never_offered, *nobody_knows)

    assert by_reason(found, "contradiction") == [(Key("2", "q"), 0.75), (Key("1", "q"), 0.6)]


def test_a_flip_against_the_last_run() -> None:
    found = raised(case("1", earlier_answer="A"), case("2", earlier_answer="B"), case("3"))
    assert by_reason(found, "flip") == [(Key("1", "q"), 0.5)]


def test_patches_far_from_the_place_the_answer_names() -> None:
    where: dict[str, Any] = {
        "subtask": "Defect Localization",
        "letters": ["A", "B"],
        "texts": ["Top left.", "Bottom right."],
        "patches": 3,
        "kind": "region",
        "claims": None,
    }
    here = case("1", **where, answer="A", patch_x=20.0, patch_y=30.0)
    there = case("2", **where, answer="A", patch_x=90.0, patch_y=170.0)
    assert by_reason(raised(here, there), "elsewhere") == [(Key("2", "q"), 1.0)]
    assert by_reason(raised(here, there, size=None), "elsewhere") == []
    ninths = {**where, "scorer": "mask", "letters": list("ABCDEFGHI"), "texts": [f"Feld {n}" for n in range(9)]}
    assert by_reason(raised(case("3", **ninths, answer="I", patch_x=15.0, patch_y=30.0)), "elsewhere") != []
    assert by_reason(raised(case("3", **ninths, answer="I", patch_x=85.0, patch_y=170.0)), "elsewhere") == []


def test_an_answer_that_comparing_with_normal_pictures_denies() -> None:
    compared: dict[str, Any] = {"compared_claim": "defective", "compared_score": 0.4, "compared_rank": 1}
    compared |= {"compared_normals": 4}
    denied = case("1", **compared)  # answers "No."
    agreed = case("2", **compared, answer="A")
    silent = case("3", **compared | {"compared_claim": "cannot say"})
    alone = case("4", **compared | {"compared_rank": None, "compared_normals": 0})
    reverse = case("5", **compared | {"compared_claim": "good", "compared_rank": 3}, answer="A")
    about_place = case("6", **compared, claims=None)
    found = raised(denied, agreed, silent, alone, reverse, about_place, case("7"))
    assert by_reason(found, "comparison") == [(Key("1", "q"), 0.75), (Key("5", "q"), 0.75)]
    (note,) = [one.note for one in found if one.reason == "comparison" and one.key.image_id == "1"]
    assert note == "answered “No.”, compared with normal pictures it is defective: 0.400, above 3 of 4 normal pieces"


def test_without_probabilities_and_before_anything_was_judged_nothing_is_called_uncertain() -> None:
    silent = case("1", ranked=[], probability=None, correct_answer="A")
    assert [one.reason for one in raised(silent)] == ["label"]


def test_what_was_not_answered_or_offers_no_options_is_left_to_people() -> None:
    assert raised(case("1", status="failed", answer=None), case("2", letters=["A"], texts=["Yes."])) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Top left.", (1 / 6, 1 / 6)),
        ("in the lower right corner", (5 / 6, 5 / 6)),
        ("Bottom.", (0.5, 5 / 6)),
        ("The centre of the plate", (0.5, 0.5)),
        ("Top and bottom.", None),
        ("A scratch.", None),
    ],
)
def test_an_option_names_a_place_or_none(text: str, expected: tuple[float, float] | None) -> None:
    box = option_region.region(text)
    assert (box and option_region.middle(box)) == (expected and pytest.approx(expected))


def test_opening_twice_adds_nothing_and_the_audit_lane_is_drawn_once(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=8)
    chosen = Rules(budget=5, audit_share=0.4)
    first = disputes.open_run(seeded.store, seeded.run.run_id, chosen, actor=ANN)
    again = disputes.open_run(seeded.store, seeded.run.run_id, chosen, actor=ANN)

    assert first.added == sum(first.reasons.values()) + first.audited
    assert (again.added, again.audited) == (0, 2)
    queue = Reviews(data_folder).queue()
    assert queue.select("image_id", "question_id").is_duplicated().sum() == 0
    lane = queue.filter(pl.col("reasons").list.contains("audit"))
    assert lane["reasons"].to_list() == [["audit"], ["audit"]]
    estimate = disputes.audit_estimate(Reviews(data_folder), seeded.run.run_id)
    assert estimate is not None
    assert (estimate.population, estimate.judged) == (first.population, 0)


def test_a_run_that_is_not_there_is_named(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2)
    with pytest.raises(UnknownRun, match="there is no run nothing"):
        disputes.open_run(seeded.store, "nothing", Rules(), actor=ANN)
    with pytest.raises(ReviewError, match="asked no question"):
        disputes.open_by(seeded.store, seeded.run.run_id, Key("no", "such"), actor=by("anna"))
    with pytest.raises(ReviewError, match="opens nothing"):
        Rules(budget=0)
