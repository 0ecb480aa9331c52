"""Pixel metrics of stored maps: a map that is the mask finds it, one of another place doesn't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.pages import seed
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.scores import Scores
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Region
from workbench.archive import masks
from workbench.scoring import map_metrics

GRID = 24


@pytest.mark.parametrize(("shifted", "least", "most"), [(False, 0.97, 1.0), (True, 0.0, 0.7)])
def test_a_map_of_the_masks_finds_them_and_a_shifted_one_does_not(
    tmp_path: Path, shifted: bool, least: float, most: float
) -> None:
    seeded = seed.seed(tmp_path, images=6)
    root, rows = Path(seeded.archive.root), []
    for entry in seeded.entries:
        values: NDArray[np.float32] = np.zeros((GRID, GRID), np.float32)
        if entry.mask_path:
            mask = masks.read(root / entry.mask_path)
            assert mask is not None
            values = np.asarray(Image.fromarray(mask.astype(np.float32)).resize((GRID, GRID), Image.Resampling.BOX))
        values = np.roll(values, (GRID // 2, GRID // 2), (0, 1)) if shifted else values
        values = values + 0.001 * np.random.default_rng(0).random(values.shape, np.float32)
        rows.append(
            StoredComparison(
                seeded.run.run_id, 1, entry.image_id, float(values.max()), None, 4, None, "cannot say", "few", GRID,
                GRID, Region(0, 0, seed.SIDE, seed.SIDE), None, tuple(values.ravel().tolist()), (),
            )
        )  # fmt: skip
    spool.write_part(seeded.store.data, seeded.run.run_id, 1, [], [], [], [], rows)
    ingest(seeded.store)
    scores = Scores(seeded.store.data).of_runs([seeded.run.run_id], "comparison")
    assert scores["score"].null_count() == 0
    found = map_metrics.of_run(seeded.store, seeded.run, scores)
    assert found is not None
    assert found.auroc is not None
    assert found.aupro is not None
    assert least <= found.auroc <= most
    assert (found.aupro > 0.8) is not shifted


def test_a_run_that_compared_nothing_has_no_pixel_metrics(tmp_path: Path) -> None:
    seeded = seed.seed(tmp_path, images=4)
    scores = Scores(seeded.store.data).of_runs([seeded.run.run_id])
    assert map_metrics.of_run(seeded.store, seeded.run, scores) is None
