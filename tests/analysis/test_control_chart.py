"""Charts over nights whose reference is estimated: seldom wrong, quick, and nothing is forgotten."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks import simulate_charts
from benchmarks.simulate_charts import Line
from workbench.analysis import control_chart, night_values
from workbench.analysis.control_chart import Alarm, Limits

DESIGN = Limits(allowance=0.5, limit=4.0)


def test_an_alarm_says_since_when_stays_open_and_is_mended_only_after_many_usual_nights() -> None:
    nights = [0.0] * 5 + [2.0] * 4 + [0.0] * 40
    (alarm,) = control_chart.read(nights, DESIGN, both=False).alarms
    assert alarm == Alarm("rose", 5, 7, 32, None)  # 12 in sum, by half a deviation a night, from the ninth on
    (still,) = control_chart.read(nights[:25], DESIGN, both=False).alarms
    assert (still.mended, still.acknowledged) == (None, None)


def test_an_acknowledged_alarm_is_closed_and_one_that_lasts_comes_back() -> None:
    first, second = control_chart.read([2.0] * 12, DESIGN, both=False, acknowledged=[5]).alarms
    assert (first.raised, first.acknowledged) == (2, 5)
    assert (second.since, second.raised, second.acknowledged) == (6, 8, None)


def test_a_fall_is_an_alarm_only_where_both_sides_are_looked_at() -> None:
    assert control_chart.read([-2.0] * 5, DESIGN, both=False).alarms == ()
    (fallen,) = control_chart.read([-2.0] * 5, DESIGN, both=True).alarms
    assert fallen.direction == "fell"


@pytest.mark.parametrize("both", [False, True])
def test_many_sequences_at_once_have_the_first_alarms_of_each_alone(both: bool) -> None:
    z = np.random.default_rng(3).normal(0.2, 1.2, (40, 60))
    alone = [control_chart.read(row.tolist(), DESIGN, both).alarms for row in z]
    assert control_chart.first_alarms(z, DESIGN, both).tolist() == [a[0].raised if a else 60 for a in alone]


def test_spread_and_mean_are_those_of_the_nights_and_no_spread_is_seen_where_there_is_none() -> None:
    random = np.random.default_rng(4)
    variance = np.full((400, 60), 0.25)
    alike = control_chart.usual(random.normal(1.0, 0.5, (400, 60)), variance)
    differ = control_chart.usual(random.normal(1.0, np.hypot(0.5, 2.0), (400, 60)), variance)
    assert np.median(alike.spread) < 0.1
    assert np.median(differ.spread) == pytest.approx(2.0, rel=0.05)
    assert np.mean(differ.mean) == pytest.approx(1.0, abs=0.05)


def test_fewer_reference_nights_make_a_chart_more_careful() -> None:
    few, many = (control_chart.limits(nights, 0.0, both=False) for nights in (10, 60))
    assert few.limit > many.limit
    assert few.allowance > many.allowance


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "correlation"), [(0.0, 0.0), (0.01, 0.25), (0.02, 0.0), (0.02, 0.5)])
def test_false_alarms_delays_and_memory_are_as_stated(spread: float, correlation: float) -> None:
    found = simulate_charts.run([(spread, correlation)], 150, 8, 40, seed=7)
    assert simulate_charts.held(found), found


def test_limits_for_known_parameters_would_raise_far_more_false_alarms_than_stated() -> None:
    line = Line(0.02, 0.5, np.random.default_rng(5))
    usual = control_chart.usual(*line.seen(line.nights(200, 40)))
    z = control_chart.standardised(usual, *line.seen(line.nights(200, control_chart.RUN_LENGTH)))
    nominal = Limits(0.5, 4.2)  # one alarm in about 200 nights, by tables: 63 % of sequences of as many
    assert (control_chart.first_alarms(z, nominal, both=False) < control_chart.RUN_LENGTH).mean() > 0.75


def images(rates: list[tuple[str, int, int]], night: int, reference: bool) -> pl.DataFrame:
    """(product, pictures, of them alarms)"""
    rows = [
        (f"{night} {product} {place}", night, reference, product, "A", "1", place < alarms, 1.0 + place / 100)
        for product, count, alarms in rates
        for place in range(count)
    ]
    names = ["cluster_id", "night", "reference", "product", "line", "camera", "alarm", "entropy"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_a_night_with_another_mixture_has_the_value_of_the_reference() -> None:
    usual = [images([("easy", 90, 9), ("hard", 10, 4)], night, True) for night in range(3)]
    tonight = [images([("easy", 10, 1), ("hard", 50, 20)], 3, False), images([("hard", 20, 8)], 4, False)]
    tonight += [images([("easy", 10, 3), ("hard", 50, 20)], 5, False)]
    found = night_values.of(pl.concat([*usual, *tonight]), "alarm")
    assert found["value"].to_list() == pytest.approx([*[0.13] * 5, 0.13 + 0.9 * 0.2])  # nine in ten of them are easy
    assert found["images"].to_list() == [100, 100, 100, 60, 20, 60]
    # Ten pictures speak for nine tenths: as sure as 1 / (0.9^2 / 10 + 0.1^2 / 50), some 12 pictures.
    assert found["variance"][3] == pytest.approx(1 / (4 / (0.81 / 10 + 0.01 / 50) + 2))
    assert found["variance"][3] > found["variance"][0]
    assert night_values.in_units("alarm", found["charted"].to_list()[:5]) == pytest.approx([0.13] * 5, abs=0.03)


def test_a_product_that_the_reference_has_not_seen_says_nothing_and_few_pictures_make_no_value() -> None:
    usual = images([("easy", 90, 9)], 0, True)
    new, few = images([("easy", 20, 2), ("new", 20, 20)], 1, False), images([("easy", 4, 4)], 2, False)
    found = night_values.of(pl.concat([usual, new, few]), "alarm")
    assert found["night"].to_list() == [0, 1]
    assert found["value"][1] == pytest.approx(0.1)
    assert night_values.of(new, "alarm").is_empty()
    assert night_values.of(usual, "entropy")["variance"][0] == pytest.approx(
        np.var(usual["entropy"].to_numpy(), ddof=1) / 90, rel=0.02
    )
