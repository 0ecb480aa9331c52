"""A warehouse with a story: a week ago detection was fine, last night it fell, and there is one cause to be found.

Two runs over drawn images of six products with all seven subtasks. In the second one, drug capsules under camera A2
got another product's description, and their detection answers are mostly wrong; nothing else changed. Pictures, masks
and questions are the drawn archive's, its images under several names each; answers, traces and patches are made up.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from tests.pages import seed
from tests.warehouse import raw, rows
from warehouse import spool
from warehouse.identity import evidence_id
from warehouse.ingest import ingest
from warehouse.records.scoring import (
    Archive,
    Description,
    Entry,
    ImageVector,
    KnowledgeMember,
    KnowledgeVersion,
    Option,
    Patch,
    Prediction,
    Run,
)
from warehouse.store import Store
from workbench.archive.questions import question_of
from workbench.archive.references import Reference
from workbench.archive.scan import content_of
from workbench.embedded.archive import draw_archive

BEFORE = datetime(2026, 1, 12, 22, 0, 5, tzinfo=UTC)
LAST_NIGHT = BEFORE + timedelta(days=7)
PRODUCT, CAMERA, WRONG_TEXT = "drug_capsule", "A2", "Drawn/hex_nut/good"
GRID = 8
"""Patches per side."""
_RIGHT = {
    "Anomaly Detection": 0.93,
    "Defect Localization": 0.74,
    "Defect Description": 0.8,
    "Object Classification": 0.97,
}


@dataclass(frozen=True)
class Story:
    """What was stored."""

    store: Store
    archive: Archive
    entries: Sequence[Entry]
    before: Run
    last_night: Run


def tell(data: Path, drawn: int = 36, copies: int = 8) -> Story:
    """Store both runs.

    Args:
        data: the data folder.
        drawn: images that are drawn.
        copies: names that each of them has.
    """
    store = Store(data)
    root = data / "archive"
    draw_archive(root, images=drawn, seed=3)
    archive = Archive(seed.identity(str(root))[:16], str(root.resolve()), "line-a", BEFORE)
    questions: dict[str, Any] = json.loads((root / "mmad.json").read_text())
    with (root / "images.csv").open() as file:
        scored = [row for row in csv.DictReader(file) if "/test/" in row["path"]]
    entries = [_entry(archive.archive_id, root, row, copy) for row in scored for copy in range(copies)]
    store.register_archive(archive)
    store.upsert_entries(archive.archive_id, entries)
    _store_knowledge(store, json.loads((root / "domain_knowledge.json").read_text()))
    planned = sum(len(questions[row["path"]]["conversation"]) for row in scored) * copies
    runs = []
    paths = {asked["random_templates"][0] for asked in questions.values()}
    references = {path: Reference(path, content_of(root / path)) for path in paths}
    boxes = {entry.mask_path: _mask_box(root / entry.mask_path) for entry in entries[::copies] if entry.mask_path}
    for at in (BEFORE, LAST_NIGHT):
        run = seed.a_run(archive.archive_id, planned, at=at, host="line-a-pc", knowledge_version="k-drawn")
        predictions: list[Prediction] = []
        patches: list[Patch] = []
        for place, entry in enumerate(entries):
            asked = questions[scored[place // copies]["path"]]
            shown = references[asked["random_templates"][0]]
            for number, item in enumerate(asked["conversation"]):
                prediction = _answer(run, entry, item, number, shown)
                predictions.append(prediction)
                if number < 3:
                    patches += _patches(prediction, boxes.get(entry.mask_path or ""))
        store.open_run(run)
        vectors = [_vector(entry) for entry in entries] if at == BEFORE else []
        spool.write_part(data, run.run_id, 0, predictions, patches, vectors, [])
        runs.append(run)
    ingest(store)
    return Story(store, archive, entries, *runs)


def _entry(archive_id: str, root: Path, row: Mapping[str, str], copy: int) -> Entry:
    file = root / row["path"]
    path = row["path"].replace(".png", f"-{copy}.png")
    # As if photographed again: what follows a PNG's end changes its bytes alone.
    (root / path).write_bytes(file.read_bytes() + bytes([copy]))
    content = content_of(root / path)
    defect = Path(row["path"]).parent.name
    return Entry(
        image_id=seed.identity(f"{archive_id}{path}"),
        archive_id=archive_id,
        path=path,
        content=content,
        size=file.stat().st_size,
        mtime_ns=file.stat().st_mtime_ns,
        dataset="Drawn",
        product=row["product"],
        label="good" if row["label"] == "good" else "defective",
        defect=None if row["label"] == "good" else defect,
        mask_path=row["mask"] or None,
        reference_path=None,
        line="A",
        camera=("A1", "A2")[copy % 2],
        captured_at=None,
        seen_at=BEFORE,
    )


def _answer(run: Run, entry: Entry, item: Mapping[str, Any], number: int, reference: Reference) -> Prediction:
    chance = random.Random(f"{run.run_id}{entry.path}{number}")
    held = random.Random(f"{entry.path}{number}").random()  # what a question is like stays from run to run
    subtask, options = item["type"], item["Options"]
    told_wrong = run.started_at == LAST_NIGHT and entry.product == PRODUCT and entry.camera == CAMERA
    rate = 0.2 if told_wrong and subtask == "Anomaly Detection" else _RIGHT.get(subtask, 0.85)
    right = 0.88 * held + 0.12 * chance.random() < rate
    letters = list(options)
    answer = item["Answer"] if right else chance.choice([one for one in letters if one != item["Answer"]])
    peak = min(0.985, max(1 / len(letters) + 0.04, chance.gauss(0.9 if right else 0.66, 0.1)))
    after = {one: peak if one == answer else (1 - peak) / (len(letters) - 1) for one in letters}
    before = {one: 0.55 * share + 0.45 / len(letters) for one, share in after.items()}
    entropy = _course(chance, right)
    tokens = [tuple(max(0.0, value + chance.gauss(0, 0.08)) for _ in range(4)) for value in entropy]
    own = f"Drawn/{entry.product}/{entry.defect or 'good'}"
    first = WRONG_TEXT if told_wrong else own if chance.random() < 0.8 else f"Drawn/{entry.product}/stain"
    descriptions = tuple(
        rows.retrieved(name, 1, rank, 0.8 - 0.2 * rank)
        for rank, name in enumerate(dict.fromkeys((first, f"Drawn/{entry.product}/good")), 1)
    )
    return replace(
        _BLANK,
        run_id=run.run_id,
        image_id=entry.image_id,
        image_path=entry.path,
        content=entry.content,
        dataset=entry.dataset,
        product=entry.product,
        label=entry.label,
        defect=entry.defect,
        line=entry.line,
        camera=entry.camera,
        question_id=question_of(subtask, item["Question"], list(options.values())).question_id,
        subtask=subtask,
        question=item["Question"],
        options=tuple(Option(letter, text) for letter, text in options.items()),
        reference_path=reference.path,
        answer=answer,
        correct_answer=item["Answer"],
        initial_option_probabilities=before,
        option_probabilities=after,
        entropy=entropy,
        token_entropy=tuple(tokens),
        reward=tuple(1 - value for value in entropy),
        best_iteration=min(range(len(entropy)), key=entropy.__getitem__),
        descriptions=descriptions,
        evidence_id=evidence_id(reference.content, descriptions),
        created_at=run.started_at,
    )


def _course(chance: random.Random, right: bool) -> tuple[float, ...]:
    """Eleven entropies: right answers mostly fall or are low, wrong ones mostly stay high or come back."""
    kinds = ("falling", "low", "high", "late", "waves")
    kind = chance.choices(kinds, (50, 25, 8, 7, 10) if right else (18, 6, 34, 22, 20))[0]
    steps, jitter = range(11), [chance.gauss(0, 0.012) for _ in range(11)]
    course = {
        "falling": [0.3 + 1.5 * math.exp(-0.35 * step) for step in steps],
        "low": [0.22 for _ in steps],
        "high": [1.75 for _ in steps],
        "late": [0.5 + 0.9 * abs(step - 6) / 5 for step in steps],
        "waves": [1.0 + 0.35 * math.cos(1.9 * step) for step in steps],
    }[kind]
    level = chance.uniform(0.85, 1.15)
    return tuple(max(0.01, value * level + more) for value, more in zip(course, jitter, strict=True))


def _patches(prediction: Prediction, box: tuple[float, float, float, float] | None) -> list[Patch]:
    """Two proposals in each of four iterations, half of them accepted, most on the defect."""
    chance = random.Random(f"{prediction.run_id}{prediction.image_id}{prediction.question_id}")
    side = SIDE / GRID
    found = []
    for iteration in range(1, 5):
        for number in range(2):
            row, col = chance.randrange(GRID), chance.randrange(GRID)
            if box and chance.random() < 0.55:
                row = min(GRID - 1, int(chance.uniform(box[1], box[3]) // side))
                col = min(GRID - 1, int(chance.uniform(box[0], box[2]) // side))
            at = (col * side, row * side, (col + 1) * side, (row + 1) * side)
            score = chance.uniform(0.02, 0.3)
            found.append(
                Patch(
                    prediction.run_id, 0, prediction.image_id, prediction.question_id, iteration, row, col, *at, score,
                    accepted=number == 0,
                )
            )  # fmt: skip
    return found


def _mask_box(path: Path) -> tuple[float, float, float, float] | None:
    with Image.open(path) as mask:
        return mask.convert("L").getbbox()


def _vector(entry: Entry) -> ImageVector:
    """Products lie apart, and the defective images of a product a little aside."""
    centre = random.Random(entry.product)
    own = random.Random(entry.image_id)
    aside = random.Random(f"{entry.product}{entry.defect}")
    near = [centre.gauss(0, 1) + 0.45 * aside.gauss(0, 1) + 0.3 * own.gauss(0, 1) for _ in range(16)]
    length = math.sqrt(sum(value * value for value in near))
    return ImageVector(entry.content, "drawn-encoder@1", tuple(value / length for value in near))


def _store_knowledge(store: Store, knowledge: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
    texts = [
        Description(f"{dataset}/{product}/{entry}", 1, dataset, product, entry, text, "published", "story", "", BEFORE)
        for dataset, products in knowledge.items()
        for product, held in products.items()
        for entry, text in held.items()
    ]
    members = tuple(KnowledgeMember(text.description_id, 1) for text in texts)
    raw.store_knowledge(store.data, texts, KnowledgeVersion("k-drawn", members, BEFORE))


SIDE = 504
"""Pixels of a drawn image."""
_BLANK = Prediction(
    run_id="", block=0, image_id="", image_path="", content="", dataset="", product="", label=None, defect=None,
    line=None, camera=None, captured_at=None, question_id="", subtask="", question="", options=(), conditional=False,
    reference_path=None, answer=None, correct_answer=None, status="answered", error=None,
    initial_option_probabilities={}, option_probabilities={}, entropy=(), token_entropy=(), reward=(),
    best_iteration=None, descriptions=(), knowledge_dropped=0, knowledge_cut=False, raw_text=None, rationale=None,
    seconds=0.35, created_at=BEFORE,
)  # fmt: skip
