"""Traces and patches: shapes' error rates, and hits against chance."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.analysis import invented
from workbench.analysis import traces
from workbench.analysis.traces import Masked

FACTS = invented.facts(images=100)


def test_a_shape_s_error_rate_is_its_share_of_wrong_answers() -> None:
    table = traces.by_shape(FACTS)
    assert table["shape"].to_list() == ["flat-low", "falling", "stuck-high"]
    assert table["share"].sum() == pytest.approx(1)
    for row in table.iter_rows(named=True):
        part = FACTS.filter(pl.col("shape") == row["shape"])
        assert (row["n"], row["wrong"]) == (part.height, pytest.approx(1 - float(part["right"].to_numpy().mean())))


def test_profiles_are_quartiles_by_shape_and_iteration() -> None:
    frame = pl.DataFrame({"entropy": [[3.0, 2.0, 1.0], [4.0, 2.0, 1.0], [5.0, 2.0, 1.0], [0.1]]})
    frame = frame.with_columns(shape=pl.Series(["falling"] * 3 + [None]))
    table = traces.profiles(frame)
    assert table["shape"].unique().to_list() == ["falling"]
    assert table.row(0, named=True) == {
        "shape": "falling", "iteration": 0, "n": 3, "median": 4.0, "lower": pytest.approx(3, abs=1),
        "upper": pytest.approx(5, abs=1),
    }  # fmt: skip


def patches(
    images: int, chooser: np.random.Generator | None, accepted: bool = True
) -> tuple[pl.DataFrame, list[Masked]]:
    """Patches of a 4 x 4 grid; each image's mask covers the left two columns. Without a chooser all lie on it."""
    rows, masks = [], []
    for image in range(images):
        for iteration in (1, 2):
            row, col = (int(chooser.integers(4)), int(chooser.integers(4))) if chooser else (0, 0)
            rows.append(
                {
                    "image_id": str(image), "question_id": "q", "iteration": iteration, "accepted": accepted,
                    "x0": col * 10.0, "y0": row * 10.0, "x1": col * 10 + 10.0, "y1": row * 10 + 10.0,
                }
            )  # fmt: skip
        mask = np.zeros((8, 8), bool)
        mask[:, :4] = True
        masks.append(Masked(str(image), str(image), mask, (0.0, 0.0, 40.0, 40.0)))
    return pl.DataFrame(rows), masks


def test_a_random_selector_hits_as_often_as_chance() -> None:
    found = traces.hits(*patches(400, np.random.default_rng(0)))
    lift = traces.lift(found)
    assert lift.low < 1 < lift.high
    table = traces.hit_rate(found)
    assert table["chance"].to_list() == [0.5, 0.5]
    for row in table.iter_rows(named=True):
        assert row["ratio"] == pytest.approx(1, abs=0.15)
        assert row["ratio_low"] < row["ratio"] < row["ratio_high"]
        part = found.filter(pl.col("iteration") == row["iteration"])
        assert (row["n"], row["hits"]) == (part.height, part["on_mask"].sum())
        assert row["ratio"] == pytest.approx(row["hits"] / part["chance"].sum())


def test_a_selector_that_always_hits_half_an_image_is_twice_as_good_as_chance() -> None:
    found = traces.hits(*patches(20, None))
    assert traces.lift(found).value == 2
    assert traces.hit_rate(found)["rate"].to_list() == [1, 1]


def test_few_effective_images_say_nothing_of_the_ratio() -> None:
    found = traces.hits(*patches(4, np.random.default_rng(0)))
    assert (traces.lift(found).low, traces.lift(found).high) == (0, np.inf)
    large = pl.concat([found.filter(image_id="0")] * 40)  # of one image 80 patches, of thirty others two each
    many = traces.hits(*patches(31, np.random.default_rng(1))).filter(pl.col("image_id") != "0")
    assert traces.lift(pl.concat([large, many])).high == np.inf


def test_no_hit_at_all_is_not_known_to_be_worse_than_chance_on_six_images() -> None:
    found = traces.hits(*patches(6, None)).with_columns(on_mask=pl.lit(False), chance=pl.lit(0.1))
    lift = traces.lift(found)
    assert lift.value == lift.low == 0
    assert lift.high > 1


def test_images_without_a_mask_and_masks_without_patches_play_no_part() -> None:
    rows, masks = patches(3, None)
    other = Masked("elsewhere", "elsewhere", masks[0].mask, (0.0, 0.0, 40.0, 40.0))
    assert set(traces.hits(rows, [masks[0], other])["image_id"]) == {"0"}
    assert traces.hits(rows, []).is_empty()
    assert traces.hit_rate(traces.hits(rows, [])).is_empty()
    assert traces.lift(traces.hits(rows, [])).high == float("inf")
