"""Does the week's estimate of true escape and overkill cover, and do the model's probabilities narrow it?

    python -m benchmarks.simulate_weekly [--weeks 1000] [--output FILE]

Weeks are invented with a known truth that the estimator assumes nothing of. Nights differ in size and in how often the
model errs (beta draws by night and product, so errors cluster). The probabilities are overconfident, blind to night and
product, and tell wrong answers from right ones with an AUROC of .9, through normal or through skewed (gamma) noise. A
fifth of each night is drawn; in three of four studies one answer in fifteen is disputed before, the doubtful first.
Thirty in a hundred drawn cases are never answered: by chance, or wrong answers much more often than right ones, and in
each such week one night's draws are lost.

Held against the truth of each week: the 95 % interval where answers are missing by chance, the outer interval where
they are missing because of the truth. Each count of covered weeks is held against its binomial bound. Exit 1 when a
bound fails. Beside how much narrower the probabilities make an interval stands what the best use of them could: the
square root of what the chance of an error, were it known for each probability, leaves of the variance of errors.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from benchmarks import machine
from workbench.review import escape_estimate
from workbench.review.escape_estimate import Estimate, Week

RESULT = Path(__file__).parent / "results" / "simulate_weekly.json"
DRAWN, UNANSWERED = 0.2, 0.3
SEPARATION = {"normal": 1.8124, "gamma": 2.4}  # of wrong answers from right ones: AUROC .9
NAMES = ("escape", "overkill", "called good", "called defective")


@dataclass(frozen=True, slots=True)
class Study:
    """What weeks are like."""

    errors: float  # mean share of wrong answers
    noise: str  # what blurs the model's probabilities
    disputed: float  # share of a night that rules dispute, and people judge
    informative: bool  # whether answers are missing because of the truth


STUDIES = (
    Study(0.2, "normal", 0.0, informative=False),  # the one in which the narrowing is held against 20 %
    Study(0.2, "normal", 1 / 15, informative=True),
    Study(0.08, "gamma", 1 / 15, informative=False),
    Study(0.08, "gamma", 1 / 15, informative=True),
)


def main() -> int:
    """Invent weeks, estimate, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULT)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    studies = [run(rng, args.weeks, each) for each in STUDIES]
    bound = int(binom.ppf(0.01, args.weeks, escape_estimate.LEVEL))
    held = all(min(each["covered"].values()) >= bound for each in studies)  # type: ignore[attr-defined]
    narrower = studies[0]["narrower_percent"]
    passed = held and min(narrower[name] for name in NAMES) >= 20  # type: ignore[index]
    machine.report(
        {
            "weeks_each": args.weeks,
            "seed": args.seed,
            "drawn": DRAWN,
            "unanswered": UNANSWERED,
            "bound_for_a_nominal_rate_of_95_percent": bound,
            "studies": studies,
            "passed": bool(passed),
        },
        args.output,
    )
    return 0 if passed else 1


def run(rng: np.random.Generator, weeks: int, study: Study) -> dict[str, object]:
    """Coverage and widths over invented weeks."""
    covered, inner, plain = (dict.fromkeys(NAMES, 0) for _ in range(3))
    widths: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    off: dict[str, list[float]] = {name: [] for name in NAMES}
    aurocs, pool = [], []
    for _ in range(weeks):
        answers, truth, auroc, undisputed = invented(rng, study)
        aurocs.append(auroc)
        pool.append(undisputed)
        sharp, without = (shares(escape_estimate.estimate(answers, sharpen=sharpen)) for sharpen in (True, False))
        for name in NAMES:
            one, other, right = sharp[name], without[name], truth[name]
            in_inner = one.low - 1e-12 <= right <= one.high + 1e-12
            inner[name] += in_inner
            plain[name] += other.low - 1e-12 <= right <= other.high + 1e-12
            in_outer = one.bound_low - 1e-12 <= right <= one.bound_high + 1e-12
            covered[name] += in_outer if study.informative else in_inner
            widths[name].append((one.high - one.low, other.high - other.low))
            if one.value is not None:
                off[name].append(one.value - right)
    return {
        "mean_share_of_errors": study.errors,
        "noise": study.noise,
        "disputed": round(study.disputed, 3),
        "answers_missing": "because of the truth" if study.informative else "by chance",
        "interval_held_against_the_truth": "outer" if study.informative else "inner",
        "covered": covered,
        "covered_by_the_inner_interval": inner,
        "covered_by_the_inner_interval_without_probabilities": plain,
        "estimate_minus_truth_on_average": {name: round(float(np.mean(off[name])), 4) for name in NAMES},
        "mean_width": {name: round(float(np.mean([one for one, _ in widths[name]])), 4) for name in NAMES},
        "narrower_percent": {
            name: round(
                100 * (1 - float(np.mean([a for a, _ in widths[name]]) / np.mean([b for _, b in widths[name]]))), 1
            )
            for name in NAMES
        },
        "narrower_percent_at_best": round(narrower_at_best(np.concatenate(pool)), 1),
        "auroc_of_wrong_answers": round(float(np.mean(aurocs)), 3),
    }


def narrower_at_best(undisputed: NDArray[np.float64]) -> float:
    """Percent that an interval narrows if each case's chance of an error, given its probability, were known.

    Args:
        undisputed: (n, 2) whether an answer is wrong, and the chance of that which the model states.
    """
    wrong, stated = undisputed.T
    known = IsotonicRegression(out_of_bounds="clip").fit(stated, wrong).predict(stated)
    return float(100 * (1 - np.sqrt(np.mean((wrong - known) ** 2) / np.var(wrong))))


def shares(week: Week) -> dict[str, Estimate]:
    """What is held against the truth, by name."""
    return dict(
        zip(NAMES, (week.escape, week.overkill, week.called_good.share, week.called_defective.share), strict=True)
    )


def invented(
    rng: np.random.Generator, study: Study
) -> tuple[pl.DataFrame, dict[str, float], float, NDArray[np.float64]]:
    """A week's answers as the estimate takes them, the true shares, how well probabilities tell errors, and of the
    undisputed answers whether each is wrong and its stated chance of that.
    """
    parts = []
    lost = int(rng.integers(7)) if study.informative else -1
    for night in range(7):
        n = int(rng.lognormal(5.3, 0.5)) + 40
        product = rng.integers(0, 3, n)
        rate = rng.beta(8 * study.errors, 8 * (1 - study.errors), 3)[
            product
        ]  # by night and product: errors come together
        wrong = rng.random(n) < rate
        called_good = rng.random(n) < rng.beta(6, 4)
        noise = rng.normal(2.0, 1.0, n) if study.noise == "normal" else rng.gamma(2.0, 1.0, n)
        signal = noise + SEPARATION[study.noise] * wrong
        error_chance = np.clip(1 / (1 + np.exp(-2.2 * (signal - 3.6))), 1e-4, 1 - 1e-4)
        disputed = np.zeros(n, bool)
        disputed[np.argsort(-error_chance)[: round(study.disputed * n)]] = True
        pool = np.flatnonzero(~disputed)
        drawn = disputed.copy()
        chosen = rng.choice(pool, round(DRAWN * len(pool)), replace=False)
        drawn[chosen] = True
        missing = rng.random(n) < (np.where(wrong, 0.55, 0.16) if study.informative else UNANSWERED)
        if night == lost:
            missing |= ~disputed
        parts.append((wrong, called_good, error_chance, disputed, drawn, missing, len(chosen) / len(pool)))
    wrong, called_good, error_chance, disputed, drawn, missing = (
        np.concatenate([part[at] for part in parts]) for at in range(6)
    )
    chance_of_draw = np.concatenate([np.full(len(part[0]), part[6]) for part in parts])
    claim = np.where(called_good, "good", "defective")
    truth = np.where(called_good ^ wrong, "good", "defective")
    frame = pl.DataFrame(
        {
            "lane": np.where(disputed, "disputed", "audit"),
            "claim": claim,
            "drawn": drawn,
            "probability": np.where(disputed, 1.0, chance_of_draw),
            "truth": pl.Series(truth).zip_with(
                pl.Series(drawn & ~missing), pl.Series([None] * len(truth), dtype=pl.String)
            ),
            "answers": np.ones(len(truth), np.int64),
            "defect_probability": np.where(called_good, error_chance, 1 - error_chance),
        }
    )
    undisputed = np.column_stack([wrong, error_chance])[~disputed]
    return frame, true_shares(wrong, called_good), float(roc_auc_score(wrong, error_chance)), undisputed


def true_shares(wrong: NDArray[np.bool_], called_good: NDArray[np.bool_]) -> dict[str, float]:
    """What the estimate is of."""
    escapes, overkill = int((wrong & called_good).sum()), int((wrong & ~called_good).sum())
    good, defective = int(called_good.sum()), int((~called_good).sum())
    values = (
        escapes / (escapes + defective - overkill),
        overkill / (overkill + good - escapes),
        escapes / good,
        overkill / defective,
    )
    return dict(zip(NAMES, values, strict=True))


if __name__ == "__main__":
    sys.exit(main())
