"""What changed between nights: exact and rank tests within strata, rates at the baseline's mixture."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from benchmarks import simulate_nights
from workbench.analysis import drift


def images(tonight: bool, product: str, n: int, wrong: int, camera: str = "1", entropy: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "cluster_id": [f"{product} {camera} {tonight} {place}" for place in range(n)],
            "tonight": [tonight] * n,
            "night": [-1 if tonight else place % 10 for place in range(n)],
            "product": [product] * n,
            "line": ["A"] * n,
            "camera": [camera] * n,
            "alarm": [place < wrong for place in range(n)],
            "entropy": (entropy + np.linspace(0, 0.5, n)).tolist(),
        }
    )


@pytest.mark.parametrize(("a", "n", "c", "m"), [(3, 20, 10, 200), (9, 20, 10, 200), (0, 15, 40, 300)])
def test_with_one_stratum_the_exact_test_lies_between_fishers_two_readings(a: int, n: int, c: int, m: int) -> None:
    table = [[a, n - a], [c, m - c]]
    both = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    point = sum(both) - 1
    assert drift.exact([(a, n, c, m)]) == pytest.approx(min(1.0, 2 * (min(both) - point / 2)))


@pytest.mark.parametrize("steps", [5, 1_000_000])  # many images of the same value, and hardly any
def test_the_distances_of_two_samples_are_scipys(steps: int) -> None:
    chance = np.random.default_rng(3)
    now, before = (np.round(chance.beta(2, b, n) * steps) / steps for b, n in ((3, 80), (4, 700)))
    gap, distance = drift.apart(now, before)
    assert gap == pytest.approx(stats.ks_2samp(now, before).statistic)
    assert distance == pytest.approx(stats.wasserstein_distance(now, before))


def test_another_mixture_of_products_is_no_change() -> None:
    before = pl.concat([images(False, "easy", 900, 9), images(False, "hard", 100, 40)])
    tonight = pl.concat([images(True, "easy", 100, 1), images(True, "hard", 100, 40)])
    found = drift.signals(pl.concat([before, tonight]))
    assert not any(signal.alarm for signal in found)
    rate = drift.standardised(pl.concat([before, tonight]), "alarm")
    assert rate is not None
    assert rate.tonight == pytest.approx(0.049)
    assert rate.baseline == pytest.approx(0.049)
    assert rate.covered == 1.0
    assert rate.low < 0.049 < rate.high


def test_one_camera_that_changed_is_named() -> None:
    before = pl.concat([images(False, "plate", 400, 20, camera) for camera in "123"])
    tonight = pl.concat([images(True, "plate", 80, 4, camera, 1.4 if camera == "2" else 1.0) for camera in "123"])
    found = drift.signals(pl.concat([before, tonight]))
    assert (found[0].name, found[0].group, found[0].value, found[0].alarm) == ("entropy", "camera", "2", True)
    assert not any(signal.alarm and signal.value in "13" for signal in found if signal.value)


def test_few_images_are_not_tested_and_none_is_no_rate() -> None:
    few = pl.concat([images(False, "plate", 20, 1), images(True, "plate", 5, 5)])
    assert drift.signals(few) == []
    assert drift.standardised(few.filter(~pl.col("tonight")), "alarm") is None


@pytest.mark.slow
def test_nights_of_one_distribution_raise_few_alarms_and_a_planted_change_is_named() -> None:
    world = simulate_nights.World(12, 14, np.random.default_rng(5))
    quiet = simulate_nights.false_alarms(world, 20)
    assert quiet["within"], quiet
    seen = simulate_nights.a_worse_product(world, 300, 4, labelled=False)
    assert seen["as_predicted"], seen


def test_nights_that_differ_raise_few_alarms_although_their_images_tell_them_apart() -> None:
    random = np.random.default_rng(6)

    def night(tonight: bool, number: int) -> pl.DataFrame:
        wrong = int(random.binomial(400, random.beta(6, 114)))  # 5 %, by 2 points more or less
        made = images(tonight, "plate", 400, wrong, entropy=1 + 0.1 * random.normal())
        return made.with_columns(night=pl.lit(number), cluster_id=pl.format("{} {}", pl.lit(number), "cluster_id"))

    before = [night(False, number) for number in range(30)]
    found = [drift.signals(pl.concat([*before, night(True, -1)])) for _ in range(60)]
    assert sum(any(signal.alarm for signal in each) for each in found) <= 9  # more has a chance of 0.1 % at 5 %
    (rate, *_) = (signal for signal in found[0] if signal.name == "alarm")
    assert rate.nights == 30
    few = drift.signals(pl.concat([*before[:2], night(True, -1)]))
    assert few == []


def test_images_that_look_like_the_baseline_are_no_change_and_shifted_ones_are() -> None:
    chance = np.random.default_rng(0)
    vectors = chance.normal(size=(1200, 16)).astype(np.float32)
    tonight = np.arange(1200) >= 1000
    fitting = ~tonight & (np.arange(1200) % 2 == 0)
    vectors[tonight & (np.arange(1200) % 2 == 0), :] += 0.8
    looks = drift.looks(vectors, ["plate"] * 1200, tonight, fitting)
    assert np.isnan(looks[fitting]).all()
    far = looks[:, 2]
    moved, still = tonight & (np.arange(1200) % 2 == 0), tonight & (np.arange(1200) % 2 == 1)
    compared = ~tonight & ~fitting
    assert stats.ks_2samp(far[compared], far[still]).pvalue > 0.01
    assert stats.ks_2samp(far[compared], far[moved]).pvalue < 1e-6
