"""What a leaderboard reads of several runs: questions that all were judged on; each run is read once while it stays."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.warehouse import rows
from tests.warehouse.test_truth import settle
from warehouse import spool
from warehouse.database import Database
from warehouse.ingest import ingest
from warehouse.queries import shared
from warehouse.queries.groundings import Groundings
from warehouse.queries.truth import FACTS, Truth
from warehouse.records.scoring import Grounding, Prediction
from warehouse.store import Store

RUNS = [f"2025010{day}T220005123Z-a1b2c3d4" for day in (3, 4, 5)]
Names = tuple[str, str]  # image, question


class Counted:
    """Keeps frames as the dashboard does, and what was made."""

    def __init__(self) -> None:
        self.frames: dict[Hashable, pl.DataFrame] = {}
        self.made: list[tuple[str, str]] = []

    def get(self, key: Hashable, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        if key not in self.frames:
            assert isinstance(key, tuple)
            self.frames[key] = make()
            self.made.append((key[0], key[3]))
        return self.frames[key]


def predictions(run: int, block: int = 0) -> list[Prediction]:
    """Eight questions about defective pictures, of which each run has failed at another and is wrong about others."""
    made = []
    for number in range(8):
        plain = rows.prediction(
            block, number, RUNS[run], label="defective", defect="crack", correct_answer="A",
            answer="AB"[(number * (run + 2)) % 3 == 0],
        )  # fmt: skip
        failed = replace(plain, status="failed", answer=None, failure="truncated", error="truncated")
        made.append(failed if number == run else plain)
    return made


def grounding(run: int, of: Prediction) -> Grounding:
    return Grounding(RUNS[run], of.image_id, of.question_id, run == 0, 0.25, None, None)


@pytest.fixture
def scored(data: Path) -> Path:
    store = Store(data)
    for run, run_id in enumerate(RUNS):
        store.open_run(rows.run(run_id))
        spool.write_part(data, run_id, 0, predictions(run))
        Groundings(data).store(run_id, [grounding(run, each) for each in predictions(run)])
    ingest(store)
    return data


def plainly(data: Path, truth: Truth = "archive") -> dict[Names, tuple[bool, ...]]:
    """Case -> whether each run is right, of the cases that all were judged on."""
    of_runs = [
        {
            (image, question): right
            for image, question, right in Database(data)
            .frame(f"SELECT image_id, question_id, correct FROM {FACTS[truth]} WHERE run_id = ?", [run_id])
            .drop_nulls()
            .iter_rows()
        }
        for run_id in RUNS
    ]
    shared_cases = set.intersection(*(set(each) for each in of_runs))
    return {case: tuple(each[case] for each in of_runs) for case in shared_cases}


def as_read(found: shared.SharedAnswers) -> dict[Names, tuple[bool, ...]]:
    return {(row["image_id"], row["question_id"]): tuple(row[run] for run in RUNS) for row in found.answers.to_dicts()}


def test_runs_share_the_questions_that_all_of_them_were_judged_on(scored: Path) -> None:
    found = shared.read(scored, RUNS)
    assert as_read(found) == plainly(scored)
    assert found.answers.height == 5
    assert found.runs.select("judged", "images", "seconds").rows() == [(7, 4, 2.0)] * 3
    assert sorted(found.groundings.select("row", "run").rows()) == [(row, run) for row in range(5) for run in range(3)]
    assert found.groundings.filter("patches_hit")["run"].unique().to_list() == [0]
    assert found.groundings.schema == shared.read(scored, []).groundings.schema


def test_what_was_read_is_kept_until_the_run_grows(scored: Path) -> None:
    kept = Counted()
    first = shared.read(scored, RUNS, cache=kept)
    assert len(kept.made) == 1 + 2 * len(RUNS)
    again = shared.read(scored, RUNS, cache=kept)
    assert len(kept.made) == 1 + 2 * len(RUNS)
    assert_frame_equal(first.answers, again.answers)
    assert_frame_equal(first.groundings, again.groundings)
    kept.made.clear()
    for run in (1, 2):
        spool.write_part(scored, RUNS[run], 1, predictions(run, block=1))
    ingest(Store(scored))
    shared.read(scored, RUNS, cache=kept)
    assert {run_id for _, run_id in kept.made} == {RUNS[1], RUNS[2]}


def test_what_is_measured_again_is_read_again(scored: Path) -> None:
    kept = Counted()
    shared.read(scored, RUNS, cache=kept)
    kept.made.clear()
    moved = [replace(grounding(0, each), patches_hit=number != 3) for number, each in enumerate(predictions(0))]
    Groundings(scored).store(RUNS[0], moved)
    found = shared.read(scored, RUNS, cache=kept)
    assert ("measured", RUNS[0]) in kept.made
    assert {kind for kind, _ in kept.made} == {"measured"}
    assert found.groundings.filter(run=0)["patches_hit"].sum() == 4


def test_what_people_settle_is_read_again_under_reviewed_alone(scored: Path) -> None:
    kept = Counted()
    truths: tuple[Truth, ...] = ("archive", "reviewed")
    for truth in truths:
        shared.read(scored, RUNS, truth, kept)
    kept.made.clear()
    settle(scored, predictions(0)[4], decision="wrong", right_answer="B", label="good")
    for truth in truths:
        assert as_read(shared.read(scored, RUNS, truth, kept)) == plainly(scored, truth)
        assert bool(kept.made) == (truth == "reviewed")
    assert shared.read(scored, RUNS, "reviewed").answers.filter(label="good").height
