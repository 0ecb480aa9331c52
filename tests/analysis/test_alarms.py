"""Pictures without a label: what two runs call differently, and what is called defective by shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.rollups import Rollups, Selection
from warehouse.store import Store
from workbench.analysis import alarms, intervals
from workbench.scoring.run import called_defective

OUTCOMES = ("alarm", "pass", "escape", "overkill", "right", "failed", "unlabelled")
CALLS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(OUTCOMES)), max_size=20)


def frame(calls: list[tuple[str, str]]) -> pl.DataFrame:
    outcomes = pl.DataFrame(calls, schema={"image_id": pl.String, "outcome": pl.String}, orient="row")
    return outcomes.with_columns(cluster_id="image_id")


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


def stored_calls(data: Path, pieces: Sequence[bool], views: int, by_themselves: bool) -> None:
    """A run over views of pieces without a label.

    Args:
        data: the data folder.
        pieces: whether all views of each are called defective.
        views: how many there are of each.
        by_themselves: nothing says which views are of one piece.
    """
    store = Store(data)
    store.open_run(rows.run())
    predictions = [
        rows.prediction(
            0, 0, image_id=f"{piece}-{view}", image_path=f"{piece}/{view}.png", label=None, correct_answer=None,
            answer="A" if defective else "B", camera="A1",
            cluster_id=f"picture {piece} {view}" if by_themselves else f"piece {piece}",
        )
        for piece, defective in enumerate(pieces)
        for view in range(views)
    ]  # fmt: skip
    spool.write_part(data, rows.RUN, 0, predictions)
    ingest(store)


PIECES = [True] * 8 + [False] * 12


def test_the_views_of_a_piece_are_one_in_the_alarms_interval(tmp_path: Path) -> None:
    data = {name: tmp_path / name for name in ("views", "pieces", "pictures")}
    stored_calls(data["views"], PIECES, views=3, by_themselves=False)
    stored_calls(data["pieces"], PIECES, views=1, by_themselves=True)
    stored_calls(data["pictures"], PIECES, views=3, by_themselves=True)
    facts = pl.DataFrame({"cluster_id": range(20), "alarm": PIECES})
    expected = intervals.rates(facts, value="alarm").row(0, named=True)
    for name in data:
        cells = Rollups(data[name]).cells(Selection(rows.RUN)).filter(pl.col("subtask").is_null())
        for found in (alarms.of(cells), called_defective(Store(data[name]), rows.RUN)):
            share, (_, camera) = found.called.share, found.groups
            assert share is not None
            assert (found.called.defective, found.called.images) == ((8, 20) if name == "pieces" else (24, 60))
            assert (camera.low, camera.high) == (share.low, share.high)
            if name == "views":
                assert (share.low, share.high) == pytest.approx((expected["low"], expected["high"]))
            else:  # pictures by themselves
                ends = proportion_confint(found.called.defective, found.called.images, method="wilson")
                assert (share.low, share.high) == pytest.approx(ends)


def test_the_views_of_a_piece_are_one_in_two_runs_disagreement() -> None:
    calls = frame([(f"{piece}-{view}", "alarm" if defective else "pass")
                   for piece, defective in enumerate(PIECES) for view in range(3)])  # fmt: skip
    calls = calls.with_columns(cluster_id=pl.col("image_id").str.split("-").list.first())
    good = calls.with_columns(outcome=pl.lit("pass"))
    found = alarms.disagreement(good, calls.with_columns(product=pl.lit("pcb"))).share
    facts = pl.DataFrame({"cluster_id": range(20), "alarm": PIECES})
    expected = intervals.rates(facts, value="alarm").row(0, named=True)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected["low"], expected["high"]))


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
