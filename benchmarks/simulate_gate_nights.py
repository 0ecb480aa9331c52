"""Does the gate over nights keep its word? Nights of known truth, judged by the gate's own function.

    python -m benchmarks.simulate_gate_nights [--trials N] [--output FILE]

Answers are drawn picture by picture: each has several questions, each night an effect that its pictures share, nights
are of unequal size, and texts are often retrieved by other images.

1. No gain: effects whose mean is 0, alike, of either sign, or many small ones of one sign and a rare large one of the
   other. How often 400 nights of looking ever say better or worse, for one test with the whole budget, and for ten
   drafts of forty nights each one after another with their shares; each against the highest count that chance alone
   would allow (99.9 % of the binomial at 5 %). And at a fall elsewhere of exactly the margin: how often it is called
   harmless.
2. A planted gain of 10 points, first test of its product, 20 pictures a night: how often it is decided within 15
   nights, where 25 and 40 % of answers change, with five questions a picture and with one; and with 20 and 60 other
   pictures a night that retrieve the text, of whose answers 3 % change to no avail.
3. What the assumption costs where it is broken: nights on which more answers change are the bad ones.
4. Two or four schedules, whose nights of one date share its effect, and no gain: how often the test says better or
   worse when each of them bets, and when a date bets once, as it does (`night_trial.py`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.machine import report
from warehouse.queries.publishing import share
from workbench.curation import e_process, gate
from workbench.curation.e_process import Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Effect = Literal["none", "either sign", "rare loss", "rare gain", "more changed on bad nights"]
NIGHTS, DRAFTS, WITHIN, POWER = 400, 10, 15, 0.8
LARGEST = 0.7  # a night's effect, as a share of the changed answers


@dataclass(frozen=True)
class World:
    """How a group's answers come about."""

    pictures: int = 20  # a night, on average
    questions: int = 5
    changed: float = 0.25  # share of answers that the texts judge differently
    gain: float = 0.0  # of all answers
    effect: Effect = "none"
    size: float = LARGEST
    schedules: int = 1  # nights of a date, which share its effect
    uneven: bool = True  # sizes of nights spread as a negative binomial's, else as Poisson's


def night_effects(world: World, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """What each night adds to the net share of changed answers; on average 0."""
    if world.schedules > 1:
        dates = (shape[0], -(-shape[1] // world.schedules))
        of_dates = night_effects(replace(world, schedules=1), dates, rng)
        return np.repeat(of_dates, world.schedules, axis=1)[:, : shape[1]]
    if world.effect == "either sign":
        return rng.uniform(-world.size, world.size, shape)
    if world.effect in ("rare loss", "rare gain"):
        sign = 1.0 if world.effect == "rare gain" else -1.0
        return np.where(rng.random(shape) < 0.1, sign * world.size, -sign * world.size / 9)
    return np.zeros(shape)


def counts(world: World, shape: tuple[int, int], rng: np.random.Generator) -> Counts:
    """Answers of (trials, nights)."""
    sizes = (
        rng.negative_binomial(2, 2 / (2 + world.pictures), shape)
        if world.uneven
        else rng.poisson(world.pictures, shape)
    )
    effects = night_effects(world, shape, rng)
    changed: Floats = np.full(shape, world.changed)
    if world.effect == "more changed on bad nights":  # the net gain of all answers is 0 on average
        bad = rng.random(shape) < 0.5
        changed = np.where(bad, 0.5, 0.1)
        effects = np.where(bad, -0.1, 0.5)
    touched = min(1.0, 2 * world.changed) if world.questions > 1 else 1.0  # pictures that change hang together
    won: Ints = np.zeros(shape, np.int64)
    lost: Ints = np.zeros(shape, np.int64)
    pictures: Ints = np.zeros(shape, np.int64)
    for place in range(int(sizes.max())):
        alive = (place < sizes) & (rng.random(shape) < touched)
        discordant = rng.binomial(world.questions, np.minimum(changed / touched, 1)) * alive
        lean = effects + world.gain / world.changed + rng.uniform(-0.25, 0.25, shape)
        right = rng.binomial(discordant, np.clip((1 + lean) / 2, 0, 1))
        won, lost, pictures = won + right, lost + discordant - right, pictures + (discordant > 0)
    return Counts(sizes * world.questions, won, lost, pictures)


def nowhere(shape: tuple[int, int]) -> Counts:
    """A text that is retrieved by nothing else."""
    return Counts(*(np.zeros(shape, np.int64) for _ in range(4)))


def simulate(trials: int, nights: int = NIGHTS, seed: int = 1) -> dict[str, object]:
    """All figures; `holds` says whether every promise was kept."""
    started, rng = time.perf_counter(), np.random.default_rng(seed)
    most = int(stats.binom.ppf(0.999, trials, gate.BUDGET))
    effects: tuple[Effect, ...] = ("none", "either sign", "rare loss", "rare gain")
    nulls = [
        _no_gain(World(effect=effect, questions=questions), trials, nights, rng)
        for effect in effects
        for questions in (1, 5)
    ]
    harm = [_at_the_margin(effect, trials, nights, rng) for effect in effects]
    cells = [(changed, 5, others) for changed in (0.25, 0.4) for others in (0, 20, 60)]
    cells += [(changed, 1, 0) for changed in (0.25, 0.4)]
    planted = [_planted(*cell, trials, rng) for cell in cells]
    broken = counts(World(effect="more changed on bad nights"), (trials, nights), rng)
    reached = e_process.standing(broken, nowhere((trials, nights)), gate.BUDGET, gate.MARGIN).code[:, -1]
    dates = [of_one_date(schedules, trials, nights, rng) for schedules in (2, 4)]
    claims = [int(each[key]) for each in nulls for key in ("one_test", "ten_drafts")]  # type: ignore[call-overload]
    return {
        "trials": trials,
        "nights": nights,
        "most_allowed_by_chance_at_5_percent": most,
        "no_gain": nulls,
        "fall_elsewhere_of_the_margin": harm,
        "planted": planted,
        "assumption_broken_says_better": float((reached == 1).mean()),
        "schedules_of_one_date": dates,
        "seconds": round(time.perf_counter() - started, 1),
        "holds": max(claims) <= most
        and all(each["one_bet_a_date"] <= most for each in dates)
        and all(int(each["called_harmless"]) <= most for each in harm)  # type: ignore[call-overload]
        and float(planted[0]["better_within_15_nights"]) >= POWER,  # type: ignore[arg-type]
    }


def _no_gain(world: World, trials: int, nights: int, rng: np.random.Generator) -> Mapping[str, object]:
    """How many trials ever say better or worse."""
    shape = (trials, nights)
    affected = counts(world, shape, rng)
    other = counts(replace(world, pictures=10, changed=0.04, questions=5), shape, rng)
    code = e_process.standing(affected, other, gate.BUDGET, gate.MARGIN).code[:, -1]
    each = nights // DRAFTS
    any_of_ten = np.zeros(trials, bool)
    for draft in range(DRAFTS):
        piece = slice(draft * each, (draft + 1) * each)
        own, others = (
            Counts(c.questions[:, piece], c.won[:, piece], c.lost[:, piece], c.changed[:, piece])
            for c in (affected, other)
        )
        alpha = share(gate.BUDGET, draft + 1)
        any_of_ten |= e_process.standing(own, others, alpha, gate.MARGIN).code[:, -1] > 0
    return _told({
        "effect": world.effect, "questions": world.questions, "one_test": int((code > 0).sum()),
        "better": int((code == 1).sum()), "worse": int((code == 2).sum()), "ten_drafts": int(any_of_ten.sum()),
    })  # fmt: skip


def _at_the_margin(effect: Effect, trials: int, nights: int, rng: np.random.Generator) -> Mapping[str, object]:
    """How many trials ever exclude a fall of the margin where it is exactly that."""
    world = World(pictures=10, changed=0.1, gain=-gate.MARGIN, effect=effect, size=0.5)
    bets = e_process.harmless(counts(world, (trials, nights), rng), gate.MARGIN)
    return _told({"effect": effect, "called_harmless": int((bets.log_wealth.max(-1) >= -np.log(1 - gate.LEVEL)).sum())})


def _planted(
    changed: float, questions: int, others: int, trials: int, rng: np.random.Generator
) -> Mapping[str, object]:
    """How often a gain of 10 points is found."""
    shape = (trials, 4 * WITHIN)
    world = World(
        gain=0.1, changed=changed, questions=questions, effect="either sign", size=0.2, uneven=False
    )  # nights' gains lie between 5 and 15 points where 25 % of answers change
    other = counts(World(pictures=others, changed=0.03), shape, rng) if others else nowhere(shape)
    code = e_process.standing(counts(world, shape, rng), other, share(gate.BUDGET, 1), gate.MARGIN).code
    better = code == 1
    first = np.where(better.any(-1), np.argmax(better, -1) + 1, shape[1] + 1)
    return _told({
        "changed": changed, "questions": questions, "pictures_elsewhere": others,
        "better_within_15_nights": float(better[:, WITHIN - 1].mean()),
        "median_nights": int(np.median(first)),
        "nights_for_80_percent": int(np.quantile(first, POWER, method="higher")),
        "called_worse": float((code[:, -1] == 2).mean()),
    })  # fmt: skip


def of_one_date(schedules: int, trials: int, nights: int, rng: np.random.Generator) -> dict[str, int]:
    """How many trials ever say better or worse without a gain, when every night bets and when a date bets once."""
    every = counts(World(effect="either sign", schedules=schedules), (trials, nights), rng)
    once = Counts(*(each[:, ::schedules] for each in (every.questions, every.won, every.lost, every.changed)))
    said = [
        int(
            (
                e_process.standing(bets, nowhere((trials, bets.won.shape[1])), gate.BUDGET, gate.MARGIN).code[:, -1] > 0
            ).sum()
        )
        for bets in (every, once)
    ]
    figures = {"schedules": schedules, "every_night_bets": said[0], "one_bet_a_date": said[1]}
    print(figures, file=sys.stderr, flush=True)
    return figures


def _told(figures: dict[str, object]) -> dict[str, object]:
    print(figures, file=sys.stderr, flush=True)
    return figures


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = simulate(arguments.trials)
    report(figures, arguments.output)
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
