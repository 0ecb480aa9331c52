"""Two runs on what both were asked: statsmodels, exact tests, and three words."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.power import TTestPower

from tests.analysis import invented
from workbench.analysis import compare


def two(images: int = 150, gain: float = 0.0, most: int = 5) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A baseline and a run on the same questions; the run answers a share `gain` of the wrong ones rightly."""
    old = invented.facts(images, most=most)
    rng = np.random.default_rng(1)
    luck, lost = rng.random(old.height) < gain, rng.random(old.height) < 0.05
    return old, old.with_columns(right=(pl.col("right") | pl.Series(luck)) & ~pl.Series(lost))


def test_the_difference_and_its_error_are_the_regression_s_of_runs_clustered_by_image() -> None:
    old, new = two(gain=0.2)
    row = compare.table(compare.pair(old, new).frame).row(0, named=True)
    data = pl.concat(
        [each.select(pl.col("right").cast(pl.Float64), "image_id").with_columns(run=pl.lit(run)) for run, each in
         ((0.0, old), (1.0, new))]
    )  # fmt: skip
    frame = data.with_columns(pl.col("image_id").cast(pl.Int64)).to_pandas()
    fit = smf.ols("right ~ run", frame).fit(cov_type="cluster", cov_kwds={"groups": frame["image_id"]})
    assert row["difference"] == pytest.approx(fit.params["run"], abs=1e-12)
    # statsmodels counts two estimated means where the paired difference is one.
    assert row["se"] * ((len(frame) - 1) / (len(frame) - 2)) ** 0.5 == pytest.approx(fit.bse["run"], rel=1e-9)


def test_with_one_question_per_image_p_is_mcnemar_s_exact_one_with_a_pair_of_each_kind_more() -> None:
    old, new = two(images=80, gain=0.1, most=1)
    row = compare.table(compare.pair(old, new).frame).row(0, named=True)
    discordant = row["gained"] + row["lost"]
    assert 0 < discordant < compare.EXACT_BELOW
    assert row["p"] == pytest.approx(stats.binomtest(row["gained"] + 1, discordant + 2).pvalue, rel=1e-9)


def test_mcnemar_is_statsmodels_exact_one_under_25_discordant_pairs() -> None:
    old, new = two(images=80, gain=0.1, most=1)
    pairs = compare.pair(old, new).frame
    row = compare.table(pairs).row(0, named=True)
    assert compare.mcnemar(pairs) == pytest.approx(
        stats.binomtest(row["gained"], row["gained"] + row["lost"]).pvalue, rel=1e-9
    )


def test_mcnemar_is_refused_where_questions_share_an_image() -> None:
    old, new = two()
    with pytest.raises(ValueError, match="one question per image; choose one subtask"):
        compare.mcnemar(compare.pair(old, new).frame)


def test_many_flips_with_one_question_per_image_agree_with_mcnemar() -> None:
    old, new = two(images=2000, gain=0.2, most=1)
    pairs = compare.pair(old, new).frame
    assert compare.table(pairs)["p"][0] == pytest.approx(compare.mcnemar(pairs), abs=5e-3)


def test_only_questions_judged_in_both_runs_pair_whatever_their_reference() -> None:
    old, new = two(images=10)
    old = old.with_columns(evidence=pl.lit(2, pl.Int64))
    lacking = new.head(new.height - 3).with_columns(
        right=pl.when(pl.int_range(pl.len()) > 0).then("right")  # the first was not judged
    )
    pairs = compare.pair(old, lacking)
    assert pairs.frame.height == new.height - 4
    assert (pairs.only_old, pairs.only_new) == (4, 0)
    count = pairs.frame.height
    assert compare.other_evidence(pairs.frame) == (
        f"All {count} pairs were shown different evidence: another reference or other texts."
    )
    mixed = pairs.frame.with_columns(old_evidence=pl.when(pl.int_range(pl.len()) < 3).then(2).otherwise(1))
    assert compare.other_evidence(mixed).startswith(f"3 of {count} pairs")
    unknown = pairs.frame.with_columns(old_evidence=pl.lit(None, pl.Int64))
    assert compare.other_evidence(unknown) == ""


@pytest.mark.parametrize(("gain", "word"), [(0.6, "better"), (0.12, "not enough evidence")])
def test_the_word_follows_the_evidence(gain: float, word: str) -> None:
    old, new = two(gain=gain)
    verdict = compare.verdict(compare.pair(old, new), "yesterday", "today")
    assert verdict.word == word
    assert "today" in verdict.sentence  # as it is called, at the beginning too
    assert "yesterday" in verdict.sentence
    assert f"{verdict.n:,} questions about {verdict.images:,} images" in verdict.sentence


def test_better_one_way_is_worse_the_other() -> None:
    old, new = two(gain=0.6)
    there, back = compare.verdict(compare.pair(old, new)), compare.verdict(compare.pair(new, old))
    assert (there.word, back.word) == ("better", "worse")
    assert there.difference.value == -back.difference.value
    assert there.p == pytest.approx(back.p)


def test_a_run_against_itself_is_not_enough_evidence_with_no_difference() -> None:
    old, _ = two()
    verdict = compare.verdict(compare.pair(old, old))
    assert (verdict.word, verdict.p, verdict.difference.value) == ("not enough evidence", 1.0, 0.0)


def test_runs_that_share_nothing_say_so() -> None:
    old, new = two()
    verdict = compare.verdict(compare.pair(old, new.with_columns(image_id=pl.lit("x") + pl.col("image_id"))))
    assert (verdict.word, verdict.n) == ("not enough evidence", 0)
    assert "share no judged question" in verdict.sentence


def test_gained_lost_and_the_flips_matrix_add_up_to_the_pairs() -> None:
    old, new = two(gain=0.3)
    pairs = compare.pair(old, new).frame
    flips = {(row["was"], row["now"]): row["n"] for row in compare.flips(pairs).iter_rows(named=True)}
    row = compare.table(pairs).row(0, named=True)
    assert sum(flips.values()) == pairs.height == row["n"]
    assert (flips["wrong", "right"], flips["right", "wrong"]) == (row["gained"], row["lost"])
    assert row["difference"] == pytest.approx((row["gained"] - row["lost"]) / row["n"])
    by_subtask = compare.table(pairs, ("subtask",))
    assert by_subtask["gained"].sum() == row["gained"]
    assert (by_subtask["q"] >= by_subtask["p"]).all()


def test_the_bootstrap_agrees() -> None:
    old, new = two(images=400, gain=0.2)
    pairs = compare.pair(old, new).frame
    row, found = compare.table(pairs).row(0, named=True), compare.bootstrap(pairs)
    assert found.value == pytest.approx(row["difference"])
    assert (found.low, found.high) == pytest.approx((row["low"], row["high"]), abs=0.006)


def test_what_is_detectable_is_what_statsmodels_solves_for_with_one_question_per_image() -> None:
    old, new = two(images=500, gain=0.2, most=1)
    row = compare.table(compare.pair(old, new).frame).row(0, named=True)
    effect = TTestPower().solve_power(nobs=row["images"], alpha=0.05, power=0.8)
    assert row["detectable"] == pytest.approx(effect * row["se"] * row["images"] ** 0.5, rel=0.01)
