"""The gate over nights on counts of known truth; the thousand trials are `benchmarks/simulate_gate_nights.py`."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import simulate_gate_nights
from workbench.curation import e_process, gate
from workbench.curation.e_process import CODES, Counts

ALPHA = 0.025


def counts(won: list[int], lost: list[int], questions: int = 100, pictures: int = 10) -> Counts:
    """One test's nights; each picture that could change did, two answers of it at most."""
    discordant = np.add(won, lost)
    changed = np.minimum(discordant, pictures)
    return Counts(np.full(len(won), questions), np.array(won), np.array(lost), changed)


def nowhere(nights: int) -> Counts:
    return Counts(*(np.zeros(nights, np.int64) for _ in range(4)))


def verdict(affected: Counts, elsewhere: Counts | None = None) -> str:
    other = nowhere(affected.won.shape[-1]) if elsewhere is None else elsewhere
    return CODES[int(e_process.standing(affected, other, ALPHA, gate.MARGIN).code[-1])]


def test_over_all_ways_that_nights_can_turn_out_wealth_stays_one_on_average() -> None:
    # Whole nights won or lost, of unequal size: the most that pictures of a night can hang together.
    sizes = np.array([1, 12, 3, 7, 25, 2, 9, 4])
    signs = np.array(list(itertools.product((0, 1), repeat=len(sizes))))
    nights = Counts(np.full(signs.shape, 100), signs * sizes, (1 - signs) * sizes, np.minimum(sizes, 10) + 0 * signs)
    for bets in (e_process.gain(nights), e_process.loss(nights)):
        assert np.exp(bets.log_wealth[:, -1]).mean() == pytest.approx(1.0)
        assert bets.wager.min() >= 0


def test_a_wager_is_settled_before_it_is_known_which_way_the_night_went() -> None:
    up, down = counts([5, 4, 6], [1, 2, 0]), counts([5, 4, 0], [1, 2, 6])
    for bets in (e_process.gain, e_process.loss):
        assert bets(up).wager.tolist() == bets(down).wager.tolist()
    for elsewhere in (e_process.harmless, e_process.harmful):
        assert elsewhere(up, 0.02).wager.tolist() == elsewhere(down, 0.02).wager.tolist()


def test_a_steady_gain_is_better_a_steady_loss_worse_and_a_mixture_gathers_on() -> None:
    steady = [8] * 20, [3] * 20
    assert verdict(counts(*steady)) == "better"
    assert verdict(counts(steady[1], steady[0])) == "worse"
    assert verdict(counts([8, 3] * 8, [3, 8] * 8)) == "still gathering"


def test_what_was_said_once_stays_said() -> None:
    code = e_process.standing(counts([9] * 20 + [0] * 20, [1] * 20 + [10] * 20), nowhere(40), ALPHA, 0.02).code
    assert CODES[code[-1]] == "better"
    assert np.flatnonzero(np.diff(code)).size == 1


def test_a_night_without_a_changed_answer_changes_nothing() -> None:
    quiet = e_process.gain(counts([6, 0, 5], [1, 0, 1]))
    without = e_process.gain(counts([6, 5], [1, 1]))
    assert quiet.log_wealth[-1] == without.log_wealth[-1]
    assert quiet.wager[1] == 0


def test_better_waits_until_a_fall_elsewhere_is_excluded_and_harm_there_is_worse() -> None:
    gain = counts([8] * 20, [3] * 20)
    assert verdict(gain, counts([1] * 20, [1] * 20)) == "better"
    assert verdict(gain, counts([2] * 20, [4] * 20)) == "still gathering"  # 2 points down: exactly the margin
    assert verdict(gain, counts([0] * 20, [25] * 20)) == "worse"
    state = e_process.standing(gain, counts([2] * 20, [4] * 20), ALPHA, 0.02)
    said = e_process.in_words("still gathering", gain, state, ALPHA, -0.031)
    assert said == "it rights more answers than it spoils, but elsewhere answers may have fallen by 3.1 %"


def test_the_lower_bound_elsewhere_rises_with_quiet_nights_and_keeps_below_what_was_seen() -> None:
    bounds = [e_process.lower_bound(counts([1] * nights, [1] * nights), 0.02) for nights in (1, 5, 15, 60)]
    assert bounds == sorted(bounds)
    assert bounds[0] < -0.1
    assert -0.02 < bounds[-1] < 0
    assert e_process.lower_bound(counts([0] * 60, [6] * 60), 0.02) < -0.06
    assert e_process.lower_bound(nowhere(3), 0.02) == -1.0


def test_progress_is_said_as_a_share_of_the_evidence() -> None:
    nights = counts([8] * 6, [3] * 6)
    state = e_process.standing(nights, nowhere(6), ALPHA, 0.02)
    share = state.better.log_wealth[-1] / -math.log(0.75 * ALPHA)
    said = e_process.in_words("still gathering", nights, state, ALPHA, 0.0)
    assert said == f"6 nights with a changed answer so far, {100 * share:.0f} % of the evidence that better needs"


def test_fewer_pictures_a_night_need_more_nights() -> None:
    needed = [e_process.nights_needed(pictures, ALPHA) for pictures in (100, 20, 3, 0.5)]
    assert None not in needed
    assert needed == sorted(needed, key=lambda each: each or 0)
    assert needed[1] in range(14, 22)  # the median of the simulation with one question a picture is 16
    assert e_process.nights_needed(0, ALPHA) is None


def test_schedules_of_one_date_share_its_effect_so_only_one_bet_a_date_keeps_the_level() -> None:
    figures = simulate_gate_nights.of_one_date(4, 400, 80, np.random.default_rng(7))
    most = stats.binom.ppf(0.999, 400, gate.BUDGET)
    assert figures["one_bet_a_date"] <= most < figures["every_night_bets"]


def test_in_a_small_simulation_the_gate_over_nights_keeps_its_word() -> None:
    figures = simulate_gate_nights.simulate(trials=30, nights=200)
    most = figures["most_allowed_by_chance_at_5_percent"]
    assert all(each[key] <= most for each in figures["no_gain"] for key in ("one_test", "ten_drafts"))  # type: ignore[attr-defined]
    assert all(each["called_harmless"] <= most for each in figures["fall_elsewhere_of_the_margin"])  # type: ignore[attr-defined]
    found = figures["planted"][0]["better_within_15_nights"]  # type: ignore[index]
    assert found >= stats.binom.ppf(0.001, 30, simulate_gate_nights.POWER) / 30
