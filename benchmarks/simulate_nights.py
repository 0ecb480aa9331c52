"""Does the morning report cry wolf, and does it see what is there? Nights drawn from distributions that are known.

    python -m benchmarks.simulate_nights [--nights 200] [--products 38] [--trials 100] [--output FILE]

1. Ordinary nights, each compared with the nights before it: the share with any alarm against the 5 % it may have, by
   the binomial bound. Nights are alike, or differ: their rates by 1 or 2 points, all products' together, while the
   level of entropy moves by a tenth of its spread.
2. A product whose error or alarm rate is 10 points up on one night, at 100, 300 and 1,000 of its images: how often that
   product is named on that night, against the power that `NormalIndPower` predicts at the strictest threshold.
3. One camera whose images are darker on one night, so that entropy and appearance move by half a standard deviation,
   without labels: how often that camera is named, against `NormalIndPower` at Kolmogorov-Smirnov's efficiency.

Two lines, four cameras; the products' mixture changes from night to night. The seed is in the command.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binom, norm, t
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from benchmarks import machine
from workbench.analysis import drift
from workbench.analysis.drift import Signal

FALSE_ALARM = 0.05
POINTS = 0.10  # a rate's planted rise
SIGMAS = 0.5  # a measure's planted shift
BASELINE = 30  # nights
BASE_RATE = 0.05
DIFFERENT = ((0.0, 0.0), (0.01, 0.1), (0.02, 0.1))  # spread of the rates between nights, and of entropy's level
PLANTED, DARK = 7, 2  # the product and the camera that change


@dataclass(frozen=True)
class World:
    """Products with their own rates and levels, scored night after night."""

    products: int
    per_product: int  # images a night, on average
    random: np.random.Generator
    spread: float = 0.0  # standard deviation of the rates between nights
    level: float = 0.0  # of entropy between nights, in standard deviations of its images

    def night(self, planted: int | None = None, worse: bool = False, dark: bool = False) -> pl.DataFrame:
        """One night's images.

        Args:
            planted: how many images of PLANTED, all good ones; None draws their number like the others'.
            worse: PLANTED has POINTS more overkill.
            dark: DARK sees darker images.
        """
        sizes = self.random.poisson(self.per_product * self.random.uniform(0.5, 1.5, self.products))
        if planted is not None:
            sizes[PLANTED] = planted
        product = np.repeat(np.arange(self.products), sizes)
        images = len(product)
        camera = self.random.integers(0, 4, images)
        # Each product has levels of its own, the same every night.
        own = product == PLANTED
        rate = BASE_RATE + 0.01 * (product % 5) * ~own + POINTS * (own & worse)
        usual = self.random.normal(0.0, self.spread)
        wrong = self.random.random(images) < np.clip(rate + usual, 0.0, 1.0)
        defective = (self.random.random(images) < 0.3) & ~own
        moved = SIGMAS * ((camera == DARK) & dark)
        entropy = self.random.normal(0.0, self.level)
        return pl.DataFrame(
            {
                "product": np.char.add("product-", product.astype(str)),
                "line": np.char.add("line-", (product % 2).astype(str)),
                "camera": np.char.add("camera-", camera.astype(str)),
                "wrong": wrong,
                "defective": defective,
                "alarm": defective ^ wrong,
                "invalid": self.random.random(images) < 0.005,
                "entropy": (product % 7) / 3.5 + self.random.gamma(4.0, 0.5, images) + moved + entropy,  # sigma 1
                "score": self.random.beta(2.0, 5.0, images),
                "look_1": self.random.normal(size=images) + moved,
                "look_2": self.random.normal(size=images),
                "look_far": self.random.gamma(9.0, 1 / 3, images),
            }
        ).with_columns(
            overkill=pl.when(~pl.col("defective")).then("wrong"), escape=pl.when(pl.col("defective")).then("wrong")
        )


def compared(tonight: pl.DataFrame, before: Sequence[pl.DataFrame]) -> list[Signal]:
    """The signals of a night against the nights before it."""
    both = [
        tonight.with_columns(tonight=pl.lit(True), night=pl.lit(-1)),
        *(each.with_columns(tonight=pl.lit(False), night=pl.lit(place)) for place, each in enumerate(before)),
    ]
    return drift.signals(pl.concat(both).with_row_index("cluster_id"), FALSE_ALARM)


def false_alarms(world: World, nights: int) -> dict[str, object]:
    """How many nights of one distribution have an alarm, and how many may."""
    past = [world.night() for _ in range(BASELINE)]
    with_alarm, tested = 0, 0
    for _ in range(nights):
        tonight = world.night()
        found = compared(tonight, past)
        with_alarm += any(signal.alarm for signal in found)
        tested = len(found)
        past = [*past[1:], tonight]
    allowed = int(binom.ppf(0.99, nights, FALSE_ALARM))
    return _told(
        {
            "spread_points": 100 * world.spread,
            "entropy_level": world.level,
            "nights": nights,
            "signals_a_night": tested,
            "nights_with_an_alarm": with_alarm,
            "at_most": allowed,
            "within": with_alarm <= allowed,
        }
    )


def a_worse_product(world: World, images: int, trials: int, labelled: bool) -> dict[str, object]:
    """How often a product whose rate rose by ten points is named on that night, and how often the formula says."""
    past = [_seen(world.night(images), labelled) for _ in range(BASELINE)]
    named, tested = 0, 0
    for _ in range(trials):
        found = compared(_seen(world.night(images, worse=True), labelled), past)
        tested = len(found)
        named += any(signal.alarm and signal.value == f"product-{PLANTED}" for signal in found)
    effect = proportion_effectsize(BASE_RATE + POINTS, BASE_RATE)
    power = NormalIndPower().power(effect, images, _level(tested), ratio=BASELINE)
    return _told({"labelled": labelled, "images": images, **_judged(named, trials, float(power))})


def a_dark_camera(world: World, trials: int) -> dict[str, object]:
    """How often a camera with darker images is named on that night without labels, and how often a formula says."""
    past = [_seen(world.night(), labelled=False) for _ in range(BASELINE)]
    named, tested, images = 0, 0, 0
    for _ in range(trials):
        found = compared(_seen(world.night(dark=True), labelled=False), past)
        of_camera = [signal for signal in found if signal.value == f"camera-{DARK}"]
        tested, images = len(found), max(signal.images for signal in of_camera)
        named += any(signal.alarm for signal in of_camera)
    # Kolmogorov-Smirnov's efficiency against the t-test for a shift of normals is at least 2/pi.
    power = NormalIndPower().power(SIGMAS, images * 2 / np.pi, _level(tested), ratio=BASELINE)
    return _told({"images": images, **_judged(named, trials, float(power))})


def _level(tested: int) -> float:
    """The strictest threshold, of a deviate whose variance is estimated from so many nights."""
    return float(2 * norm.sf(t.isf(FALSE_ALARM / tested / 2, BASELINE - 1)))


def _told(figures: dict[str, object]) -> dict[str, object]:
    print(figures, file=sys.stderr, flush=True)
    return figures


def _seen(night: pl.DataFrame, labelled: bool) -> pl.DataFrame:
    return night if labelled else night.drop("overkill", "escape")


def _judged(named: int, trials: int, power: float) -> dict[str, object]:
    """Named often enough: not below the first percentile of what the predicted power gives."""
    least = int(binom.ppf(0.01, trials, power))
    return {
        "trials": trials, "named": named / trials, "predicted": power, "at_least": least / trials,
        "as_predicted": named >= least,
    }  # fmt: skip


def run(products: int, nights: int, trials: int, sizes: Sequence[int], seed: int) -> dict[str, object]:
    """All three parts, as many at a time as there are cores; each cell of them has a random sequence of its own."""
    started = time.perf_counter()

    def world(*place: int, per_product: int = 26, spread: float = 0.0, level: float = 0.0) -> World:
        return World(products, per_product, np.random.default_rng([seed, *place]), spread, level)

    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        parts = {
            "false_alarms": [
                pool.submit(false_alarms, world(0, place, spread=spread, level=level), nights)
                for place, (spread, level) in enumerate(DIFFERENT)
            ],
            "a_product_ten_points_worse": [
                pool.submit(a_worse_product, world(1, labelled, images), images, trials, labelled)
                for labelled in (True, False)
                for images in sizes
            ],
            "a_dark_camera": [
                pool.submit(a_dark_camera, world(2, per_product, per_product=per_product), trials)
                for per_product in (6, 26)
            ],
        }
        found = {name: [cell.result() for cell in cells] for name, cells in parts.items()}
    return {"products": products, **found, "seconds": time.perf_counter() - started}


def main() -> int:
    """Draw, compare, report; 1 when something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=200)
    parser.add_argument("--products", type=int, default=38)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = run(arguments.products, arguments.nights, arguments.trials, (100, 300, 1000), arguments.seed)
    machine.report(figures, arguments.output)
    return 0 if held(figures) else 1


def held(figures: Mapping[str, Any]) -> bool:
    """Whether every part came out as it has to."""
    planted = [*figures["a_product_ten_points_worse"], *figures["a_dark_camera"]]
    quiet = all(part["within"] for part in figures["false_alarms"])
    return quiet and all(part["as_predicted"] for part in planted)


if __name__ == "__main__":
    sys.exit(main())
