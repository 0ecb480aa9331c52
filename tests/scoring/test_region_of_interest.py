"""A run with regions of interest: the model sees what a picture cropped beforehand would show, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests import scored
from tests.pages.screen import opened, words
from warehouse.queries.groundings import Groundings
from warehouse.store import Store
from workbench import settings
from workbench.archive import run_views
from workbench.archive.run_views import CameraRegion, RunViews
from workbench.archive.view import RegionOfInterest
from workbench.errors import SettingsError
from workbench.scoring.run import Outcome
from workbench.settings import Facts, Settings, Support

LEFT, TOP, RIGHT, BOTTOM = 24, 12, 120, 84  # of 160 x 120 pixels: 15, 10, 75, 70 percent
ROW = '[[view]]\nproduct = "plate"\nregion_of_interest = [15, 10, 75, 70]\n'


def plate(number: int) -> Image.Image:
    """Noise, with a dark stain in the region's lower right."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(90, 160, (120, 160, 3)).astype(np.uint8)
    pixels[66:80, 96:114] = 10
    return Image.fromarray(pixels)


def archive(root: Path, cropped: bool) -> Path:
    """Two stained plates with masks and a normal reference, as they are or cropped beforehand."""

    def save(image: Image.Image, path: str) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (image.crop((LEFT, TOP, RIGHT, BOTTOM)) if cropped else image).save(root / path)

    mask = np.zeros((120, 160), np.uint8)
    mask[66:80, 96:114] = 255
    for number in (1, 2):
        save(plate(number), f"plate/test/stain/{number}.png")
        save(Image.fromarray(mask), f"plate/ground_truth/stain/{number}_mask.png")
    save(plate(3), "plate/train/good/3.png")
    return root


def run(root: Path, data: Path, view: str | None = None) -> Outcome:
    file = None
    if view is not None:
        file = data.parent / "views.toml"
        file.write_text(view)
    return scored.score(root, scored.quick(data, Support(knowledge="none", views=file)))


def test_the_model_sees_the_region_alone_and_everything_is_stored_on_the_whole_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, beforehand = tmp_path / "data", tmp_path / "beforehand"
    outcome = run(archive(tmp_path / "whole", cropped=False), data, ROW)
    expected = run(archive(tmp_path / "cropped", cropped=True), beforehand)
    store, other = Store(data), Store(beforehand)
    ours, theirs = store.predictions(outcome.run.run_id), other.predictions(expected.run.run_id)
    assert outcome.run.failed == 0
    for name in ("image_path", "subtask", "correct_answer", "initial_option_probabilities"):  # before noise is drawn
        assert ours[name].to_list() == theirs[name].to_list()

    patches = store.patches(outcome.run.run_id)
    assert patches.height
    assert (
        patches.select(
            (pl.col("x0") >= LEFT) & (pl.col("y0") >= TOP) & (pl.col("x1") <= RIGHT) & (pl.col("y1") <= BOTTOM)
        )
        .to_series()
        .all()
    )
    chances = [
        Groundings(place.data).of_runs([each.run.run_id])["patches_chance"].sort().to_list()
        for place, each in ((store, outcome), (other, expected))
    ]
    assert chances[0]
    assert chances[0] == chances[1]

    assert any("regions of interest: plate: 15 %, 10 % to 75 %, 70 %" in note for note in outcome.notes)
    assert run_views.of_run(outcome.run).regions
    monkeypatch.setenv("WORKBENCH_DATA", str(data))
    image, question = patches.filter("accepted").select("image_id", "question_id").row(0)
    page = opened("workbench/pages/case/case.py", run=outcome.run.run_id, image=image, question=question)
    assert "injected patch" in words(page)
    figures = [json.loads(chart.proto.spec) for chart in page.main.get("plotly_chart")]
    (figure,) = [each for each in figures if each["layout"].get("images")]
    assert figure["layout"]["xaxis"]["range"] == [0, 160]  # people see all of it


def test_another_region_is_another_digest() -> None:
    one, other = (RegionOfInterest(0, 0, right, 100) for right in (50, 60))
    stated = [RunViews(regions=(CameraRegion("plate", None, each),)).stated() for each in (one, other)]
    facts = Facts("weights", "float32", "1", "inspection", None, None)
    digests = {settings.digest(Settings(), replace(facts, views=views)) for views in (None, *stated)}
    assert len(digests) == 3


def test_a_region_that_cannot_be_fails_before_anything_is_scored(tmp_path: Path) -> None:
    root = archive(tmp_path / "whole", cropped=False)
    with pytest.raises(SettingsError, match="right beyond left"):
        run(root, tmp_path / "data", "[[view]]\nregion_of_interest = [60, 0, 50, 100]\n")
