"""Slices that became bad: named on the first night, never for what was bad before or for another mixture."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from benchmarks.simulate_slices import OLD, PLANTED, Line, false_alarms
from workbench.analysis import slice_discovery, worsened


@pytest.fixture(scope="module")
def line() -> Line:
    return Line(8, 400, np.random.default_rng(11))


@pytest.fixture(scope="module")
def before(line: Line) -> pl.DataFrame:
    return pl.concat([line.night() for _ in range(8)])


@pytest.mark.parametrize("images", [1600, 12_000])
def test_a_slice_that_became_bad_is_named_on_the_first_night(line: Line, before: pl.DataFrame, images: int) -> None:
    tonight = line.night(tonight=True, worse=True, images=images)
    first, *more = worsened.find(pl.concat([tonight, before])) or []
    assert first.conditions == PLANTED
    assert more == []
    rows = tonight.filter(slice_discovery.holds(PLANTED))
    assert (first.n, first.images) == (rows.height, rows["cluster_id"].n_unique())
    assert first.rate == pytest.approx(rows["right"].mean())
    assert first.rate < first.expected - 0.1
    assert first.rate < first.baseline - 0.1
    assert 0 < first.detectable < 0.2
    assert first.q < 0.05


def test_a_slice_that_was_as_bad_before_is_not_new(line: Line, before: pl.DataFrame) -> None:
    tonight = line.night(tonight=True, images=1600)
    assert worsened.find(pl.concat([tonight, before])) == []
    lucky = pl.Series(np.random.default_rng(0).random(before.height) < 0.5)
    better = before.with_columns(right=pl.col("right") | (slice_discovery.holds(OLD) & lucky))
    assert [one.conditions for one in worsened.find(pl.concat([tonight, better])) or []] == [OLD]


def test_another_mixture_of_products_makes_no_slice(line: Line, before: pl.DataFrame) -> None:
    tonight = line.night(tonight=True, images=2400)
    hard = pl.col("product").is_in(["product-0", "product-5"]) & (pl.col("camera") == "3")
    shifted = tonight.filter(hard | (pl.col("camera") != "3") | (pl.col("product") == "product-4"))
    assert worsened.find(pl.concat([shifted, before])) == []


@pytest.mark.slow
def test_ordinary_nights_name_slices_within_the_bound(line: Line) -> None:
    found = false_alarms(line, 15)
    assert found["within"], found


def test_few_images_no_nights_before_and_nothing_to_tell_by_say_nothing(line: Line, before: pl.DataFrame) -> None:
    assert worsened.find(line.night(tonight=True)) is None
    few = line.night(tonight=True, images=worsened.LEAST - 1)
    assert worsened.find(pl.concat([few, before])) is None
    other = line.night(tonight=True).with_columns(product="new " + pl.col("product"))
    assert worsened.find(pl.concat([other, before])) is None
    alike = pl.concat([line.night(tonight=True), before]).with_columns(
        pl.lit("x").alias(name) for name in worsened.OVER
    )
    assert worsened.find(alike) is None


def test_the_order_of_rows_and_enums_in_place_of_texts_change_nothing(line: Line, before: pl.DataFrame) -> None:
    both = pl.concat([line.night(tonight=True, worse=True, images=1600), before])
    as_enums = both.sample(fraction=1, shuffle=True, seed=1).with_columns(
        pl.col(name).cast(pl.Enum(both[name].unique().sort())) for name in worsened.OVER
    )
    found = worsened.find(as_enums) or []
    for one, same in zip(worsened.find(both) or [], found, strict=True):
        assert one.conditions == same.conditions
        assert one.q == pytest.approx(same.q)


@pytest.mark.slow
def test_a_change_is_the_slope_of_the_regression_within_strata(line: Line) -> None:
    both = pl.concat([line.night(tonight=True, worse=True, images=300), line.night(images=600)])
    strata = both.select(worsened.STRATA).cast(pl.String)
    kind = pl.concat([strata, both.select(inside=slice_discovery.holds(PLANTED))], how="horizontal")
    kinds = kind.select(pl.struct(pl.all()).rank("dense")).to_series().to_numpy() - 1
    tonight, inside = both["tonight"].to_numpy(), kind["inside"].to_numpy()
    design = np.column_stack([np.eye(kinds.max() + 1)[kinds], tonight, tonight & inside]).astype(float)
    slope = sm.OLS(both["right"].to_numpy().astype(float), design).fit().params[-1]
    rows = worsened.changes(both, PLANTED)
    size = np.bincount(kinds)[kinds]
    plain = rows.with_columns(e=pl.col("e") / pl.Series(np.sqrt(size / np.maximum(size - 1, 1))))
    assert slice_discovery.against_the_rest(plain, PLANTED).difference == pytest.approx(slope)
