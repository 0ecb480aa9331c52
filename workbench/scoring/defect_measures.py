"""How large the defects of a run's pictures are and how far they stand out: rows in, two numbers of each out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from warehouse.store import Store
from workbench.analysis.defect_contrast import contrast
from workbench.analysis.patches import Mask
from workbench.archive import image_decoding, masks
from workbench.archive.view import View
from workbench.errors import UnreadableImage

_KEY = ("archive_id", "mask_path", "image_path", "content")


def with_measures(store: Store, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores with `defect_area`, the share of its picture that a defect's mask marks, and `defect_contrast`, the
    difference of its grey from what is around it; both 0..1 and null without a mask.

    A tile has the area of its whole picture's defect, and no contrast; neither has one whose file was replaced. Masks
    and pictures are opened anew.

    Args:
        store: of the run.
        scores: as `warehouse.queries.scores` gives them.
    """
    roots = {archive.archive_id: Path(archive.root) for archive in store.archives()}
    marked = scores.filter("defective", pl.col("mask_path").is_not_null()).select(_KEY).unique()

    def measured(key: tuple[str, str, str, str]) -> tuple[float | None, float | None]:
        archive_id, mask_path, image_path, content = key
        root = roots.get(archive_id)
        mask = masks.read(root / mask_path) if root else None
        if root is None or mask is None:
            return None, None
        return float(mask.mean()), _contrast(root / image_path, content, mask)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = list(pool.map(measured, marked.rows()))
    columns = {"defect_area": [each[0] for each in found], "defect_contrast": [each[1] for each in found]}
    marked = marked.with_columns(pl.Series(name, values, pl.Float64) for name, values in columns.items())
    return scores.join(marked, on=_KEY, how="left", maintain_order="left")


def _contrast(picture: Path, content: str, mask: Mask) -> float | None:
    try:
        image = image_decoding.open_image(picture, View(content))
    except UnreadableImage:
        return None
    return contrast(np.asarray(image.convert("L"), np.float32) / np.float32(255), mask)
