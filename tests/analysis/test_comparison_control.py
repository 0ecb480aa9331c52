"""What a picture's own comparison brings beside another picture's: the three differences, and the word for the gain."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.analysis import invented
from warehouse.queries.shared import SharedAnswers
from warehouse.records.experiments import Arm
from workbench.analysis import ablation, ablation_text, sign_flips
from workbench.analysis.ablation import COMPARISON, Study

Right = NDArray[np.bool_]
NAMES = ("none", "own", "another's")
CLAIMED = "brings more than being told anything at all."
NOT_CLAIMED = "no gain of its own is claimed."


def study_of(*right: Right, facts: pl.DataFrame) -> Study:
    """Arms without a comparison, with its own and with another picture's, right where these say."""
    arms = tuple(
        Arm("e", "ablation", "a", place, name, COMPARISON, None, "none" if place else None, name, datetime.now(UTC))
        for place, name in enumerate(NAMES)
    )
    runs = {
        name: facts.with_columns(
            right=pl.Series(each), answer=pl.when(pl.Series(each)).then("correct_answer").otherwise(pl.lit("E"))
        )
        for name, each in zip(NAMES, right, strict=True)
    }
    shared = SharedAnswers(pl.DataFrame(), pl.DataFrame(), pl.DataFrame())
    return Study(arms, runs, {}, {}, (), {}, demo=False, subtasks=(), shared=shared)


FACTS = invented.facts(60, seed=1)
START = np.random.default_rng(2).random(FACTS.height) < 0.5
LIFTED = START | (np.random.default_rng(3).random(FACTS.height) < 0.5)


@pytest.mark.parametrize(
    ("own", "other", "word"),
    [
        pytest.param(LIFTED, START, CLAIMED, id="another's moves nothing"),
        pytest.param(LIFTED, LIFTED, NOT_CLAIMED, id="another's moves as much"),
        pytest.param(START, START, NOT_CLAIMED, id="nothing moves"),
        pytest.param(START, LIFTED, "brings less than what it says of another.", id="only another's brings something"),
    ],
)
def test_a_gain_is_claimed_only_where_another_pictures_comparison_does_not_bring_it(
    own: Right, other: Right, word: str
) -> None:
    (said,) = ablation_text.controls(study_of(START, own, other, facts=FACTS))
    assert said.endswith(word)
    lifted = int((LIFTED & ~START).sum())
    count = 0 if own is START else lifted
    assert f", {count} of {FACTS.height} answers changed ({count} to right, 0 to wrong). Shown another" in said


@pytest.mark.parametrize("seed", range(8))
def test_own_and_control_add_up_and_the_word_is_that_of_sign_flips_by_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    facts = invented.facts(40, seed=seed)
    start, own, other = (rng.random(facts.height) < share for share in (0.5, 0.5 + 0.05 * seed, 0.55))
    study = study_of(start, own, other, facts=facts)

    rows = {row["arm"]: row for row in ablation.differences(study).iter_rows(named=True)}
    (tested,) = ablation.differences(study, against=ablation.controls(study)).iter_rows(named=True)
    assert rows["own"]["difference"] == pytest.approx(rows["another's"]["difference"] + tested["difference"])

    gains, sizes = dict[str, float](), dict[str, float]()
    for image, here, there in zip(facts["image_id"], own, other, strict=True):
        gains[image] = gains.get(image, 0.0) + float(here) - float(there)
        sizes[image] = sizes.get(image, 0.0) + 1
    flipped = sign_flips.flip(np.array(list(gains.values())), np.array(list(sizes.values())))
    low, high = flipped.interval(0.95)
    assert (tested["low"], tested["high"], tested["q"]) == pytest.approx((low, high, flipped.p))
    (said,) = ablation_text.controls(study)
    assert (CLAIMED in said) == (low > 0)
    assert (NOT_CLAIMED in said) == (low <= 0 <= high)


def test_without_its_control_nothing_is_said_of_a_comparison() -> None:
    study = study_of(START, LIFTED, START, facts=FACTS)
    alone = Study(study.arms[:2], study.facts, {}, {}, (), {}, demo=False, subtasks=(), shared=study.shared)
    assert ablation_text.controls(alone) == []
