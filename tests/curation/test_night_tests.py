"""Tests over nights as they are stored: one place in the budget, one bet a night, all drafts of a test together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.curation.night_bets import NIGHT_TEST, night_bet
from tests.curation.test_knowledge_base import GOOD, RUST, TRIAL, attempt
from tests.people import ANN, by
from warehouse.errors import Refused
from warehouse.queries.curation import Curation
from warehouse.queries.night_tests import NightTests
from warehouse.queries.publishing import share
from warehouse.records.scoring import KnowledgeMember
from warehouse.store import Store
from workbench.curation import edit, night_trial, outlook
from workbench.errors import CannotPublish, CannotTest

BOTH = replace(
    NIGHT_TEST,
    test_id="b07h",
    drafts=(KnowledgeMember("D/plate/good", 2), KnowledgeMember("D/plate/rust", 2)),
    against=(KnowledgeMember("D/plate/good", 1), KnowledgeMember("D/plate/rust", 1)),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two published texts, each with a draft."""
    known = Curation(tmp_path)
    known.take({RUST: "Brown spots.", GOOD: "An even grey."}, "first", actor=by("me"))
    for place, text in ((RUST, "Red spots."), (GOOD, "A dull grey.")):
        known.draft(place, text, "clearer", actor=ANN)
    return Store(tmp_path)


def test_tests_at_once_and_over_nights_spend_from_one_budget(store: Store) -> None:
    nights, curation = NightTests(store.data), Curation(store.data)
    assert nights.next_share("D/plate", 0.05) == share(0.05, 1)
    over_nights = nights.open(NIGHT_TEST, actor=ANN)
    assert (over_nights.attempt, over_nights.alpha) == (1, share(0.05, 1))
    assert curation.open_attempt(attempt(), TRIAL, actor=ANN).attempt == 2
    nights.place(night_bet(verdict="better"), actor=ANN)
    third = curation.draft(RUST, "Orange spots.", "again", actor=ANN)
    assert curation.open_attempt(attempt(third.revision), TRIAL, actor=ANN).attempt == 2  # of those since the better


def test_a_night_bets_once_and_nothing_is_bet_after_the_verdict(store: Store) -> None:
    nights = NightTests(store.data)
    nights.open(NIGHT_TEST, actor=ANN)
    assert nights.place(night_bet(1), actor=ANN)
    assert not nights.place(replace(night_bet(1), won=99), actor=ANN)
    with pytest.raises(Refused, match="went on meanwhile"):
        nights.place(night_bet(3), actor=ANN)
    assert nights.place(night_bet(2, "worse"), actor=ANN)
    with pytest.raises(Refused, match="went on meanwhile"):
        nights.place(night_bet(3), actor=ANN)
    found = nights.of("D/plate/rust", 2)
    assert found is not None
    assert (found.verdict, found.bets) == ("worse", (night_bet(1), night_bet(2, "worse")))


def test_a_second_proposal_for_the_same_text_waits_and_says_for_what(store: Store) -> None:
    nights, curation = NightTests(store.data), Curation(store.data)
    nights.open(NIGHT_TEST, actor=ANN)
    curation.draft(RUST, "Orange spots.", "again", actor=ANN)
    second = replace(NIGHT_TEST, test_id="2nd", drafts=(KnowledgeMember("D/plate/rust", 3),))
    with pytest.raises(Refused, match="revision 3 waits: revision 2 is tested over nights"):
        nights.open(second, actor=ANN)
    with pytest.raises(Refused, match="is or was tested over nights"):
        nights.open(NIGHT_TEST, actor=ANN)
    curation.retire("D/plate/rust", 2, "the other is better", actor=ANN)
    assert nights.open(second, actor=ANN).attempt == 2


def test_drafts_that_were_found_better_together_go_live_together(store: Store) -> None:
    nights = NightTests(store.data)
    nights.open(BOTH, actor=ANN)
    with pytest.raises(CannotPublish, match=r"still gathering.*--nights shows how far it is"):
        edit.publish(store, "D/plate/rust", 2, actor=ANN)
    nights.place(night_bet(test=BOTH, verdict="better"), actor=ANN)
    version = edit.publish(store, "D/plate/rust", 2, actor=ANN)
    assert version.members == BOTH.drafts
    assert Curation(store.data).changes("D/plate/good")[0].state == "published"


def test_a_verdict_is_worth_nothing_once_another_text_is_live(store: Store) -> None:
    nights, curation = NightTests(store.data), Curation(store.data)
    nights.open(BOTH, actor=ANN)
    nights.place(night_bet(test=BOTH, verdict="better"), actor=ANN)
    third = curation.draft(GOOD, "A bright grey.", "again", actor=ANN)
    curation.publish("D/plate/good", third.revision, "urgent", actor=ANN)
    with pytest.raises(Refused, match="of D/plate/good was published meanwhile"):
        edit.publish(store, "D/plate/rust", 2, actor=ANN)


def test_worse_names_another_text_as_the_next_step(store: Store) -> None:
    nights = NightTests(store.data)
    nights.open(NIGHT_TEST, actor=ANN)
    nights.place(night_bet(verdict="worse"), actor=ANN)
    with pytest.raises(CannotPublish, match="save another text: workbench knowledge edit D/plate/rust"):
        edit.publish(store, "D/plate/rust", 2, actor=ANN)


def test_only_drafts_of_different_texts_of_one_product_are_tested_together(store: Store) -> None:
    curation = Curation(store.data)
    other = curation.draft(("D", "nut", "rust"), "Red spots.", "new", actor=ANN)
    rust = curation.revision("D/plate/rust", 2)
    for drafts in ([rust, other], [rust, replace(rust, revision=3)]):
        with pytest.raises(CannotTest, match="only drafts of different texts of one product"):
            night_trial.open_test(store, drafts, actor=ANN)
    with pytest.raises(CannotTest, match="only drafts are tested"):
        night_trial.open_test(store, [curation.revision("D/plate/rust", 1)], actor=ANN)
    opened = night_trial.open_test(store, [rust, curation.revision("D/plate/good", 2)], actor=ANN)
    assert (opened.drafts, opened.against) == (BOTH.drafts, BOTH.against)
    assert {each.state for each in curation.of_product("D", "plate") if each.revision == 2} == {"testing"}


def asked(data: Path, *command: str) -> str:
    done = CliRunner().invoke(app, ["knowledge", *command, "--data", str(data)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_opens_a_test_over_nights_and_then_shows_how_far_it_is(store: Store) -> None:
    opened = asked(store.data, "test", "D/plate/rust", "D/plate/good", "--nights")
    assert "D/plate/good revision 2 with D/plate/rust revision 2: still gathering" in opened
    assert "It can't be decided with your 0 pictures of plate / rust" in opened
    [gathered] = NightTests(store.data).all()
    NightTests(store.data).place(night_bet(test=gathered.test), actor=ANN)
    shown = asked(store.data, "test", "D/plate/rust", "--nights")
    assert "line-2 2026-01-05 22:00" in shown
    assert "better is said at log e 3.98; attempt 1 of D/plate, spent 2.50 % of 5 %" in shown
    told = json.loads(asked(store.data, "test", "D/plate/rust", "--nights", "--json"))
    assert (told["verdict"], told["bets"][0]["won"], told["test"]["alpha"]) == ("still gathering", 18, 0.025)


def test_writing_a_draft_says_at_once_what_can_be_decided(store: Store) -> None:
    said = asked(store.data, "edit", "D/plate/rust", "--text", "Orange spots.", "--reason", "clearer")
    assert "It can't be decided with your 0 pictures of plate / rust" in said


def test_few_pictures_are_said_when_a_draft_is_written(store: Store) -> None:
    draft = Curation(store.data).revision("D/plate/rust", 2)
    look = outlook.of(store, draft)
    assert look.in_words() == (
        "It can't be decided with your 0 pictures of plate / rust: a test at once needs 7 that change; "
        "no schedule brings new ones yet."
    )
    three = replace(look, pictures=3, a_night=20.0)
    assert three.needs_nights
    assert three.in_words().startswith("It can't be decided with your 3 pictures of plate / rust")
    assert three.in_words().endswith(f"at 20.0 a night, about {three.nights} nights show it.")
    assert (
        replace(look, pictures=60)
        .in_words()
        .startswith(f"A gain of 10 points shows on about {look.needed} pictures of plate / rust; you have 60")
    )
    assert not replace(look, pictures=look.needed, a_night=20.0).needs_nights
