"""The audited share of defective parts: equal to plain counting where all is judged, covering where some is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats

from workbench.review import audited_rate, escape_estimate

Bools = NDArray[np.bool_]
TRIALS = 120


def cases(defective: Bools, called: Bools, drawn: Bools, probability: float) -> pl.DataFrame:
    """One audit lane of answers, of which some were drawn and all drawn ones judged."""
    truth = np.where(defective, "defective", "good")
    return pl.DataFrame(
        {
            "lane": ["audit"] * len(defective),
            "claim": np.where(called, "defective", "good"),
            "drawn": drawn,
            "probability": [probability] * len(defective),
            "truth": [text if each else None for text, each in zip(truth, drawn, strict=True)],
            "answers": [1] * len(defective),
            "defect_probability": np.where(called, 0.8, 0.1),
        },
        schema_overrides={"truth": pl.String},
    )


def world(seed: int) -> tuple[Bools, Bools, np.random.Generator]:
    rng = np.random.default_rng(seed)
    defective = rng.random(600) < 0.08
    return defective, np.where(defective, rng.random(600) < 0.8, rng.random(600) < 0.1), rng


def test_where_everything_is_judged_the_rate_is_the_share_that_is_defective() -> None:
    defective, called, _ = world(0)
    found = audited_rate.of_week(escape_estimate.estimate(cases(defective, called, np.ones(600, bool), 1.0)))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((defective.mean(),) * 3)


def test_from_a_sample_the_interval_holds_the_share_as_often_as_it_says() -> None:
    missed = 0
    for trial in range(TRIALS):
        defective, called, rng = world(trial)
        drawn = rng.random(600) < 0.25
        found = audited_rate.of_week(escape_estimate.estimate(cases(defective, called, drawn, 0.25)))
        assert found is not None
        missed += not found.low <= defective.mean() <= found.high
    assert missed <= stats.binom.ppf(0.99, TRIALS, 0.05)


def test_without_judged_cases_there_is_none(tmp_path: Path) -> None:
    defective, called, _ = world(0)
    assert audited_rate.of_week(escape_estimate.estimate(cases(defective, called, np.zeros(600, bool), 0.25))) is None
    assert audited_rate.of_run(tmp_path, "nothing") is None
