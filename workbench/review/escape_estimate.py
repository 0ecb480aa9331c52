"""The week's true escape and overkill, from cases that were drawn for review: one frame goes in, an estimate comes out.

    answers of a week, drawn ones with what people settled -> per detection side the share that is wrong -> rates

A week has two lanes. *Disputed* cases all go to people: each is drawn with probability 1. Of the others an *audit* lane
is drawn at random. Within a lane and a detection side (called defective, called good) drawn cases stand for the others
by the inverse of their probability (Horvitz and Thompson 1952), scaled to the known number of answers. What somebody
volunteered enters nothing.

The model's own probabilities over all answers sharpen the estimate by prediction-powered inference (Angelopoulos et
al. 2023, *Prediction-powered inference*; PPI++, 2023, for the tuned power): what they say on average of all answers,
corrected by what they say wrongly of the judged ones. The power of a case is tuned on the other cases, so that
probabilities which mean nothing change nothing on average.

Intervals are Clopper and Pearson's at the effective sample size of the estimate's variance (Korn and Graubard 1998),
with a finite population's correction. What fully judged lanes say has no error. Rates over good and defective images
combine both sides (Zou and Donner 2008, MOVER, on log odds).

Drawn cases without an answer are taken for like the answered ones of their lane and side, which nobody can check. So
`bound_low` and `bound_high` stand beside every interval: its ends were all of them right, and all of them wrong.
Given up: two detection questions of one image count as two answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Claim = Literal["good", "defective"]

LEAST_JUDGED = 2  # of a lane's answers on one side, where not all of them are judged
LEAST_TO_SHARPEN = 5  # wrong answers judged on a side, and right ones: fewer tune no power
LEVEL = 0.95
SCHEMA = {
    "lane": pl.String,  # "disputed", "audit"; null: the answer's run has no audit lane
    "claim": pl.String,  # what the answer claims: "good" or "defective"
    "drawn": pl.Boolean,  # whether people were to judge it
    "probability": pl.Float64,  # of being drawn, 0..1
    "truth": pl.String,  # what people settled: "good" or "defective"; null where they did not, or cannot be counted
    "answers": pl.Int64,  # 1 of a drawn case; one row may stand for many that were not drawn
    "defect_probability": pl.Float64,  # the model's, 0..1, the mean of the row's answers; null where one has none
}
"""Columns of the frame that `estimate` takes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its interval, and the interval's ends whatever the unanswered cases are."""

    value: float | None  # None: too few are judged
    low: float
    high: float
    bound_low: float  # were all drawn cases without an answer right
    bound_high: float  # were they all wrong


@dataclass(frozen=True, slots=True)
class Side:
    """The answers of one claim."""

    claim: Claim
    answers: int
    draws: int  # cases drawn for review
    judgements: int  # of those, in a way that counts
    wrong: int  # of the judged
    share: Estimate  # of wrong answers among all of the side
    power: float  # that the model's probabilities were given on average; 0: they are not used


@dataclass(frozen=True, slots=True)
class Week:
    """A week's estimate. Shares lie in 0..1."""

    called_good: Side  # its wrong answers are escapes
    called_defective: Side  # its wrong answers are overkill
    escape: Estimate  # of defective images
    overkill: Estimate  # of good images
    uncovered: int  # answers of runs without an audit lane: the estimate does not speak of them
    level: float = LEVEL

    @property
    def judgements(self) -> int:
        """Drawn cases that people judged."""
        return self.called_good.judgements + self.called_defective.judgements

    @property
    def unanswered(self) -> int:
        """Drawn cases that people did not judge, or not in a way that counts."""
        return self.called_good.draws + self.called_defective.draws - self.judgements


def estimate(cases: pl.DataFrame, level: float = LEVEL, sharpen: bool = True) -> Week:
    """What a week's drawn cases say of all its answers.

    Args:
        cases: columns as in `SCHEMA`; every answer of the week stands in one row.
        level: of the intervals.
        sharpen: whether the model's probabilities may narrow them.

    Raises:
        ValueError: a drawn case has no probability, or a row that was not drawn has a truth.
    """
    cases = cases.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    if cases.filter(pl.col("drawn") & ~(pl.col("probability") > 0).fill_null(False)).height:
        raise ValueError("a drawn case has no probability of being drawn: give each one in (0, 1]")
    if cases.filter(~pl.col("drawn") & pl.col("truth").is_not_null()).height:
        raise ValueError("a case that was not drawn has a truth: volunteered judgements enter no estimate")
    covered = cases.filter(pl.col("lane").is_not_null())
    good, defective = _side(covered, "good", level, sharpen), _side(covered, "defective", level, sharpen)
    return Week(
        good,
        defective,
        _rate(good, defective),
        _rate(defective, good),
        int(cases.filter(pl.col("lane").is_null())["answers"].sum()),
        level,
    )


@dataclass(frozen=True, slots=True)
class _Lane:
    """A lane's answers of one side."""

    answers: int
    weights: Floats  # (n,) of the drawn, inverse probabilities
    wrong: Floats  # (n,) 1, 0, or nan where nobody answered
    chance: Floats  # (n,) the model's probability that the answer is wrong, less its mean over all of the lane; or 0


def _side(cases: pl.DataFrame, claim: Claim, level: float, sharpen: bool) -> Side:
    mine = cases.filter(claim=claim)
    chances = pl.col("defect_probability") if claim == "good" else 1 - pl.col("defect_probability")
    sharpen = sharpen and mine["defect_probability"].null_count() == 0
    lanes = []
    for _, lane in mine.with_columns(chance=chances).group_by("lane", maintain_order=True):
        drawn = lane.filter("drawn")
        mean = float((lane["chance"] * lane["answers"]).sum()) / int(lane["answers"].sum())
        wrong = (drawn["truth"] != claim).cast(pl.Float64).fill_null(math.nan).to_numpy()
        chance = drawn["chance"].to_numpy() - mean if sharpen else np.zeros(drawn.height)
        lanes.append(_Lane(int(lane["answers"].sum()), 1 / drawn["probability"].to_numpy(), wrong, chance))
    said = np.concatenate([lane.wrong for lane in lanes]) if lanes else np.zeros(0)
    judged = ~np.isnan(said)
    value, low, high, power = _share(lanes, None, level)
    bound_low, bound_high = low, high
    if not judged.all():
        bound_low, bound_high = _share(lanes, 0.0, level)[1], _share(lanes, 1.0, level)[2]
    share = Estimate(value, low, high, min(low, bound_low), max(high, bound_high))
    return Side(claim, int(mine["answers"].sum()), len(said), int(judged.sum()), int(np.nansum(said)), share, power)


def _share(lanes: list[_Lane], unanswered: float | None, level: float) -> tuple[float | None, float, float, float]:
    """The share of wrong answers over a side's lanes, its interval's ends, and the mean power of the probabilities.

    Args:
        lanes: the side's.
        unanswered: what drawn cases without an answer count as; None leaves them out.
        level: of the interval.
    """
    answers = sum(lane.answers for lane in lanes)
    if not answers:
        return None, 0.0, 1.0, 0.0
    if unanswered is None:
        used = [~np.isnan(lane.wrong) for lane in lanes]
        lanes = [
            _Lane(lane.answers, lane.weights[keep], lane.wrong[keep], lane.chance[keep])
            for lane, keep in zip(lanes, used, strict=True)
        ]
    else:
        lanes = [
            _Lane(lane.answers, lane.weights, np.nan_to_num(lane.wrong, nan=unanswered), lane.chance) for lane in lanes
        ]
    certain = [lane for lane in lanes if len(lane.wrong) == lane.answers]
    open_lanes = [lane for lane in lanes if len(lane.wrong) < lane.answers]
    errors = float(sum(lane.wrong.sum() for lane in certain))
    rest = sum(lane.answers for lane in open_lanes)
    if not rest:
        return errors / answers, errors / answers, errors / answers, 0.0
    if any(len(lane.wrong) < LEAST_JUDGED for lane in open_lanes):
        seen = sum(lane.wrong.sum() for lane in open_lanes)
        unseen = rest - sum(len(lane.wrong) for lane in open_lanes)
        return None, (errors + seen) / answers, (errors + seen + unseen) / answers, 0.0
    powers = _powers(open_lanes)
    share = variance = 0.0
    for lane, power in zip(open_lanes, powers, strict=True):
        part, n = lane.answers / rest, len(lane.wrong)
        weights = lane.weights / lane.weights.sum()
        corrected = lane.wrong - power * lane.chance
        mean = float(weights @ corrected)
        scatter = n / (n - 1) * float(((weights * (corrected - mean)) ** 2).sum())
        share += part * mean
        variance += part**2 * (1 - n / lane.answers) * scatter
    share = min(max(share, 0.0), 1.0)
    low, high = _interval(share, variance, _kish(open_lanes), level)
    return (
        (errors + rest * share) / answers,
        (errors + rest * low) / answers,
        (errors + rest * high) / answers,
        float(np.concatenate(powers).mean()),
    )


def _powers(lanes: list[_Lane]) -> list[Floats]:
    """(n,) for each lane: the power of the probabilities for a case, tuned on all other cases of the side.

    It is the slope of `wrong` on `chance` within lanes, as in PPI++, and at least 0.
    """
    none: list[Floats] = [np.zeros(len(lane.wrong)) for lane in lanes]
    wrong = sum(float(lane.wrong.sum()) for lane in lanes)
    right = sum(len(lane.wrong) for lane in lanes) - wrong
    if min(wrong, right) < LEAST_TO_SHARPEN:
        return none
    products, squares = [], []
    for lane in lanes:
        weights, n = lane.weights / lane.weights.mean(), len(lane.wrong)
        about = (lane.wrong - np.average(lane.wrong, weights=weights)) * weights
        chance = (lane.chance - np.average(lane.chance, weights=weights)) * weights
        leave_out = n / (n - 1)  # a mean that the case is left out of lies so much farther from it
        products.append(about * chance * leave_out)
        squares.append(chance**2 * leave_out)
    product, square = (float(sum(each.sum() for each in terms)) for terms in (products, squares))
    found: list[Floats] = []
    for mine, own in zip(products, squares, strict=True):
        others = square - own
        slope = np.divide(product - mine, others, out=np.zeros_like(others), where=others > 1e-12)
        found.append(slope.clip(0.0))
    return found


def _kish(lanes: list[_Lane]) -> float:
    """The effective number of drawn cases that weights leave (Kish 1965), in a population without end."""
    rest = sum(lane.answers for lane in lanes)
    variance = sum(
        (lane.answers / rest) ** 2
        * (1 - len(lane.wrong) / lane.answers)
        * float((lane.weights**2).sum() / lane.weights.sum() ** 2)
        for lane in lanes
    )
    return 1 / variance


def _interval(share: float, variance: float, kish: float, level: float) -> tuple[float, float]:
    from scipy.stats import beta  # half a second to import

    n = share * (1 - share) / variance if variance > 0 and 0 < share < 1 else kish
    tail, wrong = (1 - level) / 2, share * n
    low = float(beta.ppf(tail, wrong, n - wrong + 1)) if wrong > 0 else 0.0
    high = float(beta.ppf(1 - tail, wrong + 1, n - wrong)) if wrong < n else 1.0
    return low, high


def _rate(missed: Side, other: Side) -> Estimate:
    """The share that one side's wrong answers are of all images of their truth: they, and the other side's right ones.

    Escapes are the wrong ones of those called good, and lie among all defective images: escapes, and the right ones of
    those called defective.
    """
    wrong, right = missed.share, other.share
    value, low, high = _of_truth(missed.answers, wrong.value, wrong.low, wrong.high, other.answers, right)
    ends = (
        _end(missed.answers * wrong.bound_low, other.answers * (1 - right.bound_low)),
        _end(missed.answers * wrong.bound_high, other.answers * (1 - right.bound_high)),
    )
    if value is None:
        return Estimate(None, ends[0], ends[1], ends[0], ends[1])
    return Estimate(value, low, high, min(low, ends[0]), max(high, ends[1]))


def _of_truth(
    answers: int, share: float | None, low: float, high: float, others: int, right: Estimate
) -> tuple[float | None, float, float]:
    if share is None or right.value is None:
        return None, 0.0, 1.0
    wrong, hit = answers * share, others * (1 - right.value)
    if wrong + hit <= 0:
        return None, 0.0, 1.0
    worst_low, worst_high = (
        _end(answers * low, others * (1 - right.low)),
        _end(answers * high, others * (1 - right.high)),
    )
    if min(wrong, hit, answers * low, others * (1 - right.high)) <= 0:  # no logarithm: both ends together
        return wrong / (wrong + hit), worst_low, worst_high
    odds = math.log(wrong / hit)
    down = math.hypot(math.log(share / low), math.log((1 - right.low) / (1 - right.value)))
    up = math.hypot(math.log(high / share), math.log((1 - right.value) / (1 - right.high)))
    return wrong / (wrong + hit), 1 / (1 + math.exp(down - odds)), 1 / (1 + math.exp(-odds - up))


def _end(wrong: float, hit: float) -> float:
    return wrong / (wrong + hit) if wrong + hit > 0 else 0.0
