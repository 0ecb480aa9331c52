"""Figures over real photographs stand beside those of always giving the same answer."""

from __future__ import annotations

import polars as pl

from training import photographs
from training.card import PhotographRow


def test_balanced_accuracy_is_the_mean_over_right_answers_and_the_majoritys_is_one_in_so_many() -> None:
    told = [("Anomaly Detection", "Yes.", True)] * 6 + [("Anomaly Detection", "No.", False)] * 2
    told += [("Defect Localization", "Top left.", True), ("Defect Localization", "Center.", False)]
    detection, localization = photographs.rows(pl.DataFrame(told, schema=("subtask", "truth", "right"), orient="row"))
    assert detection == PhotographRow("Anomaly Detection", 8, 0.75, 0.75, 0.5, 0.5)
    assert localization == PhotographRow("Defect Localization", 2, 0.5, 0.5, 0.5, 0.5)


def test_figures_do_not_depend_on_the_order_of_answers() -> None:
    told = pl.DataFrame(
        {"subtask": ["a"] * 5, "truth": ["x", "y", "x", "z", "x"], "right": [True, False, False, True, True]}
    )
    assert photographs.rows(told) == photographs.rows(told.reverse())
