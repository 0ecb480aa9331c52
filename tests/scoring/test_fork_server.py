"""The server that a run's processes are forked from: who may stop it, and whose modules it imports."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from workbench.archive import scan
from workbench.archive.view import View
from workbench.errors import DeviceLost
from workbench.model.case import Picture
from workbench.scoring import input_pipeline
from workbench.scoring.input_pipeline import File
from workbench.scoring.process_pool import Processes
from workbench.scoring.run_resources import RunResources
from workbench.settings import Settings


def printed(*command: str | Path, folder: Path) -> str:
    """What a Python program prints that ends well."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_signal_to_all_processes_does_not_end_the_server_while_it_imports(tmp_path: Path) -> None:
    script = """
import importlib, os, signal

def interrupted(name):
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)

importlib.import_module = interrupted
import workbench.scoring.preloaded
print(signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    assert printed("-c", script, folder=tmp_path) == "True True"


def test_what_the_command_line_starts_imports_nothing_from_the_folder_it_is_run_in(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "torch.py").write_text("print('of the folder')")
    script = tmp_path / "workbench_script.py"  # as pip makes one: its own folder is on the path, not where it is run
    script.write_text(
        "import subprocess, sys\n"
        "from contextlib import suppress\n"
        "from jobs.__main__ import main\n"
        "sys.argv = ['workbench', 'runs', '--help']\n"
        "with suppress(SystemExit):\n"
        "    main()\n"
        "found = 'import importlib.util; print(importlib.util.find_spec(\"torch\").origin)'\n"
        "print(subprocess.check_output([sys.executable, '-c', found], text=True))\n"
    )
    assert str(folder) not in printed(script, folder=folder).splitlines()[-1]


def test_a_process_that_can_not_be_started_is_told_and_pictures_are_opened_without(
    drawn_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: ForkServerProcess) -> None:
        raise EOFError("unexpected EOF")  # as it is raised where the server was killed meanwhile

    monkeypatch.setattr(ForkServerProcess, "start", start)
    with pytest.raises(DeviceLost, match="no process for cpu can be started"):
        Processes(["cpu"], Settings(), RunResources())
    file = next(drawn_archive.rglob("*.png"))
    with input_pipeline.opener(None, 2) as opened:
        (picture,) = opened([File(file, View(scan.content_of(file)))])
    assert isinstance(picture, Picture)
