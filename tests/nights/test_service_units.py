"""The emitted units and crontab line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import scored
from workbench.nights import service_units


def test_the_units_pass_systemds_own_check(tmp_path: Path) -> None:
    data = tmp_path / "100% data"
    for name, text in service_units.units(["/bin/true"], tmp_path, data).items():
        (tmp_path / name).write_text(text)
    assert '"' + str(data).replace("%", "%%") + '"' in (tmp_path / service_units.SERVICE).read_text()
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("this machine has no systemd-analyze")
    done = subprocess.run(
        [verify, "verify", "--man=no", str(tmp_path / service_units.TIMER)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_crontab_line_survives_spaces_and_percent_signs() -> None:
    line = service_units.crontab(["/opt/w/workbench"], Path("/srv/my data"), Path("/srv/50%"))
    assert line == ("*/5 * * * * cd '/srv/my data' && /opt/w/workbench schedule run-due --data /srv/50\\%")


def test_a_users_own_units_are_told_to_go_on_after_logging_out(tmp_path: Path) -> None:
    for folder, lingers in ((tmp_path / ".config" / "systemd" / "user", True), (tmp_path / "system", False)):
        said = scored.workbench("schedule", "emit", "--to", folder, data=tmp_path / "data")
        assert said.returncode == 0, said.stderr
        assert ("loginctl enable-linger" in said.stdout) == lingers
