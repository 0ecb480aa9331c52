"""A small warehouse for the pages' tests: drawn plates with a scratch, and runs over them, stored through the Store.

Answers and traces are made up but of the shape a run stores; every way a prediction can end is there once.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl
from PIL import Image, ImageDraw

from tests.mmad import DECLARED
from tests.warehouse import raw
from warehouse import spool
from warehouse.database import FILE, Database
from warehouse.identity import evidence_id
from warehouse.ingest import ingest
from warehouse.queries import rollups
from warehouse.queries.facts import OUTCOMES
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.scoring import (
    Archive,
    Capabilities,
    Description,
    Entry,
    KnowledgeMember,
    KnowledgeVersion,
    Option,
    Patch,
    Prediction,
    RetrievedDescription,
    Run,
    RunState,
    Timings,
)
from warehouse.store import Store
from workbench.archive.questions import question_of

SIDE = 168  # pixels
GRID = 6  # patches per side
STARTED = datetime(2025, 1, 3, 22, 0, 5, tzinfo=UTC)
QUESTIONS = (
    ("Anomaly Detection", "Is there any defect in the object?", ("Yes.", "No.")),
    ("Defect Classification", "What is the type of the defect?", ("Scratch.", "Stain.", "Hole.", "No defect.")),
    ("Defect Localization", "Where is the defect?", ("Top left.", "Centre.", "Bottom right.", "Nowhere.")),
    ("Object Classification", "What kind of product is in the image?", ("Plate.", "Nut.", "Bottle.", "Capsule.")),
)
TEXTS = {
    "good": "A grey plate, evenly brushed. Faint horizontal lines are normal.",
    "scratch": "A thin bright line across the brushing, straight, often from the middle towards a corner.",
    "stain": "A dark <b>round</b> spot with a soft edge.",
}


@dataclass(frozen=True)
class Seeded:
    """What was stored."""

    store: Store
    archive: Archive
    entries: Sequence[Entry]
    run: Run


def identity(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def question_id(question: int) -> str:
    """As a run makes it."""
    return question_of(*QUESTIONS[question]).question_id


@cache
def reference_content() -> str:
    """Of the archive's one reference."""
    return hashlib.sha256(as_png(plate(random.Random(7)))).hexdigest()


def plate(chance: random.Random) -> Image.Image:
    """A good one."""
    drawn = Image.new("RGB", (SIDE, SIDE), (126, 130, 134))
    pen = ImageDraw.Draw(drawn)
    for y in range(0, SIDE, 3):
        pen.line((0, y, SIDE, y), fill=(126 + chance.randrange(-6, 6),) * 3)
    return drawn


def as_png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def draw_archive(root: Path, images: int) -> list[Entry]:
    """Plates in MVTec's layout: good ones, and every second with a scratch and its mask."""
    chance = random.Random(7)
    entries = []
    archive_id = identity("plates")[:16]
    for number in range(-1, images):  # -1 is the reference
        defective = number >= 0 and number % 2 == 1
        folder = "train/good" if number < 0 else "test/scratch" if defective else "test/good"
        path = f"plate/{folder}/{max(number, 0):03d}.png"
        drawn = plate(chance)
        pen = ImageDraw.Draw(drawn)
        mask_path = None
        if defective:
            mask_path = f"plate/ground_truth/scratch/{number:03d}_mask.png"
            line = (50, 60 + number % 20, 120, 96 + number % 30)
            pen.line(line, fill=(226, 226, 220), width=3)
            mask = Image.new("L", (SIDE, SIDE))
            ImageDraw.Draw(mask).line(line, fill=255, width=7)
            (root / mask_path).parent.mkdir(parents=True, exist_ok=True)
            mask.save(root / mask_path)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(as_png(drawn))
        content = hashlib.sha256((root / path).read_bytes()).hexdigest()
        entries.append(
            Entry(
                image_id=identity(f"{archive_id}{path}{content}"),
                archive_id=archive_id,
                path=path,
                content=content,
                size=(root / path).stat().st_size,
                mtime_ns=(root / path).stat().st_mtime_ns,
                dataset="drawn",
                product="plate",
                label="defective" if defective else "good",
                defect="scratch" if defective else None,
                mask_path=mask_path,
                reference_path=None,
                line=None,
                camera=None,
                captured_at=None,
                seen_at=STARTED,
            )
        )
    return entries[1:]


def a_run(
    archive_id: str, planned: int, state: RunState = "finished", at: datetime = STARTED, **changes: object
) -> Run:
    """A run of the embedded model at its defaults."""
    run = Run(
        run_id=f"{at:%Y%m%dT%H%M%S}000Z-a1b2c3d4",
        digest="a1b2c3d4e5f60718",
        plan="0123456789abcdef",
        archive_id=archive_id,
        model="embedded",
        demo=True,
        settings=json.dumps(
            {"iterations": 10, "think_tokens": 4, "knowledge": "retrieved", "references": None, "rationale": False}
        ),
        knowledge_version="k-drawn",
        started_at=at,
        finished_at=None if state == "running" else at + timedelta(seconds=41),
        state=state,
        message=None,
        planned=planned,
        answered=0,
        invalid=0,
        failed=0,
        host="bench-1",
        device="cpu, 2 threads",
        versions=json.dumps({"python": "3.11", "torch": "2.13.0", "workbench": "0.1.0"}),
        timings=Timings(1.1, 4.2, 6.4, 21.7, 1.9, 0.6) if state != "running" else Timings(0, 0, 0, 0, 0, 0),
        evaluator="segments",
        evaluator_version="weights",
        capabilities=Capabilities(probabilities=True, attention=True, latents=True, text=True),
        question_set="mmad",
        subtasks=DECLARED,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def a_case(run_id: str, entry: Entry, question: int, block: int = 0) -> tuple[Prediction, list[Patch]]:
    """A plausible answered question with its patches; mostly right, the same every time."""
    subtask, text, choices = QUESTIONS[question]
    chance = random.Random(f"{entry.path}{question}")
    defective = entry.label == "defective"
    correct = ("A" if defective else "B", "A" if defective else "D", "B" if defective else "D", "A")[question]
    letters = [chr(65 + place) for place in range(len(choices))]
    answer = correct if chance.random() < 0.75 else chance.choice([one for one in letters if one != correct])
    peak = chance.uniform(0.5, 0.97)
    after = {one: peak if one == answer else (1 - peak) / (len(letters) - 1) for one in letters}
    before = {one: 0.6 * share + 0.4 / len(letters) for one, share in after.items()}
    tokens = [
        tuple(1.2 * math.exp(-0.18 * step) + 0.25 * chance.random() + 0.1 * token for token in range(4))
        for step in range(11)
    ]
    entropy = [sum(step) / 4 for step in tokens]
    best = min(range(11), key=entropy.__getitem__)
    descriptions = tuple(
        RetrievedDescription(f"drawn/plate/{name}", 1, rank, score, "drawn", "plate", name)
        for rank, (name, score) in enumerate((("scratch", 0.71), ("good", 0.55), ("stain", 0.31)), 1)
    )
    prediction = Prediction(
        run_id=run_id,
        block=block,
        image_id=entry.image_id,
        image_path=entry.path,
        content=entry.content,
        dataset=entry.dataset,
        product=entry.product,
        label=entry.label,
        defect=entry.defect,
        line=None,
        camera=None,
        captured_at=None,
        question_id=question_id(question),
        subtask=subtask,
        question=text,
        options=tuple(Option(one, choice) for one, choice in zip(letters, choices, strict=True)),
        conditional=question in (1, 2),
        reference_path="plate/train/good/000.png",
        answer=answer,
        correct_answer=correct,
        status="answered",
        error=None,
        initial_option_probabilities=before,
        option_probabilities=after,
        entropy=tuple(entropy),
        token_entropy=tuple(tokens),
        reward=tuple(1 - value for value in entropy),
        best_iteration=best,
        descriptions=descriptions,
        evidence_id=evidence_id(reference_content(), descriptions),
        knowledge_dropped=0,
        knowledge_cut=False,
        raw_text=None,
        rationale=None,
        seconds=0.4,
        created_at=STARTED,
    )
    return prediction, _patches(prediction, chance)


def _patches(prediction: Prediction, chance: random.Random) -> list[Patch]:
    """Eight proposals in the first iterations; every second iteration's are accepted; most near the middle."""
    size = SIDE / GRID
    patches = []
    for iteration in range(1, 5):
        for _ in range(2):
            row, col = (
                chance.choice([2, 2, 3, 3, chance.randrange(GRID)]),
                chance.choice([2, 3, 3, chance.randrange(GRID)]),
            )
            box = (col * size, row * size, (col + 1) * size, (row + 1) * size)
            score = chance.uniform(0.02, 0.3)
            accepted = iteration % 2 == 1
            patches.append(
                Patch(
                    prediction.run_id,
                    0,
                    prediction.image_id,
                    prediction.question_id,
                    iteration,
                    row,
                    col,
                    *box,
                    score,
                    accepted,
                )
            )
    return patches


def failed(prediction: Prediction, error: str) -> Prediction:
    """The same question where its image could not be read."""
    return replace(
        prediction,
        status="failed",
        error=error,
        answer=None,
        initial_option_probabilities={},
        option_probabilities={},
        entropy=(),
        token_entropy=(),
        reward=(),
        best_iteration=None,
        descriptions=(),
        evidence_id=evidence_id(reference_content(), ()),
    )


def invalid(prediction: Prediction, text: str) -> Prediction:
    """The same question where the model wrote something that names no option."""
    return replace(
        prediction,
        status="invalid",
        answer=None,
        raw_text=text,
        option_probabilities={},
        initial_option_probabilities={},
    )


def store_knowledge(store: Store) -> None:
    """Three texts, published as `k-drawn`."""
    texts = [
        Description(f"drawn/plate/{name}", 1, "drawn", "plate", name, text, "published", "seed", "first", STARTED)
        for name, text in TEXTS.items()
    ]
    members = tuple(KnowledgeMember(text.description_id, 1) for text in texts)
    raw.store_knowledge(store.data, texts, KnowledgeVersion("k-drawn", members, STARTED))


def without_think_tokens(data: Path) -> None:
    """All runs of the warehouse become those of a model that answered without."""
    with Database(data)._transaction() as con:
        con.execute(
            "UPDATE runs SET capabilities = {'probabilities': true, 'attention': false, 'latents': false, 'text': true}"
        )


def store_run(store: Store, run: Run, predictions: Sequence[Prediction], patches: Sequence[Patch]) -> None:
    """A run and all its rows in one block."""
    store.open_run(run)
    spool.write_part(store.data, run.run_id, 0, predictions, patches, [], [])
    ingest(store)


def seed(data: Path, images: int = 12, state: RunState = "finished") -> Seeded:
    """An archive of plates and one run over it, with one failed image and one unread answer.

    A process makes each kind once; an empty folder gets a copy, and is told where its archive lies.
    """
    if (data / FILE).exists():  # a copy would replace what it holds
        entries, run = _filled(data, images, state)
        return Seeded(Store(data), _archive(data, entries), entries, run)
    made = _made(images, state)
    for name, (content, mtime_ns) in made.files.items():
        file = data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(mtime_ns, mtime_ns))
    store, archive = Store(data), _archive(data, made.entries)
    store.register_archive(archive)
    return Seeded(store, archive, made.entries, made.run)


def _archive(data: Path, entries: Sequence[Entry]) -> Archive:
    return Archive(entries[0].archive_id, str((data / "archive").resolve()), "plates", STARTED)


@dataclass(frozen=True)
class _Made:
    """What a seeded folder holds."""

    files: dict[Path, tuple[bytes, int]]  # content and time of change, by the path within the folder
    entries: Sequence[Entry]
    run: Run


@cache
def _made(images: int, state: RunState) -> _Made:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        entries, run = _filled(data, images, state)
        files = [file for file in data.rglob("*") if file.is_file()]
        return _Made(
            {file.relative_to(data): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}, entries, run
        )


def _filled(data: Path, images: int, state: RunState) -> tuple[Sequence[Entry], Run]:
    """The archive and its run made in a folder, beside what that holds."""
    store = Store(data)
    entries = draw_archive(data / "archive", images)
    store.register_archive(_archive(data, entries))
    store.upsert_entries(entries[0].archive_id, entries)
    store_knowledge(store)
    run = a_run(entries[0].archive_id, images * len(QUESTIONS), state)
    store_run(store, run, *_answers(run, entries))
    return entries, run


def _answers(run: Run, entries: Sequence[Entry]) -> tuple[list[Prediction], list[Patch]]:
    """Of all questions about all images: the last image failed, one answer about the first could not be read."""
    predictions: list[Prediction] = []
    patches: list[Patch] = []
    for entry in entries:
        for question in range(len(QUESTIONS)):
            prediction, proposed = a_case(run.run_id, entry, question)
            if entry is entries[-1]:
                prediction, proposed = failed(prediction, "truncated: the file ends before the picture does"), []
            elif entry is entries[0] and question == 1:
                prediction = invalid(prediction, "It looks <i>fine</i> to me.")
            predictions.append(prediction)
            patches += proposed
    return predictions, patches


def worst_first(seeded: Seeded) -> pl.DataFrame:
    """The run's cases as pages list them: by outcome, worst first, then by entropy, highest first."""
    cases = Rollups(seeded.store.data).facts(Selection(seeded.run.run_id), (*rollups.ANALYSED, "settled_entropy"))
    order = pl.col("outcome").cast(pl.Enum(OUTCOMES))
    return cases.sort(order, -pl.col("settled_entropy").fill_null(0.0), "image_path", "question_id")


def unlabelled(prediction: Prediction) -> Prediction:
    """The same question where nobody knows the answer."""
    return replace(prediction, label=None, defect=None, correct_answer=None)


def renamed(prediction: Prediction, question_id: str) -> Prediction:
    """The same answer to another question."""
    return replace(prediction, question_id=question_id)
