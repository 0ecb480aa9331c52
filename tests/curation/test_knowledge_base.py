"""The versioned knowledge base: every revision kept, one transaction per change, exact ways back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.people import ANN, by
from tests.warehouse import raw
from warehouse.errors import Refused
from warehouse.queries.curation import Curation
from warehouse.queries.publishing import share, version_name
from warehouse.records.curation import GateAttempt, GateResult, GateVerdict, KnowledgeTrial
from warehouse.records.scoring import Description, KnowledgeMember
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.curation import edit
from workbench.errors import CannotPublish, KnowledgeError

RUST, GOOD = ("D", "plate", "rust"), ("D", "plate", "good")
NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def base(tmp_path: Path) -> Curation:
    """Two texts, published."""
    known = Curation(tmp_path)
    known.take({RUST: "Brown spots.", GOOD: "An even grey."}, "first", actor=by("me"))
    return known


def edited(base: Curation, tmp_path: Path, text: str = "Red spots.") -> edit.Saved:
    return edit.edit(Store(tmp_path), "D/plate/rust", text, "clearer", actor=ANN)


def attempt(revision: int = 2) -> GateAttempt:
    return GateAttempt(
        "D/plate/rust", revision, "D/plate", 0, 0.05, 0.02, 1, "b", "t", "r", "gate:p", ("i",), (), "ann", NOW
    )


def result(revision: int = 2, verdict: GateVerdict = "better") -> GateResult:
    return GateResult(
        "D/plate/rust", revision, verdict, "so it is", 9, 9, 8, 0, 0.9, 0.5, 1.0, 0.001, 1.0,
        0, 0, 0, 0, 0.0, 0.0, None, "old", "new", NOW,
    )  # fmt: skip


TRIAL = KnowledgeTrial("t", (KnowledgeMember("D/plate/rust", 2),), NOW)


def test_an_edit_is_a_draft_that_no_published_set_holds(base: Curation, tmp_path: Path) -> None:
    before = base.published()
    draft = edited(base, tmp_path).draft
    assert (draft.revision, draft.state) == (2, "draft")
    assert base.published() == before
    assert [(c.revision, c.state, c.author, c.reason) for c in base.changes("D/plate/rust")] == [
        (2, "draft", "ann", "clearer"),
        (1, "published", "me", "first"),
    ]


def test_publishing_retires_what_it_replaces_and_a_rollback_is_exact(base: Curation, tmp_path: Path) -> None:
    first = base.published()
    edited(base, tmp_path)
    second = base.publish("D/plate/rust", 2, "better", actor=ANN)
    states = {(d.description_id, d.revision): d.state for d in base.every_revision()}
    assert states == {
        ("D/plate/good", 1): "published",
        ("D/plate/rust", 1): "retired",
        ("D/plate/rust", 2): "published",
    }
    assert first[0] is not None
    back = base.rollback(first[0].version, "worse on line B", actor=ANN)
    assert back.version == first[0].version != second.version
    assert base.published()[1] == first[1]
    assert [d.text for d in Store(tmp_path).knowledge(second.version)] == ["An even grey.", "Red spots."]


def test_a_retired_text_leaves_the_set_and_stays_readable(base: Curation, tmp_path: Path) -> None:
    first = base.published()[0]
    base.retire("D/plate/rust", 1, "gone", actor=ANN)
    assert [d.description_id for d in base.published()[1]] == ["D/plate/good"]
    assert first is not None
    assert len(Store(tmp_path).knowledge(first.version)) == 2
    with pytest.raises(Refused, match="D/plate/rust revision 1 is retired already"):
        base.retire("D/plate/rust", 1, "again", actor=ANN)


def test_a_set_with_a_revision_that_is_not_stored_is_not_published(base: Curation) -> None:
    before, states = base.published(), base.every_revision()
    with pytest.raises(Refused, match="D/plate/rust has no revision 7"):
        base.publish("D/plate/rust", 7, "better", actor=ANN)
    with pytest.raises(Refused, match="no knowledge version none was ever published"):
        base.rollback("none", "worse", actor=ANN)
    assert (base.published(), base.every_revision(), len(base.versions())) == (before, states, 1)


def test_a_stored_revision_never_changes(base: Curation, tmp_path: Path) -> None:
    first = base.every_revision()
    edited(base, tmp_path)
    base.take({RUST: "Orange spots."}, "second", actor=by("bob"))
    base.publish("D/plate/rust", 2, "better", actor=ANN)

    def written(texts: Sequence[Description]) -> list[Description]:
        return [replace(each, state="draft") for each in texts]  # where it stands is all that changes

    stored = base.every_revision()
    assert [(d.description_id, d.revision, d.text) for d in stored] == [
        ("D/plate/good", 1, "An even grey."),
        ("D/plate/rust", 1, "Brown spots."),
        ("D/plate/rust", 2, "Red spots."),
        ("D/plate/rust", 3, "Orange spots."),
    ]
    assert written(stored)[:2] == written(first)
    with pytest.raises(Refused, match="uplicate key"):
        raw.store_knowledge(tmp_path, [replace(first[1], text="Something else.")])
    assert base.every_revision() == stored


def test_going_live_needs_the_gate_or_a_reason_which_is_kept(base: Curation, tmp_path: Path) -> None:
    store, draft = Store(tmp_path), edited(base, tmp_path).draft
    with pytest.raises(CannotPublish, match="not tested yet; test it with"):
        edit.publish(store, "D/plate/rust", draft.revision, actor=ANN)
    base.open_attempt(attempt(), TRIAL, actor=ANN)
    with pytest.raises(CannotPublish, match="its test has not ended"):
        edit.publish(store, "D/plate/rust", draft.revision, actor=ANN)
    base.close_attempt(result(verdict="worse"), actor=ANN)
    with pytest.raises(CannotPublish, match="worse: so it is"):
        edit.publish(store, "D/plate/rust", draft.revision, "  ", actor=ANN)
    edit.publish(store, "D/plate/rust", draft.revision, "the label was wrong", actor=ANN)
    reason = base.changes("D/plate/rust")[0].reason
    assert reason == "against the gate (worse: so it is): the label was wrong"


def test_a_result_against_another_text_than_the_live_one_lets_nothing_through(base: Curation, tmp_path: Path) -> None:
    store = Store(tmp_path)
    edited(base, tmp_path)
    base.open_attempt(attempt(), TRIAL, actor=ANN)
    base.close_attempt(result(), actor=ANN)
    other = edited(base, tmp_path, "Orange spots.").draft
    edit.publish(store, "D/plate/rust", other.revision, "urgent", actor=by("bob"))
    with pytest.raises(CannotPublish, match="better than revision 1, but revision 3 is published since"):
        edit.publish(store, "D/plate/rust", 2, actor=ANN)
    with pytest.raises(Refused, match="revision 3 of D/plate/rust was published meanwhile"):  # since it was looked
        base.publish("D/plate/rust", 2, "the gate says better", attempt(), actor=ANN)


def test_only_an_untested_draft_waits_for_the_night(base: Curation, tmp_path: Path) -> None:
    edited(base, tmp_path)
    base.await_test("D/plate/rust", 2, "tonight", actor=ANN)
    assert [d.revision for d in base.in_state("testing")] == [2]
    base.open_attempt(attempt(), TRIAL, actor=ANN)
    base.close_attempt(result(verdict="worse"), actor=ANN)
    for revision, why in ((1, "is published"), (2, "was tested already: worse"), (9, "is unknown")):
        with pytest.raises(Refused, match=f"D/plate/rust revision {revision} {why}"):
            base.await_test("D/plate/rust", revision, "tonight", actor=ANN)


def test_each_revision_has_one_test_and_each_test_its_share(base: Curation, tmp_path: Path) -> None:
    spent = []
    for number in range(2, 6):
        edited(base, tmp_path, f"Spots of kind {number}.")
        spent.append(base.open_attempt(attempt(number), TRIAL, actor=ANN).alpha)
        base.close_attempt(result(number, "better" if number == 4 else "not enough evidence"), actor=ANN)
    assert spent == pytest.approx([0.05 / 2, 0.05 / 6, 0.05 / 12, 0.05 / 2])  # a better opens the next five percent
    with pytest.raises(Refused):
        base.open_attempt(attempt(2), TRIAL, actor=ANN)
    assert sum(share(0.05, k) for k in range(1, 10_000)) < 0.05


def test_sentences_keep_where_they_come_from(base: Curation, tmp_path: Path) -> None:
    draft = edited(base, tmp_path, "Brown spots. They are rough.").draft
    assert [(s.place, s.text, s.origin) for s in base.sentences("D/plate/rust", draft.revision)] == [
        (1, "Brown spots.", "kept"),
        (2, "They are rough.", "curator"),
    ]


def test_the_published_pointer_survives_a_clock_that_was_set_back(
    base: Curation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse.queries import publishing

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Earlier:
            return cls(2020, 1, 1, tzinfo=tz)

    edited(base, tmp_path)
    monkeypatch.setattr(publishing, "datetime", Earlier)
    version = base.publish("D/plate/rust", 2, "better", actor=ANN)
    assert base.published()[0] == version


def test_a_set_is_named_by_what_it_holds(base: Curation) -> None:
    version, texts = base.published()
    assert version is not None
    assert version.version == version_name(reversed(texts))


@pytest.mark.parametrize("name", ["texts.json", "texts.csv", "texts"])
def test_what_is_exported_is_imported_again_unchanged(base: Curation, tmp_path: Path, name: str) -> None:
    base.take(
        {("D", "cup", "crack"): 'A "thin", dark line;\nit branches. Größe: <5 mm'}, "more", whole=False, actor=by("me")
    )
    (tmp_path / "out").mkdir()
    assert knowledge_files.write(base.published()[1], tmp_path / "out" / name) == 3
    again = knowledge_files.import_file(Store(tmp_path), tmp_path / "out" / name, actor=ANN)
    assert (again.version, again.unchanged) == (base.published()[0].version, 3)  # type: ignore[union-attr]


def test_files_of_a_folder_that_hold_no_text_are_told_by_their_kinds(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    (texts / "D" / "plate").mkdir(parents=True)
    for name in ("rust.md", "rust.png", "crack.png", "sheet.pdf", ".hidden.png"):
        (texts / "D" / "plate" / name).write_text("Orange crust.\n")
    command = ["knowledge", "import", str(texts), "--data", str(tmp_path / "data")]
    told = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert "1 text published" in told
    assert "passed over: 3 files: no text by its name, which ends in .md: 2 .png, 1 .pdf" in told
    (texts / "D" / "plate" / "rust.md").rename(texts / "D" / "plate" / "rost.md")
    for name in ("rust.png", "crack.png", "sheet.pdf"):
        (texts / "D" / "plate" / name).unlink()
    assert "passed over" not in CliRunner().invoke(app, command, catch_exceptions=False).stdout


def test_imported_drafts_publish_nothing(base: Curation, tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    file.write_text("dataset,product,entry,text\nD,plate,rust,Orange crust.\n")
    before = base.published()
    knowledge_files.import_file(Store(tmp_path), file, publish=False, actor=ANN)
    assert base.published() == before
    assert [d.text for d in base.in_state("draft")] == ["Orange crust."]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("dataset,product,text\n", "lacks the columns entry"),
        ("dataset,product,entry,text\nD,p,e,\n", "line 2: every row needs"),
        ("dataset,product,entry,text\nD,p,e,x\nD,p,e,y\n", "line 3: D / p / e is there twice"),
        ("dataset,product,entry,text\nD,..,e,x\n", "D / .. / e: '..' can't be a part"),
    ],
)
def test_a_csv_of_another_shape_is_refused_with_the_place(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "texts.csv").write_text(content)
    with pytest.raises(KnowledgeError, match=words):
        knowledge_files.read(tmp_path / "texts.csv")


def test_a_folder_that_holds_something_is_not_written_into(base: Curation, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old.md").write_text("x")
    with pytest.raises(KnowledgeError, match="is not empty"):
        knowledge_files.write(base.published()[1], tmp_path / "full")
