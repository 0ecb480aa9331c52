"""The leaderboard on Runs: closed until asked for, then every number that its export has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.pages import seed
from tests.pages.screen import opened, words
from workbench.pages.ui import components

RUNS = "workbench/pages/runs/runs.py"
OTHER = "20250105T220005123Z-a1b2c3d4"


def two_runs(data: Path) -> seed.Seeded:
    seeded = seed.seed(data, images=12)
    later = seeded.run.started_at + timedelta(1)
    run = replace(seeded.run, run_id=OTHER, plan="other", model="other <b>model", started_at=later, finished_at=later)
    cases = [case for entry in seeded.entries for case in seeded.store.case(seeded.run.run_id, entry.image_id)]
    seed.store_run(seeded.store, run, [replace(case, run_id=OTHER, answer="A") for case in cases], [])
    return seeded


def test_one_run_alone_has_no_leaderboard(data_folder: Path) -> None:
    seed.seed(data_folder, images=2)
    assert "Leaderboard" not in words(opened(RUNS))


def test_the_open_card_ranks_the_runs_with_the_numbers_of_its_export(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = two_runs(data_folder)
    assert "<th>rank</th>" not in words(opened(RUNS))
    exported: dict[str, Mapping[str, Callable[[], pl.DataFrame]]] = {}
    monkeypatch.setattr(components, "export", lambda name, frames: exported.update({name: frames}))
    text = words(opened(RUNS, board="1", run=seeded.run.run_id))
    files = {what: make() for what, make in exported["leaderboard"].items()}
    averages = files["numbers"].drop_nulls("rank")
    assert set(averages["run_id"]) == {OTHER, seeded.run.run_id}
    for row in averages.iter_rows(named=True):
        assert f"<b>{100 * row['accuracy']:.1f} ±{50 * (row['high'] - row['low']):.1f}</b>" in text
    right = files["answers"][seeded.run.run_id]
    assert f"over {len(right):,} questions" in text
    assert files["pairs"].height == 1
    assert "other &lt;b&gt;model" in text
    assert "Published rows are left out: the embedded demo model answers drawn pictures." in text
    assert "Human expert" not in text
