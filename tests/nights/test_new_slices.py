"""The morning report of a labelled night names the parts of the answers that became bad."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.simulate_slices import PLANTED, Line
from tests.nights.calendars import schedule
from tests.pages.test_night_pages import BAD, morning
from tests.people import ANN
from tests.warehouse import rows
from warehouse.database import Database
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, NightRun
from warehouse.store import Store
from workbench.nights import deliver, reports
from workbench.nights import morning as report_of
from workbench.nights.reports import Morning
from workbench.nights.step_runner import Context
from workbench.settings import Settings, Work

START = datetime(2026, 1, 1, 22, tzinfo=UTC)
NIGHTS = 4  # before tonight


def keep(data: Path, number: int, answers: pl.DataFrame) -> None:
    """A night with a run that gave these answers."""
    at, run_id = START + timedelta(days=number), f"run-{number}"
    Store(data).open_run(rows.run(run_id, started_at=at))
    with Database(data)._transaction() as con:
        con.register("answers", answers)
        con.execute(
            """
            INSERT INTO facts BY NAME
            SELECT ? AS run_id, 0 AS block, cluster_id AS image_id, cluster_id, cluster_id || '.png' AS image_path,
                    'set' AS dataset, product,
                if(defect IS NULL, 'good', 'defective') AS label, defect, line, camera, '2026-01-01' AS night,
                subtask AS question_id, NULL AS evidence_id, subtask, 'What?' AS question,
                false AS conditional, 'answered' AS status, if("right", 'A', 'B') AS answer, "truth" AS correct_answer,
                if("right", 'Yes.', 'No.') AS answer_text, 'Yes.' AS correct_text, 2 AS choices,
                CASE WHEN truth IS NULL THEN 'unlabelled' WHEN "right" THEN 'right' ELSE 'wrong' END AS outcome,
                CASE WHEN truth IS NOT NULL THEN "right" END AS correct, false AS detection, retrieval, 0.1 AS seconds
            FROM answers
            """,
            [run_id],
        )
        con.execute("INSERT INTO ledger VALUES (?, 0, 1, 0, ?)", [run_id, at + timedelta(minutes=1)])
    ledger = Nights(data)
    ledger.join_run(NightRun("line-3", at, run_id, "archive"))
    ledger.keep_night(Night("line-3", at, at, 1, "finished", at, at + timedelta(hours=1), 1, 0, None))


def told(data: Path, worse: bool, labelled: bool = True, before: int = NIGHTS) -> Morning:
    """The report of a night after some ordinary ones."""
    line = Line(6, 500, np.random.default_rng(3))
    ledger = Nights(data)
    ledger.keep_schedule(schedule(), actor=ANN)
    for number in range(NIGHTS - before, NIGHTS + 1):
        last = number == NIGHTS
        answers = line.night(worse=worse and last, images=2400 if last else None)
        defect = pl.when(pl.col("defect") != "none").then("defect")
        truth = pl.lit("A" if labelled else None, pl.String)
        keep(data, number, answers.with_columns(defect=defect, truth=truth))
    night = ledger.last_nights()["line-3"]
    settings = Settings(work=Work(data=data))
    return report_of.report(Context(schedule(), night, settings, (f"run-{NIGHTS}",), lambda: START))


def test_a_camera_whose_answers_to_one_subtask_became_bad_is_named(data_folder: Path) -> None:
    found = told(data_folder, worse=True)
    assert found.slices is not None
    assert [one.conditions for one in found.slices] == [PLANTED]
    (one,) = found.slices
    assert one.rate < min(one.expected, one.baseline) - 0.1
    assert reports.from_json(reports.as_json(found)) == found


def test_an_ordinary_night_names_none(data_folder: Path) -> None:
    assert told(data_folder, worse=False).slices == ()


@pytest.mark.parametrize(("labelled", "before"), [(False, NIGHTS), (True, 0)])
def test_without_labels_or_nights_before_none_are_looked_for(data_folder: Path, labelled: bool, before: int) -> None:
    assert told(data_folder, worse=True, labelled=labelled, before=before).slices is None


def test_of_a_large_night_whole_images_are_looked_at_and_always_the_same(data_folder: Path) -> None:
    told(data_folder, worse=True)
    earlier = [f"run-{number}" for number in range(NIGHTS)]
    some, same = (
        Nights(data_folder).judged_answers([f"run-{NIGHTS}"], earlier, START + timedelta(days=NIGHTS), 3000)
        for _ in range(2)
    )
    assert some.sort(pl.all()).equals(same.sort(pl.all()))
    assert set(some.group_by("tonight", "cluster_id").len()["len"]) == {5}
    assert all(abs(size - 3000) < 400 for size in some.group_by("tonight").len()["len"])
    assert "none" in some["defect"]


def test_a_report_that_was_stored_before_there_were_slices_is_read() -> None:
    stored = json.loads(reports.as_json(morning()))
    del stored["slices"]
    assert reports.from_json(json.dumps(stored)) == morning()


def test_what_is_sent_has_a_line_for_each_and_its_own_false_alarm_rate_and_takes_no_markup() -> None:
    report = morning(slices=(BAD,), changes=())
    assert report.finding == ("Anomaly Detection, camera <b>2</b>: 51 % right where 72 % were expected, 70 % before.")
    line = "- new bad slice: Anomaly Detection, camera <b>2</b>: 51 % right where 72 % were expected, 70 % before (812"
    assert line in deliver.text(report)
    page = deliver.html(report)
    assert "camera &lt;b&gt;2&lt;/b&gt;: 51 % right" in page
    assert "<b>2</b>" not in page
    assert "5 of 100 ordinary nights at most name any" in page
    assert "New bad slices" not in deliver.html(replace(report, slices=()))
