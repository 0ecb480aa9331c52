"""Layers are chosen by whether their attention knows patches on the defect from the rest, and kept with the model."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests import scored
from tests.scored import Quiet
from workbench import embedded
from workbench.errors import ArchiveError, BackboneError, SettingsError
from workbench.experiments import attention_layers
from workbench.experiments.attention_layers import _Look
from workbench.scoring import models
from workbench.settings import Machine, load

N = 12


@dataclass
class Body:
    """What choosing asks of a backbone."""

    layers: int = 4
    attention_layers: tuple[int, ...] = (0, 1)


def _looks(images: int) -> list[_Look]:
    """Layer 2 finds half of the defects, layer 3 the other half, 0 and 1 none."""
    rng = np.random.default_rng(0)
    looks = []
    for image in range(images):
        attention, on = rng.uniform(0, 0.1, (4, N)), np.arange(N) < 2
        attention[2 + image % 2, on] += 1
        looks.append(_Look(str(image), attention, on))
    return looks


def test_layers_that_find_the_defect_are_chosen_and_judged_on_other_images() -> None:
    found = attention_layers._found(_looks(40), Body())  # type: ignore[arg-type]
    assert found.layers == (2, 3)
    assert found.chosen == 1.0
    assert found.everything > 0.95
    assert found.present == pytest.approx(0.5, abs=0.15)
    assert found.areas[2] == pytest.approx(0.75, abs=0.1)
    assert found.images == 40
    table = attention_layers.markdown(found)
    assert "| 2 | 0.7" in table
    assert "Chosen on half of the 40 images: 2,3. On the other half they reach 1.000" in table


def test_a_few_images_say_nothing() -> None:
    with pytest.raises(ArchiveError, match="images with a masked defect that is asked about: 7; give 8"):
        attention_layers._found(_looks(7), Body())  # type: ignore[arg-type]


def test_the_area_is_the_chance_that_a_patch_on_the_defect_is_looked_at_more() -> None:
    attention, on = np.array([[3.0, 1.0, 2.0, 2.0]]), np.array([True, False, True, False])
    pairs = [(1.0 if a > b else 0.5 if a == b else 0.0) for a in (3.0, 2.0) for b in (1.0, 2.0)]
    assert attention_layers.area([[_Look("", attention, on)]], (0,)) == pytest.approx(sum(pairs) / 4)


@pytest.mark.slow
def test_the_embedded_models_own_layers_find_drawn_defects(drawn_archive: Path, tmp_path: Path) -> None:
    found = attention_layers.find(drawn_archive, scored.quick(tmp_path / "data"), Quiet())
    assert len(found.areas) == 6
    assert found.present > 0.8
    assert found.chosen > 0.8


def test_they_are_kept_in_the_models_folder_or_named_in_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedded.CHECKPOINT, folder)
    assert attention_layers.keep(str(folder), (1, 3)) == folder / "workbench.json"
    assert json.loads((folder / "workbench.json").read_text())["attention_layers"] == [1, 3]
    assert attention_layers.keep("some/name-of-the-hub", (1, 3)) is None
    machine = replace(models.placed(Machine(device="cpu")), model=str(folder))
    assert models.load_evaluator(machine).backbone.attention_layers == (1, 3)
    named = replace(machine, attention_layers="4,2")
    assert models.load_evaluator(named).backbone.attention_layers == (2, 4)
    with pytest.raises(BackboneError, match=r"attention_layers names layer 9; .* has 0 to 5"):
        models.load_evaluator(replace(machine, attention_layers="9"))
    with pytest.raises(SettingsError, match="attention_layers is two; give numbers from 0 on"):
        load({"attention_layers": "two"})
