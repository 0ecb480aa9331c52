"""The publish gate's decision: answers with the old and the new text go in; better, worse or not enough evidence.

**Better** needs two things. On the *affected* images, those the text is for, more must be right than before: a
sign-flip test on each image's net gain, which is exact however an image's questions hang together and however few of
them changed. On everything *elsewhere* that retrieves the text, the share of right answers must not have fallen by more
than the margin: a one-sided 95 % bound, clustered by image, with one image that won a question and one that lost one
added, so that no change in few images proves nothing.

**The budget.** Each product has 5 % for false claims. The k-th test since its last better spends 5 % / (k (k + 1)):
2.5 %, 0.83 %, 0.42 %, ... All of them together stay within 5 %, however many there are, and a found improvement opens
the next 5 %. The budget belongs to the product because its texts are tested on the same images.

Pure: knows nothing of runs or storage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse.curation_records import GateVerdict
from workbench.analysis import intervals

BUDGET = 0.05  # per product, since its last better
MARGIN = 0.02  # how much worse everything else may be
POWER = 0.8  # of the number of images that is said to be needed
FLIPS = 9999  # random sign flips where there are too many to try all
LEVEL = 0.95
Group = Literal["affected", "elsewhere"]
Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Side:
    """Old against new on one group of images; differences are new minus old, as shares of 1 of the questions."""

    images: int
    questions: int
    won: int  # right only with the new text
    lost: int  # right only with the old one
    difference: float
    low: float  # 95 % interval by image
    high: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What a test came to."""

    verdict: GateVerdict
    why: str
    affected: Side
    elsewhere: Side
    p_better: float
    p_worse: float
    elsewhere_low: float  # one-sided 95 % bound
    images_needed: int | None  # affected ones that would show a gain of this size; None when it was shown


def decide(pairs: pl.DataFrame, alpha: float, margin: float = MARGIN, seed: int = 0) -> Decision:
    """Whether the new text may replace the old one.

    Args:
        pairs: image_id, group, old and new (Boolean: was the answer right), one row per question of known answer.
        alpha: what the test may spend, one-sided, 0..1.
        margin: 0..1.
        seed: of the flips and of the intervals.
    """
    groups = [pairs.filter(pl.col("group") == group) for group in ("affected", "elsewhere")]
    gains, other_gains = (_sums(group) for group in groups)
    affected, elsewhere = _side(groups[0], gains, seed), _side(groups[1], other_gains, seed)
    net = gains["right"].to_numpy()
    p_better, p_worse = _flipped(net, seed), _flipped(-net, seed)
    worst = intervals.change(other_gains, 2 * LEVEL - 1)  # each end is a one-sided bound
    needed = images_needed(gains, alpha, margin) if p_better >= alpha else None
    verdict: GateVerdict = "not enough evidence"
    if p_worse < alpha:
        verdict, why = "worse", "with it fewer questions are answered right on the images it is for"
    elif worst.high < -margin:
        verdict, why = "worse", "it harms other images that retrieve it"
    elif needed is not None:
        worth = max(affected.difference, margin)
        why = f"a gain of {worth:.1%} would show on about {needed:,} images it is for; there are {affected.images:,}"
    elif worst.low <= -margin:
        why = f"answers about other images that retrieve it may have fallen by {-worst.low:.1%}, beyond {margin:.1%}"
    else:
        verdict, why = (
            "better",
            "with it more questions are answered right on the images it is for, and no fewer elsewhere",
        )
    return Decision(verdict, why, affected, elsewhere, p_better, p_worse, worst.low, needed)


def images_needed(sums: pl.DataFrame, alpha: float, margin: float = MARGIN) -> int:
    """How many images would show, with a chance of 80 %, a gain as large as the one seen, or as the margin if larger.

    Args:
        sums: image_id, n and right (net gain), as seen.
    """
    from statsmodels.stats.power import TTestPower

    n, net = sums["n"].to_numpy(), sums["right"].to_numpy()
    each = n.mean() if len(n) else 1.0  # questions of an image
    worth = max(net.sum() / n.sum() if len(n) else 0.0, margin) * each
    # A win and a loss more, so that a sample in which nothing changed doesn't promise a small number.
    spread = math.sqrt(float((np.append(net, (1.0, -1.0)) ** 2).mean()))
    found = TTestPower().solve_power(worth / spread, alpha=alpha, power=POWER, alternative="larger")
    return math.ceil(float(np.squeeze(found)))


def _sums(pairs: pl.DataFrame) -> pl.DataFrame:
    """image_id, n and right, which is the image's net gain, as `intervals.bootstrap` takes them."""
    gain = pairs.with_columns(gain=pl.col("new").cast(pl.Float64) - pl.col("old").cast(pl.Float64))
    return intervals.per_image(gain, value="gain").sort("image_id")


def _side(pairs: pl.DataFrame, sums: pl.DataFrame, seed: int) -> Side:
    won = pairs.filter(pl.col("new") & ~pl.col("old")).height
    lost = pairs.filter(pl.col("old") & ~pl.col("new")).height
    if not pairs.height:
        return Side(0, 0, 0, 0, 0.0, 0.0, 0.0)
    seen = intervals.bootstrap(sums, seed)
    low, high = (seen.low, seen.high) if sums.height > 1 else (-1.0, 1.0)
    return Side(sums.height, pairs.height, won, lost, seen.value, low, high)


def _flipped(net: Sums, seed: int) -> float:
    """One-sided p of the images' net gains being this large if each were as likely a loss.

    Images without a net change say nothing under a flip and are left out; all flips are tried where there are at most
    `FLIPS` of them.
    """
    from scipy import stats

    changed = net[net != 0]
    if len(changed) < 2:  # a single flip is a coin's: the library asks for two
        return 0.5 if changed.sum() > 0 else 1.0
    found = stats.permutation_test(
        (changed,),
        lambda gains, axis=-1: gains.sum(axis=axis),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        n_resamples=FLIPS,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
