"""The product's own way on drawn images: retrieval, engine, latent loop, as `workbench score` runs them.

`evaluate` measures many arms with the training's forward, which is fast; this measures the full method itself, from
pixels of 504 x 504, and what its loop changed. Image i of a seed is the same in both.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from training import retrieval
from training.data import CELLS, HIT
from training.evaluate import Answers
from workbench.embedded import drawn_world, questions
from workbench.embedded.draw import Drawing, draw
from workbench.embedded.dual_encoder import EmbeddedEncoder
from workbench.embedded.questions import LETTERS, SUBTASKS, Choice
from workbench.model import backbone, latent
from workbench.model.case import Case, Picture, Reasoned
from workbench.model.method import Method
from workbench.model.segmented_engine import SegmentedEngine

_TEXTS = 3
_ABOUT_THE_OBJECT = ("Object Classification", "Object Analysis")


@dataclass(frozen=True, slots=True)
class Told:
    """One answer, as the slice that a test reproduces keeps it."""

    image: int
    subtask: str
    answer: str
    right: bool
    probability: float  # of the answer


@dataclass(frozen=True, slots=True)
class Hits:
    """Accepted patches of questions about a defect."""

    accepted: int
    on_defect: int
    expected: float  # how many of as many random patches would lie on the defect


@dataclass(frozen=True, slots=True)
class MethodFindings:
    """The full method on a set of drawn images."""

    hard: npt.NDArray[np.bool_]  # (images, 3): defective, tiny, faint
    before: Answers  # read from the start state
    after: Answers  # read from the best state
    hits: Hits
    wall_seconds: float  # per question, median over images; drawing excluded
    core_seconds: float  # the same in seconds of one core
    told: tuple[Told, ...]

    @property
    def images(self) -> int:
        """How many were asked about."""
        return len(self.hard)


def run(
    folder: Path, images: int, seed: int, method: Method, progress: Callable[[int], None] = lambda _: None
) -> MethodFindings:
    """Ask all subtasks of freshly drawn images, one-shot, with the three best texts of the released knowledge.

    One torch thread, whatever was set before: seconds are seconds of one core.
    """
    torch.set_num_threads(1)
    engine = SegmentedEngine(backbone.load(folder, device="cpu", dtype="float32"))
    encoder = EmbeddedEncoder(folder)
    texts = [drawn_world.knowledge_text(product, entry) for product, entry in retrieval.ENTRIES]
    index = encoder.encode_texts(texts)
    hard, rows, told, hits = [], [], [], []
    seconds = []
    for number in range(images):
        drawing, reference, choices = question_case(seed, number)
        hard.append((drawing.facets.defect is not None, drawing.tiny, drawing.faint))
        query = picture(drawing)
        wall, core = time.perf_counter(), time.process_time()
        known = nearest(encoder, index, texts, query)
        cases = [_case(f"{number}-{at}", query, reference, known, choice) for at, choice in enumerate(choices)]
        results = latent.reason(engine, cases, method)
        seconds.append(((time.perf_counter() - wall) / len(cases), (time.process_time() - core) / len(cases)))
        hits.append(_hits(drawing, choices, results))
        for choice, result in zip(choices, results, strict=True):
            right = LETTERS[choice.right]
            rows.append([_row(number, choice, result, right, when) for when in ("before", "after")])
            told.append(_told(number, choice, result, right))
        progress(number + 1)
    table = np.array(rows, np.float64)  # (questions, before and after, columns)
    typical = np.median(np.array(seconds), 0)
    return MethodFindings(
        hard=np.array(hard, np.bool_),
        before=_answers(table[:, 0]),
        after=_answers(table[:, 1]),
        hits=Hits(*(sum(column) for column in zip(*hits, strict=True))),
        wall_seconds=float(typical[0]),
        core_seconds=float(typical[1]),
        told=tuple(told),
    )


def question_case(seed: int, number: int) -> tuple[Drawing, Picture, list[Choice]]:
    """Image `number` of a seed, a normal reference of its product, and a question of every subtask that fits it."""
    rng = np.random.default_rng([seed, number])
    drawing = draw(rng)
    reference = picture(draw(rng, drawing.facets.product, good=True))
    asked = [questions.ask(rng, subtask, drawing.facets, drawn_world.RELEASED_FACTS) for subtask in SUBTASKS]
    return drawing, reference, [choice for choice in asked if choice is not None]


def picture(drawing: Drawing) -> Picture:
    """The drawing as the engine takes it."""
    return Picture(hashlib.sha256(drawing.image.tobytes()).hexdigest(), Image.fromarray(drawing.image))


def nearest(encoder: EmbeddedEncoder, index: Tensor, texts: Sequence[str], query: Picture) -> tuple[str, ...]:
    """The texts nearest to the picture, best first."""
    scores = (encoder.encode_images([query.image]) @ index.T)[0]
    return tuple(texts[i] for i in scores.argsort(descending=True)[:_TEXTS].tolist())


def _case(key: str, query: Picture, reference: Picture, known: tuple[str, ...], choice: Choice) -> Case:
    options = tuple(zip(LETTERS, (f"{text}." for text in choice.options), strict=False))
    return Case(key, query, reference, known, choice.question, options)


def _row(number: int, choice: Choice, result: Reasoned, right: str, when: str) -> list[float]:
    """One row of `Answers`: from the start state, or from the best one."""
    chances = result.initial_option_probabilities if when == "before" else result.option_probabilities
    chosen = max(chances, key=lambda letter: chances[letter])
    values = np.array(list(chances.values()))
    entropy = -float((values * np.log(np.maximum(values, 1e-12))).sum())
    at = 0 if when == "before" else result.best_iteration
    latent_entropy = result.iterations[at].entropy if at is not None and result.iterations else float("nan")
    return [number, SUBTASKS.index(choice.subtask), chosen == right, chances[chosen], entropy, latent_entropy]


def _answers(table: npt.NDArray[np.float64]) -> Answers:
    whole = table[:, :2].astype(np.int64)
    return Answers(whole[:, 0], whole[:, 1], table[:, 2] > 0, table[:, 3], table[:, 4], table[:, 5])


def _told(number: int, choice: Choice, result: Reasoned, right: str) -> Told:
    answer = result.answer or ""
    return Told(number, choice.subtask, answer, answer == right, round(result.option_probabilities.get(answer, 0.0), 4))


def _hits(drawing: Drawing, choices: Sequence[Choice], results: Sequence[Reasoned]) -> tuple[int, int, float]:
    side = drawing.mask.shape[0] // CELLS
    hit: npt.NDArray[Any] = (drawing.mask > 0).reshape(CELLS, side, CELLS, side).mean((1, 3)) > HIT
    if not hit.any():
        return 0, 0, 0.0
    accepted = [
        patch
        for choice, result in zip(choices, results, strict=True)
        if choice.subtask not in _ABOUT_THE_OBJECT
        for patch in result.patches
        if patch.accepted
    ]
    return len(accepted), sum(bool(hit[patch.row, patch.col]) for patch in accepted), len(accepted) * float(hit.mean())
