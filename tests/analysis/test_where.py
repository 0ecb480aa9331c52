"""Where a run is wrong, and where it loses: a planted fall of a subtask, a product, a camera or a cell is named."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.analysis import invented
from tests.mmad import SUBTASKS
from workbench.analysis import compare, error_concentration, intervals, loss_by_slice, slices
from workbench.analysis.error_concentration import Cut

IMAGES, SEEDS = 600, 4
VALUES = {"product": ("0", "1", "2"), "camera": ("0", "1"), "subtask": SUBTASKS}
PLACES: list[tuple[Cut, tuple[str, ...]]] = [
    *[((name,), (value,)) for name, values in VALUES.items() for value in values],
    *[(("product", "subtask"), (product, subtask)) for product in VALUES["product"] for subtask in SUBTASKS],
]


@cache
def before(seed: int) -> pl.DataFrame:
    """A run in which nothing stands out."""
    return invented.facts(IMAGES, seed, ease=1.7)


def fallen(seed: int, cut: Cut, values: tuple[str, ...], left: float) -> pl.DataFrame:
    """The run asked again: a few answers change, and where the cut has these values so many right ones are left."""
    rng = np.random.default_rng(seed + 100)
    facts = before(seed)
    there = facts.select(pl.all_horizontal(pl.col(name) == value for name, value in zip(cut, values, strict=True)))
    keeps = pl.Series(rng.random(facts.height) < left) | ~there.to_series()
    changes = pl.Series(rng.random(facts.height) < 0.03)
    return facts.with_columns(right=((pl.col("right") != changes) & keeps))


def errors_by_slice(facts: pl.DataFrame) -> pl.DataFrame:
    return error_concentration.table(
        {cut: intervals.rates(facts, cut) for cut in error_concentration.CUTS}, intervals.rates(facts)
    )


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(PLACES), st.integers(0, SEEDS - 1), st.floats(0.1, 0.5))
def test_a_planted_fall_is_the_first_slice_by_share_of_errors(
    place: tuple[Cut, tuple[str, ...]], seed: int, left: float
) -> None:
    cut, values = place
    facts = fallen(seed, cut, values, left)
    first = errors_by_slice(facts).row(0, named=True)
    assert (tuple(first["cut"]), tuple(first["values"])) == place
    assert first["q"] < 0.05
    rows = facts.filter(pl.all_horizontal(pl.col(name) == value for name, value in zip(cut, values, strict=True)))
    assert first["errors"] == rows.filter(~pl.col("right")).height
    assert first["share"] == pytest.approx(first["errors"] / facts.filter(~pl.col("right")).height)
    assert first["share_of_questions"] == pytest.approx(rows.height / facts.height)
    worst = slices.table(facts, cut).filter("enough").row(0, named=True)
    assert tuple(worst[name] for name in cut) == values


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(PLACES), st.integers(0, SEEDS - 1), st.floats(0.1, 0.5))
def test_a_planted_fall_is_where_the_new_run_loses(place: tuple[Cut, tuple[str, ...]], seed: int, left: float) -> None:
    pairs = compare.pair(before(seed), fallen(seed, *place, left)).frame
    found = loss_by_slice.losing(loss_by_slice.table(pairs)).row(0, named=True)
    assert (tuple(found["cut"]), tuple(found["values"])) == place


def test_a_scan_s_ratio_is_the_one_of_three_binomials() -> None:
    errors, n, all_errors, all_n = 30, 50, 90, 400
    inside = stats.binom.logpmf(errors, n, errors / n) + stats.binom.logpmf(60, 350, 60 / 350)
    everywhere = stats.binom.logpmf(errors, n, 90 / 400) + stats.binom.logpmf(60, 350, 90 / 400)
    found = error_concentration.log_likelihood_ratio([errors, 1], [n, 50], all_errors, all_n)
    assert found[0] == pytest.approx(inside - everywhere)
    assert found[1] == 0  # better than elsewhere


@pytest.mark.slow
def test_of_equal_runs_few_are_called_uneven_and_few_are_called_losing() -> None:
    trials = 60
    named = sum(bool((errors_by_slice(invented.facts(80, seed)).head(1)["q"] < 0.05).any()) for seed in range(trials))
    rng = np.random.default_rng(5)
    lost = 0
    for seed in range(trials):
        facts = invented.facts(80, seed + 1000)
        new = facts.with_columns(right=pl.col("right") != pl.Series(rng.random(facts.height) < 0.2))
        old = facts.with_columns(right=pl.col("right") != pl.Series(rng.random(facts.height) < 0.2))
        lost += loss_by_slice.losing(loss_by_slice.table(compare.pair(old, new).frame)).height > 0
    bound = stats.binom.ppf(0.99, trials, 0.05)
    assert (named <= bound, lost <= bound) == (True, True), (named, lost)


def test_each_slice_s_counts_and_test_are_those_of_the_comparison() -> None:
    pairs = compare.pair(before(0), fallen(0, ("camera",), ("1",), 0.5)).frame
    found = loss_by_slice.table(pairs, cuts=(("product",),)).sort("values")
    expected = compare.table(pairs, ("product",))
    for name in ("n", "images", "rate_old", "rate_new", "difference", "lost", "gained"):
        assert found[name].to_list() == pytest.approx(expected[name].to_list()), name
    assert found["p"].to_list() == pytest.approx(expected["p"].to_list(), abs=0.002)  # of drawn flips
    fell = compare.pair(before(0), fallen(0, ("subtask",), SUBTASKS[:1], 0.5)).frame
    of_one = fell.filter(pl.col("subtask") == SUBTASKS[0])  # one question per image: no flip is drawn
    found, expected = (
        loss_by_slice.table(of_one, cuts=(("camera",),)).sort("values"),
        compare.table(of_one, ("camera",)),
    )
    assert found["p"].to_list() == pytest.approx(expected["p"].to_list(), rel=1e-6, abs=0.001)
    assert found["q"].to_list() == pytest.approx(intervals.discoveries(found["p"]).to_list())


def test_questions_of_one_run_alone_are_counted_where_they_are() -> None:
    old, new = before(0), fallen(0, ("camera",), ("1",), 0.5)
    gone = new.filter(~((pl.col("camera") == "1") & (pl.col("subtask") == SUBTASKS[0])))
    of_old, of_new = (facts.group_by(loss_by_slice.DIMENSIONS).agg(n=pl.len()) for facts in (old, gone))
    found = loss_by_slice.table(compare.pair(old, gone).frame, of_old, of_new)
    row = found.filter(pl.col("values").list.join("") == "1", pl.col("cut").list.join("") == "camera").row(
        0, named=True
    )
    assert row["only_old"] == new.filter(camera="1", subtask=SUBTASKS[0]).height > 0
    assert found["only_new"].sum() == 0


def test_nothing_judged_gives_the_empty_tables() -> None:
    nothing = before(0).clear()
    assert errors_by_slice(nothing).schema == pl.Schema(error_concentration.SCHEMA)
    assert loss_by_slice.table(compare.pair(nothing, nothing).frame).schema == pl.Schema(loss_by_slice.SCHEMA)
