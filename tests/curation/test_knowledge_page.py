"""The Knowledge page over a real warehouse: texts are shown as texts, what waits comes first, changes are confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.curation.night_bets import night_bet
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.people import ANN, by
from tests.warehouse.judging import stored
from tests.warehouse.rows import description
from warehouse.queries.curation import Curation
from warehouse.queries.night_tests import NightTests
from warehouse.queries.reviews import Reviews
from warehouse.records.curation import GateAttempt, GateResult, KnowledgeTrial, Lift, SubtaskLift
from warehouse.records.reviews import Verdict
from warehouse.records.scoring import KnowledgeMember, TextVector
from warehouse.store import Store
from warehouse.vectors import Vectors
from workbench.analysis.charts.knowledge import Bar
from workbench.curation import edit
from workbench.pages.knowledge import cards

PAGE = "workbench/pages/knowledge/knowledge.py"
TEXT = "drawn/plate/scratch"
NOW = datetime(2026, 1, 5, tzinfo=UTC)
NASTY = (
    "<script>alert(1)</script> A [link](javascript:alert(2)) ![x](y.png) <img src=x onerror=alert(3)> `code` :red[x]"
)


def drafted(data: Path, text: str) -> int:
    return edit.edit(Store(data), TEXT, text, "because <i>so</i>", actor=by("ann <b>")).draft.revision


def judged(data: Path, revision: int, verdict: str = "better", text: str = TEXT) -> None:
    """A test that ended."""
    base = Curation(data)
    attempt = GateAttempt(
        text, revision, text.rpartition("/")[0], 0, 0.05, 0.02, 1, "b", "t", "r" * 10, "gate:p", ("i",), (), "ann", NOW
    )
    base.open_attempt(attempt, KnowledgeTrial("t", (KnowledgeMember(text, revision),), NOW), actor=ANN)
    result = GateResult(
        text, revision, "better", "so it is", 90, 200, 28, 2, 0.13, 0.06, 0.2, 0.001, 0.9,
        40, 80, 1, 1, 0.0, -0.012, None, "old", "new", NOW,
    )  # fmt: skip
    base.close_attempt(replace(result, verdict=verdict), actor=ANN)  # type: ignore[arg-type]


def test_an_empty_knowledge_base_tells_the_first_command(data_folder: Path) -> None:
    page = opened(PAGE)
    assert "No text is stored yet." in words(page)
    assert "workbench knowledge import" in page.code[0].value


def test_no_markup_of_a_text_author_or_reason_reaches_the_page(data_folder: Path) -> None:
    seed.seed(data_folder)
    revision = drafted(data_folder, NASTY)
    page = opened(PAGE, product="drawn/plate", text=TEXT, revision=str(revision))
    shown = words(page)
    for raw in ("<script>", "<img src", "<i>so</i>", "ann <b>"):
        assert raw not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "can be neither tested nor published" in shown


def test_the_page_and_the_list_say_how_much_of_a_text_retrieval_sees(data_folder: Path) -> None:
    seed.seed(data_folder)
    [live] = [each for each in Curation(data_folder).published()[1] if each.description_id == TEXT]
    assert "whole text seen" not in words(opened(PAGE, product="drawn/plate", text=TEXT))
    rows = [TextVector(TEXT, live.revision, "e", (1.0, 0.0), window, 3) for window in range(3)]
    Vectors(data_folder).upsert_texts(rows)
    assert "Retrieval: 3 windows, whole text seen." in words(opened(PAGE, product="drawn/plate", text=TEXT))
    assert "3 windows, whole text seen" in CliRunner().invoke(app, ["knowledge", "list"], env={"COLUMNS": "200"}).output
    assert edit.retrieval_coverage({"a": 1, "b": 2}) == "1 window of a; 2 windows of b; whole text seen"


@pytest.mark.slow
def test_the_difference_is_marked_and_nothing_untested_can_go_live_without_a_reason(data_folder: Path) -> None:
    seed.seed(data_folder)
    revision = drafted(data_folder, "A thin dark line across the brushing, straight.")
    page = opened(PAGE, product="drawn/plate", text=TEXT, revision=str(revision))
    assert "<del>bright</del> <ins>dark</ins>" in words(page)
    assert "not tested yet, and no run reads it" in words(page)
    page.button(key="knowledge.publish").click().run()
    assert "Not done: drawn/plate/scratch revision 2: not tested yet" in words(page)
    page.text_input(key="knowledge.reason").set_value("known from the line").run()
    page.button(key="knowledge.publish").click().run()
    assert "Revision 2 is published." in words(page)
    live = {each.description_id: each.revision for each in Curation(data_folder).published()[1]}
    assert live[TEXT] == 2


@pytest.mark.parametrize(("verdict", "sentence"), [("better", "It may be published."), ("worse", "Worse: so it is.")])
def test_a_test_is_shown_with_its_numbers_and_its_share_of_the_budget(
    data_folder: Path, verdict: str, sentence: str
) -> None:
    seed.seed(data_folder)
    revision = drafted(data_folder, "A thin dark line.")
    judged(data_folder, revision, verdict)
    page = opened(PAGE, product="drawn/plate", text=TEXT, revision=str(revision))
    shown = words(page)
    assert sentence in shown
    assert "28, 2 of 200 about 90 images" in shown
    assert "0.0010 of 0.0125" in shown  # half of the test's share is for better


def test_a_draft_is_put_to_test_over_nights_and_a_second_one_of_its_text_waits(data_folder: Path) -> None:
    seed.seed(data_folder)
    revision = drafted(data_folder, "A thin dark line.")
    page = opened(PAGE, product="drawn/plate", text=TEXT, revision=str(revision))
    assert "no schedule brings new ones yet" in words(page)
    page.button(key="knowledge.nights").click().run()
    assert "Every night asks its new pictures about revision 2 too." in words(page)
    assert "No night has brought a picture yet that counts." in words(page)
    second = drafted(data_folder, "A thin blue line.")
    waits = words(opened(PAGE, product="drawn/plate", text=TEXT, revision=str(second)))
    assert "waits for the verdict on scratch r2" in waits
    assert "<b>It waits</b> for the verdict on scratch r2." in waits


def test_the_nights_bets_are_shown_with_what_they_came_to(data_folder: Path) -> None:
    seed.seed(data_folder)
    revision = drafted(data_folder, "A thin dark line.")
    page = opened(PAGE, product="drawn/plate", text=TEXT, revision=str(revision))
    page.button(key="knowledge.nights").click().run()
    [gathered] = NightTests(data_folder).all()
    for number, verdict in ((1, "still gathering"), (2, "better")):
        NightTests(data_folder).place(
            night_bet(number, verdict, gathered.test),  # type: ignore[arg-type]
            actor=ANN,
        )
    page = opened(PAGE, product="drawn/plate", text=TEXT, revision=str(revision))
    shown = words(page)
    assert "Over nights: better: so it is. It may be published." in shown
    assert "36, 14 about 40 images" in shown
    assert "−5.0, margin −2" in shown
    assert "<b>2.5 of 5 % spent</b>" not in shown  # a better opens the next 5 %
    page.button(key="knowledge.publish").click().run()
    assert f"Revision {revision} is published." in words(page)


def test_an_edit_becomes_a_draft_and_the_page_stands_on_it(data_folder: Path) -> None:
    seed.seed(data_folder)
    page = opened(PAGE, product="drawn/plate", text=TEXT)
    page.text_area(key="knowledge.text").set_value("A line that ends sharply.").run()
    page.text_input(key="knowledge.why").set_value("clearer").run()
    page.button(key="knowledge.edit").click().run()
    assert "Revision 2 is a draft." in words(page)
    assert page.query_params["revision"] == "2"
    assert Curation(data_folder).changes(TEXT)[0].reason == "clearer"


def says(seeded: seed.Seeded, number: int, image_id: str, text: str) -> Verdict:
    return Verdict(
        f"verdict-{number}", 1, f"dispute-{number}", 1, seeded.run.run_id, image_id, seed.question_id(1),
        f"reviewer-{number}", "wrong", "A", (), "misleads", text, None, 9.0, NOW, NOW, False,
    )  # fmt: skip


@pytest.mark.slow
def test_reviewers_texts_wait_first_and_keep_their_verdicts_when_accepted(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    image = next(each for each in seeded.entries if each.defect == "scratch")
    texts = ["A scratch is a thin bright line. It ends sharply.", "A scratch is a thin, bright line."]
    Reviews(data_folder).judge(
        stored([says(seeded, at, image.image_id, text) for at, text in enumerate(texts)]), actor=ANN
    )
    page = opened(PAGE, product="drawn/plate")
    shown = words(page)
    assert "2 better texts, 2 verdicts that it misleads, 2 wrong answers" in shown
    page.button(key="knowledge.accept").click().run()
    assert "The proposal is draft r2." in words(page)
    [draft] = Curation(data_folder).in_state("draft")
    assert draft.text == "A scratch is a thin bright line. It ends sharply."
    sources = [(each.place, each.verdict_id, each.image_id) for each in Curation(data_folder).sentences(TEXT, 2)]
    assert sources == [
        (1, "verdict-0", image.image_id),
        (1, "verdict-1", image.image_id),
        (2, "verdict-0", image.image_id),
    ]
    again = opened(PAGE, product="drawn/plate")
    assert "knowledge.accept" not in [button.key for button in again.button]


@pytest.mark.slow
def test_each_proposal_and_each_revision_begins_with_its_own_text(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    scratched = next(each for each in seeded.entries if each.defect == "scratch")
    good = next(each for each in seeded.entries if each.label == "good" and "test" in each.path)
    texts = {scratched.image_id: "A scratch is a thin bright line.", good.image_id: "Nothing crosses the brushing."}
    Reviews(data_folder).judge(
        stored([says(seeded, at, image_id, text) for at, (image_id, text) in enumerate(texts.items())]), actor=ANN
    )
    page = opened(PAGE, product="drawn/plate")
    page.text_input(key="knowledge.why").set_value("typed for another text").run()
    for _ in texts:
        page.button(key="knowledge.accept").click().run()
        assert page.text_area(key="knowledge.text").value in texts.values()
        assert page.text_input(key="knowledge.why").value == ""
    drafts = {each.description_id: each.text for each in Curation(data_folder).in_state("draft")}
    assert drafts == {TEXT: texts[scratched.image_id], "drawn/plate/good": texts[good.image_id]}


def test_the_address_decides_which_text_is_shown_and_keeps_what_else_it_holds(data_folder: Path) -> None:
    seed.seed(data_folder)
    page = opened(PAGE, product="drawn/plate", text=TEXT, run="kept")
    assert "shared.drawn" in page.session_state  # its charts take the other colours when the theme is switched
    listed = page.selectbox(key="knowledge.description")
    other = next(option for option in listed.options if "scratch" not in option)
    listed.set_value(other).run()
    assert (page.query_params["run"], page.query_params["text"]) == ("kept", "drawn/plate/good")
    page.query_params["text"] = TEXT  # a link, or Back
    page.run()
    assert page.text_area(key="knowledge.text").value == seed.TEXTS["scratch"]


def test_a_text_that_is_shown_to_harm_is_named_though_another_may_be_worse() -> None:
    rare, common = Bar("rare", -0.1, -0.3, 0.1, 3, 1), Bar("common", -0.05, -0.08, -0.02, 400, 30)
    assert "<b>common</b> should be looked at next" in cards.lift_sentence([rare, common])
    assert cards.lift_sentence([rare]).endswith("No text is shown to harm.")


def test_texts_are_marked_at_a_false_discovery_rate_over_all_that_are_listed() -> None:
    """Five of twenty texts have an interval beyond 0, one of them by far; alone each would be marked."""
    names = [f"text {number}" for number in range(20)]
    texts = [description(name) for name in names]
    ps = [0.001, *[0.04] * 4, *[0.5] * 15]
    lifts = pl.DataFrame(
        {
            "description_id": [text.description_id for text in texts], "revision": 1, "entry": names, "p": ps,
            "lift": [-0.1 if p < 0.05 else 0.0 for p in ps], "low": -0.2, "retrieved": 10, "harmed": 3,
            "high": [-0.01 if p < 0.05 else 0.2 for p in ps],
        }
    )  # fmt: skip
    marked = [bar.name for bar in cards.bars(lifts, texts) if bar.kind == "worse"]
    assert marked == ["text 0 · r1"]
    alone = cards.bars(lifts.filter(entry="text 1"), texts)
    assert [bar.kind for bar in alone] == ["worse"]
    unmeasured = cards.bars(lifts.with_columns(p=pl.lit(None, pl.Float64)), texts)
    assert {bar.kind for bar in unmeasured} == {"unsure"}
    assert "20 texts were measured before p was kept" in cards.lift_sentence(unmeasured)


def test_lift_is_a_bar_for_each_text_with_the_questions_it_touches(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    touched = (SubtaskLift("Defect Analysis", 12, 0, 9), SubtaskLift("Object Analysis", 12, 0, 0))
    rows = [
        Lift(
            f"drawn/plate/{name}",
            1,
            run_id,
            12,
            0,
            12,
            24,
            3,
            harmed,
            lift,
            lift - 0.05,
            lift + 0.05,
            touched,
            NOW,
            0.001,
        )
        for run_id in (seeded.run.run_id, "a run that was removed")
        for name, lift, harmed in (("good", 0.1, 0), ("scratch", -0.2, 9))
    ]
    Curation(data_folder).add_lifts(rows)
    page = opened(PAGE, product="drawn/plate", text=TEXT)
    shown = words(page)
    assert "<b>scratch · r1</b> should be looked at next" in shown
    assert "Defect Analysis" in shown
    assert "in 1 other subtask no answer changed" in shown
    assert "scratch: lift from run to run" in shown
