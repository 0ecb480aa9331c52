"""The smallest valid rows; a test states the values it is about."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
from pyarrow import feather

from tests.mmad import DECLARED
from warehouse import names, schema, spool
from warehouse.database import Database
from warehouse.queries import facts
from warehouse.records import scoring
from warehouse.records.comparisons import StoredComparison

NOW = datetime(2025, 1, 3, 22, 0, 5, 123456, tzinfo=UTC)
RUN = "20250103T220005123Z-a1b2c3d4"


def archive(**values: Any) -> scoring.Archive:
    return dataclasses.replace(scoring.Archive("archive", "/images", "images", NOW), **values)


def entry(number: int, **values: Any) -> scoring.Entry:
    plain = scoring.Entry(
        image_id=f"image-{number}",
        archive_id="archive",
        path=f"bottle/test/{number:03d}.png",
        content=f"{number:064x}",
        size=1000 + number,
        mtime_ns=number,
        dataset="drawn",
        product="bottle",
        label="good",
        defect=None,
        mask_path=None,
        reference_path=None,
        line=None,
        camera=None,
        captured_at=None,
        seen_at=NOW,
    )
    return dataclasses.replace(plain, **values)


def retrieved(
    description_id: str, revision: int = 1, rank: int = 1, score: float | None = 0.5
) -> scoring.RetrievedDescription:
    dataset, product, entry = names.split(description_id)
    return scoring.RetrievedDescription(description_id, revision, rank, score, dataset, product, entry)


def run(run_id: str = RUN, **values: Any) -> scoring.Run:
    plain = scoring.Run(
        run_id=run_id,
        digest="a1b2c3d4",
        plan="plan",
        archive_id="archive",
        model="embedded",
        demo=True,
        settings='{"method": {"iterations": 10}}',
        knowledge_version=None,
        started_at=NOW,
        finished_at=None,
        state="running",
        message=None,
        planned=10,
        answered=0,
        invalid=0,
        failed=0,
        host="here",
        device="cpu",
        versions="{}",
        timings=scoring.Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        evaluator="segments",
        evaluator_version="weights",
        capabilities=scoring.Capabilities(probabilities=True, attention=True, latents=True, text=True),
        question_set="mmad",
        subtasks=DECLARED,
    )
    return dataclasses.replace(plain, **values)


def prediction(block: int, number: int, run_id: str = RUN, **values: Any) -> scoring.Prediction:
    """Question `number` of a block, two to an image."""
    image = block * 100 + number // 2
    plain = scoring.Prediction(
        run_id=run_id,
        block=block,
        image_id=f"image-{image}",
        image_path=f"bottle/test/{image:03d}.png",
        content=content(run_id, image),
        dataset="drawn",
        product="bottle",
        label="good",
        defect=None,
        line=None,
        camera=None,
        captured_at=None,
        question_id=f"question-{number % 2}",
        subtask="Anomaly Detection" if number % 2 == 0 else "Object Analysis",
        question="Is there any defect in the object?",
        options=(scoring.Option("A", "Yes."), scoring.Option("B", "No.")),
        conditional=False,
        reference_path=None,
        answer="B",
        correct_answer="B",
        status="answered",
        error=None,
        initial_option_probabilities={"A": 0.4, "B": 0.6},
        option_probabilities={"A": 0.125, "B": 0.875},
        entropy=(1.5, 1.25, 1.0 + image / 1000),
        token_entropy=((1.0, 2.0), (1.0, 1.5), (1.0, 1.0)),
        reward=(-0.5, -0.25, 0.0),
        best_iteration=2,
        descriptions=(retrieved("drawn/bottle/crack"),),
        knowledge_dropped=0,
        knowledge_cut=False,
        raw_text=None,
        rationale=None,
        seconds=0.25,
        created_at=NOW,
        claims=("defective", "good") if number % 2 == 0 else None,
        no_defect=None if number % 2 == 0 else (),
    )
    return dataclasses.replace(plain, **values)


def content(run_id: str, image: int) -> str:
    """Every run has pictures of its own."""
    return hashlib.sha256(f"{run_id} {image}".encode()).hexdigest()


def patch(block: int, number: int, run_id: str = RUN, **values: Any) -> scoring.Patch:
    """The patch proposed for `prediction(block, number)`."""
    asked = prediction(block, number, run_id)
    plain = scoring.Patch(run_id, block, asked.image_id, asked.question_id, 1, 2, 3, 0.0, 1.0, 28.0, 29.0, 0.5, True)
    return dataclasses.replace(plain, **values)


def comparison(block: int, image: int, run_id: str = RUN, **values: Any) -> StoredComparison:
    """What comparing says of image `image` of a block."""
    plain = StoredComparison(
        run_id=run_id,
        block=block,
        image_id=f"image-{block * 100 + image}",
        score=0.25 + image / 64,
        rank=3,
        normals=24,
        threshold=0.375,
        claim="good",
        why=None,
        rows=2,
        columns=2,
        area=scoring.Region(0.0, 0.0, 64.0, 48.0),
        marked=scoring.Region(32.0, 0.0, 64.0, 24.0),
        values=(0.125, 0.5, 0.25, 0.0),
        nearest=("normal-1", "normal-2"),
    )
    return dataclasses.replace(plain, **values)


def comparisons_of(data: Path, run_id: str) -> list[StoredComparison]:
    """All that is stored of a run, in the plan's order."""
    return Database(data).records(
        StoredComparison, "SELECT * FROM comparisons WHERE run_id = ? ORDER BY block, rowid", [run_id]
    )


def facts_of(*predictions: scoring.Prediction) -> pl.DataFrame:
    """The facts of predictions, in their order."""
    found, _ = facts.of(schema.table(scoring.Prediction, predictions))
    return cast(pl.DataFrame, pl.from_arrow(found))


def cells_of(*predictions: scoring.Prediction) -> pl.DataFrame:
    """Their cells, of images none of which shares its cluster."""
    _, found = facts.of(schema.table(scoring.Prediction, predictions))
    return cast(pl.DataFrame, pl.from_arrow(found)).with_columns(cluster_id=pl.lit(None, pl.String))


def write_part(data: Path, block: int, run_id: str = RUN, questions: int = 6) -> Path:
    """Spool a block: its predictions, a patch for each, its images' vectors, comparisons and patches."""
    predictions = [prediction(block, number, run_id) for number in range(questions)]
    contents = sorted({row.content for row in predictions})
    return spool.write_part(
        data,
        run_id,
        block,
        predictions,
        [patch(block, number, run_id) for number in range(questions)],
        [scoring.ImageVector(each, "encoder@1", image_vector(each)) for each in contents],
        [scoring.PatchVector(each, "model@1", 2, 3, (0.5, 0.25)) for each in contents],
        [comparison(block, image, run_id) for image in range((questions + 1) // 2)],
    )


def without_manifest(part: Path) -> Path:
    """The part as a release wrote it that knew no manifests."""
    (part / "manifest.json").unlink()
    for file in part.glob("*.arrow"):
        table = feather.read_table(file, memory_map=False).replace_schema_metadata(None)
        feather.write_feather(table, file, compression="uncompressed")
    return part


def image_vector(of: str) -> tuple[float, ...]:
    """A vector that says which content it is of."""
    return (1.0, float(int(of, 16) % 1000), 0.5)


def description(entry: str, revision: int = 1, **values: Any) -> scoring.Description:
    plain = scoring.Description(
        description_id=f"drawn/bottle/{entry}",
        revision=revision,
        dataset="drawn",
        product="bottle",
        entry=entry,
        text=f"A {entry} is a dark line.",
        state="published",
        author="someone",
        reason="import",
        created_at=NOW,
    )
    return dataclasses.replace(plain, **values)
