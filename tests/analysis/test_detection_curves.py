"""ROC, precision against recall and their areas: against scikit-learn, plain counting, and scores of known truth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from tests.analysis import drawn_scores
from workbench.analysis import detection_curves, intervals

SCORES = drawn_scores.scores(40, 60).with_columns(pl.col("score").round(1))  # with ties
TRIALS = 120


def test_auroc_and_average_precision_are_scikit_learn_s() -> None:
    found = detection_curves.ranking(SCORES)
    truth, score = SCORES["defective"].to_numpy(), SCORES["score"].to_numpy()
    assert found.auroc is not None
    assert found.average_precision is not None
    assert found.auroc.value == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert found.average_precision.value == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    assert (found.images, found.defective, found.unscored) == (SCORES.height, int(truth.sum()), 0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_every_point_of_the_curve_is_scikit_learn_s(drawn: list[tuple[int, bool]]) -> None:
    truth, score = np.array([kind for _, kind in drawn]), np.array([value for value, _ in drawn], float)
    if truth.all() or not truth.any():
        return
    rows = pl.DataFrame({"cluster_id": [str(place) for place in range(len(drawn))], "defective": truth, "score": score})
    curve = detection_curves.curve(rows)
    false, hit, threshold = roc_curve(truth, score, drop_intermediate=False)
    assert curve["recall"].to_list() == pytest.approx(hit)
    assert curve["overkill"].to_list() == pytest.approx(false)
    assert curve["threshold"].to_list()[1:] == list(threshold[1:])
    precision, recall, at = precision_recall_curve(truth, score)
    own = curve.drop_nulls("threshold").reverse()
    assert own["precision"].to_list() == pytest.approx(precision[:-1])
    assert own["recall"].to_list() == pytest.approx(recall[:-1])
    assert own["threshold"].to_list() == list(at)


def test_a_point_s_rates_have_the_interval_of_all_rates() -> None:
    curve = detection_curves.curve(SCORES)
    row = curve.row(curve.height // 2, named=True)
    called = SCORES.with_columns(called=pl.col("score") >= row["threshold"])
    for kind, name in ((True, "recall"), (False, "overkill")):
        found = intervals.rates(called.filter(pl.col("defective") == kind), value="called").row(0, named=True)
        stated = (row[name], row[f"{name}_low"], row[f"{name}_high"])
        assert stated == pytest.approx((found["rate"], found["low"], found["high"]), abs=1e-12)


def test_precision_at_a_prevalence_is_that_of_a_set_with_that_share() -> None:
    good = SCORES.filter(~pl.col("defective"))
    more = pl.concat([SCORES, *(good.with_columns(pl.col("cluster_id") + f" copy {n}") for n in range(9))])
    share = float(more["defective"].mean())  # type: ignore[arg-type]
    expected, found = detection_curves.curve(more), detection_curves.curve(SCORES, share)
    assert found["precision"].to_list() == pytest.approx(expected["precision"].to_list(), nan_ok=True)
    area = detection_curves.average_precision(found)
    assert area is not None
    assert area.value == pytest.approx(average_precision_score(more["defective"], more["score"]))


def test_where_no_good_picture_is_called_rare_defects_leave_precision_open() -> None:
    apart = drawn_scores.scores(30, 30, apart=50.0)
    curve = detection_curves.curve(apart, 0.001).filter(pl.col("flagged") == 0).tail(1).row(0, named=True)
    assert curve["precision"] == 1
    assert curve["precision_low"] < 0.05
    assert detection_curves.curve(apart)["precision_low"].max() > 0.8  # type: ignore[operator]


def test_too_few_pieces_of_a_kind_have_no_area_and_the_kind_is_named() -> None:
    for defective, good, lacking in ((9, 60, "defective pieces"), (60, 9, "good pieces")):
        found = detection_curves.ranking(drawn_scores.scores(defective, good))
        assert (found.auroc, found.average_precision, found.lacking) == (None, None, lacking)
    assert detection_curves.ranking(SCORES.clear()).lacking == "scored pictures"


def test_pictures_without_a_label_or_a_score_enter_no_number_and_the_latter_are_counted() -> None:
    more = SCORES.with_columns(
        score=pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("score"),
        defective=pl.when(pl.int_range(pl.len()) % 10 == 1).then(None).otherwise("defective"),
    )
    found = detection_curves.ranking(more)
    assert found.images == more.drop_nulls(["score", "defective"]).height
    assert found.unscored == more.drop_nulls("defective").filter(pl.col("score").is_null()).height


def true_average_precision(apart: float, prevalence: float) -> float:
    """Of two normal distributions, by quadrature."""
    at = np.linspace(-6, apart + 6, 20_001)
    hit, false = stats.norm.sf(at - apart), stats.norm.sf(at)
    precision = prevalence * hit / (prevalence * hit + (1 - prevalence) * false)
    return float(np.trapezoid(precision * stats.norm.pdf(at - apart), at))


@pytest.mark.parametrize(("defective", "good", "apart", "prevalence"), [(12, 12, 1.5, 0.5), (15, 60, 2.0, 0.05)])
def test_intervals_hold_the_truth_as_often_as_they_say(
    defective: int, good: int, apart: float, prevalence: float
) -> None:
    truth, missed = true_average_precision(apart, prevalence), 0
    for trial in range(TRIALS):
        found = detection_curves.ranking(drawn_scores.scores(defective, good, apart, trial), prevalence)
        assert found.average_precision is not None
        missed += not found.average_precision.low <= truth <= found.average_precision.high
    assert missed <= stats.binom.ppf(0.99, TRIALS, 0.05)
