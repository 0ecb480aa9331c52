"""A schedule's reference and its charts, on stored facts: accepted, told, acknowledged, restored."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.nights.calendars import schedule
from tests.people import ANN
from tests.warehouse import rows
from warehouse.database import Database
from warehouse.queries.audit import Audit
from warehouse.queries.night_charts import NightCharts
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, NightRun
from warehouse.store import Store
from workbench.errors import ScheduleError
from workbench.nights import backup, deliver, health, morning, night_charts, reports
from workbench.nights.reports import Morning
from workbench.nights.step_runner import Context
from workbench.settings import Operation, Settings, Work

START = datetime(2026, 11, 1, 22, tzinfo=UTC)
REFERENCE = 12  # nights

pytestmark = pytest.mark.slow


def keep(data: Path, number: int, overkill: float) -> Context:
    """A night of 200 good pictures of two products, so many called defective."""
    at, run_id = START + timedelta(days=number), f"run-{number:02}"
    Store(data).open_run(rows.run(run_id, started_at=at))
    wrong = np.random.default_rng(number).random(200) < overkill
    pictures = pl.DataFrame(
        {
            "image_id": [f"{number}-{place}" for place in range(200)],
            "product": ["plate", "nut"] * 100,
            "claim": np.where(wrong, "defective", "good").tolist(),
            "correct": (~wrong).tolist(),
        }
    )
    with Database(data)._transaction() as con:
        con.register("pictures", pictures)
        con.execute(
            """
            INSERT INTO facts BY NAME
            SELECT ? AS run_id, 0 AS block, image_id, image_id AS cluster_id, image_id || '.png' AS image_path,
                'set' AS dataset, product, 'good' AS label, 'A' AS line, '1' AS camera, '2026-11-01' AS night,
                'q' AS question_id, 'Anomaly Detection' AS subtask, 'Any defect?' AS question, false AS conditional,
                'answered' AS status, 2 AS choices, if(correct, 'right', 'overkill') AS outcome, correct,
                true AS detection, claim, 0.1 AS seconds
            FROM pictures
            """,
            [run_id],
        )
        con.execute("INSERT INTO ledger VALUES (?, 0, 1, 0, ?)", [run_id, at + timedelta(minutes=1)])
    ledger = Nights(data)
    ledger.join_run(NightRun("line-3", at, run_id, "archive"))
    night = Night("line-3", at, at, 1, "finished", at, at + timedelta(hours=1), 1, 200, None)
    ledger.keep_night(night)
    settings = Settings(work=Work(data=data), operation=Operation(baseline_nights=REFERENCE))
    return Context(schedule(), night, settings, (run_id,), lambda: at + timedelta(hours=2))


def tell(data: Path, number: int, overkill: float) -> Morning:
    """Such a night with its report, stored."""
    context = keep(data, number, overkill)
    made = morning.report(context)
    morning.keep(context, made)
    return made


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Morning]]:
    """Twelve usual nights, of which the sixth has a report, two more, and then three with three times the overkill."""
    data = tmp_path_factory.mktemp("charts") / "data"
    Nights(data).keep_schedule(schedule(), actor=ANN)
    for number in range(5):
        keep(data, number, 0.05)
    told = [tell(data, 5, 0.05)]
    for number in range(6, REFERENCE):
        keep(data, number, 0.05)
    told += [tell(data, number, 0.05) for number in (REFERENCE, REFERENCE + 1)]
    return data, [*told, *(tell(data, number, 0.15) for number in range(REFERENCE + 2, REFERENCE + 5))]


def test_a_lasting_change_is_told_every_morning_by_every_way_until_it_is_acknowledged_and_survives_a_restore(
    worse: tuple[Path, list[Morning]], tmp_path: Path
) -> None:
    data, told = worse
    before, last = told[2].charts, told[-1].charts
    assert before is not None
    assert last is not None
    assert before.alarms == ()
    (alarm,) = last.lasting
    assert (alarm.signal, alarm.direction, alarm.since.day) == ("overkill", "rose", 15)
    words = "Overkill is still worse since 15 November: "
    assert words in deliver.text(told[-1])
    assert words in deliver.html(told[-1])
    assert any(words in finding.detail for finding in health._charts(data))

    copy = backup.make(data, START, tmp_path / "copy.duckdb", actor=ANN)
    asked = ["schedule", "acknowledge", "line-3", "--reason", "a new lamp", "--data", str(data)]
    assert CliRunner().invoke(app, asked).stdout.startswith(f"acknowledged: {words}")
    assert night_charts.not_acknowledged(data, "line-3") == ()
    (row,) = (row for row in Audit(data).rows() if row.action == "acknowledge chart alarm")
    assert json.loads(row.details)["reason"] == "a new lamp"
    with pytest.raises(ScheduleError, match="has an alarm to acknowledge"):
        night_charts.acknowledge(data, "line-3", "again", ANN, START)

    backup.restore(data, copy, START, actor=ANN)
    assert [each.signal for each in night_charts.not_acknowledged(data, "line-3")] == ["overkill"]
    assert NightCharts(data).references("line-3")[0].nights == REFERENCE


def test_the_first_nights_serve_provisionally_and_stay_what_later_ones_are_compared_with(
    worse: tuple[Path, list[Morning]],
) -> None:
    _, told = worse
    few, last = told[0].charts, told[-1].charts
    assert few is not None
    assert last is not None
    assert few.reference is None
    assert "Not enough nights for a chart over time: 5 nights before this one." in deliver.text(told[0])
    assert last.reference is not None
    assert (last.reference.first.day, last.reference.last.day) == (1, 12)
    said = "They serve provisionally; if they were as they should be, accept them "
    assert f"{said}(workbench schedule reference line-3 --accept)." in deliver.text(told[-1])
    assert {rate.name: rate.baseline for rate in told[-1].rates}["overkill"] == pytest.approx(0.05, abs=0.02)


def test_a_person_accepts_a_period_and_an_open_alarm_is_told_all_the_same(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Nights(data).keep_schedule(schedule(), actor=ANN)
    for number in range(REFERENCE):
        keep(data, number, 0.05)
    tell(data, REFERENCE, 0.2)
    for number in range(REFERENCE + 1, REFERENCE + 10):
        keep(data, number, 0.2)
    with pytest.raises(ScheduleError, match="needs 10 nights that scored something, and line-3 has 3"):
        night_charts.accept(data, schedule(), ANN, START, nights=3)
    period = (date(2026, 11, 13), date(2026, 11, 22))
    found = night_charts.accept(data, schedule(), ANN, START, period=period, reason="another supplier")
    assert (found.number, found.nights, found.accepted_by) == (2, 10, ANN.name)
    charts = tell(data, REFERENCE + 10, 0.2).charts
    assert charts is not None
    assert charts.reference is not None
    assert charts.reference.accepted_by == ANN.name
    assert [(each.signal, each.reference) for each in charts.lasting] == [("overkill", 1)]
    assert [(each.signal, each.nights) for each in charts.readings] == [("overkill", 1)]


def test_a_report_that_was_stored_before_there_were_charts_is_read(worse: tuple[Path, list[Morning]]) -> None:
    _, told = worse
    assert reports.from_json(reports.as_json(told[-1])) == told[-1]
    stored = json.loads(reports.as_json(told[-1]))
    del stored["charts"]
    assert reports.from_json(json.dumps(stored)).charts is None
