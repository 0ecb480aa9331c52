"""Images' paired gains under a sign-flip test: the p of no difference, and the interval the same flips invert to.

An image's net gain d is how many of its m questions are right only in the new run, less those right only in the old.
If the runs are equally good, each image's gain could as well have been a loss: the sum of gains is compared with what
it would be under random signs. A difference of theta per question is tested likewise on d - theta m, and the interval
is every theta that isn't rejected. Word, p and interval therefore never disagree.

Per flip, the thetas under which it is at least as extreme as what was seen are an interval with two simple ends, the
difference over the images whose sign it keeps and the difference over those it turns (Hartigan, JASA 64, 1969), so the
inversion is a count: the interval's ends are quantiles of those ends.

An image that won as many questions as those that changed usually do, as a rule one, and one that lost as many stand
beside those given (Agresti and Min, Biometrics 61, 2005): without them no change on five images would be sure to be
none, and where few images change the interval misses twice as often as it claims. With one question per image p is
McNemar's exact one with 1 added to both kinds of discordant pairs. The test is exact if gains are symmetric about what
is tested; with unequal images it is as good as the clusters are many (docs/analysis.md has its measured coverage). Of
fewer than `cluster_robust.LEAST` effective images, whose answers correlate (`cluster_robust.weight`), nothing is said:
p is 1 and the interval -1 to 1.
An image here is a cluster: with all its copies, with all pictures of its piece.

Images alike in (d, m) are flipped together: how many of them keep their sign is binomial, so the cost depends on how
many kinds of images there are, not on how many images. Where there are at most EXACT combinations all are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench.analysis import cluster_robust

EXACT = 20_000  # combinations of kept signs that are all counted; above, FLIPS of them are drawn
FLIPS = 4_999
_AT_ONCE = 2_000_000  # draws
_WORD = 64  # bits

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Flipped:
    """The test of one group of images, at every difference and level."""

    difference: float  # per question
    lows: Values  # sorted; of each flip the least difference at which it is as extreme as what was seen
    below: Values  # share of flips up to each of lows
    highs: Values  # sorted downwards; likewise the largest
    above: Values
    exact: bool  # all flips were counted

    @property
    def p(self) -> float:
        """Two-sided p of no difference."""
        if self.difference == 0:
            return 1.0
        ends, share = (self.lows, self.below) if self.difference > 0 else (-self.highs, self.above)
        return float(share[np.searchsorted(ends, 0.0, side="right") - 1])

    @property
    def p_above(self) -> float:
        """One-sided p of a difference of at most 0."""
        return self.p / 2 if self.difference > 0 else 1 - self.p / 2

    @property
    def p_below(self) -> float:
        """One-sided p of a difference of at least 0."""
        return self.p / 2 if self.difference < 0 else 1 - self.p / 2

    def interval(self, level: float) -> tuple[float, float]:
        """The differences that aren't rejected at 1 - level; it excludes 0 exactly when p < 1 - level."""
        alpha = 1 - level
        low = self.lows[np.searchsorted(self.below, alpha, side="left")]
        high = self.highs[np.searchsorted(self.above, alpha, side="left")]
        return max(min(float(low), self.difference), -1.0), min(max(float(high), self.difference), 1.0)


def of(sums: pl.DataFrame, seed: int = 0) -> Flipped:
    """The test of images' sums.

    Args:
        sums: n and right (questions won less lost), one row per image, as `intervals.per_cluster` gives them.
        seed: as of `flip`.
    """
    return flip(sums["right"].to_numpy(), sums["n"].to_numpy(), seed)


def flip(gain: Values, questions: Values, seed: int = 0) -> Flipped:
    """The test of images with these net gains.

    Args:
        gain: (G,) questions won less questions lost.
        questions: (G,) how many pairs the image has, at least 1.
        seed: of the flips, where not all are counted.
    """
    total, size = float(gain.sum()), float(questions.sum())
    weights = cluster_robust.weight(questions)
    if not cluster_robust.enough(cluster_robust.effective(weights.sum(), (weights**2).sum())):
        nothing = np.ones(1)
        return Flipped(total / max(size, 1.0), nothing * -np.inf, nothing, nothing * np.inf, nothing, exact=True)
    # The same flips whichever run is called the new one.
    turn = -1.0 if (total or float((gain**3).sum())) < 0 else 1.0
    usual = max(round(float(np.median(np.abs(gain[gain != 0])))), 1) if gain.any() else 1  # three where all have copies
    kinds, counts = _kinds(np.append(turn * gain, (usual, -usual)), np.append(questions, (usual, usual)))
    exact = float(np.log1p(counts).sum()) <= np.log(EXACT)
    kept, weights = _all_kept(kinds, counts) if exact else _drawn(kinds, counts, seed)
    turned = counts @ kinds - kept
    alone = (kept[:, 1] == 0) | (turned[:, 1] == 0)  # all signs kept or all turned: as extreme everywhere
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = turn * np.stack([kept[:, 0] / kept[:, 1], turned[:, 0] / turned[:, 1]])
    lows, highs = np.where(alone, -np.inf, ends.min(0)), np.where(alone, np.inf, ends.max(0))
    up, down = np.argsort(lows, kind="stable"), np.argsort(-highs, kind="stable")
    return Flipped(total / size, lows[up], _shares(weights[up]), highs[down], _shares(weights[down]), exact)


def _kinds(gain: Values, questions: Values) -> tuple[Values, NDArray[np.int64]]:
    """The different (gain, questions), (K, 2), and how many images are of each."""
    sizes, which = np.unique(questions, return_inverse=True)
    least = int(gain.min())
    width = int(gain.max()) - least + 1
    codes, counts = np.unique(which * width + (gain.astype(np.int64) - least), return_counts=True)
    return np.column_stack([codes % width + float(least), sizes[codes // width]]), counts


def _shares(weights: Values) -> Values:
    found: Values = np.cumsum(weights)
    found /= found[-1]
    return found


def _all_kept(kinds: Values, counts: NDArray[np.int64]) -> tuple[Values, Values]:
    """Sums of (gain, questions) over the images whose sign is kept, (n, 2), and the share of flips that keep these."""
    grids = np.meshgrid(*(np.arange(count + 1.0) for count in counts), indexing="ij")
    kept = np.stack([grid.ravel() for grid in grids], axis=1)
    logs = special.gammaln(counts + 1) - special.gammaln(kept + 1) - special.gammaln(counts - kept + 1)
    return kept @ kinds, np.exp(logs.sum(1) - counts.sum() * np.log(2))


def _drawn(kinds: Values, counts: NDArray[np.int64], seed: int) -> tuple[Values, Values]:
    """The same over FLIPS drawn ones and the one that was seen, which keeps all signs."""
    rng = np.random.default_rng(seed)
    few = counts <= _WORD
    sums = [(counts @ kinds)[None]]
    rows = max(_AT_ONCE // len(counts), 1)
    for at in range(0, FLIPS, rows):
        n = min(rows, FLIPS - at)
        kept = _heads(rng, counts[few], n).astype(np.float64) @ kinds[few]
        sums.append(kept if few.all() else kept + rng.binomial(counts[~few], 0.5, (n, int((~few).sum()))) @ kinds[~few])
    return np.concatenate(sums), np.ones(FLIPS + 1)


def _heads(rng: np.random.Generator, counts: NDArray[np.int64], n: int) -> NDArray[np.uint8]:
    """(n, K) how many of 1 to 64 coins fall heads: the set bits of random words, far quicker than binomial numbers."""
    words = np.frombuffer(rng.bytes(8 * n * len(counts)), np.uint64).reshape(n, len(counts))
    heads: NDArray[np.uint8] = np.bitwise_count(words >> (_WORD - counts).astype(np.uint64))
    return heads
