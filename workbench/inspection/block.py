"""One block, from files to rows: open its images, retrieve, reason, and write down all that happened.

Nothing here raises because of an image: what can't be opened, or breaks the model, becomes a stored failure with its
reason for each of the image's questions. What breaks everything does raise: a lost device.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from warehouse.errors import WarehouseError
from warehouse.failures import MODEL, OF_THE_REFERENCE, RETRIEVAL
from warehouse.records import Entry, ImageVector, Option, Patch, PatchVector, Prediction
from workbench.inspection import questions
from workbench.inspection.errors import DeviceLost, ReplacedImage, UnreadableImage
from workbench.inspection.inputs import File, Opened, Opener, open_here
from workbench.inspection.models import Answering
from workbench.inspection.plan import Block
from workbench.inspection.questions import Asked
from workbench.inspection.references import Reference
from workbench.inspection.retrieval import Evidence, Retriever
from workbench.inspection.tone import Tone, Tones
from workbench.model import latent
from workbench.model.case import Case, Picture, Reasoned
from workbench.model.method import Method

logger = logging.getLogger(__name__)

# What fills in the right answers that only a mask below the archive's root tells.
Locate = Callable[[Sequence[Asked], Path], list[Asked]]
_LARGEST_HALF = float(np.finfo(np.float16).max)  # what is stored of a patch's vector; larger is no number there
# How a GPU says that it has no memory, where it isn't PyTorch that asked for it.
NO_MEMORY = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


@dataclass(frozen=True, slots=True)
class OpenedBlock:
    """A block with its pictures, or why a picture can't be had."""

    block: Block
    queries: dict[str, Opened]  # by image_id
    references: dict[tuple[Reference, Tone], Opened]  # as the query's camera shows it
    seconds: float
    tones: Tones = field(default_factory=Tones)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a block adds to the warehouse."""

    predictions: list[Prediction] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    image_vectors: list[ImageVector] = field(default_factory=list)
    patch_vectors: list[PatchVector] = field(default_factory=list)
    retrieval_seconds: float = 0.0


@dataclass(slots=True)
class ReferencePictures:
    """The last few references opened: blocks that share one stand together in the plan."""

    root: Path  # the archive's
    opener: Opener = open_here
    keep: int = 4
    tones: Tones = field(default_factory=Tones)  # the run's, which its queries are opened with too
    _held: dict[tuple[Reference, Tone], Opened] = field(default_factory=dict)

    def get(self, references: Sequence[tuple[Reference, Tone]]) -> dict[tuple[Reference, Tone], Opened]:
        """Their pictures, or why one can't be had; those of the last few blocks aren't opened again."""
        missing = [reference for reference in references if reference not in self._held]
        opened = self.opener([File(self.root / each.path, each.content, tone) for each, tone in missing])
        self._held |= zip(missing, opened, strict=True)
        found = {reference: self._held[reference] for reference in references}
        while len(self._held) > self.keep:
            self._held.pop(next(iter(self._held)))
        return found


def open_block(block: Block, references: ReferencePictures, locate: Locate = questions.located) -> OpenedBlock:
    """The block with its pictures read, decoded and made ready, and the right answers that only a mask tells.

    A mask says nothing of a picture that was replaced: it may belong to the new one.
    """
    started = time.perf_counter()
    entries = {asked.entry.image_id: asked.entry for asked in block.asked}
    root, tones = references.root, references.tones
    opened = references.opener([File(root / e.path, e.content, _tone(tones, e)) for e in entries.values()])
    queries = dict(zip(entries, opened, strict=True))
    shown = dict.fromkeys((each.reference, _tone(tones, each.entry)) for each in block.asked if each.reference)
    normal = references.get(list(shown))
    replaced = {image_id for image_id, picture in queries.items() if isinstance(picture, ReplacedImage)}
    found = iter(locate([item for item in block.asked if item.entry.image_id not in replaced], root))
    located = tuple(item if item.entry.image_id in replaced else next(found) for item in block.asked)
    return OpenedBlock(Block(block.number, located), queries, normal, time.perf_counter() - started, tones)


def _tone(tones: Tones, entry: Entry) -> Tone:
    return tones.of(entry.dataset, entry.product, entry.camera)


def answer_block(opened: OpenedBlock, run_id: str, answering: Answering, retriever: Retriever, method: Method) -> Rows:
    """The rows of every question of the block, in its order.

    Raises:
        DeviceLost: the GPU stopped answering.
    """
    started = time.perf_counter()
    evidence = retrieve(opened, retriever)
    rows = Rows(retrieval_seconds=time.perf_counter() - started)
    cases: list[Case] = []
    places: list[int] = []
    outcomes: list[Reasoned | str] = [""] * len(opened.block.asked)
    for place, asked in enumerate(opened.block.asked):
        case = case_of(asked, opened, evidence)
        if isinstance(case, str):
            outcomes[place] = case
        else:
            cases.append(case)
            places.append(place)
    for place, outcome in zip(places, _reason(answering, cases, method), strict=True):
        outcomes[place] = outcome if isinstance(outcome, str) or _is_finite(outcome) else latent.NOT_FINITE
    seconds = (opened.seconds + time.perf_counter() - started) / len(opened.block.asked)
    now = datetime.now(UTC)
    for asked, outcome in zip(opened.block.asked, outcomes, strict=True):
        found = evidence.get(asked.entry.image_id)
        shown = found if isinstance(found, Evidence) else Evidence()
        query = opened.queries[asked.entry.image_id]
        oddity = query.oddity if isinstance(query, Picture) else None
        prediction = _prediction(run_id, opened.block.number, asked, shown, outcome, oddity, seconds, now)
        rows.predictions.append(prediction)
        if isinstance(outcome, Reasoned):
            rows.patches.extend(_patches(prediction, outcome))
            rows.patch_vectors.extend(
                PatchVector(asked.entry.content, answering.patch_encoder, each.row, each.col, each.vector)
                for each in outcome.accepted_features
                if (np.abs(np.asarray(each.vector, np.float32)) <= _LARGEST_HALF).all()
            )
    rows.image_vectors.extend(each.vector for each in evidence.values() if isinstance(each, Evidence) and each.vector)
    return rows


def retrieve(opened: OpenedBlock, retriever: Retriever) -> dict[str, Evidence | str]:
    """The evidence of every image that could be opened, or why there is none, by image_id."""
    entries = {asked.entry.image_id: asked.entry for asked in opened.block.asked}
    images = [(entries[key], picture) for key, picture in opened.queries.items() if isinstance(picture, Picture)]
    found = _evidence(images, retriever)
    return {entry.image_id: evidence for (entry, _), evidence in zip(images, found, strict=True)}


def _evidence(images: Sequence[tuple[Entry, Picture]], retriever: Retriever) -> list[Evidence | str]:
    """The evidence for each image; what an encoder doesn't take is that image's own failure."""
    try:
        return list(retriever.retrieve(images))
    except WarehouseError:
        raise
    except Exception as error:  # noqa: BLE001  as with the model
        _raise_if_lost(error)
        if len(images) == 1:
            return [f"{RETRIEVAL}: {_in_words(error)}"]
        logger.warning("retrieval failed on a block (%s); doing its %d pictures one by one", error, len(images))
        return [_evidence([image], retriever)[0] for image in images]


def case_of(asked: Asked, opened: OpenedBlock, evidence: dict[str, Evidence | str]) -> Case | str:
    """The question as the model gets it, or why it can't be asked."""
    query = opened.queries[asked.entry.image_id]
    if not isinstance(query, Picture):
        return str(query)
    tone = _tone(opened.tones, asked.entry)
    reference = opened.references[asked.reference, tone] if asked.reference else None
    if isinstance(reference, UnreadableImage):
        return f"{OF_THE_REFERENCE}{reference}"
    found = evidence[asked.entry.image_id]
    if isinstance(found, str):
        return found
    return Case(
        question_id=asked.question.question_id,
        query=query,
        reference=reference,
        knowledge=found.texts,
        question=asked.question.question,
        options=tuple((option.letter, option.text) for option in asked.question.options),
    )


def _reason(answering: Answering, cases: Sequence[Case], method: Method) -> list[Reasoned | str]:
    """Each case's answer, or why there is none.

    All cases go together. Out of memory, the engine's memory is halved and the block is done again; when that is used
    up, or anything else breaks, image by image, so that one picture can't take its neighbours with it.
    """
    engine = answering.engine
    while True:
        try:
            return [each.error or each for each in latent.reason(engine, cases, method)]
        except torch.OutOfMemoryError:
            pass  # the error is let go of first: it holds on to what filled the memory
        except Exception as error:  # noqa: BLE001  whatever a picture does to the model, the night goes on
            if not any(words in str(error) for words in NO_MEMORY):
                _raise_if_lost(error)
                return _one_by_one(answering, cases, method, _in_words(error))
        if not engine.halve():
            return _one_by_one(answering, cases, method, "out of memory")
        logger.warning("out of memory; going on with %d MiB for what is kept", engine.memory // 2**20)


def _one_by_one(answering: Answering, cases: Sequence[Case], method: Method, why: str) -> list[Reasoned | str]:
    pictures = list(dict.fromkeys(case.query.key for case in cases))
    if len(pictures) == 1:
        return [f"{MODEL}: {why}"] * len(cases)
    logger.warning("the model failed on a block (%s); doing its %d pictures one by one", why, len(pictures))
    outcomes: list[Reasoned | str] = [""] * len(cases)
    for picture in pictures:
        places = [place for place, case in enumerate(cases) if case.query.key == picture]
        alone = _reason(answering, [cases[place] for place in places], method)
        for place, outcome in zip(places, alone, strict=True):
            outcomes[place] = outcome
    return outcomes


def _in_words(error: Exception) -> str:
    kind = type(error).__name__
    if said := str(error).strip():
        return f"{kind}: {said.splitlines()[0]}"[:500]
    frames = traceback.extract_tb(error.__traceback__)  # a bare StopIteration says nothing else
    where = f", raised in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{kind} without a message{where}"


def _raise_if_lost(error: Exception) -> None:
    """After a CUDA error every later call in this process fails too."""
    if "CUDA error" in str(error) or "device-side assert" in str(error):
        raise DeviceLost(
            f"the GPU stopped answering ({_in_words(error)}); what was stored is safe. Give the same command again: "
            "it goes on where it stopped"
        ) from error


def _prediction(
    run_id: str,
    block: int,
    asked: Asked,
    evidence: Evidence,
    outcome: Reasoned | str,
    oddity: str | None,
    seconds: float,
    now: datetime,
) -> Prediction:
    entry, question = asked.entry, asked.question
    got = outcome if isinstance(outcome, Reasoned) else None
    status: Literal["answered", "invalid", "failed"] = got.status if got else "failed"
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
        error=None if got else str(outcome),
        initial_option_probabilities=got.initial_option_probabilities if got else {},
        option_probabilities=got.option_probabilities if got else {},
        entropy=tuple(each.entropy for each in got.iterations) if got else (),
        token_entropy=tuple(each.token_entropy for each in got.iterations) if got else (),
        reward=tuple(each.reward for each in got.iterations) if got else (),
        best_iteration=got.best_iteration if got else None,
        descriptions=evidence.descriptions,
        knowledge_dropped=got.knowledge_dropped if got else 0,
        knowledge_cut=got.knowledge_cut if got else False,
        raw_text=got.raw_text if got else None,
        rationale=got.rationale if got else None,
        seconds=seconds,
        created_at=now,
        claims=asked.claims,
        oddity=oddity,
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


def _patches(prediction: Prediction, reasoned: Reasoned) -> list[Patch]:
    return [
        Patch(
            prediction.run_id,
            prediction.block,
            prediction.image_id,
            prediction.question_id,
            each.iteration,
            each.row,
            each.col,
            *each.box,
            score=each.score,
            accepted=each.accepted,
        )
        for each in reasoned.patches
    ]
