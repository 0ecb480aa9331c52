"""Is the analysis honest? Invented runs with a known truth, many times over: coverage, false alarms, power.

Questions of one image share its difficulty, so they aren't independent, and images have unequal numbers of them. A rate
seen in the trials is held against its binomial bound, never against the nominal rate itself.

    python -m benchmarks.simulate_analysis --trials 1000 --output benchmarks/results/simulate_analysis.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks import machine
from workbench.analysis import bias, compare, intervals, slice_discovery, slices
from workbench.question_sets import MMAD, built_in

SUBTASKS = built_in(MMAD).names

EASE = dict(zip(SUBTASKS, (1.2, 0.4, 0.6, 0.7, 1.4, 2.2, 1.7), strict=True))  # logits
SPREAD = 1.0  # of images' difficulty, in logits
SURE = 0.999  # a bound is passed by chance once in a thousand

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Trialled:
    """An event counted over trials, and the counts that would still be chance."""

    what: str
    trials: int
    events: int
    lowest: int
    highest: int

    @property
    def held(self) -> bool:
        """The count lies within its bounds."""
        return self.lowest <= self.events <= self.highest


def draw(rng: Random, images: int, most: int = 7) -> pl.DataFrame:
    """Questions about images, with all that `facts` knows before anything is answered, and each answer's true chance.

    Args:
        images: how many; each is asked 1 to `most` questions of different subtasks.
    """
    count = rng.integers(1, most + 1, images)
    image = np.repeat(np.arange(images), count)
    place = np.concatenate([rng.permutation(7)[:k] for k in count])
    of_image = {
        "product": rng.integers(0, 10, images), "camera": rng.integers(0, 3, images),
        "line": rng.integers(0, 2, images), "night": rng.integers(0, 5, images),
        "defect": rng.integers(0, 6, images), "retrieval": rng.integers(0, 3, images),
    }  # fmt: skip
    ease = np.array(list(EASE.values()))[place] + SPREAD * rng.standard_normal(images)[image]
    return pl.DataFrame(
        {
            "image_id": pl.Series(image).cast(pl.String),
            "cluster_id": pl.Series(image).cast(pl.String),
            "question_id": pl.Series(place).cast(pl.String),
            "subtask": np.array(SUBTASKS)[place],
            "detection": place == 0,
            **{name: pl.Series(values[image]).cast(pl.String) for name, values in of_image.items()},
            "dataset": "invented",
            "letter": rng.choice(list("ABCD"), len(image)),
            "chance": special.expit(ease),
        }
    )


def answered(rng: Random, asked: pl.DataFrame) -> pl.DataFrame:
    """The questions with `right`, drawn from each one's chance, and what a comparison carries along."""
    return asked.with_columns(
        right=pl.Series(rng.random(asked.height) < asked["chance"].to_numpy()),
        evidence=1, answer="letter", answer_text="letter", entropy=pl.lit(None, pl.Float64),
    )  # fmt: skip


def truth(subtask: str) -> float:
    """A subtask's accuracy over all images there could be."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((special.expit(EASE[subtask] + SPREAD * nodes) * weights).sum() / weights.sum())


MACRO = float(np.mean([truth(subtask) for subtask in SUBTASKS]))  # every subtask is asked equally often


def misses_overall(rng: Random) -> bool:
    """The interval of a run's accuracy, 200 images."""
    row = intervals.rates(answered(rng, draw(rng, 200))).row(0, named=True)
    return not row["low"] <= MACRO <= row["high"]


def misses_few(rng: Random) -> bool:
    """The same with 40 images."""
    row = intervals.rates(answered(rng, draw(rng, 40))).row(0, named=True)
    return not row["low"] <= MACRO <= row["high"]


def misses_subtask(rng: Random) -> bool:
    """The interval of an easy subtask's accuracy, one question per image."""
    facts = answered(rng, draw(rng, 200)).filter(pl.col("subtask") == "Object Classification")
    row = intervals.rates(facts).row(0, named=True)
    return not row["low"] <= truth("Object Classification") <= row["high"]


def misses_naive(rng: Random) -> bool:
    """What an interval misses that takes questions for independent; not held to a bound, only shown."""
    facts = answered(rng, draw(rng, 200))
    rate = float(facts["right"].to_numpy().mean())
    return bool(abs(rate - MACRO) > 1.96 * np.sqrt(rate * (1 - rate) / facts.height))


def alarms(rng: Random) -> bool:
    """Two equally good runs on the same images are said to differ."""
    return _differ(rng, 200)


def alarms_few(rng: Random) -> bool:
    """The same on 12 images, where few differ."""
    return _differ(rng, 12)


def alarms_by_subtask(rng: Random) -> bool:
    """Any subtask of two equally good runs is said to differ, after false-discovery control."""
    asked = draw(rng, 200)
    pairs = compare.pair(answered(rng, asked), answered(rng, asked)).frame
    return bool((compare.table(pairs, ("subtask",))["word"] != "not enough evidence").any())


def _differ(rng: Random, images: int) -> bool:
    asked = draw(rng, images)
    return compare.verdict(compare.pair(answered(rng, asked), answered(rng, asked))).word != "not enough evidence"


def misses_difference(rng: Random) -> bool:
    """The interval of a difference between two runs, of which one is better on every question."""
    asked = draw(rng, 200)
    better = asked.with_columns(chance=special.expit(special.logit(asked["chance"].to_numpy()) + 0.5))
    row = compare.table(compare.pair(answered(rng, asked), answered(rng, better)).frame).row(0, named=True)
    return not row["low"] <= GAIN <= row["high"]


def _gain() -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    each = [
        (special.expit(ease + 0.5 + SPREAD * nodes) - special.expit(ease + SPREAD * nodes)) @ weights / weights.sum()
        for ease in EASE.values()
    ]
    return float(np.mean(each))


GAIN = _gain()


SIZES = 0.7  # standard deviation of the logarithm of how many questions an image has, 5 in the middle
_GAIN, _SLOPE = 0.2, 0.4  # of the logit: at 5 questions, and per standard deviation of the logarithm


def unequal(rng: Random, images: int) -> pl.DataFrame:
    """Pairs of images of log-normal size of which the larger gain more: nothing that the test assumes."""
    m = np.maximum(1, np.round(np.exp(rng.normal(np.log(5), SIZES, images)))).astype(np.int64)
    z = (np.log(m) - np.log(5)) / SIZES
    ease = 1 + SPREAD * rng.standard_normal(images)
    now = ease + _GAIN + _SLOPE * z + 0.5 * rng.standard_normal(images)
    image = np.repeat(np.arange(images), m)
    old, new = (rng.random(len(image)) < special.expit(logit)[image] for logit in (ease, now))
    return pl.DataFrame({"cluster_id": image, "old_right": old, "right": new})


def _unequal_gain() -> float:
    """The difference per question over all images there could be, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    m = np.arange(1, 400)
    ends = stats.norm.cdf((np.log(np.append(m - 0.5, 399.5)) - np.log(5)) / SIZES)
    ends[0] = 0.0
    z = ((np.log(m) - np.log(5)) / SIZES)[:, None]
    now = special.expit(1 + _GAIN + _SLOPE * z + np.hypot(SPREAD, 0.5) * nodes)
    gain = (now - special.expit(1 + SPREAD * nodes)) @ weights / weights.sum()
    return float(np.average(gain, weights=m * np.diff(ends)))


UNEQUAL_GAIN = _unequal_gain()


def _misses_unequal(rng: Random, images: int) -> bool:
    row = compare.table(unequal(rng, images)).row(0, named=True)
    return not row["low"] <= UNEQUAL_GAIN <= row["high"]


def misses_unequal(rng: Random) -> bool:
    """The interval of a difference on 200 images of unequal size whose gain depends on it."""
    return _misses_unequal(rng, 200)


def misses_unequal_few(rng: Random) -> bool:
    """The same on 15 images."""
    return _misses_unequal(rng, 15)


def misses_rare(rng: Random) -> bool:
    """The interval of a gain of 5 points that 100 images of one question show by hardly any change."""
    won = rng.random(100) < 0.05
    pairs = pl.DataFrame({"cluster_id": np.arange(100), "old_right": ~won, "right": np.ones(100, bool)})
    row = compare.table(pairs).row(0, named=True)
    return not row["low"] <= 0.05 <= row["high"]


def reports_noise(rng: Random) -> bool:
    """Slice discovery confirms something although errors depend on the subtask and the image alone."""
    found = slice_discovery.find(answered(rng, draw(rng, 600)), seed=int(rng.integers(2**31)))
    return bool(found["confirmed"].any())


def reports_noise_in_a_table(rng: Random) -> bool:
    """A table of slices calls one of ten products different although none is."""
    found = slices.table(answered(rng, draw(rng, 600)), ("product",))
    return bool((found["q"] < 0.05).any())


PLANTED = 15  # points that the planted slice is worse
SLICE_IMAGES = 400  # at least 200 in each half


def finds_planted(rng: Random) -> bool:
    """Slice discovery confirms a planted slice: 1 of 10 products, 15 points worse, about 200 images in each half."""
    asked = draw(rng, 10 * SLICE_IMAGES + 400)
    planted = asked["product"] == "3"
    lowered = np.clip(asked["chance"].to_numpy() - PLANTED / 100 * planted.to_numpy(), 0, 1)
    facts = answered(rng, asked.with_columns(chance=lowered))
    found = slice_discovery.find(facts, seed=int(rng.integers(2**31))).filter("confirmed")
    return any(_overlap(facts, row, planted) > 0.5 for row in found["conditions"].to_list())


def power() -> float:
    """The power that the planted slice's test should have, from the design effect; one-sided at 5 %.

    Source: `statsmodels.stats.power.NormalIndPower`.
    """
    from statsmodels.stats.power import NormalIndPower

    rng = np.random.default_rng(0)
    row = intervals.rates(answered(rng, draw(rng, 20_000))).row(0, named=True)
    each = row["n"] / row["images"]
    effect = 2 * np.arcsin(np.sqrt(MACRO)) - 2 * np.arcsin(np.sqrt(MACRO - PLANTED / 100))
    questions = SLICE_IMAGES / 2 * each / row["deff"]
    return float(NormalIndPower().power(effect, questions, 0.05, ratio=9, alternative="larger"))


def _overlap(facts: pl.DataFrame, conditions: list[dict[str, str]], planted: pl.Series) -> float:
    """Shared rows over all rows of the two slices."""
    found = facts.select(pl.all_horizontal(pl.col(c["dimension"]) == c["value"] for c in conditions)).to_series()
    here, there = found.to_numpy(), planted.to_numpy()
    return float((here & there).sum() / max((here | there).sum(), 1))


def flags_always_a(rng: Random) -> bool:
    """A model that always answers "A" is flagged."""
    return _flagged(rng, lambda letters: np.full(len(letters), "A"))


def flags_unbiased(rng: Random) -> bool:
    """A model that errs evenly over the letters is flagged."""

    def say(letters: NDArray[np.str_]) -> NDArray[np.str_]:
        wrong = rng.random(len(letters)) < 0.4
        return np.where(wrong, rng.choice(list("ABCD"), len(letters)), letters)

    return _flagged(rng, say)


def _flagged(rng: Random, say: Callable[[NDArray[np.str_]], NDArray[np.str_]]) -> bool:
    asked = draw(rng, 200)
    facts = asked.with_columns(
        correct_answer="letter", answer=pl.Series(say(asked["letter"].to_numpy())), choices=pl.lit(4),
        status=pl.lit("answered"),
    ).with_columns(right=pl.col("answer") == pl.col("correct_answer"))  # fmt: skip
    return bias.verdict(bias.by_position(facts)).flagged


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is tried, and the rate its events should have."""

    run: Callable[[Random], bool]
    rate: float
    bounded: str  # "both", "above" or "below": on which sides the count is held to the binomial bound


EXPERIMENTS: Mapping[str, Experiment] = {
    "interval misses, 200 images": Experiment(misses_overall, 0.05, "both"),
    "interval misses, 40 images": Experiment(misses_few, 0.05, "above"),
    "interval misses, one question per image": Experiment(misses_subtask, 0.05, "both"),
    "interval of a difference misses": Experiment(misses_difference, 0.05, "both"),
    "interval of a difference misses, unequal images": Experiment(misses_unequal, 0.05, "above"),
    "interval of a difference misses, 15 unequal images": Experiment(misses_unequal_few, 0.05, "above"),
    "interval of a difference misses, rare changes": Experiment(misses_rare, 0.05, "above"),
    "equal runs said to differ": Experiment(alarms, 0.05, "above"),
    "equal runs said to differ, 12 images": Experiment(alarms_few, 0.05, "above"),
    "equal runs said to differ in a subtask": Experiment(alarms_by_subtask, 0.05, "above"),
    "slices found in noise": Experiment(reports_noise, 0.05, "above"),
    "products told apart in noise": Experiment(reports_noise_in_a_table, 0.05, "above"),
    "planted slice found": Experiment(finds_planted, 0.90, "below"),
    "always A flagged": Experiment(flags_always_a, 1.0, "below"),
    "unbiased model flagged": Experiment(flags_unbiased, 0.05, "above"),
}


def trial(name: str, trials: int, seed: int) -> Trialled:
    """One experiment, so many times, with its bounds."""
    experiment = EXPERIMENTS[name]
    events = sum(experiment.run(np.random.default_rng([seed, number])) for number in range(trials))
    lowest, highest = (int(stats.binom.ppf(p, trials, experiment.rate)) for p in (1 - SURE, SURE))
    return Trialled(
        name,
        trials,
        events,
        lowest if experiment.bounded in ("both", "below") else 0,
        highest if experiment.bounded in ("both", "above") else trials,
    )


@dataclass(frozen=True, slots=True)
class Took:
    """The quickest of some calls: on a busy machine the time of all threads says more than the clock."""

    wall_seconds: float
    cpu_seconds: float


def quick(predictions: int = 1_000_000) -> dict[str, Took]:
    """What live functions take over so many predictions."""
    rng = np.random.default_rng(0)
    facts = answered(rng, draw(rng, predictions // 4))
    calls: Mapping[str, Callable[[], object]] = {
        "slices by product": lambda: slices.table(facts, ("product",)),
        "slices by product and subtask": lambda: slices.table(facts, ("product", "subtask")),
        "heat map": lambda: slices.heat(facts),
        "rates by subtask": lambda: intervals.rates(facts, ("subtask",)),
    }
    return {f"{name}, {facts.height:,} predictions": _took(call) for name, call in calls.items()}


def _took(call: Callable[[], object], times: int = 5) -> Took:
    walls, busy = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        busy.append(time.process_time() - cpu)
    return Took(round(min(walls), 3), round(min(busy), 3))


def main() -> None:
    """All experiments; exit code 1 if one is out of its bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    found = []
    for name in EXPERIMENTS:
        found.append(trial(name, given.trials, given.seed))
        print(f"{'held' if found[-1].held else 'OUT OF BOUNDS'}: {found[-1]}", flush=True)
    naive = sum(misses_naive(np.random.default_rng([given.seed, number])) for number in range(given.trials))
    machine.report(
        {
            "experiments": [{**asdict(one), "held": one.held} for one in found],
            "for comparison: naive interval misses, 200 images": naive,
            "planted slice: power by the design effect": round(power(), 4),
            "live functions": {name: asdict(took) for name, took in quick().items()},
        },
        given.output,
    )
    raise SystemExit(not all(one.held for one in found))


if __name__ == "__main__":
    main()
