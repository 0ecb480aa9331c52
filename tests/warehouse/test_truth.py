"""The truth `reviewed`: what people settled stands in place of the labels, on exactly the rows it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.judging import stored
from tests.warehouse.rows import RUN
from warehouse import spool
from warehouse.database import Database
from warehouse.ingest import ingest
from warehouse.queries import facts
from warehouse.queries.reviews import Reviews, dispute_id
from warehouse.queries.rollups import Rollups, Selection, sql
from warehouse.queries.truth import NONE_OF_THESE
from warehouse.records.reviews import Dispute, DisputeReason, Settlement
from warehouse.records.scoring import Option, Prediction
from warehouse.store import Store

REVIEWED = Selection(RUN, truth="reviewed")


def settle(data: Path, of: Prediction, reason: Any = "label", **values: Any) -> Settlement:
    """What people hold to be true of a case, with the dispute that brought it to them."""
    dispute = Dispute(
        dispute_id(of.image_id, of.question_id, 1), of.image_id, of.question_id, 1, of.run_id, of.image_path,
        of.product, of.subtask, of.question, of.options, of.answer, of.correct_answer, 1.0, 0.5, None, 1, rows.NOW,
        of.claims,
    )  # fmt: skip
    reviews = Reviews(data)
    reviews.open([dispute], [DisputeReason(dispute.dispute_id, reason, 0.5, 0.5, "", "rules", rows.NOW)], actor=ANN)
    plain = Settlement(
        of.image_id, of.question_id, 1, dispute.dispute_id, "wrong", "A", None, "single", "anna", "", False, rows.NOW
    )
    settlement = replace(plain, **values)
    reviews.judge(stored([settlement]), actor=ANN)
    return settlement


def scored(data: Path, predictions: list[Prediction], run_id: str = RUN) -> Store:
    store = Store(data)
    store.open_run(rows.run(run_id))
    spool.write_part(data, run_id, 0, predictions)
    ingest(store)
    return store


def told(data: Path, selection: Selection) -> dict[tuple[str, str], tuple[object, ...]]:
    """By case: outcome, right, label, defect, the right answer's letter and text."""
    names = ("outcome", "right", "label", "defect", "correct_answer", "correct_text")
    found = Rollups(data).facts(selection, ("image_id", "question_id", *names))
    return {(image, question): tuple(rest) for image, question, *rest in found.iter_rows()}


DEFECTIVE = {"label": "defective", "defect": "crack", "correct_answer": "A"}


def test_a_settlement_moves_its_own_case_and_its_image_s_label_and_nothing_else(data: Path) -> None:
    asked = [
        rows.prediction(0, 0, answer="A"),  # good, called defective: overkill
        rows.prediction(0, 1, answer="A", correct_answer="A"),
        rows.prediction(0, 2, answer="B", **DEFECTIVE),
        rows.prediction(0, 4, answer="B"),
    ]
    scored(data, asked)
    before = told(data, Selection(RUN))
    assert told(data, REVIEWED) == before  # nothing is settled yet
    settle(data, asked[0], label="defective")

    assert told(data, Selection(RUN)) == before
    after = told(data, REVIEWED)
    assert after[asked[0].image_id, "question-0"] == ("right", True, "defective", None, "A", "Yes.")
    assert after[asked[1].image_id, "question-1"] == ("right", True, "defective", None, "A", "Yes.")
    assert {key: value for key, value in after.items() if key[0] != asked[0].image_id} == {
        key: value for key, value in before.items() if key[0] != asked[0].image_id
    }


@pytest.mark.parametrize(
    ("values", "outcome", "label", "counted"),
    [
        ({"decision": "wrong", "right_answer": "A", "label": "defective"}, "escape", "defective", 1),
        ({"decision": "correct", "right_answer": "B", "label": "good"}, "right", "good", 1),
        ({"decision": "unsure", "right_answer": None}, "pass", None, 0),
        ({"decision": "wrong", "right_answer": None}, "wrong", "good", 1),
        ({"decision": "wrong", "right_answer": "A", "label": "defective", "withdrawn": True}, "right", "good", 1),
    ],
)
def test_each_way_to_settle_a_case_counts_as_it_should(
    data: Path, values: dict[str, Any], outcome: str, label: str | None, counted: int
) -> None:
    answered = rows.prediction(0, 0)  # good, called good
    store = scored(data, [answered])
    settle(data, answered, **values)
    (row,) = Rollups(data).facts(REVIEWED).to_dicts()
    assert (row["outcome"], row["label"], row["right"] is not None) == (outcome, label, bool(counted))
    assert row["correct_answer"] == {"escape": "A", "right": "B", "pass": None, "wrong": NONE_OF_THESE}[outcome]
    assert store.run_summary(RUN, "reviewed")["labelled"].sum() == counted
    assert store.run_summary(RUN)["labelled"].sum() == 1


@pytest.mark.parametrize(
    ("values", "outcomes"),
    [
        ({"label": "defective"}, {"A": "right", "B": "escape", "C": "wrong", "D": "right"}),
        ({"decision": "correct", "right_answer": "B", "label": "good"}, {"A": "overkill", "B": "right"}),
        ({"decision": "unsure", "right_answer": None}, {"A": "alarm", "B": "pass"}),
    ],
)
def test_another_detection_question_about_the_image_is_held_against_the_settled_label(
    data: Path, values: dict[str, Any], outcomes: dict[str, str]
) -> None:
    options = tuple(Option(letter, letter) for letter in "ABCD")
    settled = rows.prediction(0, 0, label=None, correct_answer=None)
    others = [
        rows.prediction(
            0, number, image_id=settled.image_id, question_id=f"another-{number}", answer=answer, options=options,
            claims=("defective", "good", "cannot say", "defective"), label=None, correct_answer=None,
        )
        for number, answer in enumerate(outcomes, start=1)
    ]  # fmt: skip
    scored(data, [settled, *others])
    settle(data, settled, **values)
    after = told(data, REVIEWED)
    found = {answer: after[of.image_id, of.question_id][0] for answer, of in zip(outcomes, others, strict=True)}
    assert found == outcomes
    assert all(outcome[0] in ("alarm", "pass", "unlabelled") for outcome in told(data, Selection(RUN)).values())
    counted = 0 if values.get("decision") == "unsure" else 1 + len(outcomes)
    assert sum(Store(data).verified(RUN)["answers"]) == counted


def test_the_newest_settlement_of_a_case_counts(data: Path) -> None:
    answered = rows.prediction(0, 0)
    scored(data, [answered])
    first = settle(data, answered, label="defective")
    Reviews(data).judge(stored([replace(first, decision="correct", right_answer="B", label="good",
                                  settled_at=rows.NOW + timedelta(days=1))]), actor=ANN)  # fmt: skip
    assert Rollups(data).facts(REVIEWED)["outcome"].to_list() == ["right"]


def test_an_open_question_has_nothing_to_settle_on(data: Path) -> None:
    answered = rows.prediction(
        0, 1, options=(), answer="A thin line.", correct_answer=None, option_probabilities={}, claims=None
    )
    scored(data, [answered])
    settle(data, answered, decision="correct", right_answer="A thin line.")
    (row,) = Rollups(data).facts(REVIEWED).to_dicts()
    assert (row["outcome"], row["right"], row["verified"]) == ("unlabelled", None, None)


def test_beside_reviewed_numbers_stands_who_verified_how_many(data: Path) -> None:
    asked = [rows.prediction(0, number) for number in range(0, 8, 2)]
    store = scored(data, asked)
    settle(data, asked[0], "audit", decision="correct", right_answer="B", label="good", basis="agreed")
    settle(data, asked[1], "label", label="defective")
    settle(data, asked[2], "label", decision="unsure", right_answer=None)
    assert store.verified(RUN).rows() == [(RUN, "audit", "agreed", 1), (RUN, "label", "single", 1)]
    assert store.verified("another").is_empty()


def test_an_export_has_the_settled_truth_and_the_archive_s_beside_it(data: Path, tmp_path: Path) -> None:
    asked = [rows.prediction(0, 0), rows.prediction(0, 2)]
    store = scored(data, asked)
    settle(data, asked[0], label="defective")
    files = [tmp_path / "archive.parquet", tmp_path / "reviewed.parquet"]
    store.export("predictions", RUN, files[0])
    store.export("predictions", RUN, files[1], "reviewed")
    archive, reviewed = (pl.read_parquet(file) for file in files)
    assert archive["correct_answer"].to_list() == ["B", "B"]
    names = ("label", "correct_answer", "archive_label", "archive_correct_answer", "verified", "basis")
    assert reviewed.select(names).rows() == [
        ("defective", "A", "good", "B", "label", "single"), ("good", "B", "good", "B", None, None)
    ]  # fmt: skip


ways = st.sampled_from(
    [
        {"decision": "wrong", "right_answer": "A", "label": "defective"},
        {"decision": "correct", "right_answer": "B", "label": "good"},
        {"decision": "unsure", "right_answer": None},
        {"decision": "wrong", "right_answer": None},
        {"decision": "wrong", "right_answer": "A", "label": "defective", "withdrawn": True},
    ]
)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["good", "defective", None])), min_size=4, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), ways), max_size=6),
)
def test_reviewed_cells_are_those_counted_from_reviewed_facts(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[str, str | None]], settled: list[tuple[int, Any]]
) -> None:
    """Cells that exchange the settled images' counts, cells counted in memory and cells counted anew are the same."""
    data = tmp_path_factory.mktemp("truth") / "data"
    asked = [
        rows.prediction(
            0, number, answer=answer, label=label, defect="crack" if label == "defective" else None,
            correct_answer={"good": "B", "defective": "A", None: None}[label] if number % 2 == 0 else "B",
        )
        for number, (answer, label) in enumerate(
            (answer, answers[number // 2 * 2][1]) for number, (answer, _) in enumerate(answers)
        )
    ]  # fmt: skip
    scored(data, asked)
    for place, values in settled:
        one = asked[place % len(asked)]
        settle(data, one, **values if one.claims else {**values, "label": None})
    found = Rollups(data)
    everyone = tuple(each.image_id for each in asked)
    with Database(data).reading() as con:
        anew = con.sql(facts.CELLS.format(source="reviewed_facts")).pl()
    exchanged, counted = found.cells(REVIEWED), found.cells(replace(REVIEWED, images=everyone))
    assert exchanged["cluster_id"].null_count() == exchanged.height  # no cluster is in two cells
    names = [name for name in exchanged.columns if name != "cluster_id"]
    for other in (counted, anew):
        assert_frame_equal(ordered(exchanged.select(names)), ordered(other.select(names)))


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Float64).round(9)).sort(pl.all().exclude(pl.Float64), nulls_last=True)


def test_reviewed_rows_of_images_that_nobody_settled_are_the_archive_s_in_every_column(data: Path) -> None:
    asked = [
        rows.prediction(0, 0),
        rows.prediction(0, 2, answer="B", **DEFECTIVE),
        rows.prediction(0, 4, answer=None, status="failed", error="truncated", correct_answer=None),
        rows.prediction(0, 6, label=None, correct_answer=None),
    ]
    store = scored(data, asked)

    def differing() -> set[str]:
        with Database(data).reading() as con:
            found = [
                con.execute(
                    f"SELECT image_id FROM (SELECT * EXCLUDE ({more}) FROM reviewed_{table} "
                    f"EXCEPT ALL SELECT * FROM {table})"
                ).fetchall()
                for table, more in (
                    ("facts", "verified, basis"),
                    ("predictions", "verified, basis, archive_label, archive_correct_answer, rowid"),
                )
            ]
        assert found[0] == found[1]
        return {image for (image,) in found[0]}

    assert differing() == set()
    settle(data, asked[0], label="defective")
    assert differing() == {asked[0].image_id}
    page = store.predictions(RUN, limit=2, offset=1, truth="reviewed")
    whole = store.predictions(RUN, truth="reviewed")
    assert_frame_equal(page, whole.slice(1, 2))
    assert whole["image_id"].to_list() == store.predictions(RUN)["image_id"].to_list()


def test_the_statement_that_is_shown_chooses_the_rows_by_the_same_truth(data: Path) -> None:
    asked = [rows.prediction(0, 0), rows.prediction(0, 2)]
    scored(data, asked)
    settle(data, asked[0], label="defective")
    chosen = replace(REVIEWED, facets=(("label", "defective"),))
    with Database(data).reading() as con:
        stated = con.sql(f"SELECT image_id FROM ({sql(chosen)})").fetchall()
    assert stated == [(asked[0].image_id,)] == Rollups(data).facts(chosen, ("image_id",)).rows()
