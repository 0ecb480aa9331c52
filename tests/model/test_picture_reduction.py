"""A picture too large for a processor is reduced; its patches still lie in the whole picture's pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.model import tiny
from workbench.archive.scan import content_of
from workbench.archive.view import View
from workbench.model import backbone, picture_reduction
from workbench.model.case import Picture
from workbench.scoring import input_pipeline
from workbench.scoring.input_pipeline import File


def test_only_a_huge_picture_is_reduced_and_all_of_it_is_there() -> None:
    usual, huge = Image.new("L", (8000, 6000)), Image.new("L", (8000, 6001))
    assert picture_reduction.moderate(usual) is usual
    assert picture_reduction.moderate(huge).size == (2667, 2001)


def test_a_huge_picture_made_ready_keeps_its_size_for_patches_and_little_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tiny.picture(0, 120, 90).image
    image.save(tmp_path / "a.png")
    monkeypatch.setattr(picture_reduction, "LARGEST", 10_000)
    monkeypatch.setattr(picture_reduction, "ENOUGH", 3_000)
    pictures = backbone.load(tiny.save(tmp_path / "model", "qwen2_5_vl")).pictures
    (opened,) = input_pipeline.open_here([File(tmp_path / "a.png", View(content_of(tmp_path / "a.png")))], pictures)
    assert isinstance(opened, Picture)
    assert opened.ready is not None
    assert (opened.image.size, opened.ready.size, opened.scale) == ((60, 45), (120, 90), (0.5, 0.5))
    whole = pictures.prepare(opened.key, image)
    assert torch.equal(whole.pixels, opened.ready.pixels)
    assert whole.tiles == opened.ready.tiles
    assert replace(opened, ready=None).scale == (1.0, 1.0)
