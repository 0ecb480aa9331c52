"""A run whose disk really fills up: it stops with what to do, and goes on once there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import scored
from tests.scored import Quiet
from tests.warehouse.test_full_disk import fill
from warehouse.errors import DiskFull
from warehouse.store import Store
from workbench.scoring import run
from workbench.settings import Support

DISK = "64m"


class Filling(Quiet):
    """Takes all the room there is once the first block is stored."""

    def __init__(self, disk: Path) -> None:
        super().__init__()
        self._disk = disk

    def advance(self, images: int, failed: int) -> None:
        super().advance(images, failed)
        fill(self._disk, leave=0)


def score_twice(disk: Path, archive: Path) -> None:
    """Until it is full, then again with room."""
    settings = scored.quick(disk / "data", Support(knowledge="none"), block_images=1, limit=21)
    try:
        run.score(archive, settings, Filling(disk))
    except DiskFull as error:
        print(error)
    (disk / "ballast").unlink()
    outcome = scored.score(archive, settings)
    print(outcome.run.state, outcome.resumed, outcome.images, outcome.run.answered)
    assert len(Store(disk / "data").runs()) == 1


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_the_run_and_room_lets_it_go_on(drawn_archive: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    mount = f"mount -t tmpfs -o size={DISK} none '{disk}'"
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine doesn't let a test mount a small file system")
    script = f"from {__name__} import *; score_twice(Path({str(disk)!r}), Path({str(drawn_archive)!r}))"
    done = subprocess.run(
        [*inside, f'{mount}; exec "$0" -c "$1"', sys.executable, script],
        cwd=scored.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message, ended = done.stdout.splitlines()
    assert message.startswith(f"the disk that holds {disk / 'data'}")
    assert message.endswith("is full; what was stored before is safe. Free some space there and give the same command "
                            "again: it goes on where it stopped")  # fmt: skip
    assert ended == "finished True 2 21"
