"""Whether confidence and entropy say when an answer is wrong: against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import auc, brier_score_loss, roc_auc_score

from tests.analysis import invented
from workbench.analysis import calibration
from workbench.analysis.intervals import Estimate

FACTS = invented.facts(images=200)


def test_brier_and_auroc_are_scikit_learn_s() -> None:
    right = FACTS["right"].to_numpy()
    scores, warned = calibration.scores(FACTS), calibration.warning(FACTS)
    assert scores.brier == pytest.approx(brier_score_loss(right, FACTS["confidence"].to_numpy()))
    assert warned.auroc is not None
    assert warned.auroc.value == pytest.approx(roc_auc_score(~right, FACTS["entropy"].to_numpy()))
    assert (warned.n, warned.wrong, warned.images) == (FACTS.height, int((~right).sum()), 200)


def test_ties_count_half() -> None:
    facts = FACTS.with_columns(pl.col("entropy").round(1))
    warned = calibration.warning(facts)
    assert warned.auroc is not None
    assert warned.auroc.value == pytest.approx(roc_auc_score(~FACTS["right"].to_numpy(), facts["entropy"].to_numpy()))


def bootstrap(facts: pl.DataFrame) -> Estimate:
    """The AUROC of entropy from scikit-learn, its interval from a bootstrap that resamples images."""
    rows = facts.filter(pl.col("right").is_not_null()).sort("image_id")
    unsure, wrong = rows["entropy"].to_numpy(), ~rows["right"].to_numpy().astype(bool)
    ends = np.cumsum(rows.group_by("image_id", maintain_order=True).len()["len"].to_numpy(), dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]])

    def auroc(images: NDArray[np.float64]) -> float:
        chosen = np.concatenate([np.arange(starts[i], ends[i]) for i in images.astype(int)])
        return float(roc_auc_score(wrong[chosen], unsure[chosen]))

    found = stats.bootstrap(
        (np.arange(len(ends)),), auroc, vectorized=False, n_resamples=200, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Estimate(float(roc_auc_score(wrong, unsure)), float(found.low), float(found.high))


def test_the_auroc_s_interval_is_the_bootstrap_s() -> None:
    warned, found = calibration.warning(FACTS).auroc, bootstrap(FACTS)
    assert warned is not None
    assert (warned.value, warned.low, warned.high) == pytest.approx((found.value, found.low, found.high), abs=0.02)


def test_confidence_warns_the_other_way_round() -> None:
    warned = calibration.warning(FACTS, "confidence").auroc
    assert warned is not None
    assert warned.value == pytest.approx(roc_auc_score(FACTS["right"].to_numpy(), FACTS["confidence"].to_numpy()))


def test_only_right_answers_have_no_auroc() -> None:
    assert calibration.warning(FACTS.filter("right")).auroc is None


def test_reliability_bins_hold_equally_many_and_the_error_is_their_weighted_gap() -> None:
    bins = calibration.reliability(FACTS)
    assert bins["n"].max() - bins["n"].min() <= 1  # type: ignore[operator]
    assert bins["n"].sum() == FACTS.height
    ordered = FACTS.sort("confidence")
    gap, start = 0.0, 0
    for n in bins["n"]:
        part = ordered[start : start + n]
        gap += abs(float(part["confidence"].to_numpy().mean()) - float(part["right"].to_numpy().mean())) * n
        start += n
    assert calibration.scores(FACTS).ece == pytest.approx(gap / FACTS.height)


def test_every_row_of_the_curve_is_a_threshold_that_can_be_counted_again() -> None:
    curve = calibration.risk_coverage(FACTS, points=50)
    assert curve.row(0)[1:] == (0, 0.0, 0, int((~FACTS["right"]).sum()), FACTS.height, 1.0, curve["risk"][0])
    assert curve["reviewed"][-1] == FACTS.height
    for row in curve.drop_nulls("threshold").iter_rows(named=True):
        reviewed = FACTS.filter(pl.col("entropy") >= row["threshold"])
        rest = FACTS.filter(pl.col("entropy") < row["threshold"])
        assert row["reviewed"] == reviewed.height
        assert row["caught"] == (~reviewed["right"]).sum()
        assert row["left"] == (~rest["right"]).sum()
        assert row["risk"] == (pytest.approx(row["left"] / rest.height) if rest.height else None)


def test_equal_signals_are_reviewed_together() -> None:
    facts = FACTS.with_columns(entropy=pl.lit(1.0))
    assert calibration.risk_coverage(facts)["reviewed"].to_list() == [0, FACTS.height]


def test_the_area_under_the_curve_is_scikit_learn_s() -> None:
    curve = calibration.risk_coverage(FACTS, points=10**9).drop_nulls("risk").sort("coverage")
    assert calibration.warning(FACTS).area == pytest.approx(auc(curve["coverage"].to_numpy(), curve["risk"].to_numpy()))


def test_without_probabilities_there_is_no_score_and_what_was_left_out_is_counted() -> None:
    bare = FACTS.with_columns(confidence=pl.lit(None, pl.Float64), entropy=pl.lit(None, pl.Float64))
    scores = calibration.scores(bare)
    assert (scores.n, scores.unscored, scores.brier, scores.ece) == (0, FACTS.height, None, None)
    assert calibration.reliability(bare).is_empty()
    assert calibration.risk_coverage(bare).height == 1
    assert calibration.warning(bare).auroc is None
