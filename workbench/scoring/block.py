"""One block, from files to rows: open its images, find evidence, reason, and write down all that happened.

Nothing here raises because of an image: what can't be opened, or breaks the model, becomes a stored failure with its
reason for each of the image's questions. What breaks everything does raise: a lost device.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from warehouse.failures import Failure
from warehouse.identity import cluster_id, evidence_id
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Evidence, ImageVector, Option, Patch, PatchVector, Prediction, Region
from workbench.archive import questions
from workbench.archive.questions import Asked
from workbench.archive.references import Reference
from workbench.archive.run_views import RunViews
from workbench.archive.view import Affine, View
from workbench.errors import OutOfMemory, UnreadableImage
from workbench.lru_cache import LRUCache
from workbench.model import latent
from workbench.model.case import Case, Picture, Reasoned
from workbench.model.method import Method
from workbench.scoring import evidence as evidences
from workbench.scoring.compare_source import region_picture
from workbench.scoring.evaluator import Evaluator
from workbench.scoring.evidence import BlockEvidence, ShownImage, Source
from workbench.scoring.exceptions import in_words, raise_if_device_lost
from workbench.scoring.input_pipeline import File, Opened, Opener, open_here
from workbench.scoring.plan import Block
from workbench.scoring.run_comparer import RunComparer

logger = logging.getLogger(__name__)

# What fills in the right answers that only a mask below the archive's root tells.
Locate = Callable[[Sequence[Asked], Path, RunViews], list[Asked]]
REFERENCES_KEPT = 4  # pictures
_LARGEST_HALF = float(np.finfo(np.float16).max)  # what is stored of a patch's vector; larger is no number there
DEVICE_OUT_OF_MEMORY = Failure("device out of memory", "the model failed: out of memory")


@dataclass(frozen=True, slots=True)
class OpenedBlock:
    """A block with its pictures, or why a picture can't be had."""

    block: Block
    queries: dict[str, Opened]  # by image_id
    references: dict[tuple[Reference, View], Opened]  # as the query's camera shows it
    seconds: float
    views: RunViews = field(default_factory=RunViews)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a block adds to the warehouse."""

    predictions: list[Prediction] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    image_vectors: list[ImageVector] = field(default_factory=list)
    patch_vectors: list[PatchVector] = field(default_factory=list)
    comparisons: list[StoredComparison] = field(default_factory=list)
    retrieval_seconds: float = 0.0


@dataclass(slots=True)
class ReferencePictures:
    """The last few references opened: blocks that share one stand together in the plan."""

    root: Path  # the archive's
    opener: Opener = open_here
    views: RunViews = field(default_factory=RunViews)  # the run's, which its queries are opened with too
    opened: LRUCache[tuple[Reference, View], Opened] = field(default_factory=lambda: LRUCache(REFERENCES_KEPT))

    def get(self, references: Sequence[tuple[Reference, View]]) -> dict[tuple[Reference, View], Opened]:
        """Their pictures, or why one can't be had; those of the last few blocks aren't opened again."""
        pictures = {key: picture for key in references if (picture := self.opened.get(key)) is not None}
        missing = [key for key in references if key not in pictures]
        opened = self.opener([File(self.root / each.path, view) for each, view in missing])
        for key, picture in zip(missing, opened, strict=True):
            pictures[key] = picture
            self.opened.put(key, picture)
        return pictures


def open_block(block: Block, references: ReferencePictures, locate: Locate = questions.located) -> OpenedBlock:
    """The block with its pictures read, decoded and made ready, and the right answers that only a mask tells.

    A mask says nothing of a picture that was replaced: it may belong to the new one.
    """
    started = time.perf_counter()
    entries = {asked.entry.image_id: asked.entry for asked in block.asked}
    root, views = references.root, references.views
    opened = references.opener([File(root / each.path, views.of(each)) for each in entries.values()])
    queries = dict(zip(entries, opened, strict=True))
    shown = dict.fromkeys(
        (each.reference, views.of_reference(each.reference, each.entry)) for each in block.asked if each.reference
    )
    normal = references.get(list(shown))
    replaced = {
        image_id for image_id, picture in queries.items() if isinstance(picture, Failure) and picture.kind == "replaced"
    }
    found = iter(locate([item for item in block.asked if item.entry.image_id not in replaced], root, views))
    located = tuple(item if item.entry.image_id in replaced else next(found) for item in block.asked)
    return OpenedBlock(Block(block.number, located), queries, normal, time.perf_counter() - started, views)


def answer_block(
    opened: OpenedBlock,
    run_id: str,
    evaluator: Evaluator,
    sources: Sequence[Source],
    method: Method,
    comparer: RunComparer | None = None,
) -> Rows:
    """The rows of every question of the block, in its order.

    Raises:
        DeviceLost: the GPU stopped answering.
    """
    started = time.perf_counter()
    evidence = find_evidence(opened, sources)
    cases: list[Case] = []
    places: list[int] = []
    outcomes: dict[int, Reasoned | Failure] = {}
    for place, asked in enumerate(opened.block.asked):
        case = case_of(asked, opened, evidence.of_questions[place])
        if isinstance(case, Failure):
            outcomes[place] = case
        else:
            shown = evidence.of_questions[place] if method.region_picture else ()
            cases.append(_with_difference(_with_region(case, shown), comparer, method))
            places.append(place)
    rows = Rows(
        retrieval_seconds=time.perf_counter() - started
    )  # comparing included: where a picture differs is evidence
    for place, outcome in zip(places, _reason(evaluator, cases, method), strict=True):
        outcomes[place] = outcome if isinstance(outcome, Failure) or _is_finite(outcome) else latent.NOT_FINITE
    seconds = (opened.seconds + time.perf_counter() - started) / len(opened.block.asked)
    now = datetime.now(UTC)
    for place, asked in enumerate(opened.block.asked):
        outcome = outcomes[place]
        found = evidence.of_questions[place]
        shown = () if isinstance(found, Failure) else found
        query = opened.queries[asked.entry.image_id]
        oddity = query.oddity if isinstance(query, Picture) else None
        prediction = _prediction(run_id, opened.block.number, asked, shown, outcome, oddity, seconds, now)
        rows.predictions.append(prediction)
        if isinstance(outcome, Reasoned):
            assert isinstance(query, Picture)
            rows.patches.extend(_patches(prediction, outcome, _to_whole(query)))
            if encoder := evaluator.patch_encoder:
                rows.patch_vectors.extend(
                    PatchVector(query.content, encoder, each.row, each.col, each.vector)
                    for each in outcome.accepted_features
                    if (np.abs(np.asarray(each.vector, np.float32)) <= _LARGEST_HALF).all()
                )
    rows.image_vectors.extend(evidence.image_vectors)
    if comparer is not None:
        rows.comparisons.extend(_comparisons(opened, run_id, comparer, rows.predictions))
    return rows


def _comparisons(
    opened: OpenedBlock, run_id: str, comparer: RunComparer, predictions: Sequence[Prediction]
) -> Iterator[StoredComparison]:
    """What comparing says of each picture; nothing of one whose questions all failed, or that the tower fails on."""
    alive = {prediction.image_id for prediction in predictions if prediction.status != "failed"}
    for image_id, picture in opened.queries.items():
        if image_id in alive and isinstance(picture, Picture):
            try:
                row = comparer.row(run_id, opened.block.number, image_id, picture)
            except UnreadableImage as error:
                logger.warning("nothing is compared with %s: %s", image_id, error)
            else:
                yield row


def find_evidence(opened: OpenedBlock, sources: Sequence[Source]) -> BlockEvidence:
    """The evidence for every question of the block, in its order; none where the picture couldn't be opened."""
    shown = {
        asked.entry.image_id: ShownImage(asked.entry, picture)
        for asked in opened.block.asked
        if isinstance(picture := opened.queries[asked.entry.image_id], Picture)
    }
    places = [place for place, asked in enumerate(opened.block.asked) if asked.entry.image_id in shown]
    items = [opened.block.asked[place] for place in places]
    found = evidences.find_all(sources, [shown[a.entry.image_id] for a in items], [a.question for a in items])
    of_questions: list[tuple[Evidence, ...] | Failure] = [()] * len(opened.block.asked)
    for place, item, each in zip(places, items, found.of_questions, strict=True):
        to_whole = _to_whole(shown[item.entry.image_id].picture)
        of_questions[place] = each if isinstance(each, Failure) else tuple(_on_whole(one, to_whole) for one in each)
    return BlockEvidence(of_questions, found.image_vectors)


def case_of(asked: Asked, opened: OpenedBlock, evidence: tuple[Evidence, ...] | Failure) -> Case | Failure:
    """The question as the model gets it, with its evidence, or why it can't be asked."""
    query = opened.queries[asked.entry.image_id]
    if isinstance(query, Failure):
        return query
    reference = None
    if asked.reference:
        reference = opened.references[asked.reference, opened.views.of_reference(asked.reference, asked.entry)]
    if isinstance(reference, Failure):
        return reference.of_reference()
    if isinstance(evidence, Failure):
        return evidence
    return Case(
        seed_key=asked.seed_key,
        query=query,
        reference=reference,
        knowledge=evidences.words_of(evidence),
        question=asked.question.question,
        options=tuple((option.letter, option.text) for option in asked.question.options),
        subtask=asked.question.subtask,
        claims=asked.claims,
    )


def _with_region(case: Case, evidence: tuple[Evidence, ...] | Failure) -> Case:
    """The case with the part of its picture that a comparison marks, if one does."""
    region = None if isinstance(evidence, Failure) else region_picture(case.query, evidence)
    return case if region is None else replace(case, region=region)


def _with_difference(case: Case, comparer: RunComparer | None, method: Method) -> Case:
    """The case with where its picture differs from normal ones, if that is to propose patches and can be said."""
    if comparer is None or not method.proposes_by_comparison:
        return case
    try:
        found = comparer.compare(case.query)
    except UnreadableImage:
        return case
    return case if found.claim == "cannot say" else replace(case, difference=found.map)


def _reason(evaluator: Evaluator, cases: Sequence[Case], method: Method) -> list[Reasoned | Failure]:
    """Each case's answer, or why there is none.

    All cases go together; when there is no memory for that, or anything else breaks, image by image, so that one
    picture can't take its neighbours with it.
    """
    try:
        return [each.error or each for each in evaluator.answer(cases, method)]
    except OutOfMemory:
        why = DEVICE_OUT_OF_MEMORY
    except UnreadableImage as error:
        why = error.failure
    except Exception as error:  # noqa: BLE001  whatever a picture does to the model, the night goes on
        raise_if_device_lost(error)
        why = Failure("model failed", f"the model failed: {in_words(error)}")
    return _one_by_one(evaluator, cases, method, why)


def _one_by_one(evaluator: Evaluator, cases: Sequence[Case], method: Method, why: Failure) -> list[Reasoned | Failure]:
    pictures = list(dict.fromkeys(case.query.key for case in cases))
    if len(pictures) == 1:
        return [why] * len(cases)
    logger.warning("a block failed (%s); doing its %d pictures one by one", why.text, len(pictures))
    outcomes: list[Reasoned | Failure] = [why] * len(cases)
    for picture in pictures:
        places = [place for place, case in enumerate(cases) if case.query.key == picture]
        alone = _reason(evaluator, [cases[place] for place in places], method)
        for place, outcome in zip(places, alone, strict=True):
            outcomes[place] = outcome
    return outcomes


def _prediction(
    run_id: str,
    block: int,
    asked: Asked,
    evidence: tuple[Evidence, ...],
    outcome: Reasoned | Failure,
    oddity: str | None,
    seconds: float,
    now: datetime,
) -> Prediction:
    entry, question = asked.entry, asked.question
    got = outcome if isinstance(outcome, Reasoned) else None
    status: Literal["answered", "invalid", "failed"] = got.status if got else "failed"
    reference = asked.reference.content if asked.reference else None
    descriptions, besides = evidences.descriptions_of(evidence), evidences.besides_knowledge(evidence)
    return Prediction(
        run_id=run_id,
        block=block,
        image_id=entry.image_id,
        image_path=entry.path,
        content=entry.content,
        dataset=entry.dataset,
        product=entry.product,
        label=entry.label,
        defect=entry.defect,
        line=entry.line,
        camera=entry.camera,
        captured_at=entry.captured_at,
        question_id=question.question_id,
        subtask=question.subtask,
        question=question.question,
        options=tuple(Option(option.letter, option.text) for option in question.options),
        conditional=question.conditional,
        reference_path=asked.reference.path if asked.reference else None,
        answer=got.answer if got else None,
        correct_answer=asked.correct_answer,
        status=status,
        error=outcome.text if isinstance(outcome, Failure) else None,
        failure=outcome.kind if isinstance(outcome, Failure) else None,
        initial_option_probabilities=got.initial_option_probabilities if got else {},
        option_probabilities=got.option_probabilities if got else {},
        entropy=tuple(each.entropy for each in got.iterations) if got else (),
        token_entropy=tuple(each.token_entropy for each in got.iterations) if got else (),
        reward=tuple(each.reward for each in got.iterations) if got else (),
        best_iteration=got.best_iteration if got else None,
        descriptions=descriptions,
        knowledge_dropped=got.knowledge_dropped if got else 0,
        knowledge_cut=got.knowledge_cut if got else False,
        raw_text=got.raw_text if got else None,
        rationale=got.rationale if got else None,
        seconds=seconds,
        created_at=now,
        claims=asked.claims,
        evidence_id=evidence_id(reference, descriptions, besides or ()),
        oddity=oddity,
        no_defect=asked.no_defect,
        evidence=besides,
        cluster_id=cluster_id(entry),
        lot=entry.lot,
    )


def _is_finite(reasoned: Reasoned) -> bool:
    """Whether every number that is to be stored is one; a part with any other is refused as a whole."""
    return all(
        math.isfinite(number)
        for number in (
            *reasoned.initial_option_probabilities.values(),
            *reasoned.option_probabilities.values(),
            *(number for each in reasoned.iterations for number in (each.entropy, each.reward, *each.token_entropy)),
            *(number for each in reasoned.patches for number in (*each.box, each.score)),
        )
    )


def _to_whole(picture: Picture) -> Affine:
    """From the pixels that were seen to the whole picture's, in which everything is stored."""
    return Affine.shift(*picture.origin)


def _on_whole(evidence: Evidence, to_whole: Affine) -> Evidence:
    if not evidence.regions:
        return evidence
    regions = (to_whole.box((box.x0, box.y0, box.x1, box.y1)) for box in evidence.regions)
    return replace(evidence, regions=tuple(Region(*box) for box in regions))


def _patches(prediction: Prediction, reasoned: Reasoned, to_whole: Affine) -> list[Patch]:
    return [
        Patch(
            prediction.run_id,
            prediction.block,
            prediction.image_id,
            prediction.question_id,
            each.iteration,
            each.row,
            each.col,
            *to_whole.box(each.box),
            score=each.score,
            accepted=each.accepted,
        )
        for each in reasoned.patches
    ]
