"""The Disputes page and the Case page's review card: what they say, what their buttons do, nothing taken as markup."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.pages import seed
from tests.pages.screen import opened, words
from tests.people import ANN, by
from tests.warehouse.judging import stored
from tests.warehouse.test_reviews import verdict
from warehouse import schema
from warehouse.errors import Locked
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import BudgetCurve, BudgetPoint, Dispute
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.review import agreement, disputes
from workbench.review.rules import Rules

pytestmark = pytest.mark.slow

DISPUTES, CASE = "workbench/pages/disputes/disputes.py", "workbench/pages/case/case.py"


@pytest.fixture
def disputed(data_folder: Path) -> Reviews:
    """A run with open disputes."""
    seeded = seed.seed(data_folder, images=8)
    opened_for = disputes.open_run(seeded.store, seeded.run.run_id, Rules(budget=20, blind_share=0.0), actor=ANN)
    assert opened_for.point is None
    assert opened_for.uncalibrated == "too few"
    return Reviews(data_folder)


def test_without_disputes_the_page_names_the_next_command(data_folder: Path) -> None:
    page = opened(DISPUTES)
    assert "Nothing is disputed." in words(page)
    assert page.code[0].value == "workbench disputes open --budget 40"


def test_too_few_cases_calibrate_nothing_and_the_page_says_how_many_it_takes(disputed: Reviews) -> None:
    assert "Not calibrated: it takes 60" in words(opened(DISPUTES))


def test_the_page_counts_states_and_says_what_the_budget_brings(disputed: Reviews) -> None:
    queue = disputed.queue()
    first = schema.records(Dispute, queue)[0]
    disputed.judge(stored([verdict(first, run_id=first.run_id, reviewer="<b>anna</b>")]), actor=ANN)
    points = (BudgetPoint(0, 1.0, 0, 0, 0, 9, 5, 13), BudgetPoint(28, 0.1, 9, 5, 13, 0, 0, 0))
    disputed.store_curve(BudgetCurve(first.run_id, 28, "28 labelled <i>answers</i>", points, first.opened_at))
    agreement.settle_due(disputed)

    page = opened(DISPUTES, reviews="14")
    said = words(page)

    assert f"{queue.height - 1} of {queue.height} disputes wait for a verdict" in said
    assert "The first 14 tasks catch 4 errors (2–6) and leave 4 (2–6)" in said
    assert "28 labelled &lt;i&gt;answers&lt;/i&gt;" in said
    assert "No drawn case was judged yet" in said
    assert "&lt;b&gt;anna&lt;/b&gt;" in said
    assert "<b>anna</b>" not in said


def test_a_state_in_the_address_narrows_the_queue(disputed: Reviews) -> None:
    assert "showing 0 of 0" in words(opened(DISPUTES, state="settled"))
    assert f"of {disputed.queue().height}" in words(opened(DISPUTES, state="open"))


def test_a_budget_that_is_no_number_is_left_out_and_moving_it_keeps_the_rest_of_the_address(disputed: Reviews) -> None:
    first = schema.records(Dispute, disputed.queue())[0]
    points = (BudgetPoint(0, 1.0, 0, 0, 0, 9, 5, 13), BudgetPoint(28, 0.1, 9, 5, 13, 0, 0, 0))
    disputed.store_curve(BudgetCurve(first.run_id, 28, "labels", points, first.opened_at))
    page = opened(DISPUTES, reviews="²", product="plate")
    assert "The first 0 tasks catch 0 errors" in words(page)
    page.slider(key="disputes.reviews").set_value(14).run()
    page.segmented_control(key="disputes.state").set_value("open").run()
    assert page.query_params == {"reviews": "14", "product": "plate", "state": "open"}


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"url": "ftp://nowhere"}'])
def test_a_server_file_that_cannot_be_read_is_said_in_words(disputed: Reviews, kept: str) -> None:
    home = disputed.data / "labelstudio"
    home.mkdir()
    (home / "token").write_text("secret")
    (home / "desk.json").write_text(kept)
    page = opened(DISPUTES)
    told = "must look like http://" if "ftp" in kept else "`workbench labelstudio up` writes it anew"
    assert told in words(page)
    assert page.button(key="disputes.push").disabled


def test_a_server_without_a_token_is_said_in_words(disputed: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_URL", "http://127.0.0.1:9")
    assert "copy a token" in words(opened(DISPUTES))


def test_a_disk_that_is_full_while_pictures_are_copied_is_said_in_words(
    disputed: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WORKBENCH_LABELSTUDIO_TOKEN", "a token")
    monkeypatch.setattr("workbench.review.pictures.Path.write_bytes", full)
    page = opened(DISPUTES)
    page.button(key="disputes.push").click().run()
    assert not page.exception
    assert "Not done: the disk that holds " in words(page)


def undisputed(reviews: Reviews) -> tuple[str, str, str]:
    """The run, image and question of a case that no rule disputed."""
    run_id = reviews.queue()["run_id"][0]
    known = set(reviews.queue().select("image_id", "question_id").rows())
    cases = reviews.cases(run_id).select("image_id", "question_id").rows()
    return run_id, *next(key for key in cases if key not in known)


def test_the_button_on_a_case_disputes_it_once(disputed: Reviews) -> None:
    run_id, image_id, question_id = undisputed(disputed)

    page = opened(CASE, run=run_id, image=image_id, question=question_id)
    page.button(key="case.dispute").click().run()

    (row,) = disputed.queue(image_id=image_id).filter(question_id=question_id).iter_rows(named=True)
    assert (row["reasons"], row["state"]) == (["person"], "open")
    assert page.button(key="case.dispute").disabled
    assert "disputed: person" in words(page)


def test_a_case_that_is_disputed_again_says_how_far_the_newest_dispute_is(disputed: Reviews) -> None:
    run_id, image_id, question_id = undisputed(disputed)
    store, here = Store(disputed.data), Key(image_id, question_id)
    assert disputes.open_by(store, run_id, here, actor=ANN) == 1
    first = disputed.queue(image_id=image_id).filter(question_id=question_id)["dispute_id"][0]
    agreement.settle_by(disputed, first, "correct", None, "plain to see", actor=ANN)
    assert disputes.open_by(store, run_id, here, actor=by("ben")) == 1
    with disputed._database._transaction() as con:  # the settled one is the lighter, so the queue has it last
        con.execute("UPDATE dispute_reasons SET weight = 0.01 WHERE dispute_id = ?", [first])

    page = opened(CASE, run=run_id, image=image_id, question=question_id)

    assert page.button(key="case.dispute").label == "Disputed, open"
    assert page.button(key="case.dispute").disabled


def test_a_busy_warehouse_is_said_where_a_case_was_to_be_disputed(
    disputed: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> int:
        raise Locked("another process held the warehouse for too long")

    run_id, image_id, question_id = undisputed(disputed)
    monkeypatch.setattr(disputes, "open_by", busy)

    page = opened(CASE, run=run_id, image=image_id, question=question_id)
    page.button(key="case.dispute").click().run()

    assert not page.exception
    assert [each.value for each in page.toast] == ["Not disputed: another process held the warehouse for too long"]


def test_a_case_shows_its_verdicts_and_its_settlement_as_text(disputed: Reviews) -> None:
    first = schema.records(Dispute, disputed.queue())[0]
    disputed.judge(stored([verdict(first, run_id=first.run_id, comment="<script>alert(1)</script>")]), actor=ANN)
    agreement.settle_due(disputed)

    said = words(opened(CASE, run=first.run_id, image=first.image_id, question=first.question_id))

    assert "wrong" in said
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in said
    assert "<script>alert" not in said
    assert "settled" in said
    assert "by reviewer-1" in said
