"""The gate's decision on answers of known truth; the thousand trials are `benchmarks/simulate_gate.py`."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks import simulate_gate
from workbench.curation import gate


def pairs(group: str, images: int, questions: int, won: int = 0, lost: int = 0) -> pl.DataFrame:
    """So many images; one question each of the first ones is won, of the last ones lost."""
    old = np.ones((images, questions), bool)
    new = old.copy()
    old[:won, 0] = False
    new[images - lost :, 0] = lost == 0
    return simulate_gate.table(old, new, group)


def test_a_gain_on_few_images_with_no_harm_elsewhere_is_better() -> None:
    said = gate.decide(pl.concat([pairs("affected", 12, 7, won=9), pairs("elsewhere", 30, 7)]), alpha=0.025)
    assert (said.verdict, said.affected.won, said.affected.lost, said.images_needed) == ("better", 9, 0, None)
    assert said.p_better == pytest.approx(12 / 2**11)  # all flips tried, of these and of one image won and one lost


def test_a_loss_is_worse_and_nothing_is_not_enough_evidence_with_a_number() -> None:
    assert gate.decide(pairs("affected", 12, 7, lost=9), alpha=0.025).verdict == "worse"
    nothing = gate.decide(pairs("affected", 12, 7), alpha=0.025)
    assert nothing.verdict == "not enough evidence"
    assert nothing.images_needed is not None
    assert nothing.images_needed > 12
    assert f"{nothing.images_needed:,} images" in nothing.why


@pytest.mark.parametrize(("won", "lost", "p_better"), [(1, 0, 0.5), (0, 1, 0.5)])
def test_one_changed_image_is_never_evidence(won: int, lost: int, p_better: float) -> None:
    said = gate.decide(pairs("affected", 12, 7, won=won, lost=lost), alpha=0.025)
    assert (said.verdict, said.p_better) == ("not enough evidence", p_better)


def test_a_test_spends_half_of_its_share_on_better_and_a_quarter_on_worse() -> None:
    # Of eight images all won 11 in 2^10 signs are as good, of one image won and one lost beside them.
    for won, share in ((8, 1 / 2), (0, 1 / 4)):
        frame = pairs("affected", 12, 7, won=won, lost=8 - won)
        words = [gate.decide(frame, alpha).verdict for alpha in (11 / 2**10 / share * 0.99, 11 / 2**10 / share * 1.01)]
        assert words == ["not enough evidence", "better" if won else "worse"]


def test_the_images_that_would_show_a_gain_are_for_the_next_test_s_share() -> None:
    frame = pairs("affected", 12, 7, won=2)
    this, following = (gate.decide(frame, 0.025, share).images_needed for share in (0.025, 0.025 / 3))
    assert this is not None
    assert following is not None
    assert following > 1.2 * this


def test_harm_elsewhere_or_too_few_images_there_stands_in_the_way() -> None:
    gain = pairs("affected", 12, 7, won=9)
    few = gate.decide(pl.concat([gain, pairs("elsewhere", 5, 7)]), alpha=0.025)
    assert (few.verdict, few.elsewhere_low < -gate.MARGIN) == ("not enough evidence", True)
    harmed = gate.decide(pl.concat([gain, pairs("elsewhere", 60, 7, lost=40)]), alpha=0.025)
    assert harmed.verdict == "worse"
    assert gate.decide(gain, alpha=0.025).verdict == "better"  # retrieved nowhere else


def test_the_order_of_rows_changes_nothing() -> None:
    rows = pl.concat([pairs("affected", 30, 5, won=11, lost=3), pairs("elsewhere", 40, 5, won=1, lost=1)])
    assert gate.decide(rows, 0.025) == gate.decide(rows.sample(fraction=1.0, shuffle=True, seed=3), 0.025)


@pytest.mark.slow
def test_in_a_small_simulation_the_gate_keeps_its_word() -> None:
    figures = simulate_gate.simulate(6)
    assert figures["false_claims_of_ten_null_drafts"] <= figures["most_allowed_by_chance_at_5_percent"]  # type: ignore[operator]
    assert figures["false_claims_one_test_at_5_percent"] <= figures["most_allowed_by_chance_at_5_percent"]  # type: ignore[operator]
    assert figures["planted_found"] >= figures["planted_least_allowed_by_chance_at_80_percent"]  # type: ignore[operator]
