"""Does a control chart keep its run length where its reference is estimated, and is it quick? Nights of known laws.

    python -m benchmarks.simulate_charts [--sequences 500] [--nights 40] [--output FILE]

A line calls 5 % of its good pieces defective; its rate differs between nights by 0, 1 or 2 points (skew, as rates are:
a beta distribution), and a night resembles the one before with an autocorrelation of 0, a quarter or a half. Nights
have 300 to 700 images. Each sequence estimates its own reference from its first nights.

1. False alarms: the mean number of nights to a false alarm, for each reference over many futures. Of nine in ten
   references it has to be the stated one or more, by the binomial bound.
2. Delay: nights from a doubling, and from the begin of a rise by 0.1 point a night, to the alarm, against an oracle:
   the same kind of chart that knows mean and deviation, with the limit that gives it as many false alarms. At most
   1.3 times as long.
3. Nothing forgotten: of alarms by a lasting doubling, how many a chart calls mended although it lasts; and whether any
   alarm is missing from what a chart tells before it is acknowledged.

The seed is in the command.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks import machine
from workbench.analysis import control_chart, night_values
from workbench.analysis.control_chart import Limits, Usual

RATE = 0.05
POINT_A_NIGHT = 0.001
CHANGE_AT = 20  # nights after the reference
LASTING = 200  # nights that a doubling is followed
SLOWEST = 1.3  # times the oracle's delay
HORIZON = 4  # run lengths

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A line's nights."""

    spread: float  # between nights, in rate
    autocorrelation: float
    random: np.random.Generator

    def nights(self, sequences: int, nights: int) -> Values:
        """(sequences, nights) true rates."""
        if self.spread == 0:
            return np.full((sequences, nights), RATE)
        normal = control_chart.autoregression(self.random, (sequences, nights), self.autocorrelation)
        size = RATE * (1 - RATE) / self.spread**2 - 1
        grid = np.linspace(-6, 6, 2001)
        rates = stats.beta.ppf(stats.norm.cdf(grid), RATE * size, (1 - RATE) * size)
        return np.asarray(np.interp(normal, grid, rates), np.float64)

    def seen(self, rates: Values) -> tuple[Values, Values]:
        """(sequences, nights) charted values and their sampling variances."""
        images = self.random.integers(300, 701, rates.shape)
        return night_values.angles(self.random.binomial(images, rates.clip(0, 1)) / images, images)


@dataclass(frozen=True)
class References:
    """Many references, each with its own design."""

    usual: Usual
    designs: tuple[tuple[NDArray[np.bool_], Limits], ...]  # which references, of (sequences,)

    def standardised(self, seen: tuple[Values, Values], futures: int = 1) -> Values:
        """(sequences * futures, nights)"""
        of = Usual(
            np.repeat(self.usual.mean, futures),
            np.repeat(self.usual.spread, futures),
            np.repeat(self.usual.autocorrelation, futures),
            self.usual.nights,
        )
        return control_chart.standardised(of, *seen)

    def first_alarms(self, z: Values) -> NDArray[np.int64]:
        """(sequences * futures,)"""
        futures = len(z) // len(self.usual.mean)
        found = np.empty(len(z), np.int64)
        for own, design in self.designs:
            rows = np.repeat(own, futures)
            found[rows] = control_chart.first_alarms(z[rows], design, both=False)
        return found


def estimated(line: Line, sequences: int, nights: int) -> References:
    """As many references, each of so many nights."""
    usual = control_chart.usual(*line.seen(line.nights(sequences, nights)))
    levels = np.unique(usual.autocorrelation)
    designs = ((usual.autocorrelation == level, control_chart.limits(nights, level, both=False)) for level in levels)
    return References(usual, tuple(designs))


def of_line(line: Line, sequences: int, futures: int, nights: int) -> dict[str, object]:
    """Everything about one kind of line."""
    references = estimated(line, sequences, nights)
    horizon = HORIZON * control_chart.RUN_LENGTH
    seen = line.seen(line.nights(sequences * futures, horizon))
    first = references.first_alarms(references.standardised(seen, futures))
    by_reference = first.reshape(sequences, futures)
    alarms = (by_reference < horizon).sum(-1)
    lengths = (by_reference + (by_reference < horizon)).sum(-1) / np.maximum(alarms, 0.5)
    short, allowed = int((lengths < control_chart.RUN_LENGTH).sum()), int(stats.binom.ppf(0.99, sequences, 0.1))
    truth = line.seen(line.nights(2000, 50))
    oracle = Oracle(float(truth[0].mean()), float(truth[0].std()), Limits(0.5, 5.0)).matched(
        seen[0], float((first < horizon).mean())
    )
    delays = {
        name: _delays(line, references, oracle, sequences, name) for name in ("doubling", "a tenth of a point a night")
    }
    return _told(
        {
            "spread_points": 100 * line.spread,
            "autocorrelation": line.autocorrelation,
            "references": sequences,
            "reference_nights": nights,
            "run_length_stated": control_chart.RUN_LENGTH,
            "run_length_tenth_percentile": float(np.quantile(lengths, 0.1)),
            "run_length_median": float(np.median(lengths)),
            "references_with_a_shorter_one": short,
            "at_most": allowed,
            "within": short <= allowed,
            "futures_with_a_false_alarm": float((first < horizon).mean()),
            "delays": delays,
            "forgotten": _forgotten(line, references, sequences),
        }
    )


@dataclass(frozen=True)
class Oracle:
    """A chart that knows mean and deviation."""

    mean: float
    deviation: float
    design: Limits

    def matched(self, charted: Values, share: float) -> Oracle:
        """With the limit at which this share of these ordinary sequences has an alarm."""
        z = (charted - self.mean) / self.deviation
        low, high = 0.5, 200.0
        while high - low > 0.05:
            middle = (low + high) / 2
            design = Limits(self.design.allowance, middle)
            more = (control_chart.first_alarms(z, design, both=False) < z.shape[1]).mean() > share
            low, high = (middle, high) if more else (low, middle)
        return Oracle(self.mean, self.deviation, Limits(self.design.allowance, (low + high) / 2))

    def first_alarms(self, charted: Values) -> NDArray[np.int64]:
        """(sequences,)"""
        return control_chart.first_alarms((charted - self.mean) / self.deviation, self.design, both=False)


def changed(line: Line, sequences: int, nights: int, kind: str) -> tuple[Values, Values]:
    """Sequences that change on night CHANGE_AT."""
    since = np.maximum(0, np.arange(nights) - CHANGE_AT + 1)
    rates = line.nights(sequences, nights)
    return line.seen(np.where(since > 0, 2 * rates, rates) if kind == "doubling" else rates + POINT_A_NIGHT * since)


def _delays(line: Line, references: References, oracle: Oracle, sequences: int, kind: str) -> dict[str, object]:
    times = 4  # futures of each reference, so that the ratio is known to a few percent
    seen = changed(line, sequences * times, CHANGE_AT + 300, kind)
    ours, known = references.first_alarms(references.standardised(seen, times)), oracle.first_alarms(seen[0])
    mean, of_oracle = (float((first[first >= CHANGE_AT] - CHANGE_AT + 1).mean()) for first in (ours, known))
    return {"nights": mean, "oracle": of_oracle, "ratio": mean / of_oracle, "within": mean <= SLOWEST * of_oracle}


def _forgotten(line: Line, references: References, sequences: int) -> dict[str, object]:
    z = references.standardised(changed(line, sequences, CHANGE_AT + LASTING, "doubling"))
    found, mended, missing = 0, 0, 0
    for own, design in references.designs:
        for row in z[own]:
            told = control_chart.read(row, design, both=False).alarms
            first = int(control_chart.first_alarms(row[None], design, both=False)[0])
            missing += first < len(row) and (not told or told[0].raised != first)
            lasting = [alarm for alarm in told if alarm.raised >= CHANGE_AT]
            found += bool(lasting)
            mended += any(alarm.mended is not None for alarm in lasting)
    return {"alarms": found, "called_mended_while_it_lasts": mended, "missing": missing}


def _told(figures: dict[str, object]) -> dict[str, object]:
    print(figures, file=sys.stderr, flush=True)
    return figures


def run(kinds: Sequence[tuple[float, float]], sequences: int, futures: int, nights: int, seed: int) -> dict[str, Any]:
    """All kinds of lines."""
    started = time.perf_counter()
    lines = [
        of_line(Line(spread, correlation, np.random.default_rng([seed, place])), sequences, futures, nights)
        for place, (spread, correlation) in enumerate(kinds)
    ]
    return {"lines": lines, "seconds": time.perf_counter() - started}


KINDS = ((0.0, 0.0), *((spread, correlation) for spread in (0.01, 0.02) for correlation in (0.0, 0.25, 0.5)))


def held(figures: Mapping[str, Any]) -> bool:
    """Whether every part came out as it has to."""
    return all(
        line["within"]
        and all(delay["within"] for delay in line["delays"].values())
        and not line["forgotten"]["missing"]
        and line["forgotten"]["called_mended_while_it_lasts"] <= 0.01 * line["forgotten"]["alarms"]
        for line in figures["lines"]
    )


def main() -> int:
    """Draw, chart, report; 1 when something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=500)
    parser.add_argument("--futures", type=int, default=16)
    parser.add_argument("--nights", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = run(KINDS, arguments.sequences, arguments.futures, arguments.nights, arguments.seed)
    machine.report(figures, arguments.output)
    return 0 if held(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
