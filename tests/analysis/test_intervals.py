"""Rates clustered by image: against statsmodels, against the bootstrap, and where there is little to go by."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint

from tests.analysis import invented
from workbench.analysis import intervals


def test_a_rate_s_error_is_the_cluster_robust_one_of_statsmodels() -> None:
    facts = invented.facts()
    frame = facts.select(pl.col("right").cast(pl.Float64), image=pl.col("cluster_id").cast(pl.Int64)).to_pandas()
    fit = smf.ols("right ~ 1", frame).fit(cov_type="cluster", cov_kwds={"groups": frame["image"]})
    row = intervals.rates(facts).row(0, named=True)
    assert row["rate"] == pytest.approx(fit.params["Intercept"], rel=1e-12)
    # statsmodels takes 60 images for as many of one size.
    like_one_size = row["effective"] / (row["effective"] - 1) / (60 / 59)
    assert row["se"] == pytest.approx(fit.bse["Intercept"] * like_one_size**0.5, rel=1e-12)
    assert (row["n"], row["images"]) == (facts.height, 60)
    assert 40 < row["effective"] < 60


def test_groups_are_what_each_of_them_gives_alone() -> None:
    facts = invented.facts()
    together = intervals.rates(facts, ("product", "subtask")).sort("product", "subtask")
    for (product, subtask), part in facts.group_by("product", "subtask"):
        alone = intervals.rates(part)
        mine = together.filter(pl.col("product") == product, pl.col("subtask") == subtask)
        assert_frame_equal(mine.drop("product", "subtask"), alone)


def test_with_one_question_per_image_the_interval_is_wilson_s() -> None:
    facts = invented.facts(images=4000, most=1)
    row = intervals.rates(facts).row(0, named=True)
    wilson = proportion_confint(row["right"], row["n"], method="wilson")
    assert (row["low"], row["high"]) == pytest.approx(wilson, abs=1e-4)  # t instead of z, n - 1 instead of n
    assert row["deff"] == pytest.approx(1, abs=1e-3)


def test_the_bootstrap_agrees() -> None:
    facts = invented.facts(images=400)
    row = intervals.rates(facts).row(0, named=True)
    found = intervals.bootstrap(intervals.per_cluster(facts))
    assert found.value == row["rate"]
    assert (found.low, found.high) == pytest.approx((row["low"], row["high"]), abs=0.01)


def test_repeating_every_question_tells_nothing_new() -> None:
    facts = invented.facts()
    once, twice = (intervals.rates(each).row(0, named=True) for each in (facts, pl.concat([facts, facts])))
    assert (twice["low"], twice["high"]) == pytest.approx((once["low"], once["high"]), rel=1e-9)
    assert twice["deff"] == pytest.approx(2 * once["deff"], rel=1e-9)


def test_sums_of_disjoint_images_add_up() -> None:
    facts = invented.facts()
    parts = [intervals.moments(intervals.per_cluster(part)) for _, part in facts.group_by("camera")]
    whole = intervals.moments(intervals.per_cluster(facts))
    assert_frame_equal(pl.concat(parts).sum(), whole, check_dtypes=False)


@given(seed=st.integers(0, 2**20))
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_plays_no_part(seed: int) -> None:
    facts = invented.facts(images=20)
    shuffled = facts.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(
        intervals.rates(facts, ("product",)).sort("product"), intervals.rates(shuffled, ("product",)).sort("product")
    )


@pytest.mark.parametrize(
    ("right", "rate", "low", "high"),
    [
        ([], None, 0.0, 1.0),
        ([True], 1.0, 0.0, 1.0),  # one image says nothing
        ([True] * 100, 1.0, 0.962, 1.0),
        ([False] * 100, 0.0, 0.0, 0.038),
    ],
)
def test_where_answers_are_few_or_alike_the_interval_is_wide(
    right: list[bool], rate: float | None, low: float, high: float
) -> None:
    facts = pl.DataFrame(
        {"cluster_id": [str(i) for i in range(len(right))], "right": right},
        schema={"cluster_id": pl.String, "right": pl.Boolean},
    )
    row = intervals.rates(facts).row(0, named=True)
    assert row["rate"] == rate
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-3)


def test_ten_questions_about_one_image_count_as_one_while_all_are_alike() -> None:
    facts = pl.DataFrame({"cluster_id": ["one"] * 10, "right": [True] * 10})
    row = intervals.rates(facts).row(0, named=True)
    assert (row["n"], row["images"], row["deff"]) == (10, 1, 10)
    assert (row["low"], row["high"]) == (0.0, 1.0)
    ten = pl.DataFrame({"cluster_id": [str(n) for n in range(10)], "right": [True] * 10})
    as_one = intervals.rates(pl.concat([ten] * 7)).row(0, named=True)
    assert as_one["low"] == pytest.approx(intervals.rates(ten)["low"][0])


def test_questions_without_judgement_are_left_out() -> None:
    facts = pl.DataFrame({"cluster_id": ["a", "b", "c"], "right": [True, None, False]})
    assert intervals.rates(facts).select("n", "right").row(0) == (2, 1)


def test_what_is_detectable_is_what_statsmodels_solves_for() -> None:
    for rate, n, others in ((0.75, 200.0, 2000.0), (0.9, 50.0, 50.0), (0.3, 400.0, 100.0)):
        found = pl.select(intervals.detectable(pl.lit(rate), pl.lit(n), pl.lit(others))).item()
        effect = 2 * np.arcsin(np.sqrt(rate)) - 2 * np.arcsin(np.sqrt(rate - found))
        solved = NormalIndPower().solve_power(nobs1=n, alpha=0.05, power=0.8, ratio=others / n)
        assert effect == pytest.approx(solved, abs=1e-4)


def test_discovery_control_keeps_unknown_p_apart() -> None:
    found = intervals.discoveries(pl.Series([0.001, None, 0.02, 0.03, 0.2]))
    assert found.to_list() == [pytest.approx(0.004), None, pytest.approx(0.04), pytest.approx(0.04), pytest.approx(0.2)]
    assert intervals.discoveries(pl.Series([None], dtype=pl.Float64)).to_list() == [None]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_s_p_is_statsmodels_one(p: list[float]) -> None:
    found = intervals.holm(pl.Series(p, dtype=pl.Float64)).to_list()
    assert found == pytest.approx(multipletests(p, method="holm")[1].tolist() if p else [])
