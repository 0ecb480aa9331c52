"""A warehouse of the release before, with a year of nights in it, goes on: nothing that mornings need is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.nights.calendars import schedule
from tests.pages.screen import opened, words
from tests.pages.test_night_pages import BAD, morning
from tests.people import ANN
from warehouse import migrations
from warehouse.database import Database
from warehouse.queries.night_charts import NightCharts
from warehouse.queries.nights import Nights
from workbench.nights import backup, deliver, night_charts, reports
from workbench.nights import morning as report_of
from workbench.nights.reports import Morning
from workbench.nights.step_runner import Context
from workbench.pages.ui import components
from workbench.settings import Settings, Work

VERSION_9 = Path(__file__).parents[1] / "warehouse" / "schemas" / "009.sql"
FIRST = datetime(2025, 1, 1, 21, tzinfo=UTC)
NIGHTS, PICTURES, WORSE = 365, 60, 360  # from the night WORSE on half of the good pictures are called defective
LATER = {"charts", "causes", "called_defective", "timezone", "waiting_files", "disputes_drawn"}  # than version 9

pytestmark = pytest.mark.slow


def due(night: int) -> datetime:
    return FIRST + timedelta(days=night)


def written_then(told: Morning) -> str:
    """A report as version 9's program stored it."""
    whole = json.loads(reports.as_json(told))
    for change in whole["changes"]:
        del change["nights"]
    return json.dumps({name: value for name, value in whole.items() if name not in LATER})


def a_year(data: Path) -> None:
    """A year of nights of one schedule with golden samples, as rows of version 9's tables."""
    data.mkdir(parents=True)
    with duckdb.connect(str(data / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(VERSION_9.read_text(encoding="utf-8"))
        con.execute("DELETE FROM schedules; DELETE FROM nights; DELETE FROM night_runs; DELETE FROM morning_reports")
        con.execute("DELETE FROM night_steps; DELETE FROM planned_images; DELETE FROM facts; DELETE FROM cells")
        con.execute("CREATE TEMP TABLE n AS SELECT range AS n, ? + to_days(range::INT) AS due FROM range(?)",
                    [FIRST, NIGHTS])  # fmt: skip
        con.execute(
            """
            INSERT INTO schedules VALUES
                ('line-3', '/photos', '0 22 * * *', 'Europe/Zurich', '22:00-06:00', 0, '{}', 40, '/golden', 'golden-1',
                false, ?)
            """,
            [FIRST],
        )
        con.execute("INSERT INTO nights SELECT 'line-3', due, due, 1, 'finished', due, due, 1, ?, NULL FROM n",
                    [PICTURES])  # fmt: skip
        con.execute("INSERT INTO night_runs SELECT 'line-3', due, 'run-' || n, 'archive' FROM n")
        con.execute("INSERT INTO night_runs SELECT 'line-3', due, 'golden-' || n, 'golden' FROM n")
        con.execute("INSERT INTO night_steps SELECT 'line-3', due, 'back up', 'done', 'made', 1.0, due FROM n")
        con.execute(
            """
            INSERT INTO runs SELECT sample.* REPLACE (
                kind || '-' || n AS run_id, if(kind = 'run', 'night', 'golden') AS purpose,
                due AS started_at, due AS finished_at, 'finished' AS state
            ) FROM n, (VALUES ('run'), ('golden')) AS kinds(kind), (FROM runs) AS sample
            """
        )
        con.execute(
            """
            INSERT INTO predictions SELECT sample.* REPLACE (
                'run-' || n AS run_id, n || '-' || picture AS image_id, n || '-' || picture || '.png' AS image_path,
                'bytes-' || n || '-' || picture AS content, ['plate', 'nut'][1 + picture % 2] AS product,
                ['A1', 'A2'][1 + picture % 3 // 2] AS camera,
                if((picture * 7 + n * 13) % 40 < if(n < ?, 2, 20), 'A', 'B') AS answer, due AS created_at
            ) FROM n, (SELECT range AS picture FROM range(?)), (FROM predictions) AS sample
            """,
            [WORSE, PICTURES],
        )
        con.execute("INSERT INTO ledger SELECT 'run-' || n, 0, ?, 0, due + INTERVAL 1 MINUTE FROM n", [PICTURES])
        told = [(due(night), written_then(morning(due_at=due(night), images=night + 1))) for night in range(NIGHTS)]
        told[7] = (due(7), written_then(morning(due_at=due(7), slices=(BAD,), changes=())))
        con.executemany("INSERT INTO morning_reports VALUES ('line-3', ?, ?, ?)", [(at, at, text) for at, text in told])


def report(data: Path, night: int) -> Morning:
    """The report of a night, made and stored by today's program."""
    (of,) = (each for each in Nights(data).nights("line-3") if each.due_at == due(night))
    kept = schedule(review_budget=40)
    context = Context(kept, of, Settings(work=Work(data=data)), (f"run-{night}",), lambda: due(night))
    made = report_of.report(context)
    report_of.keep(context, made)
    return made


def test_a_year_of_nights_of_the_release_before_goes_on_with_reference_charts_and_every_old_report(
    data_folder: Path,
) -> None:
    a_year(data_folder)
    ledger, charts = Nights(data_folder), NightCharts(data_folder)
    (kept,) = ledger.schedules()
    assert (kept.golden_run, kept.review_budget) == ("golden-1", 40)
    with Database(data_folder).reading() as con:
        assert migrations.version(con) == migrations.newest()
        assert con.execute("SELECT count(*) FROM facts WHERE starts_with(run_id, 'run-')").fetchall() == [
            (NIGHTS * PICTURES,)
        ]
    assert len(list((data_folder / "backups").glob("*"))) == 1  # of the older tables

    # Old reports are read, by what is sent and by the page.
    old = [reports.from_json(each.report) for each in ledger.reports("line-3", NIGHTS)]
    assert [each.images for each in old] == [*range(NIGHTS, 8, -1), 3248, *range(7, 0, -1)]
    for each in (old[0], old[-8], old[-1]):
        assert each.finding in deliver.text(each)
        assert f"<title>{deliver.title(each)}</title>" in deliver.html(each)
    shown = opened(components.TONIGHT, night=f"{due(NIGHTS - 20):%Y-%m-%dT%H:%M:%S}")
    assert "Overkill of product bottle" in words(shown)

    # Its nights become a reference, and the charts go on from there.
    asked = ["schedule", "reference", "line-3", "--data", str(data_folder)]
    told = CliRunner().invoke(
        app, [*asked, "--accept", "--from", "2025-10-01", "--to", "2025-12-26", "--reason", "calm"]
    )
    assert told.stdout.startswith("Reference: 87 nights, 1 October 2025 to 26 December 2025.")
    for night in range(WORSE, NIGHTS):
        last = report(data_folder, night)
    assert last.charts is not None
    (alarm,) = last.charts.lasting
    assert (alarm.signal, alarm.since.date()) == ("overkill", due(WORSE).date())
    noted = ["schedule", "acknowledge", "line-3", "--reason", "another lamp", "--data", str(data_folder)]
    assert CliRunner().invoke(app, noted).stdout.startswith("acknowledged: Overkill is still worse since 27 December")

    # Reference, values and acknowledgement are in a copy, and come back with it.
    before = (charts.references("line-3"), charts.values("line-3"), charts.acknowledgements("line-3"))
    assert (len(before[0]), len(before[1]), len(before[2])) == (1, 87 + NIGHTS - WORSE, 1)
    said = CliRunner().invoke(app, asked).stdout
    copy = backup.make(data_folder, due(NIGHTS), data_folder / "copy.duckdb", actor=ANN)
    night_charts.accept(data_folder, kept, ANN, due(NIGHTS), nights=30)
    backup.restore(data_folder, copy, due(NIGHTS), actor=ANN)
    assert (charts.references("line-3"), charts.values("line-3"), charts.acknowledgements("line-3")) == before
    assert CliRunner().invoke(app, asked).stdout == said
    assert "acknowledged by" in said
    assert night_charts.not_acknowledged(data_folder, "line-3") == ()
    assert len(ledger.reports("line-3", 2 * NIGHTS)) == NIGHTS
