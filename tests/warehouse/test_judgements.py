"""Judgements: absolute answers that verdicts and settlements are views of, those of older warehouses too."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest

from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.judging import stored
from tests.warehouse.rows import NOW, RUN
from tests.warehouse.test_claims import as_it_was
from tests.warehouse.test_reviews import dispute, reason, settlement, verdict
from warehouse import schema
from warehouse.database import Database, insert
from warehouse.queries.reviews import Reviews
from warehouse.records.judgements import Judgement
from warehouse.records.reviews import (
    AuditCase,
    AuditDraw,
    Basis,
    Decision,
    Dispute,
    DisputeReason,
    Reason,
    Settlement,
    Verdict,
)
from warehouse.records.scoring import Option, Prediction
from workbench.errors import ReviewError
from workbench.review import agreement, disputes

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMAS = Path(__file__).parent / "schemas"
OPTIONS = tuple(Option(letter, f"Option {letter}.") for letter in "ABC")
DECISIONS: tuple[Decision, ...] = ("correct", "wrong", "unsure")
BASES: tuple[Basis, ...] = ("single", "agreed", "majority", "person")
REASONS: tuple[Reason, ...] = ("uncertain", "label", "contradiction", "flip", "elsewhere")


def decided(generator: random.Random, of: Dispute) -> dict[str, Any]:
    """A decision as the release before stored it."""
    decision = generator.choice(DECISIONS)
    others = [option.letter for option in of.options if option.letter != of.answer]
    right = of.answer if decision == "correct" else generator.choice([*others, None]) if decision == "wrong" else None
    return {"decision": decision, "right_answer": right}


def reviewed(data: Path, seed: int) -> None:
    """A warehouse of version 4: a run, its audit draw, disputes about it, verdicts and settlements with revisions."""
    generator = random.Random(seed)
    predictions = [
        rows.prediction(
            0,
            number,
            question=f"Question {number}?",
            options=OPTIONS,
            answer=generator.choice("ABC"),
            status="answered",
        )
        for number in range(60)
    ]
    cases = [
        dispute(number, dispute_id=f"dispute-{number}", image_id=one.image_id, question_id=one.question_id,
                answer=one.answer, question=one.question, options=() if number % 9 == 8 else OPTIONS, slots=2)
        for number, one in enumerate(predictions)
    ]  # fmt: skip
    drawn = tuple(AuditCase(one.image_id, one.question_id) for one in cases[:20])
    verdicts: list[Verdict] = []
    settlements: list[Settlement] = []
    for number, one in enumerate(cases):
        for slot in (1, 2):
            name = f"ls-p-{number}-{slot}" if slot == 1 else f"verdict {number}"
            for revision in range(1, generator.randint(1, 3) + 1):
                at = NOW + timedelta(minutes=revision)
                verdicts.append(
                    verdict(one, slot, verdict_id=name, revision=revision, judged_at=at, stored_at=at, boxes=(),
                            deleted=generator.random() < 0.1, unblinded=generator.random() < 0.1,
                            **decided(generator, one))
                )  # fmt: skip
        for revision in range(1, generator.randint(0, 3) + 1):
            label = generator.choice(["good", None])
            settlements.append(
                settlement(one, revision=revision, basis=generator.choice(BASES), label=label,
                           withdrawn=generator.random() < 0.2, settled_at=NOW + timedelta(hours=revision),
                           **decided(generator, one))
            )  # fmt: skip
    opened = [
        DisputeReason(one.dispute_id, "audit" if number < 20 else generator.choice(REASONS), 0.5, 0.5, "", "rules", NOW)
        for number, one in enumerate(cases)
    ]
    data.mkdir()
    with duckdb.connect(str(data / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute((SCHEMAS / "004.sql").read_text(encoding="utf-8"))
        for table, record, made in (
            ("predictions", Prediction, predictions), ("disputes", Dispute, cases),
            ("dispute_reasons", DisputeReason, opened), ("verdicts", Verdict, verdicts),
            ("settlements", Settlement, settlements), ("audit_draws", AuditDraw, [AuditDraw(RUN, 400, 1, drawn, NOW)]),
        ):  # fmt: skip
            insert(con, table, as_it_was(con, table, schema.table(record, made)))


# What the release before asked, word for word.
SAID = """
    SELECT * FROM (SELECT * FROM verdicts
        QUALIFY row_number() OVER (PARTITION BY verdict_id ORDER BY revision DESC) = 1)
    WHERE NOT deleted ORDER BY judged_at, verdict_id, revision
"""
AUDITED = """
    WITH drawn AS (SELECT unnest(cases, recursive := true) FROM audit_draws),
    settled AS (
        SELECT * FROM settlements
        QUALIFY row_number() OVER (PARTITION BY image_id, question_id ORDER BY revision DESC) = 1
    )
    SELECT image_id, question_id, s.dispute_id, s.basis, p.answer, s.right_answer,
        p.answer IS DISTINCT FROM s.right_answer AS wrong
    FROM drawn JOIN settled AS s USING (image_id, question_id)
    JOIN (SELECT * FROM predictions WHERE status = 'answered') AS p USING (image_id, question_id)
    WHERE NOT s.withdrawn AND s.decision <> 'unsure' ORDER BY image_id, question_id
"""


def asked(con: DuckDBPyConnection, query: str) -> Any:
    return con.sql(query).pl()


def renamed(before: pl.DataFrame, today: dict[str, str]) -> pl.DataFrame:
    """With the names that questions have since version 5."""
    return before.with_columns(pl.col("question_id").replace(today))


@pytest.mark.parametrize("seed", range(3))
def test_a_warehouse_of_version_4_gives_the_same_verdicts_settlements_agreement_and_audit(
    tmp_path: Path, seed: int
) -> None:
    data = tmp_path / "data"
    reviewed(data, seed)
    with duckdb.connect(str(data / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        given = {name: asked(con, f"SELECT * FROM {name} ORDER BY ALL") for name in ("verdicts", "settlements")}
        standing, audited = asked(con, SAID), asked(con, AUDITED)
        text = "sample of the schema's file: nothing real"
        assert given["settlements"].filter(label="text").height == 1, text

    reviews = Reviews(data)
    today = dict(Database(data).frame("SELECT former_id, question_id FROM former_questions").iter_rows())
    standing, audited = renamed(standing, today), renamed(audited, today)
    for name, before in given.items():
        after = Database(data).frame(f"SELECT {', '.join(before.columns)} FROM {name}")
        order = ["dispute_id", "verdict_id" if name == "verdicts" else "image_id", "revision"]
        real = renamed(before, today).filter(pl.col("dispute_id") != "text").sort(order)
        assert after.filter(pl.col("dispute_id") != "text").sort(order).equals(real), name
        assert after.height == before.height
    assert agreement.agreement(reviews.verdicts()) == agreement.agreement(standing)
    now = reviews.audited(RUN)
    assert now.drop("blinded").sort("dispute_id").equals(audited.sort("dispute_id"))
    seen = set(standing.filter("unblinded")["dispute_id"])
    counted = audited.filter(~audited["dispute_id"].is_in(list(seen)) | (audited["basis"] == "person"))
    estimate = disputes.audit_estimate(reviews, RUN)
    assert estimate is not None
    assert (estimate.judged, estimate.wrong) == (counted.height, counted["wrong"].sum())
    assert disputes.audit_left_out(reviews, RUN) == audited.height - counted.height
    shown = Database(data).frame(
        "SELECT j.evidence_id, p.evidence_id AS of_prediction FROM judgements AS j "
        "JOIN predictions AS p USING (run_id, image_id, question_id)"
    )
    assert shown.height > len(given["verdicts"]) / 2
    assert shown.filter(pl.col("evidence_id").ne_missing(pl.col("of_prediction"))).is_empty()


def case(tmp_path: Path, *why: Reason, number: int = 1) -> tuple[Reviews, Dispute]:
    reviews, one = Reviews(tmp_path / "data"), dispute(number, slots=1)
    reviews.open([one], [reason(one, each) for each in why], actor=ANN)
    return reviews, one


def judgements(reviews: Reviews) -> list[Judgement]:
    return reviews._database.records(Judgement, "SELECT * FROM judgements ORDER BY judgement_id, revision")


@pytest.mark.parametrize(
    ("why", "stratum"), [(("uncertain", "label"), "rule"), (("label",), "label"), (("person",), "volunteered")]
)
def test_a_judgement_says_how_its_case_came_to_be_judged(tmp_path: Path, why: tuple[Reason, ...], stratum: str) -> None:
    reviews, one = case(tmp_path, *why)
    reviews.judge(stored([verdict(one)]), actor=ANN)
    assert [(row.stratum, row.probability) for row in judgements(reviews)] == [(stratum, None)]


def test_a_drawn_case_carries_its_probability_even_if_a_person_asked_too(tmp_path: Path) -> None:
    reviews, one = Reviews(tmp_path / "data"), dispute(1)
    drawn = (AuditCase(one.image_id, one.question_id), AuditCase("another", "question"))
    reviews.draw_audit(AuditDraw(RUN, 50, 1, drawn, NOW), [one], [reason(one, "audit")], actor=ANN)
    reviews.open([one], [reason(one, "person")], actor=ANN)
    reviews.judge(stored([settlement(one)]), actor=ANN)
    assert [(row.stratum, row.probability) for row in judgements(reviews)] == [("audit", 2 / 50)]


def test_a_judgement_is_absolute_and_says_something_else_of_another_answer(tmp_path: Path) -> None:
    reviews, one = case(tmp_path, "uncertain")
    reviews.judge(stored([verdict(one, decision="correct", right_answer="A")]), actor=ANN)
    agreement.settle_due(reviews)
    settled = judgements(reviews)[-1]
    assert (settled.answer_kind, settled.answer, settled.shown_answer, settled.channel) == (
        "option",
        "A",
        "A",
        "program",
    )
    assert reviews.overrides().select("decision", "right_answer").rows() == [("correct", "A")]


def test_none_of_these_and_cannot_tell_are_answers_of_their_own(tmp_path: Path) -> None:
    reviews, one = case(tmp_path, "uncertain")
    two = dispute(2)
    reviews.open([two], [reason(two)], actor=ANN)
    reviews.judge(
        stored([verdict(one, right_answer=None), verdict(two, decision="unsure", right_answer=None)]), actor=ANN
    )
    assert [(row.answer_kind, row.answer) for row in judgements(reviews)] == [("none", None), ("cannot tell", None)]
    assert reviews.verdicts()["decision"].to_list() == ["wrong", "unsure"]


def test_a_settlement_by_vote_over_a_verdict_given_with_the_mask_in_sight_is_unblinded(tmp_path: Path) -> None:
    reviews, one = case(tmp_path, "uncertain")
    seen = verdict(one, unblinded=True)
    reviews.judge(stored([seen]), actor=ANN)
    agreement.settle_due(reviews)
    assert reviews.queue()["blinded"].to_list() == [False]
    agreement.settle_by(reviews, one.dispute_id, "wrong", "B", "looked again", actor=ANN)
    assert reviews.queue()["blinded"].to_list() == [True]
    reviews.judge(stored([replace(seen, deleted=True)]), actor=ANN)
    assert [row.revision for row in judgements(reviews)] == [1, 2, 1, 2]


@pytest.mark.parametrize(("decision", "right"), [("correct", "B"), ("correct", "Z"), ("unsure", "A")])
def test_an_answer_that_contradicts_the_decision_is_refused_and_nothing_is_stored(
    tmp_path: Path, decision: Decision, right: str
) -> None:
    reviews, one = case(tmp_path, "uncertain")
    with pytest.raises(ReviewError, match="settle it as wrong"):
        agreement.settle_by(reviews, one.dispute_id, decision, right, "", actor=ANN)
    assert judgements(reviews) == []
    assert agreement.settle_by(reviews, one.dispute_id, "correct", one.answer, "", actor=ANN).right_answer == one.answer
