"""Does the publish gate keep its word? Simulated tests with known truth, decided by the gate's own function.

    python -m benchmarks.simulate_gate [--trials N] [--output FILE]

No true effect: how often one test at 5 %, and a curator's ten null drafts together, are called better or worse; each
against the highest count that chance alone would allow (99.9 % of the binomial at 5 %). Questions of an
image hang together (an image's answers are drawn anew together), and the same data as if each question were an image of
its own show what ignoring that would cost. A planted gain at the size the gate says it needs must be found in 80 %.
At the margin of harm elsewhere, the bound must call it harmless in 5 % at most.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from benchmarks.machine import report
from warehouse.queries.publishing import share
from workbench.curation import gate

Answers = NDArray[np.bool_]
QUESTIONS, DRAFTS = 7, 10


@dataclass(frozen=True)
class World:
    """How answers come about."""

    images: int = 120
    redrawn: float = 0.3  # share of images whose answers a text changes at all
    gain: float = 0.0  # added to the chance of a right answer on those


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = simulate(arguments.trials)
    report(figures, arguments.output)
    return 0 if figures["holds"] else 1


def simulate(trials: int) -> dict[str, object]:
    """All figures; `holds` says whether every promise was kept."""
    most = int(stats.binom.ppf(0.999, trials, gate.BUDGET))
    null = World()
    alone = sum(claimed(null, seed, gate.BUDGET) for seed in range(trials))
    unclustered = sum(claimed(null, seed, gate.BUDGET, clustered=False) for seed in range(trials))
    together = sum(
        any(claimed(null, 10**6 + seed * DRAFTS + k, share(gate.BUDGET, k + 1)) for k in range(DRAFTS))
        for seed in range(trials)
    )
    alpha = share(gate.BUDGET, 1)
    needed = planted_size(alpha)
    found = sum(better(World(needed, gain=0.3), 2 * 10**6 + seed, alpha) for seed in range(trials))
    harmless = sum(harmless_at_the_margin(seed) for seed in range(trials))
    lowest = int(stats.binom.ppf(0.001, trials, gate.POWER))
    return {
        "trials": trials,
        "most_allowed_by_chance_at_5_percent": most,
        "false_claims_one_test_at_5_percent": alone,
        "false_claims_if_questions_were_images": unclustered,
        "false_claims_of_ten_null_drafts": together,
        "planted_images_needed": needed,
        "planted_found": found,
        "planted_least_allowed_by_chance_at_80_percent": lowest,
        "called_harmless_at_the_margin": harmless,
        "holds": max(alone, together, harmless) <= most and found >= lowest and unclustered > alone,
    }


def better(world: World, seed: int, alpha: float) -> bool:
    """Whether one simulated test says better."""
    return gate.decide(frame(world, seed), alpha, seed=seed).verdict == "better"


def claimed(world: World, seed: int, alpha: float, clustered: bool = True) -> bool:
    """Whether one simulated test says better or worse."""
    return gate.decide(frame(world, seed, clustered), alpha, seed=seed).verdict != "not enough evidence"


def frame(world: World, seed: int, clustered: bool = True) -> pl.DataFrame:
    """Affected images' answers with the old and the new text.

    An image's seven questions share its difficulty; where the text changes an image, difficulty and answers are drawn
    anew, so its questions turn together.
    """
    rng = np.random.default_rng(seed)
    shape = (world.images, QUESTIONS)
    hard = rng.beta(1.5, 0.7, world.images)
    old = rng.random(shape) < hard[:, None]
    again = rng.random(world.images) < world.redrawn
    new_hard = np.clip(rng.beta(1.5, 0.7, world.images) + world.gain, 0, 1)
    new = np.where(again[:, None], rng.random(shape) < new_hard[:, None], old)
    return table(old, new, "affected", clustered)


def table(old: Answers, new: Answers, group: str, clustered: bool = True) -> pl.DataFrame:
    """As `gate.decide` takes them."""
    images, questions = old.shape
    ids = np.repeat(np.arange(images), questions) if clustered else np.arange(old.size)
    return pl.DataFrame({"cluster_id": ids.astype(str), "old": old.ravel(), "new": new.ravel()}).with_columns(
        group=pl.lit(group)
    )


def planted_size(alpha: float) -> int:
    """The images the gate asks for to show a planted gain, from a large sample of that world."""
    seen = frame(World(4000, gain=0.3), seed=1)
    sums = seen.group_by("cluster_id").agg(
        n=pl.len().cast(pl.Float64), right=(pl.col("new").cast(pl.Float64) - pl.col("old").cast(pl.Float64)).sum()
    )
    return gate.images_needed(sums, alpha)


def harmless_at_the_margin(seed: int) -> bool:
    """Whether a harm of exactly the margin passes as harmless: questions flip both ways, 2 points more are lost."""
    rng = np.random.default_rng(3 * 10**6 + seed)
    images = 150
    old = rng.random((images, QUESTIONS)) < 0.8
    fate = rng.random((images, QUESTIONS))
    lost, won = 0.045 / 0.8, 0.025 / 0.2  # of the right and of the wrong ones: net 2 points down
    new = np.where(old, fate >= lost, fate < won)
    pairs = pl.concat([frame(World(20), seed), table(old, new, "elsewhere")])
    return gate.decide(pairs, gate.BUDGET, seed=seed).elsewhere_low > -gate.MARGIN


if __name__ == "__main__":
    sys.exit(main())
