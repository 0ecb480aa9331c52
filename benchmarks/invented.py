"""Rows as a scoring run writes them, with invented values: for the benchmarks that need many."""

from __future__ import annotations

import functools
import random
from datetime import UTC, datetime
from typing import NamedTuple

from warehouse.records import scoring
from workbench.question_sets import MMAD, built_in

ITERATIONS, TOKENS, QUESTIONS_PER_IMAGE, DIM = 11, 4, 5, 384
SUBTASKS = ("Anomaly Detection", "Defect Classification", "Defect Localization", "Object Analysis")
RUN = "20250103T220005123Z-a1b2c3d4"


class Block(NamedTuple):
    """What `spool.write_part` takes."""

    predictions: list[scoring.Prediction]
    patches: list[scoring.Patch]
    image_vectors: list[scoring.ImageVector]
    patch_vectors: list[scoring.PatchVector]


def a_run() -> scoring.Run:
    """A run with invented settings."""
    return scoring.Run(
        run_id=RUN,
        digest="a1b2c3d4",
        plan="plan",
        archive_id="archive",
        model="embedded",
        demo=True,
        settings="{}",
        knowledge_version=None,
        started_at=datetime.now(UTC),
        finished_at=None,
        state="running",
        message=None,
        planned=0,
        answered=0,
        invalid=0,
        failed=0,
        host="benchmark",
        device="cpu",
        versions="{}",
        timings=scoring.Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        evaluator="segments",
        evaluator_version="weights",
        capabilities=scoring.Capabilities(probabilities=True, attention=True, latents=True, text=True),
        question_set="mmad",
        subtasks=built_in(MMAD).subtasks,
    )


def a_block(block: int, questions: int, patches: int = 20) -> Block:
    """One block: five questions an image, so many proposed patches a question, a fifth of them accepted."""
    rng = random.Random(block)
    predictions = [a_prediction(block, block * questions + number, rng) for number in range(questions)]
    proposed = [
        scoring.Patch(
            run_id=RUN,
            block=block,
            image_id=prediction.image_id,
            question_id=prediction.question_id,
            iteration=1 + number * (ITERATIONS - 1) // patches,
            row=rng.randrange(16),
            col=rng.randrange(16),
            x0=0.0,
            y0=0.0,
            x1=28.0,
            y1=28.0,
            score=rng.random(),
            accepted=rng.random() < 0.2,
        )
        for prediction in predictions
        for number in range(patches)
    ]
    contents = {prediction.image_id: prediction.content for prediction in predictions}
    accepted = {(contents[patch.image_id], patch.row, patch.col) for patch in proposed if patch.accepted}
    return Block(
        predictions,
        proposed,
        [scoring.ImageVector(content, "encoder@1", rng.choice(_vectors())) for content in contents.values()],
        [scoring.PatchVector(content, "model@1", r, c, rng.choice(_vectors())) for content, r, c in sorted(accepted)],
    )


def a_prediction(block: int, number: int, rng: random.Random) -> scoring.Prediction:
    """One of five questions about one image, with a whole trace."""
    image = number // QUESTIONS_PER_IMAGE
    entropy = tuple(rng.random() for _ in range(ITERATIONS))
    return scoring.Prediction(
        run_id=RUN,
        block=block,
        image_id=f"{image * 2654435761 % 2**64:016x}",
        image_path=f"bottle/test/crack/{image:06d}.png",
        content=f"{image * 11400714819323198485 % 2**256:064x}",
        dataset="drawn",
        product="bottle",
        label="defective",
        defect="crack",
        line="1",
        camera="2",
        captured_at=datetime.now(UTC),
        question_id=f"{number % 40:016x}",
        subtask=SUBTASKS[number % len(SUBTASKS)],
        question="Is there any defect in the object?",
        options=(scoring.Option("A", "Yes."), scoring.Option("B", "No.")),
        conditional=False,
        reference_path="bottle/train/good/000.png",
        answer="A",
        correct_answer=rng.choice("AB"),
        status="answered",
        error=None,
        initial_option_probabilities={"A": rng.random(), "B": rng.random()},
        option_probabilities={"A": rng.random(), "B": rng.random()},
        entropy=entropy,
        token_entropy=tuple(tuple(rng.random() for _ in range(TOKENS)) for _ in range(ITERATIONS)),
        reward=tuple(1 - value for value in entropy),
        best_iteration=rng.randrange(ITERATIONS),
        descriptions=tuple(
            scoring.RetrievedDescription(f"drawn/bottle/{rank}", 1, rank, rng.random(), "drawn", "bottle", str(rank))
            for rank in range(1, 5)
        ),
        knowledge_dropped=0,
        knowledge_cut=False,
        raw_text=None,
        rationale=None,
        seconds=rng.random(),
        created_at=datetime.now(UTC),
    )


@functools.cache
def _vectors() -> list[tuple[float, ...]]:
    """A few vectors to choose from: making a new one for every row would take longer than what is measured."""
    rng = random.Random(0)
    return [tuple(rng.gauss(0.0, 1.0) for _ in range(DIM)) for _ in range(200)]
