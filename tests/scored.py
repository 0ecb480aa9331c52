"""What the tests of a run share: a small drawn archive's settings, the command line as a process, all stored rows."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lancedb
import polars as pl

from tests import forked
from warehouse.database import Database
from warehouse.store import Store
from workbench.model.method import Method
from workbench.scoring import run
from workbench.scoring.run import Outcome
from workbench.settings import Settings, Support, Work

ROOT = Path(__file__).resolve().parent.parent
QUICK = {"iterations": 2, "samples": 2, "block_images": 2, "ingest_seconds": 0}  # many blocks, little arithmetic


@dataclass
class Quiet:
    """A `Watch` that only remembers."""

    steps: list[str] = field(default_factory=list)
    begun: list[tuple[int, int]] = field(default_factory=list)
    advanced: list[tuple[int, int]] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def begin(self, images: int, images_done: int) -> None:
        self.begun.append((images, images_done))

    def advance(self, images: int, failed: int) -> None:
        self.advanced.append((images, failed))


def quick(data: Path, support: Support | None = None, **work: Any) -> Settings:
    """The full method, small."""
    chosen = replace(Work(data=data, block_images=2, ingest_seconds=0), **work)
    return Settings(method=Method(iterations=2, samples=2), support=support or Support(), work=chosen)


def score(archive: Path, settings: Settings, again: bool = True) -> Outcome:
    """In this process."""
    return run.score(archive, settings, Quiet(), again=again)


def workbench(*arguments: str | Path, data: Path, variables: dict[str, str] | None = None) -> CompletedProcess[str]:
    """The command line in a process of its own."""
    return forked.run("jobs", *arguments, environment=environment(data, variables), folder=data.parent)


def command(*arguments: str | Path) -> Sequence[str]:
    return [sys.executable, "-m", "jobs", *map(str, arguments)]


def environment(data: Path, variables: dict[str, str] | None = None) -> dict[str, str]:
    quick_ones = {f"WORKBENCH_{name.upper()}": str(value) for name, value in QUICK.items()}
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, **quick_ones, "WORKBENCH_DATA": str(data), **(variables or {})}


@dataclass(frozen=True)
class Stored:
    """Everything a run left, but its name and the times."""

    predictions: pl.DataFrame
    patches: pl.DataFrame
    comparisons: pl.DataFrame
    vectors: dict[tuple[Any, ...], tuple[float, ...]]  # by table, key and encoder

    def differences(self, other: Stored) -> list[str]:
        """What isn't the same, to the last bit."""
        names = ("predictions", "patches", "comparisons", "vectors")
        return [name for name in names if not _equal(self, other, name)]


def _equal(one: Stored, other: Stored, name: str) -> bool:
    mine, theirs = getattr(one, name), getattr(other, name)
    return bool(mine.rows() == theirs.rows() if isinstance(mine, pl.DataFrame) else mine == theirs)


def poisoned(drawn: Path, archive: Path, names: dict[str, int]) -> dict[str, str]:
    """A copy of a drawn archive in which images have other names; the old paths by the new ones.

    Args:
        names: of the files, to the images' places in the order of paths.
    """
    shutil.copytree(drawn, archive)
    asked = json.loads((archive / "mmad.json").read_text())
    paths = sorted(asked)
    old = {str(Path(paths[place]).with_name(name)): paths[place] for name, place in names.items()}
    for new, path in old.items():
        (archive / path).rename(archive / new)
        asked[new] = asked.pop(path)
    (archive / "mmad.json").write_text(json.dumps(asked))
    return old


def all_but_the_poisoned(data: Path, bad: dict[str, str]) -> pl.DataFrame:
    """The folder's one run is finished and its bad images are passed over; the predictions about all others."""
    store = Store(data)
    outcome = store.runs().row(0, named=True)
    assert outcome["state"] == "finished"
    rows = store.predictions(outcome["run_id"])
    passed_over = rows.filter(pl.col("image_path").is_in(list(bad)))
    assert set(passed_over["image_path"]) == set(bad)
    assert set(passed_over["error"]) == {"quarantined: 2 processes died over it"}
    others = rows.filter(~pl.col("image_path").is_in(list(bad)))
    assert set(others["status"]) == {"answered"}
    assert not list((data / "tries").iterdir())
    return others


def stored(data: Path) -> Stored:
    """All rows of the data folder's one run."""
    store = Store(data)
    runs = store.runs()
    assert len(runs) == 1
    run_id = runs["run_id"][0]
    return Stored(
        store.predictions(run_id).drop("run_id", "seconds", "created_at"),
        store.patches(run_id).drop("run_id"),
        Database(data).frame(
            "SELECT * EXCLUDE run_id FROM comparisons WHERE run_id = ? ORDER BY block, rowid", [run_id]
        ),
        vectors(data),
    )


def vectors(data: Path) -> dict[tuple[Any, ...], tuple[float, ...]]:
    """Every vector in LanceDB; a key that is there twice is an error."""
    database = lancedb.connect(data / "vectors")
    found: dict[tuple[Any, ...], tuple[float, ...]] = {}
    for name in database.list_tables().tables:
        for row in database.open_table(name).to_arrow().to_pylist():
            key = (name, *(value for column, value in row.items() if column != "vector"))
            assert key not in found
            found[key] = tuple(row["vector"])
    return found
