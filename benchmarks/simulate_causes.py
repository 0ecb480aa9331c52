"""Are causes named on nights that have none? Drawn nights that differ by themselves, judged by the report's functions.

    python -m benchmarks.simulate_causes [--nights 200] [--output FILE]

Each night is drawn with eleven before it: cameras' light and focus and products' error rates have a value of their own
every night, with heavier tails than normal ones. Counted are nights with a change of pictures named, against the 5 % it
may have, and nights with a cause that only signals show (unknown, or a new lot), against the 5 % that signals may have,
both by the binomial bound. Nights lie as far apart as usual, or twice; tonight's mixture is another; every delivery is
new. With one camera's pictures darkened by a sixth, how often that camera is the cause that is named first.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binom

from benchmarks import machine
from workbench.analysis import causes, drift
from workbench.analysis.causes import Cause

FALSE_ALARM = 0.05
FIRST = datetime(2026, 11, 1, 22, 0, tzinfo=UTC)
CAMERAS = {"A1": "line-a", "A2": "line-a", "B1": "line-b"}
PRODUCTS = ("gear", "plate", "cable")
USUAL = (0.4, 0.3, 0.3)  # shares of the products
WORLDS: dict[str, dict[str, Any]] = {
    "usual": {},
    "without labels": {"labelled": False},
    "twice as far apart": {"apart": 2.0},
    "another mixture": {"mix": (0.1, 0.1, 0.8)},
    "new deliveries": {"new_lots": True},
}


def nights(
    seed: int,
    count: int = 12,
    per_night: int = 90,
    labelled: bool = True,
    mix: tuple[float, ...] = USUAL,
    apart: float = 1.0,
    new_lots: bool = False,
) -> pl.DataFrame:
    """Nights of pictures; the last is tonight, of the mixture `mix`.

    Lamps and lines drift: a camera's light, its focus and a product's error rate have a value of their own each night,
    of which the errors have heavier tails than normal ones.

    Args:
        seed: of what is drawn.
        count: nights.
        per_night: pictures.
        labelled: with overkill and escape.
        mix: of the products, tonight.
        apart: how far nights lie apart, of the usual.
        new_lots: tonight every product comes from a delivery that no night before saw.
    """
    chance = np.random.default_rng(seed)
    frames = []
    for night in range(count):
        tonight = night == count - 1
        camera = chance.choice(list(CAMERAS), per_night)
        product = chance.choice(PRODUCTS, per_night, p=mix if tonight else USUAL)
        light = {each: 1 + 0.01 * apart * chance.standard_t(4) for each in CAMERAS}
        focus = {each: 1 + 0.02 * apart * chance.standard_t(4) for each in CAMERAS}
        errors = {each: np.clip(0.05 + 0.01 * apart * chance.standard_t(4), 0.005, 0.2) for each in PRODUCTS}
        base = np.array([{"gear": 0.55, "plate": 0.7, "cable": 0.35}[each] for each in product])
        brightness = base * [light[each] for each in camera] * chance.normal(1, 0.02, per_night)
        red, blue = (chance.normal(share, 0.003, per_night) for share in (0.36, 0.30))
        defective = chance.random(per_night) < 0.2
        wrong = chance.random(per_night) < [errors[each] for each in product]
        said = defective ^ wrong
        columns = {
            "image_id": [f"{night:02}-{place:03}" for place in range(per_night)],
            "cluster_id": [f"{night:02}-{place:03}" for place in range(per_night)],
            "image_path": [f"{product[place]}/{night:02}-{place:03}.png" for place in range(per_night)],
            "run_id": f"run-{night:02}",
            "question_id": "defect",
            "tonight": tonight,
            "night": night,
            "at": [FIRST + timedelta(days=night, minutes=4 * place) for place in range(per_night)],
            "product": product,
            "camera": camera,
            "line": [CAMERAS[each] for each in camera],
            "lot": [f"L{night // 4}-{each}" for each in product],
            "alarm": said,
            "invalid": chance.random(per_night) < 0.01,
            "score": np.clip(np.where(said, 0.8, 0.15) + chance.normal(0, 0.08, per_night), 0, 1),
            "entropy": chance.gamma(4, 0.1, per_night),
            "width": 1280,
            "height": 960,
            "brightness": brightness,
            "sharpness": 0.3 * np.array([focus[each] for each in camera]) * chance.normal(1, 0.05, per_night),
            "red": 3 * brightness * red,
            "green": 3 * brightness * (1 - red - blue),
            "blue": 3 * brightness * blue,
            "fill": chance.normal(0.4, 0.02, per_night),
            "centre_x": chance.normal(0.44, 0.01, per_night),
            "centre_y": chance.normal(0.55, 0.01, per_night),
            "overkill": [wrong[place] if not defective[place] else None for place in range(per_night)],
            "escape": [wrong[place] if defective[place] else None for place in range(per_night)],
        }
        frames.append(pl.DataFrame(columns))
    images = pl.concat(frames)
    if new_lots:
        images = images.with_columns(lot=pl.when("tonight").then("new " + pl.col("product")).otherwise("lot"))
        return images if labelled else images.drop("overkill", "escape")
    # Lots last four nights; the last night's is a known one, for a product's pictures of earlier nights.
    lot = pl.when("tonight").then(pl.lit(f"L{(count - 2) // 4}-") + pl.col("product")).otherwise("lot")
    images = images.with_columns(lot=lot)
    return images if labelled else images.drop("overkill", "escape")


def found_on(images: pl.DataFrame) -> list[Cause]:
    """The causes that the report of the last of these nights names."""
    return causes.find(images, partial(drift.signals, false_alarm=FALSE_ALARM), FALSE_ALARM)


def false_alarms(world: str, count: int, seed: int = 1) -> dict[str, object]:
    """On how many ordinary nights a cause is named, and on how many may."""
    of_pictures, of_signals = 0, 0
    for night in range(count):
        found = found_on(nights(1000 * seed + night, **WORLDS[world]))
        of_pictures += any(cause.measure for cause in found)
        of_signals += any(not cause.measure for cause in found)
    allowed = int(binom.ppf(0.99, count, FALSE_ALARM))
    return _told({
        "world": world, "nights": count, "with_a_change_of_pictures": of_pictures,
        "with_a_cause_of_signals": of_signals, "at_most_of_either": allowed,
        "within": max(of_pictures, of_signals) <= allowed,
    })  # fmt: skip


def a_darker_camera(count: int, seed: int = 1) -> dict[str, object]:
    """How often a camera whose pictures are darker by a sixth is what is named first."""
    named = 0
    light = ("brightness", "red", "green", "blue")
    for night in range(count):
        dark = pl.when(pl.col("tonight") & (pl.col("camera") == "A2")).then(5 / 6).otherwise(1.0)
        found = found_on(nights(1000 * seed + night).with_columns(pl.col(light) * dark))
        named += bool(found) and (found[0].group, found[0].value, found[0].kind) == ("camera", "A2", "darker")
    return _told({"darker_by": 1 / 6, "nights": count, "named_first": named / count})


def _told(figures: dict[str, object]) -> dict[str, object]:
    print(figures, file=sys.stderr, flush=True)
    return figures


def main() -> int:
    """Draw, look, report; 1 when causes are named too often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=200)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    started = time.perf_counter()
    ordinary = [false_alarms(world, arguments.nights) for world in WORLDS]
    planted = a_darker_camera(arguments.nights // 2)
    figures = {"false_alarms": ordinary, "a_darker_camera": planted, "seconds": time.perf_counter() - started}
    machine.report(figures, arguments.output)
    return 0 if all(part["within"] for part in ordinary) else 1


if __name__ == "__main__":
    sys.exit(main())
