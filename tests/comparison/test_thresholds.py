"""What a threshold of normal pieces promises is what good pieces get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.comparison.pretended import PretendedTower, features, filled, unit
from workbench.comparison import Comparer, Features, Normal, thresholds
from workbench.comparison.comparison import MOST_CALIBRATING

RESAMPLES = 2_000
POOL = 600  # good pictures: enough that the realised rate is not a matter of who was drawn


@pytest.mark.parametrize("pieces", [4, 24, 59, 200])
@pytest.mark.parametrize("scores", [stats.norm(5, 1), stats.gamma(4), stats.lognorm(0.5), stats.expon()])
def test_realised_overkill_stays_within_what_the_threshold_states(scores: Any, pieces: int) -> None:
    rng = np.random.default_rng(11)
    drawn = scores.rvs((RESAMPLES, pieces), random_state=rng)
    found = [thresholds.threshold(each.tolist()) for each in drawn]
    overkill = scores.sf([each.value for each in found if each])  # of all good pieces there are
    stated = np.array([each.rate for each in found if each])
    bound = np.array([each.bound for each in found if each])
    error = 4 * float(np.std(overkill)) / RESAMPLES**0.5
    assert len(overkill) == RESAMPLES
    assert np.mean(overkill) <= stated.mean() + error
    assert np.mean(overkill <= bound) >= thresholds.CONFIDENCE - 4 * (0.05 * 0.95 / RESAMPLES) ** 0.5
    if not any(each and each.suspects for each in found):
        assert np.mean(overkill) >= stated.mean() - error  # and it isn't stated larger than it is


def test_a_normal_that_its_siblings_disown_does_not_lift_the_threshold() -> None:
    siblings = [0.05 + 0.001 * n for n in range(23)]
    planted = thresholds.threshold([*siblings, 0.4])
    assert planted is not None
    assert (planted.value, planted.place, planted.suspects) == (max(siblings), 2, 1)
    assert planted.rate == 3 / 25
    assert "1 of them disowned by the rest" in planted.words


def test_overkill_of_comparing_stays_within_what_leaving_one_out_states(tmp_path: Path) -> None:
    """Normals are drawn anew 2,000 times; good pictures that nobody chose are compared with them."""
    rng = np.random.default_rng(5)
    tower, kind = PretendedTower(), rng.normal(size=(2, 2, 8))

    def good() -> Features:
        patches = unit(kind + 0.4 * rng.normal(size=kind.shape))
        return Features(unit(patches.mean((0, 1))), patches.astype(np.float16))

    pool = {f"{n:064x}": good() for n in range(POOL)}
    normals = [Normal(content, "d", "p") for content in pool]
    bank = filled(tmp_path, tower, normals, pool)
    references = {each.content: (bank.class_vector(each), bank.patches(each)) for each in normals}
    vectors = np.stack([vector for vector, _ in references.values()])
    patches = np.stack([each for _, each in references.values()]).astype(np.float32)
    # Scores of every picture with every other one alone: enough for one nearest normal, and quick to draw from.
    pairs = 1 - np.einsum("npd,mqd->npmq", *(2 * [patches.reshape(POOL, 4, 8)])).max(axis=3)  # (n, patch, m)
    alone = pairs.max(axis=1)  # (n, m): the top 1 % of four patches is one
    likeness = vectors @ vectors.T
    overkill, rates, within = [], [], 0
    for _ in range(RESAMPLES):
        order = rng.permutation(POOL)
        drawn, fresh = order[:24], order[24:]
        of_drawn = likeness[np.ix_(drawn, drawn)] - 9 * np.eye(24)
        scores = alone[drawn, drawn[of_drawn.argmax(axis=1)]]
        found = thresholds.threshold(scores.tolist(), 0.1)
        assert found is not None
        of_fresh = alone[fresh, drawn[likeness[np.ix_(fresh, drawn)].argmax(axis=1)]]
        overkill.append(float((of_fresh > found.value).mean()))
        rates.append(found.rate)
        within += overkill[-1] <= found.bound
    assert np.mean(overkill) <= np.mean(rates) + 0.005
    assert within / RESAMPLES >= thresholds.CONFIDENCE - 0.02
    # The same numbers as the comparer's own.
    calibration = Comparer(tower, bank, nearest=1).calibration("d", "p")
    nearest = (likeness - 9 * np.eye(POOL)).argmax(axis=1)
    assert len(calibration.scores) == MOST_CALIBRATING
    for at, normal in enumerate(normals):
        if normal in calibration.scores:
            assert calibration.scores[normal] == pytest.approx(alone[at, nearest[at]], abs=1e-6)


def test_fifty_nine_normals_give_five_percent_with_confidence() -> None:
    def bound(pieces: int) -> float:
        found = thresholds.threshold([float(n) for n in range(pieces)])
        assert found is not None
        return found.bound

    assert bound(59) > 0.05  # the second largest of 59 keeps 5 % on average
    strict = thresholds.threshold([float(n) for n in range(59)], 0.03)
    assert strict is not None
    assert strict.place == 1
    assert strict.bound <= 0.05 < thresholds.Threshold(0, 58, 1, 0.03).bound


def test_words_say_what_so_many_normals_can_give() -> None:
    few = thresholds.threshold([0.1, 0.3, 0.2, 0.4])
    assert few is not None
    assert few.value == 0.4
    assert few.words == (
        "above all 4 normal pieces: 20.0 % of good pieces expected, at most 52.7 % with 95 % confidence; "
        "5.0 % needs 19 normal pieces"
    )
    many = thresholds.threshold([n / 100 for n in range(100)])
    assert many is not None
    assert many.words.startswith("above all but 4 of 100 normal pieces: 5.0 % of good pieces expected")
    assert thresholds.threshold([]) is None


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.floats(0.01, 0.5))
def test_the_threshold_is_a_score_with_the_stated_number_above(scores: list[float], rate: float) -> None:
    found = thresholds.threshold(scores, rate)
    assert found is not None
    assert found.value in scores
    assert sum(score > found.value for score in scores) < found.place
    assert thresholds.at_least(scores, found.value) >= found.place


def test_a_piece_counts_once_with_its_largest_score(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    tower, made = PretendedTower(), {f"{n:064x}": features(rng) for n in range(12)}
    normals = [Normal(content, "d", "p", piece=str(n // 3)) for n, content in enumerate(made)]
    found = Comparer(tower, filled(tmp_path, tower, normals, made)).calibration("d", "p")
    assert found.threshold is not None
    assert found.threshold.pieces == 4
    assert found.threshold.value == max(found.scores.values())


@given(st.lists(st.floats(-1e-3, 2, allow_nan=False), min_size=1, max_size=60), st.floats(0.001, 0.999))
def test_whatever_normals_score_most_of_them_are_no_suspects_and_a_threshold_is_among_them(
    scores: list[float], rate: float
) -> None:
    found = thresholds.threshold(scores, rate)
    assert found is not None
    assert found.value in scores
    assert found.suspects <= len(scores) / 4
    assert 0 < found.rate <= found.bound <= 1


def test_of_copies_of_one_picture_none_is_a_suspect() -> None:
    """Half precision makes cosines of equal patches a little more than 1."""
    for rounding in (-4e-4, 0.0, 4e-4):
        found = thresholds.threshold([*([rounding] * 8), 5e-4])
        assert found is not None
        assert found.suspects == 0
