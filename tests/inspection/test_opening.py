"""An image that kills the process which opens it is found, and its neighbours are answered.

On several devices: `test_processes.py`; with processes that open: `test_inputs.py`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import scored


@pytest.mark.slow
def test_on_one_device_the_same_command_is_killed_twice_and_then_passes_the_image_over(
    tmp_path: Path, drawn_archive: Path
) -> None:
    archive, data = tmp_path / "archive", tmp_path / "data"
    bad = scored.poisoned(drawn_archive, archive, {"deadly.png": 2})  # in the second of two blocks of two
    command = [sys.executable, "-m", "benchmarks.poisoned", "score", str(archive), "--limit", "28"]
    plain = {"WORKBENCH_ITERATIONS": "0", "WORKBENCH_THINK_TOKENS": "0", "WORKBENCH_INJECTION": "none"}
    ended = [subprocess.run(command, env=scored.environment(data, plain), check=False).returncode for _ in range(3)]
    assert ended == [-signal.SIGKILL, -signal.SIGKILL, 1]
    assert scored.all_but_the_poisoned(data, bad)["image_path"].n_unique() == 3
