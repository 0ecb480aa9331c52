"""How many predictions a second `workbench ingest` moves from spool parts into the warehouse.

    python -m benchmarks.ingest --parts 100 [--output benchmarks/results/ingest.json]

Parts are what a scoring run writes: 1,000 questions on 200 images, each with a trace of 11 iterations and 4 think
tokens. Three times: predictions alone; with 20 proposed patches each; with these, a vector per image and a vector per
accepted patch as well. Writing the parts is not timed: there the model takes the time. Processor seconds are given
beside wall-clock seconds because they say the same on a busy machine.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from warehouse import records, spool
from warehouse.ingest import ingest
from warehouse.store import Store
from warehouse.vectors import Vectors

ITERATIONS, TOKENS, QUESTIONS_PER_IMAGE = 11, 4, 5
SUBTASKS = ("Anomaly Detection", "Defect Classification", "Defect Localization", "Object Analysis")
RUN = "20250103T220005123Z-a1b2c3d4"


def main() -> None:
    """Write the parts, time the ingest, print and store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000, help="predictions in a part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()

    import lancedb  # noqa: F401  importing it takes longer than moving a part, and a process does it once

    figures = {
        "predictions": measure(args.parts, args.rows, patches=0, dim=0, seed=args.seed),
        "predictions_and_patches": measure(args.parts, args.rows, patches=20, dim=0, seed=args.seed),
        "predictions_patches_and_vectors": measure(args.parts, args.rows, patches=20, dim=384, seed=args.seed),
    }
    machine.report(figures, args.output)


def measure(parts: int, rows: int, patches: int, dim: int, seed: int) -> dict[str, float]:
    """Figures of one ingest of freshly written parts."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        store = Store(data)
        store.open_run(a_run(parts * rows))
        for block in range(parts):
            write(data, block, rows, patches, dim, rng)
        size = sum(file.stat().st_size for part in spool.pending(data) for file in part.iterdir())
        wall, cpu = time.perf_counter(), time.process_time()
        done = ingest(store)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        vectors = sum(Vectors(data).counts()["rows"])
    return {
        "parts": done.parts,
        "predictions": done.predictions,
        "patches": done.patches,
        "vectors": vectors,
        "spool_megabytes": round(size / 1e6, 1),
        "wall_seconds": round(wall, 2),
        "processor_seconds": round(cpu, 2),
        "predictions_per_second": round(done.predictions / wall),
        "predictions_per_processor_second": round(done.predictions / cpu),
    }


def a_run(planned: int) -> records.Run:
    """A run with invented settings."""
    return records.Run(
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
        planned=planned,
        answered=0,
        invalid=0,
        failed=0,
        host="benchmark",
        device="cpu",
        versions="{}",
        timings=records.Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    )


def write(data: Path, block: int, rows: int, patches: int, dim: int, rng: random.Random) -> None:
    """Spool one block of invented predictions."""
    predictions = [a_prediction(block, block * rows + row, rng) for row in range(rows)]
    proposed = [
        records.Patch(
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
    spool.write_part(
        data,
        RUN,
        block,
        predictions,
        proposed,
        [records.ImageVector(content, "encoder@1", a_vector(dim, rng)) for content in contents.values() if dim],
        [records.PatchVector(content, "model@1", r, c, a_vector(dim, rng)) for content, r, c in accepted if dim],
    )


def a_prediction(block: int, number: int, rng: random.Random) -> records.Prediction:
    """One of five questions about one image, with a whole trace."""
    image = number // QUESTIONS_PER_IMAGE
    entropy = tuple(rng.random() for _ in range(ITERATIONS))
    return records.Prediction(
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
        options=(records.Option("A", "Yes."), records.Option("B", "No.")),
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
            records.RetrievedDescription(f"drawn/bottle/{rank}", 1, rank, rng.random()) for rank in range(1, 5)
        ),
        knowledge_dropped=0,
        knowledge_cut=False,
        raw_text=None,
        rationale=None,
        seconds=rng.random(),
        created_at=datetime.now(UTC),
    )


def a_vector(dim: int, rng: random.Random) -> tuple[float, ...]:
    """A random vector."""
    return tuple(rng.gauss(0.0, 1.0) for _ in range(dim))


if __name__ == "__main__":
    main()
