"""The demo: drawn once, imported once, scored once, with the full method at its defaults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.people import ANN
from tests.scored import Quiet
from warehouse.store import Store
from workbench.scoring import demo
from workbench.settings import Settings, Work


@pytest.mark.slow
def test_the_demo_is_the_full_method_at_its_defaults_and_does_nothing_twice(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "IMAGES", 2)
    own = Settings(work=Work(data=data_folder))
    first = demo.demo(own, Quiet(), actor=ANN)
    drawn = {path: path.stat().st_mtime_ns for path in (data_folder / "demo").rglob("*.png")}
    assert (first.run.state, first.run.demo, first.images) == ("finished", True, 2)
    recorded = json.loads(first.run.settings)
    defaults = json.loads(Settings().as_json())
    settled = {"data", "device", "dtype", "block_images", "facts"}  # `auto` settled, and what names stood for
    assert {name: recorded[name] for name in recorded.keys() - settled} == {
        name: defaults[name] for name in defaults.keys() - settled
    }
    assert recorded["block_images"] == 8  # on a CPU
    assert len(Store(data_folder).predictions(first.run.run_id)["entropy"][0]) == 11

    watch = Quiet()
    again = demo.demo(own, watch, actor=ANN)
    assert (again.run.run_id, again.images) == (first.run.run_id, 0)
    assert "drawing an archive" not in watch.steps
    assert {path: path.stat().st_mtime_ns for path in (data_folder / "demo").rglob("*.png")} == drawn


def test_the_demos_archive_is_large_enough() -> None:
    assert demo.IMAGES >= 60
