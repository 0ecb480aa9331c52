"""Thresholds: chosen by written-out search, judged on other pieces than they were chosen on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.analysis import drawn_scores
from workbench.analysis import detection_curves, operating_point
from workbench.analysis.operating_point import Aim

SCORES = drawn_scores.scores(40, 60).with_columns(pl.col("score").round(1))


def rates(threshold: float | None) -> tuple[float, float]:
    """Escape and overkill by plain counting."""
    called = SCORES["score"].to_numpy() >= (np.inf if threshold is None else threshold)
    defective = SCORES["defective"].to_numpy()
    return float((~called[defective]).mean()), float(called[~defective].mean())


@pytest.mark.parametrize(("prevalence", "escape"), [(0.5, 1.0), (0.01, 50.0), (0.001, 10.0), (0.3, 0.0)])
def test_the_cheapest_threshold_is_that_of_trying_all(prevalence: float, escape: float) -> None:
    aim = Aim(prevalence=prevalence, cost_escape=escape)
    tried = [None, *sorted(SCORES["score"].unique().to_list(), reverse=True)]
    cheapest = min(tried, key=lambda each: round(aim.cost(*rates(each)), 12))
    found = operating_point.find(SCORES, aim)
    assert found.threshold == cheapest
    assert found.on_its_own is not None
    assert found.on_its_own.cost == pytest.approx(aim.cost(*rates(cheapest)))
    assert (found.on_its_own.escape.value, found.on_its_own.overkill.value) == pytest.approx(rates(cheapest))


@pytest.mark.parametrize("limit", [0.0, 0.05, 0.2])
def test_a_limit_is_kept_by_as_little_of_the_other_error_as_can_be(limit: float) -> None:
    tried = [None, *sorted(SCORES["score"].unique().to_list(), reverse=True)]
    escape = operating_point.find(SCORES, Aim("escape", limit=limit)).threshold
    assert escape == next(each for each in tried if rates(each)[0] <= limit)
    overkill = operating_point.find(SCORES, Aim("overkill", limit=limit)).threshold
    assert overkill == [each for each in tried if rates(each)[1] <= limit][-1]


def test_each_fold_is_called_by_a_threshold_of_the_others() -> None:
    aim = Aim("overkill", limit=0.05)
    found = operating_point.find(SCORES, aim)
    rows = SCORES.with_columns(fold=operating_point.folds(SCORES["cluster_id"]))
    assert rows.group_by("cluster_id").agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * 100
    wrong = {True: [], False: []}  # type: dict[bool, list[bool]]
    for fold, threshold in enumerate(found.fold_thresholds):
        chosen = operating_point.choose(detection_curves.curve(rows.filter(pl.col("fold") != fold)), aim)
        assert threshold == chosen
        for defective, score in rows.filter(fold=fold).select("defective", "score").iter_rows():
            wrong[defective].append((score >= threshold) != defective)
    assert found.elsewhere is not None
    assert found.elsewhere.escape.value == pytest.approx(np.mean(wrong[True]))
    assert found.elsewhere.overkill.value == pytest.approx(np.mean(wrong[False]))


def test_scores_that_tell_nothing_look_good_on_their_own_pieces_and_not_on_others() -> None:
    aim, own, elsewhere = Aim(), [], []
    for seed in range(20):
        found = operating_point.find(drawn_scores.scores(15, 15, 0.0, seed), aim)
        assert found.on_its_own is not None
        assert found.elsewhere is not None
        own.append(found.on_its_own.cost)
        elsewhere.append(found.elsewhere.cost)
    assert np.mean(own) < 0.44
    assert np.mean(elsewhere) > 0.47


def test_too_few_pieces_of_a_kind_choose_nothing_and_say_so() -> None:
    found = operating_point.find(drawn_scores.scores(9, 60), Aim())
    assert (found.threshold, found.on_its_own, found.elsewhere, found.lacking) == (None, None, None, "defective pieces")


def test_the_costs_of_the_pareto_add_up_to_that_of_a_part() -> None:
    aim = Aim(prevalence=0.02, cost_escape=40.0)
    table = operating_point.pareto(SCORES, 1.0, aim)
    escape, overkill = rates(1.0)
    assert table["cost"].sum() == pytest.approx(aim.cost(escape, overkill))
    assert table["escapes"].sum() == round(escape * SCORES.filter("defective").height)
    assert table["cumulative"][-1] == pytest.approx(1)
    assert table["cost"].is_sorted(descending=True)
    assert set(table.filter(pl.col("overkills") > 0)["defect"]) == {"good"}


def test_recall_by_size_divides_the_measured_defects_from_the_smallest() -> None:
    planted = SCORES.with_columns(
        score=pl.when("defective", pl.col("defect_area") < 0.5).then(-9.0).when("defective").then(9.0).otherwise(0.0)
    )
    table = operating_point.recall_by(planted, 1.0, "defect_area", 2)
    assert table["n"].sum() == SCORES["defective"].sum()
    assert table["smallest"].is_sorted()
    assert table["recall"][0] < 0.1
    assert table["recall"][1] > 0.9


@pytest.mark.parametrize(
    "wrong",
    [
        {"prevalence": 1.2},
        {"cost_escape": -1.0},
        {"method": "escape"},
        {"method": "overkill", "limit": 2.0},
        {"method": "given"},
    ],
)
def test_an_aim_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"lies in 0\.\.1|is 0 or more|needs"):
        Aim(**wrong)  # type: ignore[arg-type]
