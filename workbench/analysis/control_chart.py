"""A control chart of one value per night against a reference: what became worse or other, and since when.

values and sampling variances of reference nights -> what is usual -> limits -> alarms over the nights that follow

The chart is a CUSUM of standardised nights: of what each lies above its usual mean, less an *allowance*, the sum is
kept while it is positive, and an alarm is raised when it passes the *limit*. Mean, spread and autocorrelation are
estimated from few nights, so a limit from tables for known parameters would raise several times as many false alarms
as it says (Jensen, Jones-Farmer, Champ and Woodall, Journal of Quality Technology 38, 2006). The limit is therefore
found by simulation: references of as many nights are drawn and estimated anew, and of nine in ten of them the mean
number of nights to a false alarm is at least the stated run length. Nights that resemble the night before are allowed
for: the simulated nights are a first-order autoregression with the reference's autocorrelation, estimated on the safe
side and at most a half.

An alarm stays open until somebody acknowledges it, or until it is mended: from three times the limit, which it is set
to and can't pass, the sum has come back to zero. That takes two or three weeks of usual nights, and hardly ever happens
while the change lasts. A mended alarm is told until it is acknowledged too.

Knows nothing of storage, schedules or pages.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_NIGHTS = 10  # of a reference; of fewer a spread can't be told
RUN_LENGTH = 200  # nights to a false alarm, on average, of nine in ten references at least
AUTOCORRELATIONS = (0.0, 0.125, 0.25, 0.375, 0.53)  # that limits are worked out for
_ALLOWANCE = 0.5  # of known parameters: half the shift, in standard deviations, that is found fastest
_TENTH, _NINE_IN_TEN = 0.1, 1.2816  # the share, and the deviate of a normal that leaves it above
_MENDING = 3.0  # limits that the sum has to fall before an alarm counts as mended
_SAFE = 1.3  # standard errors that an autocorrelation is taken higher than estimated
_REFERENCES, _FUTURES, _HORIZON = 300, 16, 4  # simulated references, futures of each, their nights in run lengths
_SEED = 20060101

Values = NDArray[np.float64]
Direction = Literal["rose", "fell"]


@dataclass(frozen=True, slots=True)
class Usual:
    """What reference nights say; arrays where many references are estimated at once."""

    mean: Values  # (...)
    spread: Values  # (...) standard deviation between nights, without the sampling of images
    autocorrelation: Values  # (...) one of AUTOCORRELATIONS, no lower than estimated
    nights: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The design of a chart, in standard deviations."""

    allowance: float
    limit: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of a chart; places are nights counted from the chart's first."""

    direction: Direction
    since: int  # the first night of the rise that raised it
    raised: int
    mended: int | None  # the night on which the sum came back to zero
    acknowledged: int | None  # the night up to which somebody acknowledged it


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart says after its last night."""

    alarms: tuple[Alarm, ...]  # oldest first
    sums: tuple[float, float]  # upwards, downwards; in standard deviations


def usual(values: ArrayLike, variances: ArrayLike) -> Usual:
    """What is usual, by reference nights.

    Args:
        values: (..., n) one value per night, oldest first, n >= 3.
        variances: (..., n) of each by the sampling of its images alone, positive.

    Source: the moment estimator of DerSimonian and Laird, Controlled Clinical Trials 7, 1986.
    """
    x, v = np.asarray(values, np.float64), np.asarray(variances, np.float64)
    nights = x.shape[-1]
    weight = 1 / v
    total = weight.sum(-1)
    mean = (weight * x).sum(-1) / total
    scatter = (weight * (x - mean[..., None]) ** 2).sum(-1)
    between = np.maximum(0.0, (scatter - (nights - 1)) / (total - (weight**2).sum(-1) / total))
    weight = 1 / (v + between[..., None])
    mean = (weight * x).sum(-1) / weight.sum(-1)
    z = (x - mean[..., None]) * np.sqrt(weight)
    squares = (z**2).sum(-1)
    lagged = (z[..., 1:] * z[..., :-1]).sum(-1) / np.where(squares > 0, squares, 1.0)
    # Its bias towards less (Marriott and Pope, Biometrika 41, 1954), then to the safe side.
    safe = lagged + (1 + 4 * lagged) / nights + _SAFE * np.sqrt((1 - lagged**2) / nights)
    levels = np.asarray(AUTOCORRELATIONS)
    level = levels[np.searchsorted(levels, np.clip(safe, 0.0, levels[-1]))]
    return Usual(mean, np.sqrt(between), level, nights)


def standardised(of: Usual, values: ArrayLike, variances: ArrayLike) -> Values:
    """(..., T) how many standard deviations, of nights and sampling together, each night lies above its usual mean."""
    x, v = np.asarray(values, np.float64), np.asarray(variances, np.float64)
    return np.asarray((x - of.mean[..., None]) / np.sqrt(v + of.spread[..., None] ** 2), np.float64)


@functools.lru_cache(256)
def limits(nights: int, autocorrelation: float, both: bool, run_length: int = RUN_LENGTH) -> Limits:
    """The design for a reference of so many nights; a fraction of a second, and the same every time.

    Args:
        nights: of the reference, at least LEAST_NIGHTS.
        autocorrelation: of a night with the one before, one of AUTOCORRELATIONS.
        both: whether a fall is an alarm as a rise is.
        run_length: nights to a false alarm, on average, of nine in ten references at least.
    """
    random = np.random.default_rng([_SEED, nights])
    reference = autoregression(random, (_REFERENCES, nights), autocorrelation)
    mean, deviation = reference.mean(-1), reference.std(-1, ddof=1)
    # A mean that is estimated too low looks like a rise for ever; the allowance takes what one in ten is off by.
    allowance = _ALLOWANCE + _NINE_IN_TEN * np.sqrt((1 + autocorrelation) / (1 - autocorrelation) / nights)
    nights_ahead = _HORIZON * run_length
    future = autoregression(random, (_REFERENCES * _FUTURES, nights_ahead), autocorrelation)
    z = (future - np.repeat(mean, _FUTURES)[:, None]) / np.repeat(deviation, _FUTURES)[:, None]
    highest = _highest(z, allowance, both)  # (references * futures, nights)
    low, high = 1.0, 60.0
    while high - low > 0.02:
        middle = (low + high) / 2
        quiet = (highest < middle).sum(-1).reshape(_REFERENCES, _FUTURES).sum(-1)
        alarms = (highest[:, -1] >= middle).reshape(_REFERENCES, _FUTURES).sum(-1)
        lengths = (quiet + alarms) / np.maximum(alarms, 0.5)
        low, high = (low, middle) if np.quantile(lengths, _TENTH) >= run_length else (middle, high)
    return Limits(float(allowance), high)


def autoregression(random: np.random.Generator, shape: tuple[int, int], autocorrelation: float) -> Values:
    """(sequences, nights) standard normal nights, each correlated so much with the one before."""
    found = random.normal(size=shape)
    innovation = np.sqrt(1 - autocorrelation**2)
    for night in range(1, shape[1]):
        found[:, night] = autocorrelation * found[:, night - 1] + innovation * found[:, night]
    return found


def first_alarms(z: Values, design: Limits, both: bool) -> NDArray[np.int64]:
    """(sequences,) the first night with an alarm, counted from 0; the number of nights where there is none.

    Args:
        z: (sequences, nights) standardised.
        design: the limits.
        both: whether a fall is an alarm too.
    """
    return np.asarray((_highest(z, design.allowance, both) < design.limit).sum(-1), np.int64)


def _highest(z: Values, allowance: float, both: bool) -> NDArray[np.float32]:
    """(sequences, nights) the highest sum up to each night."""
    found = np.empty(z.shape, np.float32)
    up: Values = np.zeros(len(z))
    down, highest = up, up
    for night in range(z.shape[1]):
        up = np.maximum(0.0, up + z[:, night] - allowance)
        highest = np.maximum(highest, up)
        if both:
            down = np.maximum(0.0, down - z[:, night] - allowance)
            highest = np.maximum(highest, down)
        found[:, night] = highest
    return found


def read(z: Sequence[float], design: Limits, both: bool, acknowledged: Sequence[int] = ()) -> Chart:
    """The alarms of a chart over its nights.

    Args:
        z: standardised nights, oldest first.
        design: the limits.
        both: whether a fall is an alarm too.
        acknowledged: nights up to which alarms were acknowledged; the sums begin anew after them. -1 and less: none.
    """
    sides: list[_Side] = [_Side("rose"), *([_Side("fell")] if both else [])]
    done = set(acknowledged)
    for night, value in enumerate(z):
        for side in sides:
            side.add(night, value if side.direction == "rose" else -value, design)
            if night in done:
                side.acknowledge(night)
    alarms = sorted((alarm for side in sides for alarm in side.alarms), key=lambda alarm: alarm.raised)
    return Chart(tuple(alarms), (sides[0].sum, sides[1].sum if both else 0.0))


class _Side:
    """One direction of a chart."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.sum = 0.0
        self.alarms: list[Alarm] = []
        self._begun = 0  # the night of the sum's rise from zero

    def add(self, night: int, above: float, design: Limits) -> None:
        if self.sum == 0.0:
            self._begun = night
        self.sum = max(0.0, self.sum + above - design.allowance)
        is_open = bool(self.alarms) and self.alarms[-1].mended is None and self.alarms[-1].acknowledged is None
        if is_open and self.sum == 0.0:
            self._end(mended=night)
        elif is_open:
            self.sum = min(self.sum, _MENDING * design.limit)  # so that it can come back
        elif self.sum >= design.limit:
            self.alarms.append(Alarm(self.direction, self._begun, night, None, None))
            self.sum = _MENDING * design.limit

    def acknowledge(self, night: int) -> None:
        self.sum = 0.0
        self.alarms = [
            alarm if alarm.acknowledged is not None else _replaced(alarm, alarm.mended, night) for alarm in self.alarms
        ]

    def _end(self, mended: int) -> None:
        self.alarms[-1] = _replaced(self.alarms[-1], mended, None)


def _replaced(alarm: Alarm, mended: int | None, acknowledged: int | None) -> Alarm:
    return Alarm(alarm.direction, alarm.since, alarm.raised, mended, acknowledged)
