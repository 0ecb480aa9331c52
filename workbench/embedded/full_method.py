"""The product's own way on drawn images: retrieval, engine, latent loop, as `workbench score` runs them.

`evaluate` measures many arms with the training's forward, which is fast; this measures the full method once, and what
its loop changed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from workbench.embedded import questions, train_retrieval, world
from workbench.embedded.data import CELLS, HIT
from workbench.embedded.draw import Drawing, draw
from workbench.embedded.dual_encoder import EmbeddedEncoder
from workbench.embedded.questions import LETTERS, SUBTASKS
from workbench.model import backbone, latent
from workbench.model.case import Case, Picture, Reasoned
from workbench.model.method import Method
from workbench.model.segments import SegmentedEngine

_TEXTS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the method did with one question."""

    subtask: int
    before: bool  # right from the start state
    after: bool  # right from the best state
    entropy: tuple[float, float]  # nats per latent: at the start, at the best state
    patches_on_defect: int
    patches: int  # accepted, on questions about a defect
    chance: float  # share of the image's cells that are defective


@dataclass(frozen=True, slots=True)
class MethodFindings:
    """The full method on a set of drawn images."""

    images: int
    seconds_per_question: float
    outcomes: tuple[Outcome, ...]

    @property
    def fixed(self) -> int:
        """Wrong before the loop, right after."""
        return sum(outcome.after and not outcome.before for outcome in self.outcomes)

    @property
    def broken(self) -> int:
        """Right before the loop, wrong after."""
        return sum(outcome.before and not outcome.after for outcome in self.outcomes)

    @property
    def patch_hits(self) -> tuple[float, float]:
        """Share of accepted patches on the defect, and what chance would hit, over the same patches."""
        accepted = sum(outcome.patches for outcome in self.outcomes)
        if accepted == 0:
            return float("nan"), float("nan")
        hit = sum(outcome.patches_on_defect for outcome in self.outcomes) / accepted
        return hit, sum(outcome.patches * outcome.chance for outcome in self.outcomes) / accepted


def run(
    folder: Path, images: int, seed: int, method: Method, progress: Callable[[int], None] = lambda _: None
) -> MethodFindings:
    """Ask all subtasks of freshly drawn images, one-shot, with the three best texts of the released knowledge."""
    body = backbone.load(folder, device="cpu", dtype="float32")
    encoder = EmbeddedEncoder(folder)
    entries = train_retrieval.ENTRIES
    texts = [world.knowledge_text(product, entry) for product, entry in entries]
    index = encoder.encode_texts(texts)
    outcomes: list[Outcome] = []
    started = time.monotonic()
    for number in range(images):
        rng = np.random.default_rng([seed, number])
        drawing = draw(rng)
        reference = _picture(draw(rng, drawing.facets.product, good=True))
        query = _picture(drawing)
        scores = (encoder.encode_images([query.image]) @ index.T)[0]
        known = tuple(texts[i] for i in scores.argsort(descending=True)[:_TEXTS].tolist())
        asked = [questions.ask(rng, subtask, drawing.facets, world.RELEASED_FACTS) for subtask in SUBTASKS]
        choices = [choice for choice in asked if choice is not None]
        cases = [
            Case(
                f"{number}-{place}",
                query,
                reference,
                known,
                choice.question,
                tuple(zip(LETTERS, (f"{text}." for text in choice.options), strict=False)),
            )
            for place, choice in enumerate(choices)
        ]
        results = latent.reason(SegmentedEngine(body), cases, method)
        outcomes += _outcomes(drawing, choices, results)
        progress(number + 1)
    return MethodFindings(images, (time.monotonic() - started) / len(outcomes), tuple(outcomes))


def _picture(drawing: Drawing) -> Picture:
    return Picture(hashlib.sha256(drawing.image.tobytes()).hexdigest(), Image.fromarray(drawing.image))


def _outcomes(drawing: Drawing, choices: Sequence[questions.Choice], results: Sequence[Reasoned]) -> list[Outcome]:
    side = drawing.mask.shape[0] // CELLS
    hit: npt.NDArray[np.bool_] = (drawing.mask > 0).reshape(CELLS, side, CELLS, side).mean((1, 3)) > HIT
    found = []
    for choice, result in zip(choices, results, strict=True):
        right = LETTERS[choice.right]
        start = result.initial_option_probabilities
        about = hit.any() and choice.subtask not in ("Object Classification", "Object Analysis")
        accepted = [patch for patch in result.patches if patch.accepted] if about else []
        best = result.iterations[result.best_iteration or 0].entropy if result.iterations else float("nan")
        first = result.iterations[0].entropy if result.iterations else float("nan")
        found.append(
            Outcome(
                SUBTASKS.index(choice.subtask),
                max(start, key=lambda letter: start[letter]) == right,
                result.answer == right,
                (first, best),
                sum(bool(hit[patch.row, patch.col]) for patch in accepted),
                len(accepted),
                float(hit.mean()),
            )
        )
    return found
