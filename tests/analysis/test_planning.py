"""How many defective parts a comparison needs: against statsmodels and against drawn pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from workbench.analysis import planning


@pytest.mark.parametrize("escape", [0.0, 0.05, 0.3])
def test_two_sets_need_what_statsmodels_says(escape: float) -> None:
    effect = proportion_effectsize(escape + 0.02, escape)
    expected = NormalIndPower().solve_power(effect, alpha=0.05, power=0.8)
    assert planning.parts_needed(escape).apart == math.ceil(expected)


def test_on_so_many_pairs_a_loss_of_two_points_shows_four_times_in_five() -> None:
    n, rng, shown = planning.parts_needed(0.05).paired, np.random.default_rng(0), 0
    for _ in range(300):
        old, new = rng.random(n) < 0.05, rng.random(n) < 0.07
        table = [[int((old & new).sum()), int((old & ~new).sum())], [int((~old & new).sum()), int((~old & ~new).sum())]]
        shown += mcnemar(table, exact=False, correction=False).pvalue < 0.05
    assert 0.73 <= shown / 300 <= 0.87


def test_a_line_is_looked_at_until_enough_defects_are_found_and_like_pictures_count_less() -> None:
    plain, likewise = planning.parts_needed(0.05), planning.parts_needed(0.05, prevalence=0.001, design_effect=2.0)
    assert likewise.paired == pytest.approx(2 * plain.paired, abs=1)
    assert likewise.from_the_line == likewise.paired * 1000
    assert plain.from_the_line is None
    assert plain.paired_alike < plain.paired


def test_a_rate_that_can_t_rise_so_far_is_refused() -> None:
    with pytest.raises(ValueError, match=r"an escape rate of 0.99 can't rise by 0.02"):
        planning.parts_needed(0.99)
