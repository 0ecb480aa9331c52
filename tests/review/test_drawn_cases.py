"""What an estimate from drawn cases reads: which were drawn, with which chance, what people settled; its surfaces."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.pages.screen import opened, words
from tests.pages.test_night_pages import DUE, keep, morning
from tests.people import ANN, by
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries import drawn_cases
from warehouse.queries.nights import Nights
from warehouse.queries.reviews import Reviews
from warehouse.records.nights import MorningReport, NightRun
from warehouse.records.reviews import AuditCase, AuditDraw, Dispute
from warehouse.schema import records
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.nights import deliver, reports, weekly_review
from workbench.nights.reports import Morning
from workbench.pages.ui import components
from workbench.review import agreement, disputes, escape_estimate

RUN, OTHER = "20250103T220005123Z-a1b2c3d4", "20250104T220005123Z-a1b2c3d4"


@pytest.fixture
def reviews(data_folder: Path) -> Reviews:
    """Ten detection answers "B", good: the first two disputed, then two of the other eight drawn. One other run."""
    store, reviews = Store(data_folder), Reviews(data_folder)
    for run_id, images in ((RUN, range(10)), (OTHER, range(10, 13))):
        store.open_run(rows.run(run_id))
        asked = [rows.prediction(0, 4 * image, run_id, answer="B", label=None) for image in images]
        spool.write_part(data_folder, run_id, 0, asked)
        ingest(store)
    cases = reviews.cases(RUN)
    keys = [Key(*row) for row in cases.select("image_id", "question_id").iter_rows()]
    for key in keys[:2]:
        disputes.open_by(store, RUN, key, now=rows.NOW, actor=by("anna"))
    draw = AuditDraw(RUN, 8, 0, tuple(AuditCase(*key) for key in keys[2:4]), rows.NOW)
    reviews.draw_audit(draw, [], [], actor=ANN)
    for key in keys[2:5]:  # the last one was not drawn: somebody volunteers
        disputes.open_by(store, RUN, key, now=rows.NOW + timedelta(hours=1), actor=by("anna"))
    return reviews


def night_of(reviews: Reviews) -> Morning:
    """A stored night without labels whose runs these are; four of its five disputed cases are judged."""
    for image, decision in (
        ("image-0", "wrong"),
        ("image-2", "correct"),
        ("image-4", "correct"),
        ("image-6", "unsure"),
    ):
        settle(reviews, image, decision)
    keep(reviews.data)
    for run_id in (RUN, OTHER):
        Nights(reviews.data).join_run(NightRun("line-3", DUE, run_id, "archive"))
    week = weekly_review.of_night(reviews.data, "line-3", DUE)
    told = morning(labelled=0, rates=(), week=week)
    keep_report = MorningReport(told.schedule, told.due_at, told.due_at, reports.as_json(told))
    Nights(reviews.data).keep_report(keep_report)
    return told


def settle(reviews: Reviews, image: str, decision: str) -> None:
    (dispute,) = (each for each in records(Dispute, reviews.queue()) if each.image_id == image)
    agreement.settle_by(reviews, dispute.dispute_id, decision, None, "", actor=by("anna"))  # type: ignore[arg-type]


def test_every_answer_stands_in_one_row_with_how_it_came_to_be_judged(reviews: Reviews) -> None:
    names = [each.image_id for each in sorted(records(Dispute, reviews.queue()), key=lambda each: each.image_id)]
    for image, decision in zip(names, ("wrong", "correct", "correct", "unsure", "wrong"), strict=True):
        settle(reviews, image, decision)
    found = drawn_cases.of_runs(reviews.data, [RUN, OTHER])
    assert found.columns == [
        "lane", "claim", "drawn", "probability", "truth", "answers", "defect_probability",
    ]  # fmt: skip
    shown = found.drop("defect_probability").rows()
    assert set(shown) == {
        ("disputed", "good", True, 1.0, "defective", 1),
        ("disputed", "good", True, 1.0, "good", 1),
        ("audit", "good", True, 0.25, "good", 1),
        ("audit", "good", True, 0.25, None, 1),
        ("audit", "good", False, 0.25, None, 6),
        (None, "good", False, None, None, 3),
    }
    week = escape_estimate.estimate(found)
    assert (week.called_good.answers, week.judgements, week.unanswered, week.uncovered) == (10, 3, 1, 3)


def test_a_drawn_case_whose_settlement_is_taken_back_or_never_came_is_unanswered_and_never_gone(
    reviews: Reviews,
) -> None:
    settle(reviews, "image-0", "wrong")  # disputed
    settle(reviews, "image-4", "correct")  # drawn
    before = escape_estimate.estimate(drawn_cases.of_runs(reviews.data, [RUN, OTHER]))
    assert (before.called_good.draws, before.judgements, before.unanswered) == (4, 2, 2)
    for image in ("image-0", "image-4"):
        (held,) = (each for each in records(Dispute, reviews.queue()) if each.image_id == image)
        agreement.reopen(reviews, held.dispute_id, "not sure any more", actor=by("anna"))
    after = escape_estimate.estimate(drawn_cases.of_runs(reviews.data, [RUN, OTHER]))
    assert (after.called_good.answers, after.called_good.draws) == (10, 4)
    assert (after.judgements, after.unanswered) == (0, 4)
    assert (after.called_good.share.bound_low, after.called_good.share.bound_high) == (0.0, 1.0)


def test_a_case_of_two_runs_counts_in_the_newest(reviews: Reviews) -> None:
    again = [rows.prediction(1, 0, OTHER, image_id="image-0", answer="A", label=None)]
    spool.write_part(reviews.data, OTHER, 1, again)
    ingest(Store(reviews.data))
    found = drawn_cases.of_runs(reviews.data, [RUN, OTHER])
    assert found["answers"].sum() == 13
    assert found.filter(pl.col("lane").is_null(), claim="defective")["answers"].to_list() == [1]


def test_tonight_and_the_morning_report_show_it_for_a_line_without_labels(reviews: Reviews) -> None:
    told = night_of(reviews)
    assert told.week == reports.from_json(reports.as_json(told)).week
    surfaces = (words(opened(components.TONIGHT)), str(deliver.html(told)), deliver.text(told))
    for surface in surfaces:
        assert "People judged 3 of 4 cases that were drawn for review in seven days." in surface
        assert "the second holds whatever they are" in surface
        assert "wrong among 10 called good" in surface
        assert "3 answers of runs without an audit lane" in surface


def test_runs_of_eight_nights_ago_are_not_of_the_week(reviews: Reviews) -> None:
    night_of(reviews)
    assert weekly_review.of_night(reviews.data, "line-3", DUE + timedelta(days=6)) is not None
    assert weekly_review.of_night(reviews.data, "line-3", DUE + timedelta(days=7)) is None
