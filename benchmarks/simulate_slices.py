"""Does the morning report name bad slices on ordinary nights, and does it name one that became bad? Invented nights.

    python -m benchmarks.simulate_slices [--nights 200] [--trials 50] [--output FILE]

1. Nights drawn from one distribution, each compared with the nights before it, many or few: the share that names any
   slice against the 5 % it may have, by the binomial bound.
2. One camera whose answers to one subtask are 20 points worse on one night: how often that slice is named, against the
   power that `NormalIndPower` gives either half at the strictest threshold; both have to see it.

Five questions share an image's difficulty. Products and defects have rates of their own, the products' mixture changes
from night to night, and one camera is 20 points worse at another subtask on every night: bad, and not new. The seed is
in the command.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import special
from scipy.stats import binom
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from benchmarks import machine
from workbench.analysis import worsened
from workbench.analysis.drift import Slice
from workbench.question_sets import MMAD, built_in

SUBTASKS = built_in(MMAD).names

FALSE_ALARM = 0.05
POINTS = 0.20
BASELINE = 30  # nights
QUESTIONS = 5  # about an image
OLD = (("subtask", SUBTASKS[3]), ("camera", "1"))
PLANTED = (("subtask", SUBTASKS[2]), ("camera", "2"))


@dataclass(frozen=True)
class Line:
    """Products with their own rates, scored night after night."""

    products: int
    images: int  # a night, on average
    random: np.random.Generator

    def night(self, tonight: bool = False, worse: bool = False, images: int | None = None) -> pl.DataFrame:
        """One night's judged answers, as `worsened.find` takes them; `worse` makes PLANTED bad."""
        draw = self.random
        shares = draw.uniform(0.5, 1.5, self.products)
        n = images or draw.poisson(self.images)
        product = draw.choice(self.products, n, p=shares / shares.sum())
        defect = np.where(draw.random(n) < 0.5, 0, draw.integers(1, 5, n))
        retrieved = draw.random(n) < 0.7
        ease = draw.normal(0.9, 0.7, n) + 0.3 * (product % 5 - 2) - 0.1 * defect + 0.4 * retrieved
        image = np.repeat(np.arange(n), QUESTIONS)
        place = np.tile(np.arange(QUESTIONS), n)
        night = pl.DataFrame(
            {
                "tonight": [tonight] * len(image),
                "cluster_id": pl.Series(int(draw.integers(1 << 40)) + image).cast(pl.String),
                "subtask": np.array(SUBTASKS)[place],
                "product": np.char.add("product-", product.astype(str))[image],
                "defect": np.array(["none", "crack", "dent", "scratch", "stain"])[defect][image],
                "line": np.array(["A", "B"])[product % 2][image],
                "camera": draw.integers(0, 4, n).astype(str)[image],
                "retrieval": np.array(["other entry", "right"])[retrieved.astype(int)][image],
            }
        )
        bad = sum(_inside(night, slice_) for slice_ in ((OLD, PLANTED) if worse else (OLD,)))
        chance = special.expit(ease[image] - 0.2 * place) - POINTS * bad
        return night.with_columns(right=pl.Series(draw.random(len(image)) < chance))


def _inside(night: pl.DataFrame, conditions: tuple[tuple[str, str], ...]) -> Any:
    return night.select(pl.all_horizontal(pl.col(name) == value for name, value in conditions)).to_series().to_numpy()


def named(tonight: pl.DataFrame, before: list[pl.DataFrame]) -> list[Slice]:
    """The slices that the report of a night names."""
    return worsened.find(pl.concat([tonight, *before]), FALSE_ALARM) or []


def false_alarms(line: Line, nights: int, before: int = BASELINE) -> dict[str, object]:
    """How many nights of one distribution name a slice, and how many may."""
    past = [line.night() for _ in range(before)]
    with_slice = 0
    for _ in range(nights):
        tonight = line.night(tonight=True)
        with_slice += bool(named(tonight, past))
        past = [*past[1:], tonight.with_columns(tonight=pl.lit(False))]
    allowed = int(binom.ppf(0.99, nights, FALSE_ALARM))
    return {
        "images_a_night": line.images, "nights_before": before, "nights": nights, "nights_with_a_slice": with_slice,
        "at_most": allowed, "within": with_slice <= allowed,
    }  # fmt: skip


def a_worse_camera(line: Line, images: int, trials: int) -> dict[str, object]:
    """How often the slice that became bad is named on that night, alone or with one condition more or less."""
    past = [line.night() for _ in range(BASELINE)]
    found, others, rates = 0, 0, []
    for _ in range(trials):
        tonight = line.night(tonight=True, worse=True, images=images)
        rates.append(float(tonight["right"].to_numpy()[_inside(tonight, PLANTED)].mean()))
        slices = [set(one.conditions) for one in named(tonight, past)]
        found += any(set(PLANTED) <= one or one <= set(PLANTED) for one in slices)
        others += any(not (set(PLANTED) <= one or one <= set(PLANTED)) for one in slices)
    rate = float(np.mean(rates))
    # A quarter of the images has the camera and lowers what its subtask is expected to be; one half of them has to show
    # the slice among the noise, the other to confirm it.
    effect = proportion_effectsize(rate + 0.75 * POINTS, rate)
    strictest = FALSE_ALARM / worsened.TESTED
    power = NormalIndPower().power(effect, images / 8, strictest, ratio=BASELINE, alternative="larger") ** 2
    least = int(binom.ppf(0.01, trials, power))
    return {
        "images": images, "trials": trials, "named": found / trials, "another_named": others / trials,
        "predicted": power, "at_least": least / trials, "as_predicted": found >= least,
    }  # fmt: skip


def run(nights: int, trials: int, seed: int) -> dict[str, Any]:
    """Both parts."""
    started = time.perf_counter()
    line = Line(20, 600, np.random.default_rng(seed))
    figures: dict[str, Any] = {"products": line.products, "false_alarms": []}
    for before, images in ((BASELINE, 600), (BASELINE, 3000), (3, 1500), (1, 300)):
        figures["false_alarms"].append(false_alarms(replace(line, images=images), nights, before))
        print(figures["false_alarms"][-1], file=sys.stderr, flush=True)
    figures["a_camera_twenty_points_worse"] = [a_worse_camera(line, images, trials) for images in (600, 1200, 2400)]
    return {**figures, "seconds": time.perf_counter() - started}


def main() -> int:
    """Draw, compare, report; 1 when something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=200)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = run(arguments.nights, arguments.trials, arguments.seed)
    machine.report(figures, arguments.output)
    quiet = all(part["within"] for part in figures["false_alarms"])
    return 0 if quiet and all(part["as_predicted"] for part in figures["a_camera_twenty_points_worse"]) else 1


if __name__ == "__main__":
    sys.exit(main())
