"""What a budget is calibrated on, said with its whole number."""

from __future__ import annotations

from pathlib import Path

from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.test_truth import scored
from workbench.review import disputes
from workbench.review.rules import Rules


def test_a_budget_without_errors_to_learn_from_says_how_many_labelled_answers_there_are(data_folder: Path) -> None:
    store = scored(data_folder, [rows.prediction(0, number) for number in range(1001)])
    opened = disputes.open_for(store, rows.RUN, lambda _: None, Rules(), actor=ANN)
    assert opened.point is None
    assert opened.uncalibrated == "too few"
    assert opened.learnt_from == "1,001 labelled answers of this run"
