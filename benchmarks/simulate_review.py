"""Does a review budget bring what it says, and is the audit lane right? On the drawn archive, where truth is known.

    python -m benchmarks.simulate_review [--replays 200] [--images 400] [--data FOLDER]

The embedded model answers the drawn archive once (or FOLDER's newest run is taken). In every replay the images are
split at random: the errors of one half calibrate, the other half is a night whose labels nobody reads. Its budget is a
tenth of its cases. Held against the truth: whether the errors caught lie in the stated 90 % interval, whether the audit
lane's interval holds the errors that no rule disputed, and how many more errors the queue catches than a random pick.
The gain's interval resamples images, on the whole run with each half calibrated by the other. Exit 1 when a bound
fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom

from benchmarks import machine
from warehouse.queries.reviews import Reviews
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.review import budget, disputes, rules
from workbench.review.budget import Batch, Floats, Forecast, Judged
from workbench.review.rules import Rules

RESULT = Path(__file__).parent / "results" / "simulate_review.json"
SHARE = 0.1  # of the cases are reviewed
AUDIT = 40  # cases in the audit lane


def main() -> int:
    """Score, replay, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or scored(Path(folder), args.images)
        store = Store(data)
        run = str(store.runs()["run_id"][0])
        cases = rules.disputable(Reviews(data).cases(run)).filter(pl.col("correct_answer").is_not_null())
        far = rules.distances(cases, disputes.inspected_by(store, run))
    told = rules.features(cases, far, sorted(set(cases["subtask"])))
    wrong = (cases["answer"] != cases["correct_answer"]).to_numpy()
    images = cases["image_id"].to_numpy()
    rng = np.random.default_rng(args.seed)
    names = np.unique(images)
    caught_in = audit_in = 0
    gains, promised, seen, audit_errors = [], [], [], []
    for replay in range(args.replays):
        known = np.isin(images, rng.choice(names, len(names) // 2, replace=False))
        judged = Judged(told[known], wrong[known], images[known])
        night = np.flatnonzero(~known)
        forecast = budget.forecast(told[night], images[night], judged)
        assert forecast is not None
        reviews = round(SHARE * len(night))
        first, suspected = queue(cases[night.tolist()], [far[at] for at in night], forecast, reviews)
        (point,) = budget.curve(forecast, [Batch(reviews, np.array(first), np.array([], np.intp))], seed=replay)
        caught = int(wrong[night][first].sum())
        caught_in += point.caught_low <= caught <= point.caught_high
        promised.append(point.caught)
        seen.append(caught)
        gains.append(wrong[night][first].sum() / (reviews * wrong[night].mean()))
        rest = np.setdiff1d(np.arange(len(night)), suspected)
        sample = rng.choice(rest, min(AUDIT, len(rest)), replace=False)
        truth = int(wrong[night][rest].sum())
        estimate = budget.audit(len(rest), len(sample), int(wrong[night][sample].sum()))
        audit_in += estimate.low <= truth <= estimate.high
        audit_errors.append(estimate.errors - truth)
    gain, low = whole_gain(cases, far, told, wrong, images, rng)
    n = args.replays
    audit_bound = int(binom.ppf(0.01, n, 0.9))
    off = np.array(audit_errors)
    passed = caught_in >= 0.85 * n and audit_in >= audit_bound and gain >= 2 and low > 1.5
    machine.report(
        {
            "cases": len(wrong),
            "images": len(names),
            "error_rate": round(float(wrong.mean()), 4),
            "replays": n,
            "seed": args.seed,
            "budget_share": SHARE,
            "errors_caught_within_the_stated_90_percent_interval": caught_in,
            "needed": int(np.ceil(0.85 * n)),
            "errors_promised_on_average": round(float(np.mean(promised)), 2),
            "errors_caught_on_average": round(float(np.mean(seen)), 2),
            "audit_intervals_that_hold_the_truth": audit_in,
            "audit_bound_for_a_nominal_rate_of_90_percent": audit_bound,
            "audit_estimate_minus_truth_on_average": round(float(off.mean()), 2),
            "its_standard_error": round(float(off.std(ddof=1) / np.sqrt(n)), 2),
            "errors_caught_over_a_random_pick": round(float(gain), 3),
            "lower_95_percent_bound": round(float(low), 3),
            "the_same_on_average_over_replays": round(float(np.mean(gains)), 3),
            "passed": bool(passed),
        },
        args.output,
    )
    return 0 if passed else 1


def scored(folder: Path, images: int) -> Path:
    """A data folder with a run of the embedded model over a fresh drawn archive."""
    archive, data = folder / "archive", folder / "data"
    for command in (
        ["draw-archive", str(archive), "--images", str(images), "--seed", "11"],
        ["knowledge", "import", str(archive / "domain_knowledge.json"), "--data", str(data)],
        ["score", str(archive), "--data", str(data)],
    ):
        subprocess.run([sys.executable, "-m", "jobs", *command], check=True, stdout=subprocess.DEVNULL)
    return data


def queue(
    cases: pl.DataFrame, far: list[float | None], forecast: Forecast, reviews: int
) -> tuple[list[int], list[int]]:
    """The places of the cases that come first in the queue, and of all that any rule disputed; labels unread."""
    places = {Key(*key): place for place, key in enumerate(cases.select("image_id", "question_id").rows())}
    weight: dict[int, float] = {}
    for one in rules.suspicions(cases, far, forecast, Rules(budget=reviews, labels=False)):
        place = places[one.key]
        weight[place] = weight.get(place, 0.0) + rules.WEIGHTS[one.reason] * one.score
    return sorted(weight, key=lambda place: (-weight[place], place))[:reviews], sorted(weight)


def whole_gain(
    cases: pl.DataFrame,
    far: list[float | None],
    told: Floats,
    wrong: NDArray[np.bool_],
    images: NDArray[np.str_],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Errors caught at the budget over a random pick's, and its lower 95 % bound over resampled images."""
    forecast = budget.forecast(told, images, Judged(told, wrong, images))
    assert forecast is not None
    first, _ = queue(cases, far, forecast, round(SHARE * len(wrong)))
    picked = np.zeros(len(wrong), bool)
    picked[first] = True
    _, owner = np.unique(images, return_inverse=True)
    sums = [np.bincount(owner, values.astype(float)) for values in (picked & wrong, picked, wrong, np.ones(len(wrong)))]

    def ratio(draw: NDArray[np.int64]) -> float:
        caught, spent, errors, total = (float(values[draw].sum()) for values in sums)
        return (caught / spent) / (errors / total)

    count = int(owner.max()) + 1
    resampled = [ratio(rng.integers(0, count, count)) for _ in range(2000)]
    return ratio(np.arange(count)), float(np.quantile(resampled, 0.025))


if __name__ == "__main__":
    sys.exit(main())
