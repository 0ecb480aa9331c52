"""A tower whose numbers are not finite: that picture is a failure with its reason, and no other picture is moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save
from transformers import Dinov2Model

from tests import scored
from tests.comparison.pretended import PretendedTower
from tests.scoring import compared
from warehouse.store import Store
from workbench.comparison import Comparer, Features, Normal, NormalBank
from workbench.comparison.features import NOT_FINITE
from workbench.errors import UnreadableImage
from workbench.model.case import Picture
from workbench.settings import Machine, Settings, Support, Work

BLIND = 13  # grey level


class PartlyBlindTower(PretendedTower):
    """Has no finite numbers of one picture."""

    def features(self, image: Image.Image) -> Features:
        seen = super().features(image)
        blind = image.getpixel((0, 0)) == BLIND
        return Features(seen.class_vector * np.float32(np.nan), seen.patches) if blind else seen


def grained(grey: int) -> Image.Image:
    pixels = np.random.default_rng(grey).integers(0, 255, (8, 8), dtype=np.uint8)
    pixels[0, 0] = grey
    return Image.fromarray(pixels)


def bank_of(folder: Path, greys: range | list[int]) -> NormalBank:
    normals = [Normal(f"{grey:064x}", "d", "plate") for grey in greys]
    return NormalBank.open(folder, PartlyBlindTower(), normals, lambda each: grained(int(each.content, 16)))


def test_a_normal_without_finite_numbers_is_left_out_and_moves_no_other_picture(tmp_path: Path) -> None:
    query = Picture("q", grained(200))
    others = bank_of(tmp_path / "others", [grey for grey in range(8, 18) if grey != BLIND])
    expected = Comparer(PretendedTower(), others).compare(query)

    bank = bank_of(tmp_path / "all", range(8, 18))
    found = Comparer(PartlyBlindTower(), bank).compare(query)

    assert bank.left_out == {f"{BLIND:064x}": NOT_FINITE.text}
    assert (found.map == expected.map).all()
    assert (found.nearest, found.claim) == (expected.nearest, expected.claim)
    # What an older version kept of it is no more used than that.
    features = PretendedTower().features(grained(BLIND))
    tensors = {"class_vector": features.class_vector * np.float32(np.inf), "patches": features.patches}
    bank.store.path(f"{BLIND:064x}").write_bytes(save(tensors))
    assert bank_of(tmp_path / "all", range(8, 18)).left_out == bank.left_out
    with pytest.raises(UnreadableImage, match="not finite"):
        Comparer(PartlyBlindTower(), bank).compare(Picture("b", grained(BLIND)))


def test_a_run_with_such_a_tower_stores_a_failure_for_each_picture(tmp_path: Path) -> None:
    model = Dinov2Model.from_pretrained(compared.tower(tmp_path / "tiny"))
    with torch.no_grad():
        model.layernorm.weight.fill_(torch.nan)
    model.save_pretrained(tmp_path / "blind")
    for number in range(3):
        compared.plate(tmp_path / "plates" / f"{number}.png", "bolt", number)
    support = Support(compare=str(tmp_path / "blind"), compare_side=compared.SIDE)

    outcome = scored.score(
        tmp_path / "plates", Settings(support=support, machine=Machine(model="compare"), work=Work(data=tmp_path / "d"))
    )

    assert (outcome.run.state, outcome.run.failed, outcome.suspicious) == ("finished", 6, ())
    predictions = Store(tmp_path / "d").predictions(outcome.run.run_id)
    assert set(predictions["failure"]) == {NOT_FINITE.kind}
    assert set(predictions["error"]) == {NOT_FINITE.text}
