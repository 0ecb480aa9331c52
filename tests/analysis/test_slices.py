"""Slices against the rest: statsmodels' regression, plain sums, and slices too small to say anything."""

from __future__ import annotations

import polars as pl
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from tests.analysis import invented
from workbench.analysis import slices


@pytest.mark.parametrize("by", [("product",), ("product", "subtask"), ("subtask", "camera", "night"), ("subtask",)])
def test_a_slice_s_difference_is_the_regression_s_and_its_test_a_sum_over_images(by: tuple[str, ...]) -> None:
    facts = invented.facts(images=120)
    table = slices.table(facts, by)
    right = pl.col("right").cast(pl.Float64)
    share = right.mean() if by == ("subtask",) else right.mean().over("subtask")
    frame = facts.with_columns(e=right - share, spread=(share * (1 - share)).sqrt())
    effective = facts.height**2 / sum(len(part) ** 2 for _, part in facts.group_by("cluster_id"))
    grown = effective / (effective - 1)
    spread = frame["spread"].to_numpy()
    of_images = frame.group_by("cluster_id").agg(pl.col("e", "spread").sum())
    e, all_spread = of_images["e"].to_numpy(), of_images["spread"].to_numpy()
    alone, together = (spread**2).sum(), (all_spread**2).sum()
    correlation = (grown * (e**2).sum() - alone) / (together - alone)
    assert 0 < correlation < 1
    for row in table.head(3).iter_rows(named=True):
        data = frame.select(
            "cluster_id", "e", "spread", inside=pl.all_horizontal(pl.col(name) == row[name] for name in by)
        )
        fit = smf.ols("e ~ inside", data.with_columns(pl.col("inside").cast(pl.Float64)).to_pandas()).fit()
        assert row["difference"] == pytest.approx(fit.params["inside"], abs=1e-12)
        pushes = [
            part.filter("inside")["e"].sum() / row["n"]
            - part.filter(~pl.col("inside"))["e"].sum() / (len(data) - row["n"])
            for _, part in data.group_by("cluster_id")
        ]
        seen = grown * sum(push**2 for push in pushes)
        signed = data.with_columns(
            pl.col("spread") * pl.when("inside").then(1 / row["n"]).otherwise(-1 / (len(data) - row["n"]))
        )
        by_image = signed.group_by("cluster_id").agg(pl.col("spread").sum())["spread"].to_numpy()
        independent = (signed["spread"].to_numpy() ** 2).sum()
        expected = (1 - correlation) * independent + correlation * (by_image**2).sum()
        inside = [part.height for _, part in data.filter("inside").group_by("cluster_id")]
        assert row["effective"] == pytest.approx(sum(inside) ** 2 / sum(m**2 for m in inside))
        t = row["difference"] / max(seen, expected) ** 0.5
        p = 2 * stats.t.sf(abs(t), row["effective"] - 1)
        assert row["p"] == pytest.approx(p, rel=1e-9)


def test_a_slice_s_counts_are_those_of_its_rows() -> None:
    facts = invented.facts()
    table = slices.table(facts, ("product", "camera"))
    plain = facts.group_by("product", "camera").agg(
        n=pl.len().cast(pl.Int64), right=pl.col("right").sum().cast(pl.Int64),
        images=pl.col("cluster_id").n_unique().cast(pl.Int64), rate=pl.col("right").mean(),
    )  # fmt: skip
    key = ("product", "camera")
    assert_frame_equal(table.select(plain.columns).sort(key), plain.sort(key))


def test_expected_is_what_the_others_score_on_the_slice_s_mix_of_subtasks() -> None:
    facts = pl.DataFrame(
        {
            "cluster_id": [str(i) for i in range(8)],
            "subtask": ["easy"] * 4 + ["hard"] * 4,
            "product": ["a", "a", "a", "b", "a", "b", "b", "b"],
            "right": [True, True, True, True, False, False, False, False],
        }
    )
    table = slices.table(facts, ("product",))  # `a` is asked more easy questions, and is no better
    assert table["difference"].to_list() == [0, 0]
    assert dict(table.select("product", "expected").iter_rows()) == {"a": 0.75, "b": 0.25}


def test_worst_comes_first_and_a_missing_value_is_a_slice() -> None:
    facts = pl.DataFrame(
        {
            "cluster_id": [str(i) for i in range(6)],
            "subtask": ["s"] * 6,
            "line": ["1", "1", "1", None, None, None],
            "right": [True, True, True, False, False, True],
        }
    )
    assert slices.table(facts, ("line",))["line"].to_list() == [None, "1"]


def test_small_slices_are_said_to_be_too_small_and_take_no_part_in_discovery_control() -> None:
    facts = invented.facts(images=100).with_columns(
        product=pl.when(pl.col("cluster_id").is_in(["1", "2"])).then(pl.lit("rare")).otherwise("product")
    )
    rare = slices.table(facts, ("product",)).filter(pl.col("product") == "rare").row(0, named=True)
    assert (rare["enough"], rare["q"]) == (False, None)
    assert rare["detectable"] > 0.5


def test_everything_in_one_slice_has_nothing_to_be_compared_with() -> None:
    row = slices.table(invented.facts(), ("dataset",)).row(0, named=True)
    assert (row["difference"], row["p"], row["q"]) == (None, None, None)


def test_no_rows_give_no_slices() -> None:
    assert slices.table(invented.facts().clear(), ("product",)).is_empty()
    assert slices.heat(invented.facts().clear()).is_empty()


@given(seed=st.integers(0, 2**20))
@settings(max_examples=5, deadline=None)
def test_the_order_of_rows_plays_no_part(seed: int) -> None:
    facts = invented.facts(images=40)
    shuffled = facts.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(slices.table(facts, ("product",)), slices.table(shuffled, ("product",)))


def test_a_cell_s_expectation_comes_from_its_row_and_its_column() -> None:
    facts = invented.facts(images=200)
    heat = slices.heat(facts)
    rate = float(facts["right"].to_numpy().mean())
    for row in heat.head(5).iter_rows(named=True):
        product = facts.filter(pl.col("product") == row["product"])["right"].to_numpy().mean()
        subtask = facts.filter(pl.col("subtask") == row["subtask"])["right"].to_numpy().mean()
        assert row["expected"] == pytest.approx(min(1, product + subtask - rate))
        assert row["difference"] == pytest.approx(row["rate"] - row["expected"])
    assert heat["n"].sum() == facts.height


def test_a_small_slice_without_an_error_is_no_better_than_one_with_few() -> None:
    """Its own scatter is next to none; of so easy questions 20 without an error are nothing to wonder at."""
    facts = pl.DataFrame({"cluster_id": [str(n) for n in range(300)], "subtask": "s"}).with_columns(
        product=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("small")).otherwise(pl.lit("rest")),
        right=pl.int_range(pl.len()) % 25 != 22,
    )
    row = slices.table(facts, ("product",)).filter(product="small").row(0, named=True)
    assert (row["rate"], row["enough"]) == (1.0, True)
    assert row["p"] > 0.3
