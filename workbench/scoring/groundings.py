"""A run's answers held against masks: whether accepted patches and named regions lie on the defect, beside chance.

Masks are opened once, when a run ends, so that no page or table has to. A mask whose picture is no longer the one that
was scored says nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from warehouse.queries.groundings import Groundings, RegionTruth
from warehouse.records.scoring import Grounding, Run
from warehouse.store import Store
from workbench.analysis import option_region, patches, subtasks
from workbench.analysis.patches import Box, Mask
from workbench.archive import image_decoding, masks, run_views, scan
from workbench.archive.run_views import RunViews
from workbench.archive.view import Window
from workbench.errors import UnreadableImage

_SIDE = 512  # of a mask that is made of boxes


class _Picture(NamedTuple):
    """What was inspected of a picture, with its defect, upright."""

    inspected: Window
    mask: Mask


class _Named(NamedTuple):
    """What a picture's question where the defect is offers, and was answered."""

    question_id: str
    regions: tuple[Box | None, ...]  # of the options, as shares of the picture
    answer: int | None  # the option's place; None: unread or failed


def measure(store: Store, run: Run) -> int:
    """Hold what a run's answers point at against masks and boxes; the number of questions that could be.

    Raises:
        WarehouseError: it can't be stored.
    """
    queries = Groundings(store.data)
    truths = queries.truths(run.run_id)
    if not truths:
        return 0
    asked = queries.questions(run.run_id).filter(pl.col("image_id").is_in([truth.image_id for truth in truths]))
    questions = asked.partition_by("image_id", as_dict=True)
    accepted = queries.accepted_patches(run.run_id).partition_by("image_id", as_dict=True)

    views, content_of = run_views.of_run(run), functools.cache(scan.content_of)  # tiles share their file

    def of_picture(truth: RegionTruth) -> list[Grounding]:
        key = (truth.image_id,)
        return _of_picture(run, truth, views, content_of, questions[key], accepted.get(key)) if key in questions else []

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        measured = [row for rows in pool.map(of_picture, truths) for row in rows]
    queries.store(run.run_id, measured)
    return len(measured)


def _of_picture(
    run: Run,
    truth: RegionTruth,
    views: RunViews,
    content_of: Callable[[Path], str],
    asked: pl.DataFrame,
    accepted: pl.DataFrame | None,
) -> list[Grounding]:
    """The picture's questions about a defect."""
    picture = _opened(truth, views, content_of)
    if picture is None:
        return []
    named = named_region(run, asked)
    region = None if named is None else _on_defect(picture.mask, named)
    patch_hits: dict[str, list[bool]] = {}
    boxes = [] if accepted is None else accepted.select("x0", "y0", "x1", "y1").rows()
    hits = patches.hits(picture.mask, boxes, picture.inspected.box)
    for question_id, on_mask in zip([] if accepted is None else accepted["question_id"], hits.on_mask, strict=True):
        patch_hits.setdefault(question_id, []).append(on_mask)
    apart = subtasks.about_the_object(run.subtasks)
    found = []
    for question_id, subtask in asked.select("question_id", "subtask").unique(maintain_order=True).iter_rows():
        if subtask in apart:
            continue
        row = Grounding(run.run_id, truth.image_id, question_id, None, None, None, None)
        if run.capabilities.attention:
            own = patch_hits.get(question_id, [])
            row = replace(row, patches_hit=any(own), patches_chance=hits.any_chance(len(own)))
        if region is not None and named is not None and named.question_id != question_id:
            row = replace(row, region_hit=region[0], region_chance=region[1])
        found.append(row)
    return found


def named_region(run: Run, rows: pl.DataFrame) -> _Named | None:
    """What the run says where the picture's defect is; None where no question with two named regions was asked.

    Args:
        run: the run.
        rows: of one picture, as `Groundings.questions` gives them.
    """
    scorers = {each.name: each.scorer for each in run.subtasks if each.kind == "region"}
    for question_id, subtask, letters, texts, answer in rows.select(
        "question_id", "subtask", "letters", "texts", "answer"
    ).iter_rows():
        if subtask not in scorers:
            continue
        regions = tuple(option_region.of_option(scorers[subtask], place, text) for place, text in enumerate(texts))
        if sum(region is not None for region in regions) > 1:
            return _Named(question_id, regions, letters.index(answer) if answer in letters else None)
    return None


def _on_defect(mask: Mask, named: _Named) -> tuple[bool, float]:
    """Whether the region answered touches the mask, and the share of options that do."""
    boxes = [(place, region) for place, region in enumerate(named.regions) if region is not None]
    on = patches.touched_boxes(mask, [region for _, region in boxes])
    touching = {place for (place, _), touches in zip(boxes, on, strict=True) if touches}
    return named.answer in touching, len(touching) / len(named.regions)


def _opened(truth: RegionTruth, views: RunViews, content_of: Callable[[Path], str]) -> _Picture | None:
    """What was inspected of the picture and its defect; None where the picture is another or gone, the mask is in
    doubt, or no defect lies in that part.
    """
    root, view = Path(truth.root), views.of(truth)
    try:
        if content_of(root / truth.path) != view.content:
            return None
        frame = image_decoding.frame_of(root / truth.path)
    except (OSError, UnreadableImage):
        return None
    window = view.placed(frame).window
    mask = masks.of_view(root / truth.mask_path, frame, view) if truth.mask_path else None
    if mask is None and truth.boxes:
        mask = _drawn(window, [(box.x0, box.y0, box.x1, box.y1) for box in truth.boxes])
    return None if mask is None else _Picture(window, mask)


def _drawn(window: Window, boxes: Sequence[Box]) -> Mask | None:
    """Boxes as a mask of the part of the picture, reduced; None where none lies in it."""
    width, height = window.size
    scale = min(1.0, _SIDE / max(width, height))
    from_whole = window.to_whole.inverse
    mask: Mask = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.bool_)
    for x0, y0, x1, y1 in map(from_whole.box, boxes):
        x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1)
        if x1 <= x0 or y1 <= y0:
            continue
        rows, columns = (
            slice(int(low * scale), max(int(low * scale) + 1, round(high * scale)))
            for low, high in ((y0, y1), (x0, x1))
        )
        mask[rows, columns] = True
    return mask if mask.any() else None
