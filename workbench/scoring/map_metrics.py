"""How well a run's maps find defects: stored comparisons and masks go in, pixel metrics come out.

Each map and each mask is brought to SIDE x SIDE over the area that the map covers, as benchmarks do: the map's values
by bilinear interpolation between its cells' middles, a mask's pixel where at least half of it is marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from warehouse.queries.comparisons import Comparisons
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench.analysis import pixel_metrics
from workbench.analysis.patches import Mask
from workbench.analysis.pixel_metrics import PixelMetrics
from workbench.archive import image_decoding, masks
from workbench.errors import UnreadableImage

SIDE = 128  # pixels
MOST = 200  # pictures of each kind, the first by path

_Pair = tuple[NDArray[np.float32], Mask]


def of_run(store: Store, run: Run, scores: pl.DataFrame) -> PixelMetrics | None:
    """The pixel metrics of a run's comparisons; None where it stored no map of a picture whose defect is known.

    Args:
        store: of the run.
        run: the run.
        scores: as `warehouse.queries.scores` gives them; good pictures, and defective ones with a mask, count.
    """
    good = scores.filter(~pl.col("defective")).head(MOST)
    defective = scores.filter("defective", pl.col("mask_path").is_not_null()).head(MOST)
    pairs = list(_pairs(store, run, pl.concat([good, defective])))
    if not any(mask.any() for _, mask in pairs):
        return None
    return pixel_metrics.of(np.stack([found for found, _ in pairs]), np.stack([mask for _, mask in pairs]))


def _pairs(store: Store, run: Run, scores: pl.DataFrame) -> Iterator[_Pair]:
    roots = {archive.archive_id: Path(archive.root) for archive in store.archives()}
    compared = Comparisons(store.data)
    with store.together():
        for row in scores.iter_rows(named=True):
            found = compared.of_picture(run.run_id, row["image_id"])
            if found is None or not found.values or row["archive_id"] not in roots:
                continue
            root = roots[row["archive_id"]]
            mask: Mask | None = np.zeros((SIDE, SIDE), np.bool_)
            if row["defective"]:
                mask = _mask(root / row["mask_path"], root / row["image_path"], found)
            if mask is not None:
                yield _map(found), mask


def _map(found: StoredComparison) -> NDArray[np.float32]:
    values = np.asarray(found.values, np.float32).reshape(found.rows, found.columns)
    return np.asarray(Image.fromarray(values).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _mask(file: Path, picture: Path, found: StoredComparison) -> Mask | None:
    """The defect within the area of a map; None where it can't be read."""
    try:
        width, height = image_decoding.frame_of(picture).upright
    except (OSError, UnreadableImage):
        return None
    mask = masks.read(file, picture)
    if mask is None:
        return None
    across, down = mask.shape[1] / width, mask.shape[0] / height
    box = (found.area.x0 * across, found.area.y0 * down, found.area.x1 * across, found.area.y1 * down)
    shares = Image.fromarray(mask.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX, box=box)
    return np.asarray(shares) >= 0.5
