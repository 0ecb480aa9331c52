"""How large the defects of a run's pictures are: rows with masks go in, the share of the picture comes out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from warehouse.store import Store
from workbench.archive import masks


def with_areas(store: Store, scores: pl.DataFrame) -> pl.DataFrame:
    """The scores with `defect_area`: the share of its picture that a defect's mask marks, 0..1; null without a mask.

    A tile has the area of its whole picture's defect. Masks are opened anew: some hundred a second.

    Args:
        store: of the run.
        scores: as `warehouse.queries.scores` gives them.
    """
    roots = {archive.archive_id: Path(archive.root) for archive in store.archives()}
    marked = scores.filter("defective", pl.col("mask_path").is_not_null()).select("archive_id", "mask_path").unique()

    def area(key: tuple[str, str]) -> float | None:
        archive_id, path = key
        mask = masks.read(roots[archive_id] / path) if archive_id in roots else None
        return None if mask is None else float(mask.mean())

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        areas = list(pool.map(area, marked.rows()))
    marked = marked.with_columns(defect_area=pl.Series(areas, dtype=pl.Float64))
    return scores.join(marked, on=("archive_id", "mask_path"), how="left", maintain_order="left")
