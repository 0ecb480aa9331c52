"""Numbers that claims rest on, each against something plainer, for faults such as `benchmarks/mutants.py` plants.

The data are made so that the fault would show: answers of one image that go together, few images with many questions.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy import special, stats
from sklearn.metrics import roc_auc_score

from benchmarks import simulate_gate
from workbench.analysis import calibration, compare
from workbench.model import answer
from workbench.model.backbone.protocol import Backbone
from workbench.review import budget, gate


def test_the_auroc_s_standard_error_is_the_jackknife_s_where_an_image_s_answers_go_together() -> None:
    rng = np.random.default_rng(3)
    images = 150
    own = rng.normal(size=(images, 1)) * 2  # how uncertain the model is of an image as a whole
    wrong = np.tile([True, False], (images, 1))
    entropy = own + wrong + rng.normal(size=(images, 2)) * 0.3
    facts = pl.DataFrame(
        {
            "image_id": np.repeat([f"i{n:03d}" for n in range(images)], 2),
            "right": ~wrong.ravel(),
            "entropy": np.exp(entropy.ravel()),
        }
    )
    without = np.array(
        [roc_auc_score(np.delete(wrong, n, 0).ravel(), np.delete(entropy, n, 0).ravel()) for n in range(images)]
    )
    error = math.sqrt((images - 1) / images * float(((without - without.mean()) ** 2).sum()))

    found = calibration.warning(facts).auroc

    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(wrong.ravel(), entropy.ravel()))
    half = (special.logit(found.high) - special.logit(found.low)) / 2
    told = half * found.value * (1 - found.value) / stats.t.ppf(0.975, images - 1)
    assert told == pytest.approx(error, rel=0.05)


def test_the_exported_difference_s_bootstrap_resamples_images() -> None:
    rng = np.random.default_rng(5)
    images, questions = 40, 8
    gained = rng.integers(-1, 2, images)  # all questions of an image change alike
    pairs = pl.DataFrame(
        {
            "image_id": np.repeat([f"i{n:02d}" for n in range(images)], questions),
            "old_right": np.repeat(gained < 1, questions),
            "right": np.repeat(gained > -1, questions),
        }
    )
    drawn = gained[rng.integers(0, images, (4000, images))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])

    found = compare.bootstrap(pairs)

    assert found.value == pytest.approx(gained.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)


def test_the_gate_s_bound_elsewhere_is_one_sided_at_95_percent() -> None:
    rng = np.random.default_rng(8)
    old, new = rng.random((60, 5)) < 0.8, rng.random((60, 5)) < 0.8
    net = np.append((new.astype(int) - old.astype(int)).sum(1), (1, -1))  # with a win and a loss more
    n = np.full(62, 5.0)
    mean = net.sum() / n.sum()
    error = math.sqrt(62 / 61 * float(((net - mean * n) ** 2).sum())) / n.sum()

    said = gate.decide(simulate_gate.table(old, new, "elsewhere"), alpha=0.025)

    assert said.elsewhere_low == pytest.approx(mean - stats.t.ppf(0.95, 61) * error, rel=1e-9)


@pytest.mark.parametrize(("population", "judged", "wrong"), [(300, 40, 4), (90, 30, 0), (60, 25, 25)])
def test_the_audit_s_interval_holds_what_neither_tail_of_5_percent_rejects(
    population: int, judged: int, wrong: int
) -> None:
    def chance(errors: int, seen: int) -> float:
        ways = math.comb(errors, seen) * math.comb(population - errors, judged - seen)
        return ways / math.comb(population, judged)

    possible = [
        errors
        for errors in range(population + 1)
        if sum(chance(errors, seen) for seen in range(wrong, judged + 1)) > 0.05
        and sum(chance(errors, seen) for seen in range(wrong + 1)) > 0.05
    ]
    found = budget.audit(population, judged, wrong)
    assert (found.low, found.high) == (possible[0], possible[-1])


def test_a_letter_is_read_alone_and_after_a_space() -> None:
    class Tokens:
        name = "scripted"

        def token_id(self, text: str) -> int | None:
            return {"A": 3, " A": 7, "B": 5}.get(text)

    body: Backbone = Tokens()  # type: ignore[assignment]
    assert answer.letter_tokens(body, ["A", "B"]) == [[3, 7], [5]]
