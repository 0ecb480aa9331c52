"""A stored run's questions asked again with other knowledge: everything else - settings, seed, block - as it was.

    a run -> its settings and model -> `Replay`
    its stored questions of some images -> blocks -> two runs of a draft's test, a sample without one text, one case

What a run asked is read back from its predictions, so a question file that changed since changes nothing here. Stores
nothing itself.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from warehouse import schema
from warehouse.failures import Failure
from warehouse.identity import was_shown
from warehouse.records.scoring import (
    Archive,
    Description,
    Entry,
    Evidence,
    Option,
    Prediction,
    RetrievedDescription,
    Run,
)
from warehouse.store import Store
from workbench.archive import run_views
from workbench.archive import scan as archive
from workbench.archive.questions import Asked, Question
from workbench.archive.references import Reference
from workbench.errors import CannotReplay
from workbench.model.embedder import Encoder
from workbench.model.method import Method
from workbench.scoring import block, models
from workbench.scoring.block import Rows
from workbench.scoring.evidence import BlockEvidence, KnowledgeText, ShownImage, Source
from workbench.scoring.local_evaluator import LocalEvaluator
from workbench.scoring.plan import Block
from workbench.settings import Engine, Machine, Settings, Support, Work

if TYPE_CHECKING:
    import polars as pl


P = TypeVar("P", Method, Support, Machine)


@dataclass(frozen=True, slots=True)
class Replay:
    """A run's own settings with its models loaded."""

    run: Run
    archive: Archive
    settings: Settings
    evaluator: LocalEvaluator
    encoder: Encoder | None  # None unless texts were retrieved by vectors

    def sources(self, descriptions: Sequence[Description]) -> list[Source]:
        """The run's evidence sources, with these texts as its knowledge."""
        return models.load_sources(self.settings, descriptions, self.encoder)


class Without(Source):
    """A source whose evidence lacks one description; nothing takes its place."""

    def __init__(self, source: Source, description_id: str) -> None:
        self._source, self._left_out = source, description_id
        self.name, self.encoder = source.name, source.encoder
        self.version = f"{source.version} without {description_id}"

    def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:
        """What the source finds, without that description."""
        found = self._source.find(views, questions)
        kept = [each if isinstance(each, Failure) else self._kept(each) for each in found.of_questions]
        return dataclasses.replace(found, of_questions=kept)

    def _kept(self, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        return tuple(
            each
            for each in evidence
            if not (isinstance(each, KnowledgeText) and each.description.description_id == self._left_out)
        )


def settings_of(run: Run, data: Path) -> Settings:
    """The settings a run was made with, read back from its record."""
    stated = json.loads(run.settings)
    machine = {**stated, "dtype": stated["facts"]["dtype"]}
    support = _part(Support, {**stated, "references": None})  # each prediction names its own
    work = Work(data=data, block_images=stated["block_images"])
    return Settings(_part(Method, stated), support, models.alone(models.placed(_part(Machine, machine))), work)


def load(store: Store, run_id: str, evaluator: LocalEvaluator | None = None) -> Replay:
    """The run with its models loaded, if they can be had unchanged.

    Args:
        evaluator: the model, where it is loaded already.

    Raises:
        CannotReplay: there is no such run, or its model or encoder is no longer what answered.
        EncoderError: the encoder can't be loaded.
        BackboneError: the model can't be loaded.
    """
    run = store.run(run_id)
    if run is None:
        raise CannotReplay(f"there is no run {run_id}; `workbench runs` lists them")
    if run.evaluator not in get_args(Engine):
        raise CannotReplay(
            f"run {run_id} holds the answers of an {run.evaluator}, which can't be asked again; "
            "score the archive with a model of your own and use that run: workbench score ARCHIVE"
        )
    if sources := json.loads(run.settings)["facts"].get("sources"):
        raise CannotReplay(
            f"run {run_id} was shown evidence of {', '.join(sorted(sources))}, which can't be found again; "
            "score the archive without it and use that run"
        )
    found = store.archive(run.archive_id)
    if found is None:
        raise CannotReplay(f"the archive of run {run_id} isn't registered in this data folder")
    settings, facts = settings_of(run, store.data), json.loads(run.settings)["facts"]
    if evaluator is None or evaluator.weights != facts["weights"]:
        evaluator = models.load_evaluator(settings.machine)
    if evaluator.weights != facts["weights"]:
        same = evaluator.weights.partition("+")[0] == facts["weights"].partition("+")[0]
        what = "another image processor" if same else "other weights"
        raise CannotReplay(f"run {run_id} was answered by {what} of {run.model}; score anew and use that run")
    evaluator.use_scale(run.embedding_scale)
    encoder = load_encoder(run, store.data) if facts["encoder"] else None
    return Replay(run, found, settings, evaluator, encoder)


def load_encoder(run: Run, data: Path) -> Encoder:
    """The encoder a run retrieved with, or would have.

    Raises:
        CannotReplay: it is no longer what it was.
        EncoderError: it can't be loaded.
    """
    encoder, used = models.load_encoder(settings_of(run, data)), json.loads(run.settings)["facts"]["encoder"]
    if used is not None and encoder.name != used:
        raise CannotReplay(f"run {run.run_id} retrieved with {used}, which is now {encoder.name}; score anew")
    return encoder


def stored_questions(store: Store, run: Run, predictions: pl.DataFrame) -> list[Asked]:
    """What stored predictions were asked, in their order.

    Left out are those whose entry or reference has gone or is another picture now, and those that killed processes.
    """
    found = store.archive(run.archive_id)
    root = Path(found.root) if found else Path()
    entries = {entry.image_id: entry for entry in schema.records(Entry, store.entries(run.archive_id))}
    known: dict[str, list[Entry]] = {}
    for entry in entries.values():
        known.setdefault(entry.path, []).append(entry)
    references: dict[tuple[str, str | None], Reference | None] = {}
    items = []
    for each in schema.records(Prediction, predictions):
        if each.image_id not in entries or each.failure == "poison":
            continue
        reference = None
        if each.reference_path:
            several = len(known.get(each.reference_path, ())) > 1  # tiles, which only what was shown tells apart
            shown = each.reference_path, each.evidence_id if several else None
            if shown not in references:
                references[shown] = _reference(each, root, known.get(each.reference_path, ()))
            reference = references[shown]
        if each.reference_path and reference is None:
            continue
        options = tuple(Option(option.letter, option.text) for option in each.options)
        question = Question(each.question_id, each.subtask, each.question, options, each.conditional)
        items.append(
            Asked(entries[each.image_id], question, each.correct_answer, reference, each.claims, each.no_defect)
        )
    return items


def answer(replay: Replay, items: Sequence[Asked], number: int, sources: Sequence[Source]) -> Rows:
    """The rows of one block of these questions, not stored; equal evidence gives equal rows, bit for bit."""
    pictures = block.ReferencePictures(Path(replay.archive.root), views=run_views.of_run(replay.run))
    opened = block.open_block(Block(number, tuple(items)), pictures)
    return block.answer_block(opened, replay.run.run_id, replay.evaluator, sources, replay.settings.method)


def same(first: Prediction, second: Prediction) -> bool:
    """Whether two answers to a question are identical, bit for bit; times aside."""
    fields = [field.name for field in dataclasses.fields(Prediction)]
    aside = ("run_id", "block", "seconds", "created_at", "descriptions", "evidence_id", "oddity")
    fields = [name for name in fields if name not in aside]
    return all(getattr(first, name) == getattr(second, name) for name in fields) and _shown(first) == _shown(second)


def _part(cls: type[P], values: dict[str, Any]) -> P:
    """A part of the settings from flat values, which hold other parts' settings too."""
    return cls(**{name: values[name] for name in cls.__dataclass_fields__ if name in values})


def _shown(prediction: Prediction) -> list[RetrievedDescription]:
    """What was retrieved but for the revisions: the same text under another number is the same text."""
    return [dataclasses.replace(each, revision=0) for each in prediction.descriptions]


def _reference(prediction: Prediction, root: Path, known: Sequence[Entry]) -> Reference | None:
    """The picture it was asked with, if that is known, as one of the entries of its path, or still there."""
    path = prediction.reference_path
    assert path is not None
    if known:
        return next((Reference.of(entry) for entry in known if was_shown(prediction, entry.content)), None)
    try:
        content = archive.content_of(root / path)
    except OSError:
        return None
    return Reference(path, content) if was_shown(prediction, content) else None
