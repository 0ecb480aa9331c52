"""A threshold from the scores of normal pieces alone, and what it promises.

    scores of n normal pieces, a rate of false alarms -> a threshold, the rate that n can give, its bound

Each score is of a piece that was left out of its own comparison; a piece with several pictures has its largest. A good
piece that is like them is as likely to take any of the n + 1 places among them, so one that scores above the j-th
largest comes with a chance of j / (n + 1): that rate is attainable, and a percentile that n normals can't give isn't
claimed. The realised rate of one threshold varies with the normals it was made of, as Beta(j, n + 1 - j): 5 % with 95 %
confidence needs 59 normals.

A piece that its siblings disown - it scores more than twice their upper quartile - is a suspect: it may be a defective
one that was taken for a normal, and a threshold above it would let everything pass. The threshold lies below suspects,
and the rate counts them as good pieces above it, and one more because the scores themselves chose the place.

Source: rank statistics of exchangeable scores (split conformal prediction; Wilks 1941 on tolerance limits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from workbench.wording import counted, level, percent

CONFIDENCE = 0.95
DISOWNED = 2.0  # times the upper quartile of the scores
FEWEST_SIBLINGS = 8  # pieces
FINEST = 0.001  # of a score: what rounding alone may make it, as patches are kept in half precision


@dataclass(frozen=True, slots=True)
class Threshold:
    """What is above it is called defective."""

    value: float
    pieces: int  # n, how many normal pieces it was made of
    place: int  # j: it is their j-th largest score
    asked_rate: float  # of good pieces that may be called defective
    suspects: int = 0  # pieces above it that their siblings disown

    @property
    def rate(self) -> float:
        """The expected share of good pieces above it."""
        return self._counted / (self.pieces + 1)

    @property
    def bound(self) -> float:
        """The share of good pieces above it that is not exceeded with CONFIDENCE."""
        return float(stats.beta.ppf(CONFIDENCE, self._counted, self.pieces + 1 - self._counted))

    @property
    def _counted(self) -> int:
        """j, and one more where the scores chose it."""
        return min(self.pieces, self.place + min(self.suspects, 1))

    @property
    def words(self) -> str:
        """Where it lies among the normals and what it promises."""
        normals = counted(self.pieces, "normal piece")
        where = f"above all {normals}" if self.place == 1 else f"above all but {self.place - 1} of {normals}"
        if self.suspects:
            where += f" ({self.suspects} of them disowned by the rest: look at them)"
        promise = (
            f"{percent(self.rate, 1)} of good pieces expected, at most {percent(self.bound, 1)} with "
            f"{level(CONFIDENCE)} confidence"
        )
        if self.rate > self.asked_rate and not self.suspects:
            needed = counted(pieces_needed(self.asked_rate), "normal piece")
            return f"{where}: {promise}; {percent(self.asked_rate, 1)} needs {needed}"
        return f"{where}: {promise}"


def threshold(scores: Sequence[float], rate: float = 0.05) -> Threshold | None:
    """The lowest threshold whose expected rate is at most `rate`, else the largest score; None without scores.

    It lies below suspects in any case.

    Args:
        scores: one for each normal piece, compared with others alone.
        rate: share of good pieces that may be called defective, above 0 and below 1.
    """
    if not len(scores):
        return None
    odd = int(np.count_nonzero(np.asarray(scores) > disowned_above(scores)))
    place = max(1 + odd, int(rate * (len(scores) + 1) + 1e-9))
    return Threshold(float(np.sort(scores)[-place]), len(scores), place, rate, odd)


def disowned_above(scores: Sequence[float]) -> float:
    """The score above which a normal piece is a suspect; infinite where too few are there to tell.

    Of copies of one picture scores are rounding, on either side of 0: none of them is a suspect.
    """
    if len(scores) < FEWEST_SIBLINGS:
        return float("inf")
    return max(FINEST, DISOWNED * float(np.percentile(scores, 75)))


def at_least(scores: Sequence[float], score: float) -> int:
    """How many of the normal pieces score at least so much: 0 is above all."""
    return int(np.count_nonzero(np.asarray(scores) >= score))


def pieces_needed(rate: float) -> int:
    """The fewest normal pieces that can give this expected rate."""
    return int(np.ceil(1 / rate - 1 - 1e-9))
