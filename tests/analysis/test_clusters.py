"""Copies of one picture, and pictures of one piece, say nothing more: every interval is as wide as without them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tests.analysis import invented
from tests.mmad import DECLARED
from workbench.analysis import (
    calibration,
    compare,
    drift,
    intervals,
    leaderboard,
    loss_by_slice,
    slice_discovery,
    slices,
)
from workbench.curation import gate

RUNS = ("run-1", "run-2", "run-3")
FACTS = invented.facts(images=150, seed=3)
OLD = invented.facts(images=150, seed=3).with_columns(
    right=pl.Series(np.random.default_rng(8).random(FACTS.height) < 0.45)
)


def thrice(rows: pl.DataFrame) -> pl.DataFrame:
    """Every picture three times, as three copies of it or three views of its piece are: one cluster, three images."""
    return pl.concat([rows.with_columns(image_id=pl.col("image_id") + f" copy {place}") for place in range(3)])


def differences(of: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    return of(compare.pair(of(OLD), of(FACTS)).frame)


def once(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def interval(rows: pl.DataFrame, *names: str) -> list[float]:
    return [float(rows[name][0]) for name in names]


def of_compare(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    found = compare.table(compare.pair(make(OLD), make(FACTS)).frame)
    return interval(found, "low", "high", "se", "p")


def of_bootstrap(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    found = compare.bootstrap(compare.pair(make(OLD), make(FACTS)).frame)
    return [found.low, found.high]


def of_slices(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    found = slices.table(make(FACTS), ("product",)).sort("product")
    return [*found["low"], *found["high"], *found["p"]]


def of_rates(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    return interval(intervals.rates(make(FACTS)), "low", "high", "se")


def of_calibration(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    found = calibration.scores(make(FACTS)).over
    assert found is not None
    return [found.low, found.high]


def of_warning(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    found = calibration.warning(make(FACTS)).auroc
    assert found is not None
    return [found.low, found.high]


def of_losses(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    worse = make(FACTS), make(OLD)
    found = loss_by_slice.table(compare.pair(*worse).frame).sort("cut", "values")
    return found["p"].clip(0, 0.5).to_list()  # larger ones are not worked out


def of_discovery(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    bad = FACTS.with_columns(right=pl.col("right") & ((pl.col("product") != "1") | (pl.col("camera") != "0")))
    found = slice_discovery.find(make(bad))
    return [*found["low"], *found["high"]]


def of_leaderboard(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    rng = np.random.default_rng(4)
    answers = FACTS.select("image_id", "cluster_id", "dataset", "subtask", label=pl.lit(None, pl.String)).with_columns(
        pl.Series(run, rng.random(FACTS.height) < ease) for run, ease in zip(RUNS, (0.5, 0.56, 0.8), strict=True)
    )
    board = leaderboard.build(make(answers), RUNS, DECLARED)
    return [*board.ranking["low"], *board.ranking["high"], *board.pairs["t"].abs(), *board.ranking["rank_high"]]


def of_gate(make: Callable[[pl.DataFrame], pl.DataFrame]) -> list[float]:
    pairs = compare.pair(OLD, FACTS).frame.select(
        "image_id", "cluster_id", group=pl.lit("affected"), old="old_right", new="right"
    )
    affected = gate.decide(make(pairs), 0.025).affected
    return [affected.low, affected.high, float(affected.images)]


@pytest.mark.parametrize(
    "numbers",
    [
        of_compare, of_bootstrap, of_slices, of_rates, of_calibration, of_warning, of_losses, of_discovery,
        of_leaderboard, of_gate,
    ],
)  # fmt: skip
def test_three_copies_of_every_picture_narrow_no_interval(
    numbers: Callable[[Callable[[pl.DataFrame], pl.DataFrame]], list[float]],
) -> None:
    assert numbers(once)
    assert numbers(thrice) == pytest.approx(numbers(once), rel=0.02, abs=2e-3)


def test_views_that_differ_say_more_than_copies_and_less_than_other_pieces() -> None:
    rng = np.random.default_rng(5)
    ease = np.repeat(rng.normal(0.5, 1.5, 200), 3)
    right = rng.random(600) < 1 / (1 + np.exp(-ease))
    views = pl.DataFrame({"cluster_id": np.repeat(np.arange(200), 3), "right": right})
    alone = intervals.rates(views.with_columns(cluster_id=pl.int_range(600)))["se"][0]
    copies = intervals.rates(views.with_columns(right=pl.col("right").first().over("cluster_id")))["se"][0]
    assert alone < intervals.rates(views)["se"][0] < copies


def test_a_night_s_copies_raise_no_alarm_and_widen_what_is_said_of_it() -> None:
    rng = np.random.default_rng(6)

    def night(images: int, tonight: bool, share: float) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "image_id": [f"{tonight} {place}" for place in range(images)],
                "cluster_id": [f"{tonight} {place}" for place in range(images)],
                "tonight": [tonight] * images, "product": ["plate"] * images, "line": ["A"] * images,
                "night": [-1 if tonight else place % 5 for place in range(images)],
                "camera": ["1"] * images, "alarm": rng.random(images) < share,
            }
        )  # fmt: skip

    tonight, before = night(60, True, 0.2), night(400, False, 0.1)
    first, copied = (drift.signals(pl.concat([each, before])) for each in (tonight, thrice(tonight)))
    assert [one.p_value for one in copied] == [one.p_value for one in first]
    whole, more = (drift.standardised(pl.concat([each, before]), "alarm") for each in (tonight, thrice(tonight)))
    assert whole is not None
    assert more is not None
    assert more.high - more.low == pytest.approx(whole.high - whole.low, rel=0.02)
