"""The publish gate's decision: answers with the old and the new text go in; better, worse or not enough evidence.

Both groups of images are tested by sign flips of their net gains (`analysis/sign_flips.py`), exact where gains are
symmetric however an image's questions hang together and however few of them changed.

**Better** needs two things. On the *affected* images, those the text is for, more must be right than before. On
everything *elsewhere* that retrieves the text, the share of right answers must not have fallen by more than the margin:
a one-sided 95 % bound, which few images can't pass. **Worse** is a text with which fewer are right on the images it is
for, or whose fall elsewhere is surely beyond the margin.

**The budget.** Each product has 5 % for false claims, better or worse. The k-th test since its last better spends
5 % / (k (k + 1)): 2.5 %, 0.83 %, 0.42 %, ... All of them together stay within 5 %, however many there are, and a found
improvement opens the next 5 %. A test spends half of its share on *better* and a quarter each on the two ways to be
*worse*. The budget belongs to the product because its texts are tested on the same images.

Pure: knows nothing of runs or storage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from warehouse.records.curation import GateVerdict
from workbench import wording
from workbench.analysis import intervals, sign_flips
from workbench.analysis.sign_flips import Flipped

BUDGET = 0.05  # per product, since its last better
MARGIN = 0.02  # how much worse everything else may be
POWER = 0.8  # of the number of images that is said to be needed
LEVEL = 0.95
ON_BETTER, ON_WORSE = 1 / 2, 1 / 4  # of a test's share; worse is said for two reasons
Group = Literal["affected", "elsewhere"]


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


def decide(
    pairs: pl.DataFrame, alpha: float, next_alpha: float | None = None, margin: float = MARGIN, seed: int = 0
) -> Decision:
    """Whether the new text may replace the old one.

    Args:
        pairs: cluster_id, group, old and new (Boolean: was the answer right), one row per question of known answer.
        alpha: what the test may spend on false claims, 0..1.
        next_alpha: what the product's next test may; the images that would show a gain are for that one.
        margin: 0..1.
        seed: of the flips.
    """
    groups = [pairs.filter(pl.col("group") == group) for group in ("affected", "elsewhere")]
    gains, other_gains = (_sums(group) for group in groups)
    flipped, flipped_elsewhere = (sign_flips.of(each, seed) for each in (gains, other_gains))
    affected, elsewhere = _side(groups[0], gains, flipped), _side(groups[1], other_gains, flipped_elsewhere)
    p_better, p_worse = flipped.p_above, flipped.p_below
    # Each end is a one-sided bound; nothing elsewhere can't have fallen.
    worst = flipped_elsewhere.interval(2 * LEVEL - 1)[0] if other_gains.height else 0.0
    at_best = flipped_elsewhere.interval(1 - 2 * ON_WORSE * alpha)[1] if other_gains.height else 0.0
    needed = None
    if p_better >= ON_BETTER * alpha:
        needed = images_needed(gains, alpha if next_alpha is None else next_alpha, margin)
    verdict: GateVerdict = "not enough evidence"
    if p_worse < ON_WORSE * alpha:
        verdict, why = "worse", "with it fewer questions are answered right on the images it is for"
    elif at_best < -margin:
        verdict, why = "worse", "it harms other images that retrieve it"
    elif needed is not None:
        worth = max(affected.difference, margin)
        why = (
            f"a gain of {wording.percent(worth, 1)} would show in the next test on about "
            f"{wording.counted(needed, 'image')} it is for; there are {affected.images:,}"
        )
    elif worst < -margin:
        fall, allowed = wording.percent(-worst, 1), wording.percent(margin, 1)
        why = f"answers about other images that retrieve it may have fallen by {fall}, beyond {allowed}"
    else:
        verdict, why = (
            "better",
            "with it more questions are answered right on the images it is for, and no fewer elsewhere",
        )
    return Decision(verdict, why, affected, elsewhere, p_better, p_worse, worst, needed)


def images_needed(sums: pl.DataFrame, alpha: float, margin: float = MARGIN) -> int:
    """How many images would show, with a chance of 80 %, a gain as large as the one seen, or as the margin if larger.

    Args:
        sums: cluster_id, n and right (net gain), as seen.
        alpha: of the test that would show it.
        margin: 0..1.
    """
    from statsmodels.stats.power import TTestPower

    n, net = sums["n"].to_numpy(), sums["right"].to_numpy()
    each = n.mean() if len(n) else 1.0  # questions of an image
    worth = max(net.sum() / n.sum() if len(n) else 0.0, margin) * each
    # A win and a loss more, so that a sample in which nothing changed doesn't promise a small number.
    spread = math.sqrt(float((np.append(net, (1.0, -1.0)) ** 2).mean()))
    found = TTestPower().solve_power(worth / spread, alpha=ON_BETTER * alpha, power=POWER, alternative="larger")
    return math.ceil(float(np.squeeze(found)))


def _sums(pairs: pl.DataFrame) -> pl.DataFrame:
    """cluster_id, n and right, which is the cluster's net gain."""
    gain = pairs.with_columns(gain=pl.col("new").cast(pl.Float64) - pl.col("old").cast(pl.Float64))
    return intervals.per_cluster(gain, value="gain").sort("cluster_id")


def _side(pairs: pl.DataFrame, sums: pl.DataFrame, flipped: Flipped) -> Side:
    won = pairs.filter(pl.col("new") & ~pl.col("old")).height
    lost = pairs.filter(pl.col("old") & ~pl.col("new")).height
    if not pairs.height:
        return Side(0, 0, 0, 0, 0.0, 0.0, 0.0)
    return Side(sums.height, pairs.height, won, lost, flipped.difference, *flipped.interval(LEVEL))
