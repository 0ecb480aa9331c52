"""Killed with SIGKILL at every named phase, a writer that starts again loses nothing and stores nothing twice.

A reader in another process polls the same folder throughout. Each phase has its own run in one shared folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.warehouse import rows
from tests.warehouse.writer import BLOCKS, QUESTIONS, write_and_ingest
from warehouse import kill_points, schema
from warehouse.records.scoring import Patch, Prediction
from warehouse.store import Store
from warehouse.vectors import Vectors

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder that a reader polls as long as the module's tests run."""
    data = tmp_path_factory.mktemp("data")
    Store(data).open_run(rows.run("empty"))
    command = [sys.executable, "-m", "tests.warehouse.watcher", str(data), str(QUESTIONS)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        yield data
        said, _ = watcher.communicate("stop\n")
        print(f"the reader: {said.strip()}")
        assert watcher.returncode == 0


# Also in the middle of a part's files, and when some blocks are in already.
@pytest.mark.parametrize(
    "phase", [*kill_points.SPOOL, *kill_points.INGEST, "after-write:7", "after-commit:2", "within-remove:2"]
)
def test_killed_and_started_again_everything_is_there_once(watched: Path, phase: str) -> None:
    run_id = phase.replace(":", "-")
    store, vectors = Store(watched), Vectors(watched)
    store.open_run(rows.run(run_id))
    before = vector_counts(vectors)

    dying = {**os.environ, "WORKBENCH_DIE_AT": phase}
    killed = forked.run("tests.warehouse.writer:write_and_ingest", watched, run_id, environment=dying)
    assert killed.returncode == -9
    write_and_ingest(watched, run_id)

    expected = [rows.prediction(block, n, run_id) for block in range(BLOCKS) for n in range(QUESTIONS)]
    patches = [rows.patch(block, n, run_id) for block in range(BLOCKS) for n in range(QUESTIONS)]
    contents = {row.content for row in expected}
    assert schema.records(Prediction, store.predictions(run_id)) == expected
    assert schema.records(Patch, store.patches(run_id)) == patches
    compared = [rows.comparison(block, image, run_id) for block in range(BLOCKS) for image in range(QUESTIONS // 2)]
    assert rows.comparisons_of(watched, run_id) == compared
    assert store.ingested_blocks(run_id) == set(range(BLOCKS))
    run = store.run(run_id)
    assert run is not None
    assert run.answered == len(expected)
    assert vector_counts(vectors) - before == Counter(images=len(contents), patches=len(contents))
    found = vectors.image_vectors(contents, "encoder@1")
    assert {content: tuple(found[content]) for content in contents} == {
        content: rows.image_vector(content) for content in contents
    }
    assert list((watched / "spool" / run_id).iterdir()) == []


def vector_counts(vectors: Vectors) -> Counter[str]:
    return Counter({kind: rows for kind, _, rows in vectors.counts().iter_rows()})
