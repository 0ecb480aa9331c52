"""The order in which disputes are sent, and that a budget's forecast is of that very list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.test_truth import scored
from warehouse.queries.reviews import Reviews
from warehouse.store import Store
from workbench.review import disputes, sending
from workbench.review.rules import AUDIT_SHARE, Rules
from workbench.review.sending import Wanted


def uncertain(data: Path) -> tuple[Store, dict[tuple[str, str], bool]]:
    """A run of 600 answers, wrong as often as they are unsure; whether each (image, question) was answered wrongly."""
    rng = np.random.default_rng(3)
    predictions, wrong = [], {}
    for number in range(600):
        sure = float(rng.uniform(0.4, 1.0))
        missed = bool(rng.random() < 1 - sure)
        probabilities = {"A": 1 - sure, "B": sure}
        one = rows.prediction(0, number, answer="B", correct_answer="A" if missed else "B",
                              option_probabilities=probabilities)  # fmt: skip
        predictions.append(one)
        wrong[(one.image_id, one.question_id)] = missed
    return scored(data, predictions), wrong


def first(data: Path, limit: int) -> list[Wanted]:
    return sending.waiting(Reviews(data).queue(), ()).first(limit, AUDIT_SHARE)


@pytest.mark.parametrize("blind_share", [0.0, 0.5])
def test_a_budget_is_forecast_of_the_very_tasks_that_are_sent(data_folder: Path, blind_share: float) -> None:
    store, _ = uncertain(data_folder)
    chosen = Rules(budget=40, labels=False, blind_share=blind_share)
    opened = disputes.open_for(store, rows.RUN, lambda _: None, chosen, actor=ANN)
    assert opened.point is not None
    assert opened.uncalibrated is None
    sent = {one.dispute for one in first(data_folder, 40)}
    chances = [one.error_probability for one in sent if one.error_probability is not None]
    assert len(chances) == len(sent)
    assert opened.point.caught == pytest.approx(sum(chances))
    assert opened.point.caught_low < opened.point.caught < opened.point.caught_high


def test_where_labels_open_disputes_the_errors_against_them_are_counted(data_folder: Path) -> None:
    store, wrong = uncertain(data_folder)
    opened = disputes.open_for(store, rows.RUN, lambda _: None, Rules(budget=40), actor=ANN)
    assert opened.point is not None
    sent = {one.dispute for one in first(data_folder, 40)}
    errors = sum(wrong[one.image_id, one.question_id] for one in sent)
    assert opened.point.caught == opened.point.caught_low == opened.point.caught_high == errors
    assert opened.point.missed == sum(wrong.values()) - errors
