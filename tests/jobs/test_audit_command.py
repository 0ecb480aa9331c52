"""Who changed what, at the command line and on the Health page."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

from typer.testing import CliRunner

from jobs.__main__ import app
from tests.pages.screen import opened, words
from tests.warehouse import changes


def test_the_command_and_the_health_page_show_who_changed_what(data_folder: Path) -> None:
    changes.prepare(data_folder)
    asked = ["audit", "--data", str(data_folder), "--json", "--subject", changes.TEXT]
    (row,) = json.loads(CliRunner().invoke(app, asked).stdout)
    assert (row["actor"], row["channel"], row["action"]) == ("ann", "command line", "draft text")
    assert json.loads(row["details"]) == {"revision": 2, "reason": "clearer"}

    table = CliRunner().invoke(app, asked[:3]).stdout
    (shown,) = [line for line in table.splitlines() if "draft text" in line]
    assert f"{datetime.fromisoformat(row['changed_at']):%Y-%m-%d %H:%M} " in shown
    assert "revision 2, reason clearer" in shown
    assert not re.search("[0-9a-f]{17}", table)

    page = words(opened("workbench/pages/nights/health.py"))
    assert "draft text" in page
    assert "ann" in page


def test_a_schedule_changed_at_the_command_line_names_the_login(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    at = ["--data", str(data_folder)]
    environment = {"LOGNAME": "anna"}
    for words_ in (["add", "line-3", str(tmp_path / "archive")], ["pause", "line-3"], ["remove", "line-3"]):
        done = CliRunner().invoke(app, ["schedule", *words_, *at], env=environment)
        assert done.exit_code == 0, done.output
    rows = json.loads(CliRunner().invoke(app, ["audit", *at, "--json"]).stdout)
    assert [(row["action"], row["actor"], row["subject"]) for row in rows] == [
        ("remove schedule", "anna", "line-3"),
        ("pause schedule", "anna", "line-3"),
        ("store schedule", "anna", "line-3"),
    ]
