"""A disk that is really full: a small file system of memory, mounted where only this test sees it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warehouse import rows
from warehouse import spool
from warehouse.errors import DiskFull
from warehouse.ingest import ingest
from warehouse.records import scoring
from warehouse.store import Store
from warehouse.vectors import Vectors

ROOT = Path(__file__).resolve().parents[2]


def on_a_disk_of(megabytes: int, folder: Path, function: str) -> subprocess.CompletedProcess[str]:
    """Run a function of this module on `folder`, in a namespace where the folder is a disk of that size.

    An ordinary user may do this where the kernel allows user namespaces; elsewhere the test is skipped.
    """
    folder.mkdir(exist_ok=True)
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    mount = f"mount -t tmpfs -o size={megabytes}m none '{folder}'"
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("this machine doesn't let a test mount a small file system")
    script = f"from tests.warehouse.test_full_disk import *; {function}(Path({str(folder)!r}))"
    return subprocess.run(
        [*inside, f'{mount}; exec "$0" -c "$1"', sys.executable, script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all the room but so many bytes."""
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * (shutil.disk_usage(folder).free - leave))
    return ballast


def spool_until_full(folder: Path) -> None:
    for block in range(1000):
        try:
            rows.write_part(folder, block, questions=200)
        except DiskFull as error:
            print(error)
            break
    parts = spool.pending(folder)
    assert 0 < len(parts) < 1000
    assert [path.name for path in parts] == sorted(path.name for path in (folder / "spool" / rows.RUN).iterdir())
    for part in parts:
        spool.read(part)


def ingest_on_a_full_disk(folder: Path) -> None:
    store = Store(folder)
    store.open_run(rows.run())
    rows.write_part(folder, 0)
    ingest(store)
    rows.write_part(folder, 1, questions=2000)
    contents = [f"{number:064x}" for number in range(2000)]
    Vectors(folder).upsert_images(scoring.ImageVector(content, "encoder@1", (1.0, 0.0, 0.5)) for content in contents)
    ballast = fill(folder, leave=100_000)
    try:
        ingest(store)
    except DiskFull as error:
        print(error)
    assert store.predictions(rows.RUN).height == 6
    assert store.ingested_blocks(rows.RUN) == {0}
    assert spool.spooled_blocks(folder, rows.RUN) == {1}

    ballast.unlink()
    assert ingest(store).predictions == 2000
    assert store.predictions(rows.RUN).height == 2006


@pytest.mark.slow
@pytest.mark.parametrize(
    ("megabytes", "function"), [(2, spool_until_full), (24, ingest_on_a_full_disk)], ids=["spooling", "ingesting"]
)
def test_a_full_disk_is_said_and_what_was_stored_stays(tmp_path: Path, megabytes: int, function) -> None:  # type: ignore[no-untyped-def]
    done = on_a_disk_of(megabytes, tmp_path / "small", function.__name__)

    assert done.returncode == 0, done.stderr
    assert f"the disk that holds {tmp_path / 'small'}" in done.stdout
    assert "is full; what was stored before is safe. Free some space there" in done.stdout
