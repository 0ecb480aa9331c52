"""Whether confidence and entropy say when an answer is wrong: against scikit-learn and plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score

from tests.analysis import invented
from warehouse.records.scoring import Capabilities
from workbench.analysis import calibration, cluster_robust
from workbench.analysis.intervals import Estimate

FACTS = invented.facts(images=200)
TRIALS = 150


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
    rows = facts.filter(pl.col("right").is_not_null()).sort("cluster_id")
    unsure, wrong = rows["entropy"].to_numpy(), ~rows["right"].to_numpy().astype(bool)
    ends = np.cumsum(rows.group_by("cluster_id", maintain_order=True).len()["len"].to_numpy(), dtype=np.int64)
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


def test_too_few_images_of_a_kind_have_no_auroc_and_the_kind_is_named() -> None:
    few = FACTS.filter(pl.col("cluster_id").cast(pl.Int64) < 9)
    never = FACTS.filter(~pl.col("right"))
    one = pl.concat([FACTS.filter("right"), FACTS.filter(~pl.col("right")).head(1)])
    for facts, lacking in ((few, "images"), (one, "wrong answers"), (never, "right answers"), (FACTS[:0], "answers")):
        warned = calibration.warning(facts)
        assert (warned.auroc, warned.lacking) == (None, lacking)


def test_a_perfect_warning_of_a_dozen_errors_is_not_sure_to_be_perfect() -> None:
    facts = separate(500, 12).with_columns(entropy=pl.when("right").then(0.0).otherwise(1.0))
    found = calibration.warning(facts).auroc
    assert found is not None
    assert found.value == 1.0
    assert found.high == pytest.approx(1.0, abs=1e-4)
    assert 0.5 < found.low < 0.97


def test_a_perfect_warning_of_thousands_of_errors_is_perfect_as_far_as_can_be_told() -> None:
    facts = separate(12_000, 6_000).with_columns(entropy=pl.when("right").then(0.0).otherwise(1.0))
    found = calibration.warning(facts).auroc
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    assert 0.999 < found.low <= 1.0


def separate(images: int, wrong: int) -> pl.DataFrame:
    """An answer about each image, so many of them wrong."""
    numbers = pl.Series("cluster_id", range(images))
    return pl.DataFrame([numbers.cast(pl.String), (numbers >= wrong).alias("right")])


@pytest.mark.parametrize("apart", [1.0, 3.0])
def test_the_auroc_s_interval_covers_the_truth_where_3_percent_are_wrong(apart: float) -> None:
    rng, covered, told = np.random.default_rng(4), 0, 0
    truth = stats.norm.cdf(apart / np.sqrt(2))  # of two normal signals so far apart
    for _ in range(TRIALS):
        facts = separate(500, max(10, int(rng.binomial(500, 0.03))))
        signal = rng.normal(size=500) + apart * (~facts["right"]).to_numpy()
        found = calibration.warning(facts.with_columns(entropy=pl.Series(signal))).auroc
        told += found is not None
        covered += found is not None and found.low <= truth <= found.high
    print(f"seed 4: {covered} of {told} 95 % intervals hold {truth:.3f}")
    assert told == TRIALS
    assert covered >= stats.binom.ppf(0.005, TRIALS, 0.95)


def test_reliability_bins_hold_equally_many_and_the_error_is_their_gap_less_its_noise() -> None:
    found = calibration.scores(FACTS)
    bars = found.bars
    assert bars.height == 10
    assert bars["n"].max() - bars["n"].min() <= 1  # type: ignore[operator]
    assert bars["n"].sum() == FACTS.height
    ordered = FACTS.sort("confidence").with_columns(gap=pl.col("confidence") - pl.col("right").cast(pl.Float64))
    squared, start = 0.0, 0
    for n in bars["n"]:
        part = ordered[start : start + n]
        mean = float(part["gap"].to_numpy().mean())
        sums = [float((of_image["gap"] - mean).sum()) for _, of_image in part.group_by("cluster_id")]
        noise = sum(each**2 for each in sums) / n**2 * len(sums) / (len(sums) - 1)
        squared += n / FACTS.height * (mean**2 - noise)
        start += n
    assert found.error is not None
    assert found.error.estimate.value == pytest.approx(np.sqrt(squared))
    assert found.error.estimate.low > 0  # the fixture's right answers are far surer than they are right


def test_equal_confidences_are_in_one_bin_whatever_the_order_of_rows() -> None:
    facts = FACTS.with_columns(confidence=pl.when(pl.col("confidence") > 0.8).then(0.9).otherwise(0.6))
    by_right, reversed_ = (calibration.scores(facts.sort("right", descending=way)) for way in (False, True))
    assert by_right.bars.height == 2
    assert_frame_equal(by_right.bars, reversed_.bars)
    assert by_right.error == reversed_.error


@pytest.mark.slow
@pytest.mark.parametrize(("images", "questions"), [(50, 1), (120, 3)])
def test_perfect_calibration_is_not_called_an_error_and_its_error_is_not_noise(images: int, questions: int) -> None:
    rng = np.random.default_rng(images)
    values, called = [], 0
    for _ in range(TRIALS):
        chance = rng.uniform(0.5, 1, images * questions)
        luck = np.repeat(rng.normal(size=images), questions) + rng.normal(size=images * questions)
        right = stats.norm.cdf(luck / np.sqrt(2)) < chance  # an image's answers go together; each is right as stated
        error = calibration.scores(answers(chance, right, questions)).error
        assert error is not None
        values.append(error.estimate.value)
        called += error.estimate.low > 0
        assert (error.estimate.low > 0) == (error.estimate.value > error.floor)
    print(f"seed {images}: {called} of {TRIALS} called miscalibrated, {np.mean(values):.3f} on average")
    assert called <= stats.binom.ppf(0.995, TRIALS, 0.05)
    assert np.mean(values) < 0.05  # ten bins of five show 0.14 where nothing is subtracted


def answers(confidence: NDArray[np.float64], right: NDArray[np.bool_], questions: int) -> pl.DataFrame:
    image = np.repeat(np.arange(len(right) // questions), questions)
    return pl.DataFrame({"cluster_id": pl.Series(image).cast(pl.String), "right": right, "confidence": confidence})


@pytest.mark.slow
def test_the_calibration_error_s_interval_holds_a_gap_of_ten_points() -> None:
    rng, covered, missed = np.random.default_rng(9), 0, 0
    for _ in range(TRIALS):
        stated = rng.uniform(0.6, 1, 600)
        found = calibration.scores(answers(stated, rng.random(600) < stated - 0.1, 3))
        assert found.error is not None
        assert found.over is not None
        covered += found.error.estimate.low <= 0.1 <= found.error.estimate.high
        missed += not found.over.low <= 0.1 <= found.over.high
    print(f"seed 9: {covered} of {TRIALS} hold it; {missed} intervals of the mean gap do not")
    assert covered >= stats.binom.ppf(0.005, TRIALS, 0.95)
    assert missed <= stats.binom.ppf(0.995, TRIALS, 0.05)


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


def plain_area(facts: pl.DataFrame) -> float:
    """The mean of the risks of the 1, 2, ... surest answers, averaged over every order of equal entropies."""
    ties = [part["right"].to_list() for _, part in facts.sort("entropy").group_by("entropy", maintain_order=True)]
    areas = []
    for order in itertools.product(*(itertools.permutations(tie) for tie in ties)):
        wrong = 1.0 - np.array(list(itertools.chain(*order)), float)
        areas.append(float((wrong.cumsum() / np.arange(1, len(wrong) + 1)).mean()))
    return float(np.mean(areas))


@pytest.mark.parametrize("entropy", [[0.0] * 6, [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 2, 2], [5, 4, 3, 2, 1, 0]])
def test_equal_signals_are_one_step_of_the_area_averaged_over_their_orders(entropy: list[float]) -> None:
    facts = separate(6, 0).with_columns(
        right=pl.Series([True, False, True, False, False, True]), entropy=pl.Series(entropy, dtype=pl.Float64)
    )
    assert calibration.warning(facts).area == pytest.approx(plain_area(facts))


def test_a_useless_signal_of_two_values_has_the_error_rate_as_its_area_and_a_perfect_one_the_best() -> None:
    facts = separate(1000, 22)
    useless = calibration.warning(
        facts.with_columns(entropy=(pl.col("cluster_id").cast(pl.Int64) % 2).cast(pl.Float64))
    )
    perfect = calibration.warning(facts.with_columns(entropy=(~pl.col("right")).cast(pl.Float64)))
    assert useless.area == pytest.approx(0.022, abs=1e-9)
    assert perfect.area == perfect.best == useless.best
    assert perfect.area is not None
    assert perfect.area < 0.001


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_what_is_no_number_is_no_score_and_what_was_left_out_is_counted(nothing: float | None) -> None:
    half = pl.col("cluster_id").cast(pl.Int64) < 100
    facts = FACTS.with_columns(
        pl.when(half).then(name).otherwise(pl.lit(nothing, pl.Float64)).alias(name)
        for name in ("confidence", "entropy")
    )
    kept = FACTS.filter(half)
    scores, warned = calibration.scores(facts), calibration.warning(facts)
    assert (scores.brier, scores.error) == (calibration.scores(kept).brier, calibration.scores(kept).error)
    assert (warned.auroc, warned.area) == (calibration.warning(kept).auroc, calibration.warning(kept).area)
    assert scores.unscored == warned.unscored == FACTS.height - kept.height
    assert calibration.risk_coverage(facts)["reviewed"][-1] == kept.height


def test_without_probabilities_there_is_no_score_and_what_was_left_out_is_counted() -> None:
    bare = calibration.carried(FACTS, Capabilities(False, False, False, text=True))
    scores = calibration.scores(bare)
    assert (scores.n, scores.unscored, scores.brier, scores.error) == (0, FACTS.height, None, None)
    assert scores.lacking == "answers"
    assert scores.bars.is_empty()
    assert calibration.risk_coverage(bare).height == 1
    assert calibration.warning(bare).auroc is None


def test_few_images_have_no_calibration_error() -> None:
    scores = calibration.scores(FACTS.filter(pl.col("cluster_id").cast(pl.Int64) < 9))
    assert (scores.error, scores.over, scores.lacking) == (None, None, "images")
    assert scores.brier is not None


@given(st.integers(1, 3), st.integers(10, 40), st.integers(200, 2000), st.integers(0, 2**32 - 1))
def test_nothing_is_said_of_a_warning_that_a_few_large_images_decide(
    large: int, small: int, questions: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(large + small), [questions] * large + [1] * small)
    right = rng.random(len(image)) < 0.5
    facts = pl.DataFrame({"cluster_id": image, "right": right, "entropy": rng.normal(size=len(image))})
    found = calibration.warning(facts)
    assert found.auroc is None
    assert found.lacking in ("effective images", "right answers", "wrong answers")
    sizes = np.bincount(image)
    assert sizes.sum() ** 2 / (sizes**2).sum() < cluster_robust.LEAST
