"""What cron mails: a night that stays stopped is told once, and again when the reason is another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import schedule as command
from jobs.__main__ import app
from tests.nights.archives import OWN, pictures
from tests.nights.calendars import schedule
from tests.people import ANN
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night
from workbench.nights import coordinator

DUE = datetime(2026, 1, 19, 21, tzinfo=UTC)
STOPPED = Night("line-3", DUE, DUE, 1, "stopped", DUE, DUE, 1, 4, "it is open in process 4711")


def test_only_another_reason_or_more_pictures_are_news_of_a_stopped_night() -> None:
    same = replace(STOPPED, tries=2, ended_at=DUE + timedelta(hours=1), message="it is open in process 815")
    assert not coordinator.is_news(STOPPED, same)
    for changed in (
        replace(same, message="the disk is full"),
        replace(same, images=5),
        replace(same, state="finished"),
        replace(same, due_at=DUE + timedelta(days=1)),
    ):
        assert coordinator.is_news(STOPPED, changed)
    assert coordinator.is_news(None, STOPPED)
    assert coordinator.is_news(replace(STOPPED, state="running", message=None), STOPPED)


@pytest.mark.slow
def test_run_due_tells_of_an_archive_that_stays_away_once(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, away = tmp_path / "archive", tmp_path / "away"
    pictures(archive, 1)
    now = datetime.now(UTC)
    monkeypatch.setattr(command, "clock", lambda: now)
    kept = schedule(archive=str(archive), settings=OWN, created_at=now - timedelta(days=2))  # due twice
    Nights(data_folder).keep_schedule(kept, actor=ANN)

    def said(*more: str) -> str:
        done = CliRunner().invoke(app, ["schedule", "run-due", "--data", str(data_folder), *more])
        assert done.exit_code == 0, done.output
        return done.stdout

    archive.rename(away)
    assert said().startswith("line-3 stopped, 0 images, 1 missed one caught up: ")
    assert said() == said() == ""
    assert said("--now", "line-3").startswith("line-3 stopped")  # a person asked
    archive.write_text("no folder")
    assert said().startswith("line-3 stopped, 0 images, 1 missed one caught up: ")
    assert said() == ""
    archive.unlink()
    away.rename(archive)
    assert said().startswith("line-3 finished, 1 image, 1 missed one caught up: 1 image was scored.")
    assert said() == ""
