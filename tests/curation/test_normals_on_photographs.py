"""Real cookies: what verdicts do to normals, through the very functions of `python -m benchmarks.normals`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.comparison import read
from benchmarks.normals import Study, planted, replay
from workbench.comparison.vision_towers import load_tower
from workbench.errors import BackboneError


@pytest.fixture
def cookies(inspection_pack: Path, tmp_path: Path) -> Study:
    try:
        tower = load_tower(os.environ.get("WORKBENCH_PHOTOS_WHEEL", "photos"), threads=1)
    except BackboneError as error:
        pytest.skip(f"no weights: {error}")
    return Study([each for each in read(inspection_pack) if each.dataset == "AWS-Cookie"], tower, tmp_path)


@pytest.mark.real_images
def test_confirmed_false_alarms_lower_overkill_and_wrong_verdicts_are_refused_or_named(cookies: Study) -> None:
    figures = replay(cookies, draws=20)
    assert figures["confirmed_mean"] >= 1
    for name in ("at_escape_0.1", "at_escape_0.2", "over_all_escapes"):
        assert figures[f"overkill_{name}"]["difference"] < 0

    counts = planted(cookies, most=12)

    assert (counts["wrong"], counts["right"]) == (12, 12)
    assert counts["wrong_either"] >= 11
    assert counts["right_named"] == 0
