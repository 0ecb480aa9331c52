"""Pictures without a label: what two runs call differently, and what is called defective by shape."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from workbench.analysis import alarms

OUTCOMES = ("alarm", "pass", "escape", "overkill", "right", "failed", "unlabelled")
CALLS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(OUTCOMES)), max_size=20)


def frame(calls: list[tuple[str, str]]) -> pl.DataFrame:
    rows = pl.DataFrame(calls, schema={"image_id": pl.String, "outcome": pl.String}, orient="row")
    return rows.with_columns(cluster_id="image_id")


@given(CALLS, CALLS)
def test_two_runs_disagree_on_pictures_that_one_alone_calls_defective(
    old: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    found = alarms.disagreement(frame(old), frame(new))
    unlabelled = [{image for image, outcome in calls if outcome in ("alarm", "pass")} for calls in (old, new)]
    shared = unlabelled[0] & unlabelled[1]
    called = [{image for image, outcome in calls if outcome == "alarm"} & shared for calls in (old, new)]
    assert found.images == len(shared)
    assert found.only_old == tuple(sorted(called[0] - called[1]))
    assert found.only_new == tuple(sorted(called[1] - called[0]))
    assert found.both == len(called[0] & called[1])
    if not shared:
        assert found.share is None
        assert found.sentence("A", "B") == ""
        return
    differ = len(called[0] ^ called[1])
    low, high = proportion_confint(differ, len(shared), method="wilson")
    assert found.share is not None
    assert abs(found.share.low - low) + abs(found.share.high - high) < 1e-9
    pictures = "picture" if len(shared) == 1 else "pictures"
    assert f"call {differ} of {len(shared)} {pictures} without" in found.sentence("A", "B")


@given(CALLS, CALLS)
def test_by_product_and_camera_they_disagree_on_the_same_pictures(
    old: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    product, camera = {"a": "x", "b": "x"}, {"a": "A1", "c": "A1", "d": None}
    dimensions = [
        pl.col("image_id").replace_strict(product, default="y", return_dtype=pl.String).alias("product"),
        pl.col("image_id").replace_strict(camera, default="A2", return_dtype=pl.String).alias("camera"),
    ]
    found = alarms.disagreement(frame(old), frame(new).with_columns(dimensions, line=pl.lit(None, pl.String)))
    defective = [{image for image, outcome in calls if outcome == "alarm"} for calls in (old, new)]
    shared = set.intersection(*({i for i, outcome in calls if outcome in ("alarm", "pass")} for calls in (old, new)))
    values = {i: {"product": product.get(i, "y"), "camera": camera.get(i, "A2") or alarms.NONE} for i in shared}
    expected = {
        (name, value): tuple(
            sum(values[i][name] == value for i in images)
            for images in (shared, shared & defective[0] - defective[1], shared & defective[1] - defective[0])
        )
        for name in ("product", "camera")
        for value in {of[name] for of in values.values()}
        if name == "product" or shared != {"d"}  # no picture has a camera: it is no dimension
    }
    assert {(g.dimension, g.value): (g.images, g.only_old, g.only_new) for g in found.groups} == expected
    for group in found.groups:
        differ = group.only_old + group.only_new
        assert (group.low, group.high) == pytest.approx(proportion_confint(differ, group.images, method="wilson"))


def test_labelled_answers_are_no_part_of_what_is_called_defective_by_shape() -> None:
    facts = pl.DataFrame(
        {
            "cluster_id": ["a", "b", "c", "d"],
            "outcome": ["alarm", "pass", "overkill", "alarm"],
            "shape": ["falling", "falling", "falling", None],
        }
    )
    (row,) = alarms.by_group(facts, ("shape",)).to_dicts()
    assert (row["shape"], row["n"], row["rate"]) == ("falling", 2, 0.5)
