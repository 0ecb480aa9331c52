"""Numbers that claims rest on, each against something plainer, for faults such as `benchmarks/planted_faults.py` names.

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
from workbench.analysis import calibration, compare, traces
from workbench.curation import gate
from workbench.model import answer
from workbench.model.backbone.protocol import Backbone
from workbench.review import budget


def test_the_auroc_s_standard_error_is_the_jackknife_s_where_an_image_s_answers_go_together() -> None:
    rng = np.random.default_rng(3)
    images = 150
    own = rng.normal(size=(images, 1)) * 2  # how uncertain the model is of an image as a whole
    wrong = np.tile([True, False], (images, 1))
    entropy = own + wrong + rng.normal(size=(images, 2)) * 0.3
    facts = pl.DataFrame(
        {
            "cluster_id": np.repeat([f"i{n:03d}" for n in range(images)], 2),
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


def test_hits_over_chance_scatter_as_the_jackknife_of_images_says() -> None:
    rng = np.random.default_rng(6)
    images, patches = 200, 4
    chance = rng.uniform(0.05, 0.3, images)
    on_mask = rng.random((images, patches)) < 2.5 * chance[:, None]
    hits, expected = on_mask.sum(1).astype(float), patches * chance
    without = (hits.sum() - hits) / (expected.sum() - expected)
    error = math.sqrt((images - 1) / images * float(((without - without.mean()) ** 2).sum()))
    image = np.repeat([f"i{n:03d}" for n in range(images)], patches)
    rows = pl.DataFrame({"cluster_id": image, "on_mask": on_mask.ravel(), "chance": np.repeat(chance, patches)})

    found = traces.lift(rows)

    assert found.value == pytest.approx(hits.sum() / expected.sum())
    assert (found.high - found.low) / 2 / stats.t.ppf(0.975, images - 1) == pytest.approx(error, rel=0.02)


def test_the_exported_difference_s_bootstrap_resamples_images() -> None:
    rng = np.random.default_rng(5)
    images, questions = 40, 8
    gained = rng.integers(-1, 2, images)  # all questions of an image change alike
    pairs = pl.DataFrame(
        {
            "cluster_id": np.repeat([f"i{n:02d}" for n in range(images)], questions),
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
    n = np.append(np.full(60, 5.0), (1, 1))

    said = gate.decide(simulate_gate.table(old, new, "elsewhere"), alpha=0.025)

    beyond = net - said.elsewhere_low * n  # a fall to here is as surprising as 5 % of all signs are
    signs = rng.integers(0, 2, (20_000, 62)) * 2 - 1
    assert (signs @ beyond >= beyond.sum()).mean() == pytest.approx(0.05, abs=0.006)


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
