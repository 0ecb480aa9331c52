"""The week's true escape and overkill: drawn cases alone, sharpened but never moved by the model's probabilities."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta, binom

from benchmarks import simulate_weekly
from workbench.review import escape_estimate

Row = tuple[str | None, str, bool, float | None, str | None, int, float | None]


def cases(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=escape_estimate.SCHEMA, orient="row")


def audited(answers: int, wrong: int, right: int, unanswered: int = 0, claim: str = "good") -> list[Row]:
    """One side's audit lane."""
    n = wrong + right + unanswered
    other = "defective" if claim == "good" else "good"
    settled = [other] * wrong + [claim] * right + [None] * unanswered
    rows: list[Row] = [("audit", claim, True, n / answers, truth, 1, None) for truth in settled]
    return [*rows, ("audit", claim, False, n / answers, None, answers - n, None)]


def test_where_people_judged_all_cases_the_estimate_is_the_count() -> None:
    week = escape_estimate.estimate(
        cases(
            *[("disputed", "good", True, 1.0, truth, 1, 0.2) for truth in ("defective", "good", "good", "good")],
            *[("disputed", "defective", True, 1.0, truth, 1, 0.9) for truth in ("good", "defective", "defective")],
        )
    )
    assert (week.called_good.share.value, week.called_good.share.low, week.called_good.share.high) == (0.25,) * 3
    assert week.escape.value == pytest.approx(1 / 3)
    assert week.overkill.value == pytest.approx(1 / 4)
    assert [week.escape.low, week.escape.high] == pytest.approx([1 / 3, 1 / 3])


def test_a_drawn_case_stands_for_as_many_as_the_inverse_of_its_probability_says() -> None:
    """Two nights of one lane: one draws half of its answers, the other a tenth."""
    week = escape_estimate.estimate(
        cases(
            *[("audit", "good", True, 0.5, truth, 1, None) for truth in ("defective", "good")],
            ("audit", "good", False, 0.5, None, 2, None),
            *[("audit", "good", True, 0.1, truth, 1, None) for truth in ("good", "good", "defective")],
            ("audit", "good", False, 0.1, None, 27, None),
        )
    )
    assert week.called_good.share.value == pytest.approx((2 * 1 + 10 * 1) / (2 * 2 + 10 * 3))


def test_disputed_and_drawn_cases_add_up_by_their_lanes() -> None:
    rows = [("disputed", "good", True, 1.0, truth, 1, None) for truth in ("defective", "defective", "good")]
    week = escape_estimate.estimate(cases(*rows, *audited(100, wrong=2, right=18)))
    assert week.called_good.share.value == pytest.approx((2 + 100 * 2 / 20) / 103)
    assert week.called_good.share.low > 2 / 103


def test_the_interval_is_clopper_and_pearson_s_at_the_effective_sample_size() -> None:
    share = escape_estimate.estimate(cases(*audited(100, wrong=3, right=17))).called_good.share
    p, n = 3 / 20, 20
    effective = p * (1 - p) / (p * (1 - p) / (n - 1) * (1 - n / 100))
    assert share.low == pytest.approx(beta.ppf(0.025, p * effective, effective - p * effective + 1))
    assert share.high == pytest.approx(beta.ppf(0.975, p * effective + 1, effective - p * effective))


def test_no_error_among_the_drawn_is_no_proof_that_there_is_none() -> None:
    share = escape_estimate.estimate(cases(*audited(1000, wrong=0, right=30))).called_good.share
    assert (share.value, share.low) == (0.0, 0.0)
    assert share.high == pytest.approx(1 - 0.025 ** (1 / (30 / 0.97)), abs=1e-6)


def test_unanswered_cases_are_bounded_by_all_right_and_all_wrong() -> None:
    share = escape_estimate.estimate(cases(*audited(100, wrong=4, right=10, unanswered=6))).called_good.share
    all_right = escape_estimate.estimate(cases(*audited(100, wrong=4, right=16))).called_good.share
    all_wrong = escape_estimate.estimate(cases(*audited(100, wrong=10, right=10))).called_good.share
    assert share.value == pytest.approx(4 / 14)
    assert [share.bound_low, share.bound_high] == pytest.approx([all_right.low, all_wrong.high])


def test_too_few_judged_cases_give_bounds_and_no_value() -> None:
    week = escape_estimate.estimate(
        cases(*audited(100, wrong=0, right=1), *audited(50, wrong=1, right=9, claim="defective"))
    )
    assert (week.called_good.share.value, week.called_good.share.high) == (None, 0.99)
    assert week.escape.value is None
    assert 0 <= week.escape.bound_low < week.escape.bound_high <= 1


def test_runs_without_an_audit_lane_are_counted_apart() -> None:
    week = escape_estimate.estimate(cases(*audited(100, wrong=2, right=8), (None, "good", False, None, None, 70, 0.1)))
    assert (week.called_good.answers, week.uncovered) == (100, 70)


def test_no_answer_at_all_gives_no_number() -> None:
    week = escape_estimate.estimate(cases())
    assert (week.escape.value, week.overkill.value, week.judgements, week.unanswered) == (None, None, 0, 0)


def test_volunteered_truths_and_draws_without_a_probability_are_refused() -> None:
    with pytest.raises(ValueError, match="volunteered judgements enter no estimate"):
        escape_estimate.estimate(cases(("audit", "good", False, 0.1, "good", 1, None)))
    with pytest.raises(ValueError, match="no probability of being drawn"):
        escape_estimate.estimate(cases(("audit", "good", True, None, "good", 1, None)))


def test_the_estimate_recomputes_from_its_frame_by_a_few_lines_of_polars() -> None:
    frame, _, _, _ = simulate_weekly.invented(np.random.default_rng(3), simulate_weekly.STUDIES[2])
    judged = frame.filter(pl.col("drawn") & pl.col("truth").is_not_null(), claim="good")
    lanes = judged.group_by("lane").agg(
        share=((pl.col("truth") == "defective") / pl.col("probability")).sum() / (1 / pl.col("probability")).sum()
    )
    sizes = frame.filter(claim="good").group_by("lane").agg(pl.col("answers").sum())
    both = lanes.join(sizes, on="lane")
    expected = np.average(both["share"].to_numpy(), weights=both["answers"].to_numpy())
    assert escape_estimate.estimate(frame, sharpen=False).called_good.share.value == pytest.approx(expected)


@pytest.mark.parametrize("turned", [False, True])
def test_probabilities_that_mean_nothing_or_the_opposite_move_no_estimate(turned: bool) -> None:
    """Over 60 weeks the sharpened estimate is as far from the truth on average as the plain one."""
    rng = np.random.default_rng(11)
    off = []
    for _ in range(60):
        frame, truth, _, _ = simulate_weekly.invented(rng, simulate_weekly.STUDIES[0])
        noise = pl.Series(rng.random(frame.height))
        bad = frame.with_columns(defect_probability=1 - pl.col("defect_probability") if turned else noise)
        value = escape_estimate.estimate(bad).called_good.share.value
        assert value is not None
        off.append(value - truth["called good"])
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(len(off))


@pytest.mark.parametrize("study", simulate_weekly.STUDIES[:2])
def test_intervals_cover_and_probabilities_narrow_them(study: simulate_weekly.Study) -> None:
    weeks = 60
    told = simulate_weekly.run(np.random.default_rng(1), weeks, study)
    covered, narrower = told["covered"], told["narrower_percent"]
    assert isinstance(covered, dict)
    assert isinstance(narrower, dict)
    assert min(covered.values()) >= binom.ppf(0.001, weeks, 0.95)
    assert min(narrower.values()) > 10 or study.informative
    best = told["narrower_percent_at_best"]
    assert isinstance(best, float)
    assert max(narrower.values()) < best + 2  # no use of these probabilities can do more
    assert min(narrower.values()) > 0.85 * best or study.informative
