from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from jobs import doctor as job
from warehouse import database, locks, migrations, spool
from workbench.scoring import doctor


def _by_subject(findings: list[doctor.Finding]) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in findings}


def _old_part(data: Path, block: int = 12) -> Path:
    part = data / "spool" / "20250103T220005123Z-a1b2c3d4" / f"block-{block:06d}"
    part.mkdir(parents=True)
    hour_ago = time.time() - 3600
    os.utime(part, (hour_ago, hour_ago))
    return part


def test_nothing_is_red_before_the_first_run_and_nothing_is_made(data_folder: Path) -> None:
    findings = doctor.examine(data_folder)

    assert [finding for finding in findings if finding.state == "red"] == []
    assert "the first run makes it" in _by_subject(findings)["warehouse"].detail
    assert not data_folder.exists()


def test_a_sound_warehouse_tells_its_version(data_folder: Path) -> None:
    with database.Database(data_folder)._transaction():
        pass

    said = _by_subject(doctor.examine(data_folder))["warehouse"].detail
    assert said.startswith(f"version {migrations.newest()}, read in ")


def test_a_broken_warehouse_is_red_comes_first_and_has_a_remedy(data_folder: Path) -> None:
    data_folder.mkdir()
    (data_folder / database.FILE).write_text("not a database")

    first = doctor.examine(data_folder)[0]

    assert (first.state, first.subject) == ("red", "warehouse")
    assert first.remedy


def test_a_lock_that_stays_taken_is_red(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.Database(data_folder)._transaction():
        pass
    monkeypatch.setattr(doctor, "LOCK_SECONDS", 0.05)

    with locks.exclusive(data_folder / "locks", "warehouse", timeout=5):
        first = doctor.examine(data_folder)[0]

    assert (first.state, first.subject) == ("red", "warehouse")
    assert "stayed taken by another process" in first.detail


def test_a_data_folder_that_is_a_file_is_red(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("")

    assert "cannot write to" in _by_subject(doctor.examine(data))["data folder"].detail


def test_blocks_left_by_a_dead_job_and_quarantined_parts_ask_for_somebody(data_folder: Path) -> None:
    _old_part(data_folder)
    spool.quarantine(_old_part(data_folder, block=13), "patches.arrow lacks the column score")

    found = _by_subject(doctor.examine(data_folder))

    assert (found["spool"].state, found["spool"].remedy) == ("yellow", "workbench ingest")
    assert found["quarantine"].state == "yellow"
    assert "lacks the column score" in found["quarantine"].detail


def test_modules_of_others_under_the_workbenchs_names_are_red(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _by_subject(doctor.examine(data_folder, thorough=False))["top-level modules"]
    assert own.state == "green"
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "__init__.py").write_text("")
    (tmp_path / "warehouse").mkdir()  # a folder of data, not a package
    monkeypatch.syspath_prepend(tmp_path)
    clash = doctor.examine(data_folder, thorough=False)[0]
    assert (clash.state, clash.subject) == ("red", "top-level modules")
    assert f"jobs in {tmp_path.resolve()}" in clash.detail
    assert "warehouse in" not in clash.detail
    assert "virtual environment of its own" in (clash.remedy or "")


@pytest.mark.parametrize(("content", "code"), [(None, 0), ("not a database", 1)])
def test_the_command_ends_with_one_when_something_is_red(data_folder: Path, content: str | None, code: int) -> None:
    data_folder.mkdir()
    if content:
        (data_folder / database.FILE).write_text(content)
    app = typer.Typer()
    app.command()(job.command)

    ended = CliRunner().invoke(app, ["--json"])

    assert ended.exit_code == code
    assert {finding["state"] for finding in json.loads(ended.stdout)} & {"red"} == ({"red"} if code else set())


def test_what_the_page_asks_waits_for_no_torch(tmp_path: Path) -> None:
    found = "import sys; from pathlib import Path; from workbench.nights import health; "
    found += "health.examine(Path(sys.argv[1]), thorough=False); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", found, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
