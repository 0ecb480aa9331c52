"""What is remembered of disputes: each thing once, every change as a further revision, the state worked out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.people import ANN
from tests.warehouse.judging import stored
from tests.warehouse.rows import NOW, RUN
from warehouse.queries.reviews import Reviews, dispute_id, task_key
from warehouse.records.judgements import Pulled
from warehouse.records.reviews import (
    AuditCase,
    AuditDraw,
    DefectBox,
    Dispute,
    DisputeReason,
    QuarantinedResult,
    ReviewProject,
    ReviewTask,
    Settlement,
    Verdict,
)
from warehouse.records.scoring import Option


def dispute(number: int, **values: Any) -> Dispute:
    plain = Dispute(
        dispute_id=dispute_id(f"image-{number}", "question", 1),
        image_id=f"image-{number}",
        question_id="question",
        number=1,
        run_id=RUN,
        image_path=f"bottle/{number}.png",
        product="bottle",
        subtask="Anomaly Detection",
        question="Is there any defect?",
        options=(Option("A", "Yes."), Option("B", "No.")),
        answer="A",
        correct_answer="B",
        entropy=1.5,
        margin=0.25,
        error_probability=0.5,
        slots=1,
        opened_at=NOW,
    )
    return replace(plain, **values)


def reason(of: Dispute, why: Any = "uncertain", weight: float = 0.5) -> DisputeReason:
    return DisputeReason(of.dispute_id, why, 0.5, weight, f"{why}, 0.5", "rules", NOW)


def verdict(of: Dispute, slot: int = 1, **values: Any) -> Verdict:
    plain = Verdict(
        verdict_id=f"annotation {of.image_id} {slot}",
        revision=1,
        dispute_id=of.dispute_id,
        slot=slot,
        run_id=RUN,
        image_id=of.image_id,
        question_id=of.question_id,
        reviewer=f"reviewer-{slot}",
        decision="wrong",
        right_answer="B",
        boxes=(DefectBox(1.0, 2.0, 30.5, 40.0),),
        explanation="misleads",
        better_description="A crack is dark.",
        comment=None,
        seconds=12.5,
        judged_at=NOW,
        stored_at=NOW,
        deleted=False,
    )
    return replace(plain, **values)


def settlement(of: Dispute, **values: Any) -> Settlement:
    plain = Settlement(
        of.image_id, of.question_id, 1, of.dispute_id, "wrong", "B", "good", "single", "reviewer-1", "", False, NOW
    )
    return replace(plain, **values)


@pytest.fixture
def reviews(tmp_path: Path) -> Reviews:
    return Reviews(tmp_path / "data")


def states(reviews: Reviews) -> dict[str, str]:
    return dict(reviews.queue().select("image_id", "state").iter_rows())


def test_nothing_is_open_twice_for_the_same_entry_question_and_reason(reviews: Reviews) -> None:
    one, two = dispute(1), dispute(2)

    assert reviews.open([one, two], [reason(one), reason(two, weight=0.75)], actor=ANN) == 2
    assert reviews.open([one, two], [reason(one), reason(two), reason(two, "flip", 0.5)], actor=ANN) == 1

    rows = reviews.queue().select("image_id", "reasons", "weight").rows()
    assert rows == [("image-2", ["uncertain", "flip"], 1.25), ("image-1", ["uncertain"], 0.5)]


def test_a_settled_case_is_only_disputed_again_on_request(reviews: Reviews) -> None:
    one = dispute(1)
    reviews.open([one], [reason(one)], actor=ANN)
    reviews.judge(stored([settlement(one)]), actor=ANN)

    assert reviews.open([one], [reason(one, "flip")], actor=ANN) == 0
    assert reviews.open([one], [reason(one, "person")], reopen=True, actor=ANN) == 1
    assert reviews.open([one], [reason(one, "flip")], actor=ANN) == 1

    rows = reviews.queue().sort("number").select("number", "dispute_id", "state", "reasons").rows()
    assert rows == [
        (1, one.dispute_id, "settled", ["uncertain"]),
        (2, dispute_id("image-1", "question", 2), "open", ["flip", "person"]),
    ]

    reviews.judge(
        stored([settlement(one, dispute_id=dispute_id("image-1", "question", 2), right_answer="C")]), actor=ANN
    )
    assert reviews.queue()["state"].to_list() == ["settled", "settled"]


def test_the_state_follows_from_what_happened(reviews: Reviews) -> None:
    cases = [dispute(number, slots=2) for number in range(5)]
    reviews.open(cases, [reason(case) for case in cases], actor=ANN)
    reviews.record_tasks(
        [ReviewTask(task_key(case.dispute_id, 1), case.dispute_id, 1, "p", 7, 64, 48, NOW) for case in cases[1:]],
        actor=ANN,
    )
    reviews.judge(stored([verdict(cases[2]), verdict(cases[3]), verdict(cases[3], 2, right_answer="C")]), actor=ANN)
    reviews.judge(stored([settlement(cases[4])]), actor=ANN)

    assert states(reviews) == {
        "image-0": "open",
        "image-1": "pushed",
        "image-2": "judged",
        "image-3": "conflict",
        "image-4": "settled",
    }


def test_a_verdict_is_stored_once_and_an_edit_is_a_further_revision(reviews: Reviews) -> None:
    one = dispute(1)
    reviews.open([one], [reason(one)], actor=ANN)
    later = NOW + timedelta(minutes=5)

    assert reviews.judge(stored([verdict(one)]), actor=ANN) == 1
    assert reviews.judge(stored([verdict(one, stored_at=later)]), actor=ANN) == 0
    assert reviews.judge(stored([verdict(one, decision="unsure", judged_at=later)]), actor=ANN) == 1
    assert reviews.judge(stored([verdict(one, decision="unsure", judged_at=later, deleted=True)]), actor=ANN) == 1

    assert reviews.verdicts().is_empty()
    assert reviews.verdicts(history=True).select("revision", "decision", "deleted").rows() == [
        (1, "wrong", False),
        (2, "unsure", False),
        (3, "unsure", True),
    ]


def test_what_was_pulled_and_how_far_are_one_transaction(reviews: Reviews) -> None:
    one = dispute(1)
    reviews.open([one], [reason(one)], actor=ANN)
    reviews.plan_project(ReviewProject("p", "http://connection", 1, "v1", None, None, None, NOW), actor=ANN)
    reviews.found_project("p", 12)
    bad = QuarantinedResult("r", "p", 7, 9, "names no verdict", "{}", NOW)

    for _ in range(2):
        reviews.store_pulled("p", Pulled(stored((verdict(one),), "Label Studio"), (bad,), NOW), actor=ANN)
    reviews.store_pulled("p", Pulled((), (), NOW - timedelta(hours=1)), actor=ANN)

    (project,) = reviews.projects()
    assert (project.project_id, project.pulled_until) == (12, NOW)
    assert reviews.verdicts()["boxes"].to_list() == [[{"x0": 1.0, "y0": 2.0, "x1": 30.5, "y1": 40.0}]]
    assert reviews.quarantined()["reason"].to_list() == ["names no verdict"]


def test_unjudged_tasks_of_a_lost_project_can_be_sent_again(reviews: Reviews) -> None:
    cases = [dispute(1), dispute(2)]
    reviews.open(cases, [reason(case) for case in cases], actor=ANN)
    reviews.plan_project(ReviewProject("p", "http://connection", 1, "v1", 12, None, None, NOW), actor=ANN)
    reviews.record_tasks(
        [ReviewTask(task_key(case.dispute_id, 1), case.dispute_id, 1, "p", 7, 64, 48, NOW) for case in cases], actor=ANN
    )
    reviews.judge(stored([verdict(cases[0])]), actor=ANN)

    assert reviews.give_up_project("p", NOW, actor=ANN) == 1

    assert reviews.projects() == []
    assert [task.dispute_id for task in reviews.tasks()] == [cases[0].dispute_id]
    assert states(reviews) == {"image-1": "judged", "image-2": "open"}


def test_the_newest_settlement_counts_until_it_is_withdrawn(reviews: Reviews) -> None:
    one = dispute(1)
    reviews.open([one], [reason(one)], actor=ANN)
    reviews.judge(stored([settlement(one)]), actor=ANN)
    reviews.judge(stored([settlement(one, right_answer="C")]), actor=ANN)
    assert reviews.overrides().select("image_id", "right_answer").rows() == [("image-1", "C")]

    reviews.judge(stored([settlement(one, withdrawn=True)]), actor=ANN)

    assert reviews.overrides().is_empty()
    assert reviews.settlements()["revision"].to_list() == [1, 2, 3]
    assert states(reviews) == {"image-1": "open"}


def test_a_run_has_one_audit_draw(reviews: Reviews) -> None:
    one, two = dispute(1), dispute(2)
    draw = AuditDraw(RUN, 100, 7, (AuditCase("image-1", "question"),), NOW)

    assert reviews.draw_audit(draw, [one], [reason(one, "audit")], actor=ANN)
    assert not reviews.draw_audit(replace(draw, seed=8), [two], [reason(two, "audit")], actor=ANN)

    assert reviews.audit_draw(RUN) == draw
    assert states(reviews) == {"image-1": "open"}
