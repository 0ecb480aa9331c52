"""A run killed with SIGKILL at named moments, while a reader polls: the same command ends like a run never cut."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import scored
from tests.people import ANN
from tests.scored import Stored, workbench
from warehouse.store import Store
from workbench.archive import knowledge_files

pytestmark = pytest.mark.slow

LIMIT = "28"  # four images, two blocks


@contextmanager
def polled(data: Path) -> Iterator[None]:
    """A reader in a process of its own asks all the while; it fails the test if it ever errs or sees half a block."""
    reader = subprocess.Popen(
        [sys.executable, "-m", "tests.reader", str(data)],
        cwd=scored.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        said, errors = reader.communicate("stop\n")
    assert reader.returncode == 0, errors
    assert int(said.split()[0]) > 0


def knowing(data: Path, archive: Path) -> Path:
    """The data folder with the archive's knowledge published."""
    knowledge_files.import_file(Store(data), archive / "domain_knowledge.json", actor=ANN)
    return data


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory, drawn_archive: Path) -> Stored:
    """What a run of the same settings leaves that nothing cut, in this process."""
    data = knowing(tmp_path_factory.mktemp("uncut") / "data", drawn_archive)
    assert scored.score(drawn_archive, scored.quick(data, limit=int(LIMIT))).run.state == "finished"
    return scored.stored(data)


@pytest.mark.parametrize("phase", ["after-answer:2", "after-write:2", "after-commit"])
def test_a_killed_run_ends_like_one_never_cut(tmp_path: Path, drawn_archive: Path, uncut: Stored, phase: str) -> None:
    data = knowing(tmp_path / "data", drawn_archive)
    with polled(data):
        killed = workbench("score", drawn_archive, "--limit", LIMIT, data=data, variables={"WORKBENCH_DIE_AT": phase})
        assert killed.returncode == -signal.SIGKILL
        done = workbench("score", drawn_archive, "--limit", LIMIT, data=data)
    assert done.returncode == 0, done.stderr
    run = Store(data).runs().row(0, named=True)
    assert (run["state"], run["planned"], run["answered"]) == ("finished", 28, 28)
    assert uncut.differences(scored.stored(data)) == []
