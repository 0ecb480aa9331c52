"""Do intervals and claims hold however unequal images are? Invented runs with images of 1, 5, 1 to 50 questions.

    python -m benchmarks.simulate_clusters [--trials 1000] [--output FILE]

The truth is drawn as the code does not assume it: images of unequal size, some so hard that nearly all their questions
go wrong, larger ones harder or easier, gains that few images have. Of each kind of images:

1. how often the interval of a rate holds the true rate, and how often it is grey, beside an interval with the exact
   variance, which nobody has: 1.96 of the standard deviations that the trials themselves have;
2. the same of the difference of two runs;
3. how often two equally good runs are said to differ, and how often a table of ten slices calls one of them different
   although none is.

Coverage is held to 92 % where the exact interval's is at least that, claims to 5 %, and the share of grey to 10 % where
the exact interval covers, each with its binomial bound. Thirty images of one question and one of fifty, and ten and
one, have to be grey; so has a difference over 96 of one and four of fifty. Of 193 of one and seven of fifty a rate has
to cover.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks import machine
from workbench.analysis import cluster_robust, sign_flips, slices

Random = np.random.Generator
Values = NDArray[np.float64]
Shape = tuple[int, int]  # trials, images

SURE = 0.999  # a bound is passed by chance once in a thousand
LEAST_COVERAGE, MOST_CLAIMS, MOST_GREY = 0.92, 0.05, 0.1
LARGE = "30 of one and one of 50"


def _log_normal(rng: Random, shape: Shape) -> Values:
    return np.maximum(1, np.round(np.exp(rng.normal(np.log(5), 0.7, shape))))


def _one_large(_: Random, shape: Shape) -> Values:
    sizes = np.ones(shape)
    sizes[:, ::31] = 50
    return sizes


SIZES: Mapping[str, Callable[[Random, Shape], Values]] = {
    "1": lambda _, shape: np.ones(shape),
    "5": lambda _, shape: np.full(shape, 5.0),
    "log-normal": _log_normal,
    "1 to 50": lambda rng, shape: rng.integers(1, 51, shape).astype(np.float64),
    LARGE: _one_large,
}
"""Questions of each image."""

IMAGES: Mapping[str, Callable[[Random, Values, float], Values]] = {
    "alike": lambda _, n, rate: np.full(n.shape, rate),
    "of normal difficulty": lambda rng, n, rate: special.expit(special.logit(rate) + rng.standard_normal(n.shape)),
    "a few lost": lambda rng, n, rate: special.expit(special.logit(rate) + 1 - 1.5 * rng.exponential(1, n.shape)),
    "all right or all wrong": lambda rng, n, rate: (rng.random(n.shape) < rate).astype(np.float64),
    "larger ones harder": lambda rng, n, rate: special.expit(
        special.logit(rate) + 0.8 * rng.standard_normal(n.shape) - 0.5 * np.log(n / 5)
    ),
}
"""Each image's chance of a right answer."""

GAINS: Mapping[str, Callable[[Random, Values], Values]] = {
    "none": lambda _, n: np.zeros(n.shape),
    "of all": lambda rng, n: 0.5 + 0.5 * rng.standard_normal(n.shape),
    "few lose, most gain": lambda rng, n: np.where(rng.random(n.shape) < 0.15, -3.0, 0.35),
    "larger ones gain": lambda rng, n: 0.2 + 0.4 * np.log(n / 5) + 0.5 * rng.standard_normal(n.shape),
}
"""What each image gains from one run to the other, logits."""


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    figures = simulate(given.trials, given.seed)
    machine.report(figures, given.output)
    return 0 if figures["holds"] else 1


def simulate(trials: int, seed: int = 0) -> dict[str, Any]:
    """All figures; of differences and slices, which take longer, a quarter of the trials."""
    few = max(trials // 4, 1)
    found = {
        "rates": [_told(row) for row in _rates(trials, seed)],
        "differences": [_told(row) for row in _differences(few, seed)],
        "slices": [_told(row) for row in _slices(few, seed)],
    }
    rows = [row for part in found.values() for row in part]
    return {"trials": trials, **found, "holds": all(row["held"] for row in rows)}


def _told(row: dict[str, Any]) -> dict[str, Any]:
    print(row, file=sys.stderr, flush=True)
    return row


def _covered(covers: NDArray[np.bool_], grey: NDArray[np.bool_], exact: NDArray[np.bool_]) -> dict[str, Any]:
    """Coverage where an interval is shown, the share of grey where the exact one covers, and whether both hold."""
    shown = int((~grey).sum())
    least = int(stats.binom.ppf(1 - SURE, shown, LEAST_COVERAGE)) if shown else 0
    few_grey = grey[exact].sum() <= stats.binom.ppf(SURE, int(exact.sum()), MOST_GREY)
    return {
        "covered": float(covers[~grey].mean()) if shown else None, "exact_covers": float(exact.mean()),
        "grey": float(grey[exact].mean()),
        "held": bool(few_grey and (covers[~grey].sum() >= least or exact.mean() < LEAST_COVERAGE)),
    }  # fmt: skip


def _rates(trials: int, seed: int) -> Iterator[dict[str, Any]]:
    """The interval of one rate, in each kind of images."""
    for place, (size, sizes) in enumerate(SIZES.items()):
        for images in (11, 31, 200) if size == LARGE else (15, 31, 200):
            for kind, chances in IMAGES.items():
                for rate in (0.6, 0.85, 0.96):
                    rng = np.random.default_rng([seed, place, images])
                    n = sizes(rng, (trials, images))
                    right = rng.binomial(n.astype(np.int64), chances(rng, n, rate)).astype(np.float64)
                    many = sizes(rng, (200_000 // images, images))
                    truth = float((many * chances(rng, many, rate)).sum() / many.sum())
                    sums = (each.sum(1) for each in (n, right, n * n, n * right, right * right))
                    found = cluster_robust.ratio(*sums)
                    row = _covered(
                        (found.low <= truth) & (truth <= found.high),
                        ~cluster_robust.enough(found.effective),
                        np.abs(found.value - truth) <= 1.96 * found.value.std(),
                    )
                    if size == LARGE and images <= 31:
                        row["held"] = row["grey"] == 1
                    yield {"sizes": size, "images": images, "kind": kind, "rate": round(truth, 3), **row}


def _differences(trials: int, seed: int) -> Iterator[dict[str, Any]]:
    """The interval of a difference, and without one how often it is claimed."""
    for place, (size, sizes) in enumerate(SIZES.items()):
        for images in (31, 100):
            for kind, gains in GAINS.items():
                rng = np.random.default_rng([seed, place, images])

                def drawn(count: int) -> tuple[Values, Values, Values]:
                    n = sizes(rng, (count, images))  # noqa: B023
                    ease = 1 + rng.standard_normal(n.shape)  # noqa: B023
                    return n, special.expit(ease), special.expit(ease + gains(rng, n))  # noqa: B023

                many, before, now = drawn(200_000 // images)
                truth = float((many * (now - before)).sum() / many.sum())
                n, before, now = drawn(trials)
                whole = n.astype(np.int64)
                net = (rng.binomial(whole, now) - rng.binomial(whole, before)).astype(np.float64)
                tests = [sign_flips.flip(each, asked) for each, asked in zip(net, n, strict=True)]
                ends = np.array([test.interval(0.95) for test in tests])
                seen = net.sum(1) / n.sum(1)
                weights = cluster_robust.weight(n)
                grey = ~cluster_robust.enough(cluster_robust.effective(weights.sum(1), (weights**2).sum(1)))
                row = _covered(
                    (ends[:, 0] <= truth) & (truth <= ends[:, 1]), grey, np.abs(seen - truth) <= 1.96 * seen.std()
                )
                claims = sum(test.p < 0.05 for test in tests)
                if size == LARGE:
                    row["held"] = row["grey"] == 1
                if kind == "none":
                    row["held"] &= bool(claims <= stats.binom.ppf(SURE, trials, MOST_CLAIMS))
                yield {
                    "sizes": size, "images": images, "gains": kind, "difference": round(truth, 4), **row,
                    "claimed": claims / trials,
                }  # fmt: skip


def _slices(trials: int, seed: int) -> Iterator[dict[str, Any]]:
    """A table of ten slices of 31 images each, none of them different."""
    for place, (size, sizes) in enumerate(SIZES.items()):
        for kind, rate in (("alike", 0.96), ("of normal difficulty", 0.85), ("a few lost", 0.96)):
            claims, grey = 0, []
            for trial in range(trials):
                rng = np.random.default_rng([seed, place, trial])
                n = sizes(rng, (1, 310))[0]
                image = np.repeat(np.arange(310), n.astype(np.int64))
                facts = pl.DataFrame(
                    {
                        "cluster_id": image, "product": (image // 31).astype(str),
                        "subtask": rng.integers(0, 3, len(image)).astype(str),
                        "right": rng.random(len(image)) < IMAGES[kind](rng, n, rate)[image],
                    }
                )  # fmt: skip
                table = slices.table(facts, ("product",))
                claims += bool((table["q"] < 0.05).any())
                grey.append(float((~table["enough"]).to_numpy().mean()))
            within = claims <= stats.binom.ppf(SURE, trials, MOST_CLAIMS)
            yield {
                "sizes": size, "kind": kind, "claimed": claims / trials, "grey": float(np.mean(grey)),
                "held": bool(within and (size == LARGE or np.mean(grey) <= MOST_GREY)),
            }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
