"""The simulations of `make simulate` with fewer trials: honest intervals, few false alarms, planted slices found."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks import simulate_analysis as simulate
from benchmarks import simulate_clusters
from tests.analysis import invented
from workbench.analysis import slice_discovery

pytestmark = pytest.mark.slow

TRIALS, SEED = 200, 20250103
FEWER = {
    "interval of a difference misses, unequal images": 100, "interval of a difference misses, 15 unequal images": 100,
    "slices found in noise": 60, "planted slice found": 25, "always A flagged": 20, "unbiased model flagged": 60,
}  # fmt: skip


@pytest.mark.parametrize("name", simulate.EXPERIMENTS)
def test_over_many_invented_runs_the_analysis_keeps_its_promise(name: str) -> None:
    found = simulate.trial(name, FEWER.get(name, TRIALS), SEED)
    print(f"seed {SEED}: {found}")
    assert found.held, found


def test_an_interval_that_takes_questions_for_independent_would_not() -> None:
    misses = sum(simulate.misses_naive(np.random.default_rng([SEED, number])) for number in range(TRIALS))
    print(f"seed {SEED}: naive intervals miss {misses} of {TRIALS}")
    assert misses > 0.05 * TRIALS


def test_the_planted_slice_is_large_enough_to_be_found() -> None:
    assert simulate.power() > 0.9


def test_a_slice_is_told_with_its_conditions_and_what_it_costs() -> None:
    rng = np.random.default_rng(0)
    asked = simulate.draw(rng, 3000)
    bad = ((asked["product"] == "3") & (asked["camera"] == "1")).to_numpy()
    facts = simulate.answered(rng, asked.with_columns(chance=asked["chance"].to_numpy() * np.where(bad, 0.4, 1)))
    row = slice_discovery.find(facts).row(0, named=True)
    assert row["slice"] == "product = 3 and camera = 1"
    assert row["conditions"] == [{"dimension": "product", "value": "3"}, {"dimension": "camera", "value": "1"}]
    assert row["confirmed"]
    assert row["n"] == bad.sum()
    assert row["images"] == asked.filter(pl.Series(bad))["cluster_id"].n_unique()
    assert row["low"] < row["difference"] < row["high"] < 0


def test_discovery_gives_the_same_slices_whatever_the_order_of_rows() -> None:
    facts = invented.facts(images=300)
    assert_frame_equal(
        slice_discovery.find(facts), slice_discovery.find(facts.sample(fraction=1, shuffle=True, seed=1))
    )


def test_too_few_images_and_too_few_values_discover_nothing() -> None:
    assert slice_discovery.find(invented.facts(images=30)).is_empty()
    assert slice_discovery.find(invented.facts(images=300), over=("dataset",)).is_empty()


def test_however_unequal_images_are_intervals_hold_and_equal_runs_and_slices_are_called_equal() -> None:
    found = simulate_clusters.simulate(40, SEED)
    assert found["holds"], [
        row for part in ("rates", "differences", "slices") for row in found[part] if not row["held"]
    ]
