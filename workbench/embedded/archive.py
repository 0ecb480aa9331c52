"""A drawn image archive on disk, in MMAD's layout: what demos, tests and benchmarks score.

    ROOT/Drawn/<product>/train/good/NNN.png            normal references
    ROOT/Drawn/<product>/test/<good|defect>/NNN.png    the images to score
    ROOT/Drawn/<product>/ground_truth/<defect>/NNN_mask.png
    ROOT/mmad.json                                     questions of all seven subtasks, with templates and masks
    ROOT/images.csv                                    product, label, mask, line, camera, time, reference, severity
                                                       (tiny, faint, both or neither) of each image
    ROOT/domain_knowledge.json                         the released knowledge, ready for `workbench knowledge import`

Image i follows from (seed, i) alone. Every product and defect gets its turn; about two images in five are good.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.embedded import drawn_world, questions
from workbench.embedded.draw import NO_SHIFT, Drawing, Line, Shift, draw

REFERENCES = 4  # normal images per product
_COLUMNS = ("path", "product", "label", "mask", "line", "camera", "captured_at", "reference", "severity")
_FIRST_SHIFT = datetime(2026, 1, 5, 6, tzinfo=UTC)
_Row = dict[str, str]


def draw_archive(
    root: Path,
    images: int,
    seed: int,
    line: Line = "A",
    shift: Shift = NO_SHIFT,
    held_out_wordings: bool = False,
    progress: Callable[[], None] | None = None,
) -> None:
    """Write the archive; existing files of the same names are replaced.

    Args:
        images: how many to score; the references come on top.
        held_out_wordings: ask the questions in words that were never trained on.
        progress: called after each image.
    """
    if images < 1:
        raise ValueError(f"an archive needs at least one image, not {images}")
    rows: list[_Row] = []
    records: dict[str, object] = {}
    for number, product in enumerate(drawn_world.PRODUCTS):
        for index in range(REFERENCES):
            # References have numbers of their own, out of the way of any image's.
            rng = np.random.default_rng([seed, 10**6 * (number + 1) + index])
            drawing = draw(rng, product, good=True, line=line, shift=shift)
            path = _reference_path(product, index)
            _save(root / path, drawing)
            rows.append(_row(path, product, "good", "", line, index, "", drawing))
    counts: dict[str, int] = {}
    for index in range(images):
        rng = np.random.default_rng([seed, index])
        product, defect = _turn(index)
        drawing = draw(rng, product, defect, good=defect is None, line=line, shift=shift)
        label = defect or "good"
        folder = f"{drawn_world.DATASET}/{folder_name(product)}"
        name = f"{counts.setdefault(f'{folder}/{label}', 0):03d}"
        counts[f"{folder}/{label}"] += 1
        path, mask = f"{folder}/test/{label}/{name}.png", ""
        _save(root / path, drawing)
        if defect:
            mask = f"{folder}/ground_truth/{defect}/{name}_mask.png"
            (root / mask).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawing.mask).save(root / mask)
        templates = [_reference_path(product, int(i)) for i in rng.permutation(REFERENCES)]
        rows.append(_row(path, product, label, mask, line, index, templates[0], drawing))
        records[path] = {
            "image_path": path.removeprefix(f"{folder}/"),
            "mask_path": mask.removeprefix(f"{folder}/"),
            "conversation": _conversation(rng, drawing, held_out_wordings),
            "random_templates": templates,
            "similar_templates": templates[::-1],
        }
        if progress is not None:
            progress()
    (root / "mmad.json").write_text(json.dumps(records, indent=1))
    knowledge = {folder_name(product): entries for product, entries in drawn_world.domain_knowledge().items()}
    (root / "domain_knowledge.json").write_text(json.dumps({drawn_world.DATASET: knowledge}, indent=1))
    with (root / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def folder_name(product: str) -> str:
    """The product as folders and knowledge files name it."""
    return product.replace(" ", "_")


def _turn(index: int) -> tuple[str, str | None]:
    """Product and defect of image `index`: products in turn, and for each two good pieces to every four defects."""
    products = tuple(drawn_world.PRODUCTS.values())
    product = products[index % len(products)]
    cycle = (*product.defects[:2], None, *product.defects[2:], None)
    return product.name, cycle[index // len(products) % len(cycle)]


def _conversation(rng: np.random.Generator, drawing: Drawing, held_out: bool) -> list[dict[str, object]]:
    """The questions about one image, as MMAD writes them."""
    asked: list[dict[str, object]] = []
    for subtask in questions.SUBTASKS:
        choice = questions.ask(rng, subtask, drawing.facets, drawn_world.RELEASED_FACTS, held_out)
        if choice is not None:
            asked.append(
                {
                    "Question": choice.question,
                    "Options": dict(zip(questions.LETTERS, (f"{text}." for text in choice.options), strict=False)),
                    "Answer": questions.LETTERS[choice.right],
                    "type": subtask,
                }
            )
    return asked


def _reference_path(product: str, index: int) -> str:
    return f"{drawn_world.DATASET}/{folder_name(product)}/train/good/{index:03d}.png"


def _row(
    path: str, product: str, label: str, mask: str, line: Line, index: int, reference: str, drawing: Drawing
) -> _Row:
    """A line of images.csv: one piece every twenty seconds, two cameras a line."""
    at = _FIRST_SHIFT + timedelta(seconds=20 * index)
    camera = f"{line}{1 + index % 2}"
    severity = " ".join(name for name, is_so in (("tiny", drawing.tiny), ("faint", drawing.faint)) if is_so)
    values = (path, folder_name(product), label, mask, line, camera, at.isoformat(), reference, severity)
    return dict(zip(_COLUMNS, values, strict=True))


def _save(path: Path, drawing: Drawing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Sensor noise doesn't compress: the fastest level is as small as the best.
    Image.fromarray(drawing.image).save(path, compress_level=1)
