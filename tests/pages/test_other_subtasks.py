"""Pages over runs that ask nothing of MMAD's, and over filters that leave nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.pages import seed
from tests.pages.screen import opened, words
from warehouse import schema
from warehouse.records.scoring import Prediction


def test_compare_puts_no_average_beside_published_ones_where_other_subtasks_are_asked(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=4)
    asked = schema.records(Prediction, seeded.store.predictions(seeded.run.run_id))
    declared = tuple(replace(each, name=f"Frage {each.name}") for each in seeded.run.subtasks)
    for hour in (1, 2):
        run = seed.a_run(seeded.archive.archive_id, len(asked), at=seed.STARTED.replace(hour=hour), subtasks=declared)
        rows = [replace(each, run_id=run.run_id, subtask=f"Frage {each.subtask}") for each in asked]
        seed.store_run(seeded.store, run, rows, [])
    others = [f"{seed.STARTED.replace(hour=hour):%Y%m%dT%H%M%S}000Z-a1b2c3d4" for hour in (1, 2)]
    sentence = "Neither run asks MMAD"
    page = opened("workbench/pages/compare.py", run=others[1], base=others[0])
    assert sentence in words(page)
    mixed = opened("workbench/pages/compare.py", run=seeded.run.run_id, base=others[0])
    assert sentence not in words(mixed)


def test_errors_says_that_filters_leave_nothing_and_blames_no_label(data_folder: Path) -> None:
    seed.seed(data_folder, images=4)
    text = words(opened("workbench/pages/errors.py", subtask="no such subtask"))
    assert "No answer passes the filters." in text
    assert "without labels" not in text
