"""The page Stress: what to do without one; disturbances against strength, patches painted out, by the address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import screen, seed
from warehouse.queries.experiments import Experiments
from warehouse.records.experiments import Arm
from warehouse.store import Store
from workbench.analysis.charts import stress, theme
from workbench.analysis.charts.stress import MEASURES
from workbench.pages.ui import components

pytestmark = pytest.mark.slow

FULL = "undisturbed 0, full"


def _arm(seeded: seed.Seeded, name: str, place: int, level: float | None, baseline: str | None) -> Arm:
    run = Store(seeded.store.data).run(seeded.run.run_id)
    assert run is not None
    at, condition = datetime(2026, 1, 5, 22, place, tzinfo=UTC), name.partition(" ")[0]
    return Arm("0123456789abcdef", "stress", run.archive_id, place, name, condition, level, baseline, run.run_id, at)


def _disturbed(data: Path) -> list[Arm]:
    seeded = seed.seed(data, images=4)
    arms = [
        _arm(seeded, FULL, 0, 0.0, None),
        _arm(seeded, "undisturbed 0, plain", 1, 0.0, None),
        _arm(seeded, "blur <b> 0.5, full", 2, 0.5, FULL),
        _arm(seeded, "blur <b> 1, full", 3, 1.0, FULL),
        _arm(seeded, "blur <b> 1, plain", 4, 1.0, "undisturbed 0, plain"),
    ]
    arms = [replace(arm, family="blur <b>") if arm.place > 1 else arm for arm in arms]
    for arm in arms:
        Experiments(data).keep(arm)
    return arms


def _panels(page: AppTest) -> str:
    charts = page.main.get("plotly_chart")
    return str(next(chart.proto.spec for chart in charts if chart.proto.id.endswith("-stress.panels")))


def test_without_a_stress_test_the_page_says_how_to_run_one(data_folder: Path) -> None:
    seed.seed(data_folder, images=2)
    assert "workbench stress ARCHIVE" in screen.words(screen.opened(components.STRESS))


def test_each_disturbed_arm_stands_beside_its_undisturbed_one(data_folder: Path) -> None:
    _disturbed(data_folder)
    page = screen.opened(components.STRESS)
    said = screen.words(page)
    assert "Not enough evidence that blur &lt;b&gt; changes accuracy." in said
    assert "5 arms over" in said
    assert said.count("<td>blur &lt;b&gt;</td>") == 3
    assert "blur &lt;b&gt;" in _panels(page)
    assert "shared.drawn" in page.session_state  # its charts take the other colours when the theme is switched


def test_an_address_with_the_reviewed_truth_is_told_that_labels_stand(data_folder: Path) -> None:
    _disturbed(data_folder)
    assert "By the archive's labels" in screen.words(screen.opened(components.STRESS, truth="reviewed"))
    assert "By the archive's labels" not in screen.words(screen.opened(components.STRESS))


def test_the_measure_is_chosen_by_the_address(data_folder: Path) -> None:
    _disturbed(data_folder)
    page = screen.opened(components.STRESS, measure="entropy", run="kept")
    assert page.segmented_control[0].value == "entropy"
    before = _panels(page)
    page.segmented_control[0].set_value("calibration").run()
    assert page.query_params == {"run": "kept", "measure": "calibration"}
    assert _panels(page) != before
    page.query_params["measure"] = "nothing known"
    page.run()
    assert page.segmented_control[0].value == "accuracy"


def test_a_measure_that_no_arm_tells_is_not_offered_and_said(data_folder: Path) -> None:
    _disturbed(data_folder)
    seed.without_think_tokens(data_folder)
    page = screen.opened(components.STRESS, measure="entropy")
    assert page.segmented_control[0].value == "accuracy"
    assert "entropy" not in page.segmented_control[0].options
    assert "There is no course of entropy over iterations" in screen.words(page)


def test_patches_painted_out_are_compared_without_a_strength(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=4)
    for place, name in enumerate(("intact", "accepted painted out", "random painted out")):
        arm = replace(_arm(seeded, name, place, None, "intact" if place else None), family="deletion")
        Experiments(data_folder).keep(arm)
    page = screen.opened(components.STRESS)
    said = screen.words(page)
    assert "Not enough evidence that accepted painted out, random painted out change accuracy." in said
    assert "Painted out − intact" in said
    assert not [c for c in page.main.get("plotly_chart") if c.proto.id.endswith("-stress.panels")]


def test_an_address_with_an_unknown_experiment_shows_the_newest(data_folder: Path) -> None:
    arms = _disturbed(data_folder)
    for arm in arms[:3]:
        newer = replace(arm, experiment="f" * 16, finished_at=datetime(2026, 2, 1, arm.place, tzinfo=UTC))
        Experiments(data_folder).keep(newer)
    page = screen.opened(components.STRESS, experiment="nobody")
    assert "3 arms over" in screen.words(page)
    page.selectbox(key="stress.which").set_value(arms[0].experiment).run()
    assert page.query_params == {"experiment": arms[0].experiment}
    assert "5 arms over" in screen.words(page)


def test_experiments_of_one_day_are_told_apart_in_the_list(data_folder: Path) -> None:
    arms = _disturbed(data_folder)
    for first in "ef":
        Experiments(data_folder).keep(replace(arms[0], experiment=first * 16))
    page = screen.opened(components.STRESS)
    names = page.selectbox(key="stress.which").options
    assert len(names) == len(set(names)) == 3
    assert "05 Jan 2026, disturbed (eeee)" in names


def test_arms_of_unlabelled_images_have_nothing_to_compare(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=2)
    Experiments(data_folder).keep(_arm(seeded, FULL, 0, 0.0, None))
    assert "Nothing to compare: no judged question was asked both undisturbed and disturbed." in screen.words(
        screen.opened(components.STRESS)
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_panels_hold_every_arm_and_leave_room_for_every_value(measure: str) -> None:
    rows = pl.DataFrame(
        {
            "condition": ["undisturbed", "undisturbed", "blur", "blur", "noise"],
            "strength": [0.0, 0.0, 1.0, 1.0, 1.0],
            "method": ["full", "plain", "full", "plain", "full"],
            "n": [50, 50, 50, 50, 0],
            **{name: [0.9, 0.5, 0.35, None, None] for name in MEASURES},
            "low": [0.8, 0.4, 0.2, 0.1, 0.0],
            "high": [0.95, 0.6, 0.5, 0.3, 1.0],
        }
    )
    figure = stress.panels(theme.LIGHT, rows, measure)
    lines = [line for line in figure.data if line.mode == "lines+markers"]
    full, plain = (next(line for line in lines if line.customdata[0][0] == name) for name in ("full", "plain"))
    assert (full.x, full.y) == ((0.0, 1.0), (0.9, 0.35))
    assert plain.y == (0.5, None)
    assert full.marker.symbol != plain.marker.symbol  # not by colour alone
    if measure != "entropy":
        low, high = figure.layout.yaxis.range
        assert low <= 0.2 if measure == "accuracy" else low <= 0
        assert high >= 0.9
