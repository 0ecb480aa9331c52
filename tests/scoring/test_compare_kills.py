"""A run that compares with normals, killed with SIGKILL wherever it can be: it ends like one that was never cut."""

from __future__ import annotations

import hashlib
import shutil
import signal
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests import forked, scored
from tests.archive import slow_store
from tests.people import ANN
from tests.scored import Stored
from tests.scoring import compared
from tests.scoring.test_process_pool import Killing
from tests.warehouse import rows
from warehouse.queries.normals import Normals
from warehouse.store import Store
from workbench.archive import remote
from workbench.curation import normals
from workbench.scoring import run as scoring
from workbench.settings import Machine, Settings, Support, Work

pytestmark = pytest.mark.slow
WASHERS = 2  # pictures of a product without a normal


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.tower(tmp_path_factory.mktemp("tower") / "tiny")


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products with normals and one without."""
    root = compared.archive(tmp_path_factory.mktemp("plates") / "archive")
    for number in range(WASHERS):
        compared.plate(root / "washer" / "test" / "good" / f"{number:03d}.png", "washer", number)
    return root


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory, plates: Path, tower: Path) -> Uncut:
    data = tmp_path_factory.mktemp("uncut") / "data"
    assert scored.score(plates, settings(data, tower)).run.state == "finished"
    return scored.stored(data), hashes(data)


Uncut = tuple[Stored, dict[str, str]]


def score(root: Path, tower: Path, data: Path, die_at: str = "", *more: str) -> CompletedProcess[str]:
    """The command in a process of its own, blocks of two pictures, ingested as they come."""
    variables = {"WORKBENCH_COMPARE": str(tower), "WORKBENCH_COMPARE_SIDE": str(compared.SIDE)}
    named = {**variables, "WORKBENCH_DIE_AT": die_at} if die_at else variables
    return scored.workbench("score", root, "--model", "compare", *more, data=data, variables=named)


def settings(data: Path, tower: Path, device: str = "cpu") -> Settings:
    support = Support(compare=str(tower), compare_side=compared.SIDE)
    work = Work(data=data, block_images=2, ingest_seconds=0)
    return Settings(support=support, machine=Machine(model="compare", device=device), work=work)


def features(data: Path) -> list[Path]:
    """The files of what was seen of normals."""
    return sorted((data / "features").rglob("*.safetensors"))


def hashes(data: Path) -> dict[str, str]:
    """Of all that is kept of normals, by its place."""
    files = [file for file in (data / "features").rglob("[!.]*") if file.is_file()]
    return {str(file.relative_to(data)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def seen(data: Path) -> dict[str, tuple[int, int]]:
    """What tells that a normal's file is the one that was written then."""
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in features(data)}


def test_killed_while_normals_are_seen_between_blocks_and_while_it_ingests_it_ends_like_one_never_cut(
    tmp_path: Path, plates: Path, tower: Path, uncut: Uncut
) -> None:
    data = tmp_path / "data"
    assert score(plates, tower, data, "after-normal:5").returncode == -signal.SIGKILL
    first = seen(data)
    assert (len(first), Store(data).runs().height) == (5, 0)
    # What a kill within a write may leave: a file beside its place, and one that a full disk cut.
    (features(data)[0].parent / ".filling-left").write_bytes(b"half")
    cut = features(data)[0]
    cut.write_bytes(cut.read_bytes()[:100])
    del first[cut.name]

    for place in ("before-block:2", "before-commit"):
        assert score(plates, tower, data, place).returncode == -signal.SIGKILL, place
        assert first.items() <= seen(data).items(), place
    [run] = Store(data).runs().iter_rows(named=True)
    assert run["state"] == "running"
    assert 0 < run["answered"] + run["invalid"] < run["planned"]
    every = seen(data)
    done = score(plates, tower, data)

    assert done.returncode == 0, done.stderr
    assert seen(data) == every
    assert uncut[0].differences(scored.stored(data)) == []
    assert hashes(data).items() >= uncut[1].items()
    [ended] = Store(data).runs().iter_rows(named=True)
    assert (ended["run_id"], ended["state"], ended["failed"]) == (run["run_id"], "finished", 0)


def test_on_two_devices_whose_processes_are_killed_it_has_the_rows_of_one(
    tmp_path: Path, plates: Path, tower: Path, uncut: Uncut
) -> None:
    data = tmp_path / "data"
    lost = score(plates, tower, data, "after-normal:4", "--device", "cpu,cpu")
    assert lost.returncode == 1, lost.stderr
    assert "ended while it loaded its model (killed by SIGKILL)" in lost.stderr
    assert 4 <= len(features(data)) <= 8

    watch = Killing(2)
    outcome = scoring.score(plates, settings(data, tower, "cpu,cpu"), watch)

    assert (outcome.run.state, outcome.run.failed) == ("finished", 0)
    assert watch.after == []  # one of the two was killed
    assert uncut[0].differences(scored.stored(data)) == []
    assert hashes(data) == uncut[1]


def test_pictures_of_a_product_without_normals_are_compared_and_none_is_lost(uncut: Uncut) -> None:
    stored, _ = uncut
    washers = stored.predictions.filter(product="washer")["image_id"].unique()
    compared_ones = stored.comparisons.filter(stored.comparisons["image_id"].is_in(washers.implode()))
    assert washers.len() == compared_ones.height == WASHERS
    assert stored.comparisons.height == 12 + WASHERS


def by_path(data: Path, run_id: str) -> dict[str, tuple[float, str, tuple[float, ...]]]:
    paths = dict(Store(data).predictions(run_id).select("image_id", "image_path").iter_rows())
    return {paths[each.image_id]: (each.score, each.claim, each.values) for each in rows.comparisons_of(data, run_id)}


def test_an_archive_in_an_object_store_is_compared_as_a_folder_is_and_its_normals_outlast_the_store(
    tmp_path: Path, plates: Path, tower: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, data, plant = tmp_path / "log", tmp_path / "data", tmp_path / "archive"
    monkeypatch.setenv(slow_store.LOG, str(log))
    slow_store.register()
    shutil.copytree(plates, plant)
    address = f"slow://{plant}"
    killed = forked.run("tests.archive.slow_store:fetch", address, data, "7", environment={slow_store.LOG: str(log)})
    assert killed.returncode == 9
    root = remote.local(address, data, lambda _: None)
    ours = scored.score(root, settings(data, tower))
    folder = scored.score(plates, settings(tmp_path / "folder", tower))
    assert by_path(data, ours.run.run_id) == by_path(tmp_path / "folder", folder.run.run_id)
    assert len(log.read_text().split()) <= len(set(plant.rglob("*.png")))  # none is fetched twice

    # Its normals are published; then one of them changes in the store, one goes, and the store itself goes.
    normals.import_archive(Store(data), root, settings(data, tower), actor=ANN)
    compared.plate(plant / "bolt" / "train" / "good" / "000.png", "bolt", 77)
    (plant / "bolt" / "train" / "good" / "001.png").unlink()
    remote.local(address, data, lambda _: None)
    shutil.rmtree(plant)
    after = scored.score(root, settings(data, tower))

    assert len(Normals(data).published()) == 12
    assert by_path(data, after.run.run_id) == by_path(data, ours.run.run_id)  # what was seen of them is kept
    shutil.rmtree(data / "features")
    without = scored.score(root, settings(data, tower))
    assert (without.run.state, without.run.failed) == ("finished", 0)
    assert "normal pictures that can't be opened, left out: 2 (" in " ".join(without.notes)
    assert "bolt/train/good/001.png: vanished" in " ".join(without.notes)
    assert "compared with 10 normal pictures of 2 products" in " ".join(without.notes)
    assert without.run.digest != after.run.digest
