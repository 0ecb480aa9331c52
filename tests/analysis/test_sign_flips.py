"""Sign flips of images' net gains: against all flips written out, and word, p and interval never at odds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.analysis import compare, intervals, sign_flips
from workbench.analysis.sign_flips import Values

image = st.integers(1, 40).flatmap(
    lambda m: st.tuples(st.integers(0, m), st.integers(0, m)).map(lambda right: (m, *right))
)
"""(questions, right before, right now) of one image."""
unequal = st.lists(image, min_size=1, max_size=25) | st.lists(image, min_size=1, max_size=4).map(lambda few: few * 30)


def rows(images: list[tuple[int, int, int]], subtask: str = "Object Analysis") -> pl.DataFrame:
    """Pairs of images with so many questions right before and now."""
    found = [
        (str(at), subtask, place < before, place < now)
        for at, (m, before, now) in enumerate(images)
        for place in range(m)
    ]
    return pl.DataFrame(found, schema=["cluster_id", "subtask", "old_right", "right"], orient="row")


def consistent(row: dict[str, Any], alpha: float = 0.05) -> None:
    """The word has the number's sign, and is given exactly when the interval leaves 0 out and q is small."""
    assert row["low"] <= row["difference"] <= row["high"]
    outside = row["low"] > 0 or row["high"] < 0
    assert (row["word"] != "not enough evidence") == outside == (row["q"] < alpha)
    if outside:
        assert row["word"] == ("better" if row["difference"] > 0 else "worse")


@settings(max_examples=60)
@given(unequal)
def test_the_word_has_the_number_s_sign_and_is_given_exactly_when_the_interval_excludes_0(
    images: list[tuple[int, int, int]],
) -> None:
    pairs = rows(images)
    row = compare.table(pairs).row(0, named=True)
    consistent(row)
    assert row["q"] == row["p"]
    assert row["coverage"] == 0.95
    gain = sum(now - before for _, before, now in images)
    assert row["difference"] == pytest.approx(gain / sum(m for m, _, _ in images))
    back = compare.table(pairs.rename({"right": "old_right", "old_right": "right"})).row(0, named=True)
    if gain:
        assert (back["p"], -back["high"], -back["low"]) == (row["p"], row["low"], row["high"])


@settings(max_examples=15)
@given(st.lists(unequal, min_size=2, max_size=5))
def test_over_several_subtasks_too(groups: list[list[tuple[int, int, int]]]) -> None:
    pairs = pl.concat([rows(images, f"subtask {at}") for at, images in enumerate(groups)])
    for row in compare.table(pairs, ("subtask",)).iter_rows(named=True):
        consistent(row)


@settings(max_examples=30)
@given(unequal)
def test_the_sentence_says_what_the_numbers_say(images: list[tuple[int, int, int]]) -> None:
    verdict = compare.verdict(compare.Pairs(rows(images), 0, 0))
    number, low, high = (float(part) for part in _numbers(verdict.sentence))
    outside = low > 0 or high < 0
    assert (verdict.word != "not enough evidence") == outside
    assert not outside or (number > 0) == (verdict.word == "better")


def _numbers(sentence: str) -> list[str]:
    said = sentence.replace("(95 % interval", "").replace("points", "").replace(")", "").replace(" to ", " ")
    return [word for word in said.split() if word[0] in "+-" and word[1:2].isdigit()]


def slow(gain: Values, questions: Values, theta: float) -> float:
    """The share of all sign flips that are at least as extreme as what was seen, written out."""
    changed = sorted(abs(each) for each in gain if each) or [1]
    usual = max(round((changed[(len(changed) - 1) // 2] + changed[len(changed) // 2]) / 2), 1)
    e = np.append(gain, (usual, -usual)) - theta * np.append(questions, (usual, usual))
    sums = [abs(float((np.array(signs) * e).sum())) for signs in itertools.product((1, -1), repeat=len(e))]
    return sum(each >= sums[0] - 1e-9 for each in sums) / len(sums)


@settings(max_examples=20)
@given(
    st.lists(image, min_size=4, max_size=8)
    | st.lists(image.map(lambda one: (3, min(one[1], 3), min(one[2], 3))), min_size=5, max_size=8)
)
def test_p_and_interval_are_those_of_all_flips_written_out(images: list[tuple[int, int, int]]) -> None:
    m, before, now = np.array(images, float).T
    test = sign_flips.flip(now - before, m)
    assert test.exact
    weights = m * (1 + 0.1 * (m - 1))
    if weights.sum() ** 2 / (weights**2).sum() < 5 - 1e-9:  # one large image and a few small ones
        assert (test.p, test.interval(0.9)) == (1.0, (-1.0, 1.0))
        return
    assert test.p == pytest.approx(slow(now - before, m, 0), abs=1e-9)
    low, high = test.interval(0.9)
    for end, inwards in ((low, 1e-6), (high, -1e-6)):
        if -1 < end < 1 and end != test.difference:
            assert slow(now - before, m, end + inwards) >= 0.1 - 1e-9
            assert slow(now - before, m, end - inwards) < 0.1 + 1e-9


def test_drawn_flips_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    m = rng.integers(1, 4, 60).astype(float)
    gain = rng.integers(-1, 3, 60).clip(-1, m)
    monkeypatch.setattr(sign_flips, "EXACT", 10**7)
    exact = sign_flips.flip(gain[:14], m[:14])
    monkeypatch.setattr(sign_flips, "EXACT", 1)
    drawn = sign_flips.flip(gain[:14], m[:14])
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p == pytest.approx(exact.p, abs=0.02)
    assert drawn.interval(0.9) == pytest.approx(exact.interval(0.9), abs=0.03)


def test_many_images_that_got_worse_a_little_do_not_outvote_the_questions_gained() -> None:
    images = [(10, 5, 4)] * 16 + [(60, 10, 40)] * 4
    verdict = compare.verdict(compare.Pairs(rows(images), 0, 0))
    assert verdict.difference.value > 0
    assert verdict.word == "not enough evidence"


@pytest.mark.parametrize("count", range(1, 7))
def test_fewer_than_seven_changed_images_prove_nothing(count: int) -> None:
    row = compare.table(rows([(1, 0, 1)] * count + [(1, 1, 1)] * 50)).row(0, named=True)
    assert (row["word"], row["low"] <= 0 < row["high"]) == ("not enough evidence", True)


def test_no_change_on_few_images_is_not_sure_to_be_none() -> None:
    few, many = (compare.table(rows([(1, 1, 1)] * n)).row(0, named=True) for n in (5, 500))
    assert (few["p"], few["difference"]) == (many["p"], many["difference"]) == (1.0, 0.0)
    assert few["low"] < -0.2 < 0.2 < few["high"]
    assert -0.01 < many["low"] < 0 < many["high"] < 0.01


def test_one_image_says_nothing_and_none_says_so() -> None:
    row = compare.table(rows([(30, 0, 30)])).row(0, named=True)
    assert (row["word"], row["low"], row["high"]) == ("not enough evidence", -1.0, 1.0)
    assert compare.table(rows([]), ("subtask",)).is_empty()


def test_one_large_image_and_thirty_small_ones_prove_nothing() -> None:
    images = [(1, 0, 1)] * 30 + [(50, 10, 40)]
    row = compare.table(rows(images)).row(0, named=True)
    assert row["effective"] == pytest.approx(80**2 / (30 + 50**2))
    assert (row["word"], row["p"], row["low"], row["high"]) == ("not enough evidence", 1.0, -1.0, 1.0)
    assert compare.table(rows([*images, *[(50, 10, 40)] * 9])).row(0, named=True)["word"] == "better"


@settings(max_examples=20)
@example([[(1, 0, 1)] * 7] * 2)  # p = 0.039 each: one alone would be called, two are not
@given(st.lists(unequal, min_size=1, max_size=5))
def test_arms_corrected_together_have_holm_s_p_and_words_that_their_intervals_bear_out(
    arms: list[list[tuple[int, int, int]]],
) -> None:
    names = pl.DataFrame({"arm": [f"arm {at}" for at in range(len(arms))]})
    found = compare.together(names, [rows(images) for images in arms])
    alone = [compare.table(rows(images))["p"][0] for images in arms]
    assert found["p"].to_list() == alone
    assert found["q"].to_list() == intervals.holm(pl.Series(alone)).to_list()
    for row in found.iter_rows(named=True):
        consistent(row)


def test_no_arms_give_an_empty_table_with_its_columns() -> None:
    found = compare.together(pl.DataFrame(schema={"arm": pl.String}), [])
    assert (found.height, found.columns) == (0, ["arm", *compare.COLUMNS])
