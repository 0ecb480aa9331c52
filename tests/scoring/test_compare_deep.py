"""Pictures of 16 bits are compared as the same ones of 8 bits are: none with itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import scored
from tests.scoring import compared
from tests.warehouse import rows
from warehouse.store import Store
from workbench.settings import Machine, Settings, Support, Work

PICTURES = 6  # so few that the nearest of the others, which is averaged over, is one


def plates(root: Path, deep: bool, normals: int = 0) -> Path:
    """Grained grey plates; the first normals are also asked about, by a copy."""
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).normal(150, 12, (compared.SIDE, compared.SIDE)).clip(0, 255)
        grey = pixels.astype(np.uint8)
        picture = Image.fromarray(grey.astype(np.uint16) * 257 if deep else grey)
        for folder in ("train/good", "test/good") if number < normals else ("test/good",):
            file = root / "bolt" / folder / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
    return root


@pytest.mark.parametrize("normals", [0, 3])
def test_a_deep_picture_is_never_compared_with_itself(tmp_path: Path, normals: int) -> None:
    tower = compared.tower(tmp_path / "tower")
    found = []
    for deep in (False, True):
        root, data = plates(tmp_path / f"{deep}" / "plates", deep, normals), tmp_path / f"{deep}" / "data"
        chosen = Support(compare=str(tower), compare_side=compared.SIDE)
        outcome = scored.score(root, Settings(support=chosen, machine=Machine(model="compare"), work=Work(data=data)))
        paths = dict(Store(data).entries(outcome.run.archive_id).select("image_id", "path").rows())
        scores = {paths[each.image_id]: each.score for each in rows.comparisons_of(data, outcome.run.run_id)}
        found.append(scores)
    assert len(found[0]) == PICTURES
    assert all(score > 1e-4 for score in found[1].values())
    assert found[1] == pytest.approx(found[0], abs=1e-4)
