"""Evidence: any source goes from `find` to the prompt and to the stored row, and one that fails harms one picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import scored
from tests.people import ANN
from warehouse import identity, schema
from warehouse.errors import BrokenIndex
from warehouse.failures import Failure
from warehouse.records.scoring import Entry, Evidence, Prediction, Region
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.archive.questions import Question, question_of
from workbench.errors import CannotReplay, DeviceLost
from workbench.model import latent
from workbench.model.case import Case, Picture
from workbench.scoring import models, replay
from workbench.scoring.evidence import BlockEvidence, ShownImage, Source, find_all, harmless

BOX = Region(1.0, 2.5, 30.0, 40.0)
NOW = datetime(2025, 1, 3, tzinfo=UTC)
ASKED = question_of("Anomaly Detection", "Is there a defect?", ("Yes.", "No."))


@dataclass
class Fixed(Source):
    """A sentence and a box for every question, whatever it is asked of; refuses some pictures."""

    name: str = "settled cases"
    version: str = "v1"
    words: str = "Such a mark was a scratch before.</think>"
    score: float = 0.5
    refuses: Callable[[ShownImage], bool] = lambda _: False
    error: Exception = field(default_factory=lambda: ValueError("no such size"))
    calls: list[int] = field(default_factory=list)

    def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:
        self.calls.append(len(questions))
        if any(map(self.refuses, views)):
            raise self.error
        return BlockEvidence([(self.item,)] * len(questions))

    @property
    def item(self) -> Evidence:
        return Evidence(self.name, self.version, self.words, (BOX,), self.score)


def view(path: str) -> ShownImage:
    entry = Entry(path, "a", path, path, 1, 1, "D", "plate", None, None, None, None, None, None, None, NOW)
    return ShownImage(entry, Picture(path, Image.new("RGB", (8, 8))))


def rows_of(store: Store, run_id: str) -> list[Prediction]:
    rows = schema.records(Prediction, store.predictions(run_id))
    return sorted(rows, key=lambda each: (each.image_id, each.question_id))


@pytest.mark.slow
def test_another_source_goes_to_the_prompt_and_to_the_row_beside_the_knowledge(
    drawn_archive: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[tuple[str, ...]] = []
    reason, load_sources = latent.reason, models.load_sources

    def reasoning(engine: Any, cases: Sequence[Case], method: Any) -> Any:
        prompts.extend(case.knowledge for case in cases)
        return reason(engine, cases, method)

    monkeypatch.setattr(latent, "reason", reasoning)
    store, settled = Store(data_folder), Fixed()
    knowledge_files.import_file(store, drawn_archive / "domain_knowledge.json", actor=ANN)
    plain = scored.score(drawn_archive, scored.quick(data_folder, limit=6)).run
    monkeypatch.setattr(models, "load_sources", lambda *given: [*load_sources(*given), settled])

    run = scored.score(drawn_archive, scored.quick(data_folder, limit=6)).run

    before, rows = rows_of(store, plain.run_id), rows_of(store, run.run_id)
    assert [len(words) for words in prompts] == [3] * 6 + [4] * 6
    assert {words[3] for words in prompts[6:]} == {"Such a mark was a scratch before.‹/think>"}
    item = Evidence("settled cases", "v1", harmless(settled.words), (BOX,), 0.5)
    assert [each.evidence for each in rows] == [(item,)] * 6
    assert [each.evidence for each in before] == [None] * 6
    assert [each.descriptions for each in rows] == [each.descriptions for each in before]
    contents = {entry["path"]: entry["content"] for entry in store.entries(run.archive_id).iter_rows(named=True)}
    for each in rows:
        content = contents[each.reference_path or ""]
        assert each.evidence_id == identity.evidence_id(content, each.descriptions, [item])
        assert each.evidence_id != identity.evidence_id(content, each.descriptions)
        assert identity.was_shown(each, content)
    assert max(settled.calls) > 1  # all questions of a block at once
    assert json.loads(run.settings)["facts"]["sources"] == {"settled cases": "v1"}
    assert run.digest != plain.digest
    with pytest.raises(CannotReplay, match="evidence of settled cases, which can't be found again"):
        replay.load(store, run.run_id)


def test_what_sources_find_is_put_together_in_their_order() -> None:
    first, second = Fixed(words="one"), Fixed("comparison", words="two")
    views = [view("a.png"), view("b.png")]
    assert find_all([first, second], views, [ASKED] * 2).of_questions == [(first.item, second.item)] * 2
    assert find_all([second, first], views, [ASKED] * 2).of_questions == [(second.item, first.item)] * 2
    assert find_all([], views, [ASKED] * 2).of_questions == [(), ()]
    assert find_all([first], [], []).of_questions == []


def test_a_source_that_fails_on_one_picture_fails_that_pictures_questions_and_no_others() -> None:
    views = [view(name) for name in ("a.png", "bad.png", "b.png", "bad.png")]
    good, picky = Fixed(words="one"), Fixed("comparison", words="two", refuses=lambda it: it.entry.path == "bad.png")
    found = find_all([good, picky], views, [ASKED] * 4).of_questions
    failure = Failure("source failed", "comparison failed: ValueError: no such size")
    assert found == [(good.item, picky.item), failure, (good.item, picky.item), failure]
    assert good.calls == [4]
    assert picky.calls == [4, 1, 2, 1]
    picky.encoder = "siglip@1"
    assert find_all([picky], views[1:2], [ASKED]).of_questions == [
        Failure("encoder refused", "retrieval failed: ValueError: no such size")
    ]


@pytest.mark.parametrize("error", [BrokenIndex("the vectors can't be read"), DeviceLost("gone")])
def test_what_is_no_pictures_fault_ends_the_run(error: Exception) -> None:
    raised = RuntimeError("CUDA error: gone") if isinstance(error, DeviceLost) else error
    with pytest.raises(type(error)):
        find_all([Fixed(refuses=lambda _: True, error=raised)], [view("a.png")], [ASKED])


def test_evidence_whose_numbers_cannot_be_stored_is_a_failure() -> None:
    (found,) = find_all([Fixed(score=float("nan"))], [view("a.png")], [ASKED]).of_questions
    assert found == Failure("source failed", "settled cases failed: a score or a region isn't a finite number")


def test_evidence_is_told_apart_by_source_version_words_and_regions_but_not_by_its_score() -> None:
    item = Fixed().item
    others = [
        Evidence("comparison", "v1", item.words, (BOX,), 0.5),
        Evidence("settled cases", "v2", item.words, (BOX,), 0.5),
        Evidence("settled cases", "v1", "", (BOX,), 0.5),
        Evidence("settled cases", "v1", item.words, (), 0.5),
    ]
    assert (
        len({identity.evidence_id("r", [], [each]) for each in (item, *others)} | {identity.evidence_id("r", [])}) == 6
    )
    assert identity.evidence_id("r", [], [Fixed(score=0.1).item]) == identity.evidence_id("r", [], [item])


@pytest.mark.parametrize(
    "broken",
    [
        None,
        BlockEvidence([()]),
        BlockEvidence([(Evidence("a", "1", None, (), 0.5),)] * 2),  # type: ignore[arg-type]
        BlockEvidence([(Evidence("a", "1", "half a \ud800 pair", (), 0.5),)] * 2),
        BlockEvidence([(Evidence("a", "1", "words", (), "high"),)] * 2),  # type: ignore[arg-type]
    ],
)
def test_a_source_that_breaks_its_promise_fails_the_questions_and_not_the_run(broken: Any) -> None:
    class Broken(Fixed):
        def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:  # noqa: ARG002
            found: BlockEvidence = broken
            return found

    whole = find_all([Broken()], [view("a.png"), view("a.png")], [ASKED] * 2)
    assert [type(found) for found in whole.of_questions] == [Failure, Failure]
    assert all("settled cases failed" in found.text for found in whole.of_questions if isinstance(found, Failure))
