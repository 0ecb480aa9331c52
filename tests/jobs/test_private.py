"""The data folder as another user of the machine sees it: not at all, whatever the umask was."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse import rows
from warehouse import file_permissions
from warehouse.ingest import ingest
from warehouse.store import Store
from workbench.scoring import doctor

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
# What is made by a command, by an ingest with vectors, by nights: all in one process, as a command's own.
EVERYTHING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tests.warehouse import rows
from tests.people import ANN
from warehouse import file_permissions, spool
file_permissions.guard()
from warehouse.ingest import ingest
from warehouse.store import Store
from workbench.nights import backup, logs
data, asked_for = map(Path, sys.argv[1:])
store = Store(data)
store.open_run(rows.run())
rows.write_part(data, 0)
ingest(store)
rows.write_part(data, 1)
spool.quarantine(rows.write_part(data, 2), "a test")
backup.make(data, datetime(2026, 1, 20, tzinfo=UTC), actor=ANN)
logs.to_file(data)
with file_permissions.users_umask():
    store.export("runs", rows.RUN, asked_for)
(data / "thumbnails" / "ab").mkdir(parents=True)
(data / "thumbnails" / "ab" / "c.jpg").write_bytes(b"picture")
"""
LOOK = """
import os, sys
from pathlib import Path
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in sys.argv[1:]:
    for look in (os.listdir, lambda path: os.close(os.open(path, os.O_RDONLY)), os.stat):
        try:
            look(name)
        except (PermissionError, NotADirectoryError):
            continue
        if look is not os.stat or name != sys.argv[1]:
            print(name)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, which those of pytest aren't."""
    folder = Path(tempfile.mkdtemp(prefix="private-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def seen_by_another_user(data: Path) -> list[str]:
    """What another user can list or open; first the folder itself, whose name alone may be seen."""
    if os.geteuid() != 0:
        pytest.skip("only root can look as another user")
    everything = [data, *sorted(data.rglob("*"))]
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, *map(str, everything)], capture_output=True, text=True, check=True, cwd="/"
    )
    return looked.stdout.split("\n")[:-1]


@pytest.mark.slow
def test_whatever_the_umask_nobody_else_reads_what_a_command_makes(place: Path) -> None:
    data, asked_for = place / "data", place / "runs.jsonl"
    made = [sys.executable, "-c", EVERYTHING, str(data), str(asked_for)]
    subprocess.run(made, cwd=ROOT, check=True, umask=0)
    command = [sys.executable, "-m", "jobs", "backup", "--data", str(data)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, umask=0)

    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (data, *data.rglob("*"))}
    assert len(found) > 30
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}
    assert stat.S_IMODE(asked_for.stat().st_mode) == 0o666  # as the user's umask gives it
    assert seen_by_another_user(data) == []


def test_a_folder_of_an_earlier_release_is_shut_when_it_is_first_read(place: Path) -> None:
    data = place / "data"
    before = os.umask(0o022)
    try:
        store = Store(data)
        store.open_run(rows.run())
        rows.write_part(data, 0)
        ingest(store)
        data.chmod(0o755)
        if os.geteuid() == 0:
            assert len(seen_by_another_user(data)) > 10
        store.run(rows.RUN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert seen_by_another_user(data) == []


def test_a_place_for_everybody_is_left_as_it_is_and_the_doctor_tells(place: Path) -> None:
    place.chmod(0o1777)
    file_permissions.folder(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o1777
    (told,) = (each for each in doctor.examine(place, thorough=False) if each.subject == "data folder")
    assert told.state == "yellow"
    assert "other users of this machine" in told.detail
