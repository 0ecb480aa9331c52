"""The publish gate over nights: counts of changed answers by night go in; bets, wealth and a verdict come out.

Testing by betting: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting". A bettor
starts with 1 and stakes a part of it each night on "more answers are righted than spoiled". Where that is not so, his
wealth passes 1 / alpha at any time with a chance of at most alpha (Ville's inequality), however often one looks.

**The night is the unit.** Its pictures share light, lot and camera, so a date makes one bet, by its mean net gain: of
the answers that the two texts judge differently (the discordant ones, as in McNemar's test) the share righted minus the
share spoiled, x in -1..1. Wealth is multiplied by 1 + wager x x. The wager is fixed before it is known which way the
night's answers changed: from earlier nights' gains, and from how many pictures changed tonight.

**What is assumed**, and nothing else: where a text brings nothing, a night's effect is on average at most 0, given all
earlier nights and given which of tonight's answers are discordant. Effects may be of any shape: many small gains and a
rare night on which everything is lost are no gain. Nights may be of any size, and pictures of a night may depend on
each other in any way. What breaks it is a number of changed answers that foretells their direction.

**The price.** A whole night may turn, so one of mean gain x multiplies wealth by less than 1 + x, whatever is bet.

**Elsewhere** (other images that retrieve the text) the bet is on a fall of less than the margin. A night's net gain is
divided by the largest share of discordant answers yet seen, at least twice the margin, and the wager is of earlier
nights alone: nights on which hardly an answer changes must not make up for the one on which many fall.

Pure: knows nothing of runs or storage. Arrays are (..., nights), oldest first; whoever has one draft passes (nights,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warehouse.records.curation import NightVerdict
from workbench import wording
from workbench.curation.gate import LEVEL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ON_BETTER, ON_WORSE = 0.75, 0.125  # of a test's share; worse is said for two reasons, and lets nothing go live
LARGEST_WAGER = 0.98  # a night on which all is lost leaves 2 %
FIRST_MEAN, FIRST_SQUARE = 0.3, 0.3  # of outcomes, expected before the first night
FIRST_WEIGHT = 2.0  # how many nights that counts for
BETWEEN_NIGHTS = 0.02  # variance of nights' effects that a wager allows for
CODES: tuple[NightVerdict, ...] = ("still gathering", "better", "worse")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the answers of each night, all (..., nights)."""

    questions: Ints
    won: Ints  # right only with the new text
    lost: Ints  # right only with the old one
    changed: Ints  # pictures (clusters) with an answer won or lost


@dataclass(frozen=True, slots=True)
class Bets:
    """What was bet and what it came to, both (..., nights)."""

    wager: Floats  # 0..1, of the wealth
    log_wealth: Floats  # after the night; natural logarithm


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a test stands after each night, all (..., nights)."""

    better: Bets
    worse: Bets
    harmless: Bets  # elsewhere: against a fall of the margin or more
    harmful: Bets  # elsewhere: against a fall of less
    code: Ints  # of `CODES`; what was first reached stays


def gain(counts: Counts) -> Bets:
    """Bets on more answers righted than spoiled."""
    discordant = counts.won + counts.lost
    outcome = np.where(discordant > 0, (counts.won - counts.lost) / np.maximum(discordant, 1), 0.0)
    noise = np.where(counts.changed > 0, 1 / np.maximum(counts.changed, 1), np.inf)
    return _bets(outcome, noise)


def loss(counts: Counts) -> Bets:
    """Bets on more answers spoiled than righted."""
    return gain(Counts(counts.questions, counts.lost, counts.won, counts.changed))


def harmless(counts: Counts, margin: float) -> Bets:
    """Bets on a fall of less than the margin.

    Args:
        counts: of the images elsewhere.
        margin: above 0, below 1.
    """
    net, scale, asked = _elsewhere(counts, margin)
    return _predictable(np.where(asked, (net + margin) / scale, 0.0), asked)


def harmful(counts: Counts, margin: float) -> Bets:
    """Bets on a fall of more than the margin."""
    net, scale, asked = _elsewhere(counts, margin)
    return _predictable(np.where(asked, -(net + margin) / (scale + margin), 0.0), asked)


def lower_bound(counts: Counts, margin: float, level: float = LEVEL) -> float:
    """What the mean change elsewhere is at least, at any time: one end of a confidence sequence, in -1..0.

    Args:
        counts: of the images elsewhere, (nights,).
        margin: by which the wagers were chosen.
        level: 0..1.
    """
    net, scale, _asked = _elsewhere(counts, margin)
    wager = harmless(counts, margin).wager

    def refuted(fall: float) -> bool:
        wealth = np.cumsum(np.log1p(wager * (net + fall) / scale))
        return bool(wealth.size and wealth.max() >= -math.log(1 - level))

    low, high = 0.0, 1.0
    if not refuted(high):
        return -1.0
    for _step in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if refuted(middle) else (middle, high)
    return -high


def standing(affected: Counts, elsewhere: Counts, alpha: float, margin: float) -> Standing:
    """The bets of all nights, and what they say after each.

    Better needs the gain on the images that the text is for, and elsewhere a fall of the margin excluded at `LEVEL`,
    unless the text was retrieved nowhere else so far. False better and false worse together come in at most alpha of
    tests, whenever one looks.

    Args:
        affected: of the images that the text is for.
        elsewhere: of all others that retrieve it.
        alpha: what the test may spend, 0..1.
        margin: how much everything else may fall, as a share of 1.
    """
    better, worse = gain(affected), loss(affected)
    safe, harm = harmless(elsewhere, margin), harmful(elsewhere, margin)
    nowhere = np.cumsum(elsewhere.questions, -1) == 0
    is_safe = nowhere | (_peak(safe) >= -math.log(1 - LEVEL))
    is_better = (_peak(better) >= threshold(alpha)) & is_safe
    limit = -math.log(ON_WORSE * alpha)
    is_worse = (_peak(worse) >= limit) | (_peak(harm) >= limit)
    code = np.where(is_worse, 2, np.where(is_better, 1, 0))
    return Standing(better, worse, safe, harm, _first_stays(code))


def threshold(alpha: float) -> float:
    """The logarithm of the wealth at which better is said."""
    return -math.log(ON_BETTER * alpha)


def in_words(verdict: NightVerdict, affected: Counts, state: Standing, alpha: float, elsewhere_low: float) -> str:
    """Why, in one sentence; of a test of one draft, (nights,) with at least one night."""
    if verdict == "better":
        return "night after night it righted more answers than it spoiled, and elsewhere it does no harm"
    if verdict == "worse":
        lost = _peak(state.worse)[-1] >= -math.log(ON_WORSE * alpha)
        return (
            "night after night it spoiled more answers than it righted"
            if lost
            else "it harms other images that retrieve it"
        )
    bets = wording.counted(int((affected.won + affected.lost > 0).sum()), "night")
    if _peak(state.better)[-1] >= threshold(alpha):
        return (
            f"it rights more answers than it spoils, but elsewhere answers may have fallen by "
            f"{wording.percent(-elsewhere_low, 1)}"
        )
    share = max(0.0, float(state.better.log_wealth[-1])) / threshold(alpha)
    return f"{bets} with a changed answer so far, {wording.percent(share, 0)} of the evidence that better needs"


def nights_needed(pictures: float, alpha: float, worth: float = 0.1, changed: float = 0.25) -> int | None:
    """About how many nights show a gain, at so many pictures a night; None where no number does.

    Args:
        pictures: a night, with a known answer.
        alpha: of the test.
        worth: the gain, as a share of 1 of the answers.
        changed: the share of answers that the text changes, above `worth`.
    """
    mean = worth / changed
    if pictures * changed < 1:  # then a night has one changed answer now and then
        every, discordant = pictures * changed, 1.0
    else:
        every, discordant = 1.0, pictures * changed
    if every <= 0:
        return None
    noise = (1 - mean**2) / discordant
    wager = min(LARGEST_WAGER, mean / (mean**2 + noise + BETWEEN_NIGHTS))
    growth = math.log1p(wager * mean) - (wager**2) * noise / (2 * (1 + wager * mean) ** 2)
    return math.ceil(threshold(alpha) / (every * growth)) if growth > 0 else None


def _bets(outcome: Floats, noise: Floats) -> Bets:
    """Bets on a mean above 0 where it is known beforehand how noisy each night is.

    The wager is Kelly's, mean / (mean^2 + variance), with the mean of earlier nights, those with less noise counting
    for more.

    Args:
        outcome: (..., nights), at least -1.
        noise: (..., nights), what chance alone may add to its variance; infinite where there is no bet.
    """
    takes_part = np.isfinite(noise)
    variance = np.where(takes_part, noise, 0.0)
    weight = np.where(takes_part, 1 / (1 + 3 * variance), 0.0)
    mean = (FIRST_WEIGHT * FIRST_MEAN + _earlier(weight * outcome)) / (FIRST_WEIGHT + _earlier(weight))
    return _placed(mean, mean**2 + variance + BETWEEN_NIGHTS, outcome, takes_part)


def _predictable(outcome: Floats, takes_part: NDArray[np.bool_]) -> Bets:
    """Bets on a mean above 0 with nothing but earlier nights in the wager.

    Args:
        outcome: (..., nights), at least -1; 0 where there is no bet.
        takes_part: (..., nights).
    """
    nights = FIRST_WEIGHT + _earlier(takes_part.astype(np.float64))
    mean = (FIRST_WEIGHT * FIRST_MEAN + _earlier(outcome)) / nights
    square = (FIRST_WEIGHT * FIRST_SQUARE + _earlier(outcome**2)) / nights
    return _placed(mean, square, outcome, takes_part)


def _placed(mean: Floats, square: Floats, outcome: Floats, takes_part: NDArray[np.bool_]) -> Bets:
    wager = np.where(takes_part, np.clip(mean / square, 0.0, LARGEST_WAGER), 0.0)
    return Bets(wager, np.cumsum(np.log1p(wager * outcome), -1))


def _elsewhere(counts: Counts, margin: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Net gain, what it is divided by, and whether anything was asked; each (..., nights)."""
    questions = np.maximum(counts.questions, 1)
    share = (counts.won + counts.lost) / questions
    scale = np.maximum(np.maximum.accumulate(share, -1), 2 * margin)
    return (counts.won - counts.lost) / questions, scale, counts.questions > 0


def _earlier(values: Floats) -> Floats:
    """The sum of all nights before each."""
    return np.cumsum(values, -1) - values


def _peak(bets: Bets) -> Floats:
    return np.maximum.accumulate(bets.log_wealth, -1)


def _first_stays(code: Ints) -> Ints:
    """Each night's code, replaced by the first that isn't 0."""
    reached = code != 0
    first = np.argmax(reached, -1)[..., None]
    decided = np.take_along_axis(code, first, -1)
    return np.where(np.arange(code.shape[-1]) >= first, decided, 0)
