"""What every test gets: one thread, no network, a data folder of its own; and where the real photographs are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

# Before torch is imported anywhere: the same thread count everywhere makes floats repeatable, in subprocesses too.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
# Temporary folders lie in memory where there is enough: every commit of a database waits for the disk, which takes half
# of the time of small tests. TMPDIR chooses another place.
_MEMORY_DISK, _ENOUGH = Path("/dev/shm"), 8 * 2**30
if _MEMORY_DISK.is_dir() and os.access(_MEMORY_DISK, os.W_OK) and shutil.disk_usage(_MEMORY_DISK).free > _ENOUGH:
    os.environ.setdefault("TMPDIR", str(_MEMORY_DISK))

from collections.abc import Iterator  # noqa: E402
from functools import cache  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import typer.testing  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests import balance  # noqa: E402
from tests.browser import chromium  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# No deadline: how long an example takes says something about the machine, not about the code.
hypothesis.settings.register_profile("workbench", deadline=None, print_blob=True)
hypothesis.settings.load_profile("workbench")
# The command line's tree is made once a process, as the program does; a runner would each time it invokes a command.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]


def _inspection_pack() -> Path | None:
    """The folder of real photographs: $WORKBENCH_REAL_IMAGES, or `*/data/inspection_pack` beside the checkout."""
    named = os.environ.get("WORKBENCH_REAL_IMAGES")
    candidates = [Path(named)] if named else sorted(ROOT.parent.glob("*/data/inspection_pack"))
    return next((folder for folder in candidates if (folder / "mmad.json").is_file()), None)


def _robustmad() -> Path | None:
    """The folder of published answers of real models: `*/data/robustmad` beside the checkout; shipped by nobody."""
    return next(iter(sorted(ROOT.parent.glob("*/data/robustmad"))), None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> balance.Units | None:
    """Under `--dist loadscope`, units of tests instead of modules; see `balance.py`."""
    return balance.Units(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_configure(config: pytest.Config) -> None:
    """What the units take is told by the process that hands them out."""
    if config.getoption("dist", "no") == "loadscope" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(balance.Stopwatch())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run; in a worker, bring the longest to the front."""
    if hasattr(config, "workerinput"):
        balance.longest_first(items)
    if _inspection_pack() is None:
        reason = "no folder of real photographs: set WORKBENCH_REAL_IMAGES to one with mmad.json at its root"
        _skip(items, "real_images", reason)
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            _skip(items, "gpu", "no CUDA device")


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def checked_figures() -> Iterator[None]:
    """See `checked_figures.py`."""
    from tests.checked_figures import all_figures

    with all_figures():
        yield


@pytest.fixture
def inspection_pack() -> Path:
    """The folder of real photographs, with mmad.json; mark the test `real_images`, so that it is skipped without."""
    folder = _inspection_pack()
    assert folder is not None
    return folder


@pytest.fixture
def photographs(drawn_archive: Path) -> Path:
    """The folder of real photographs, else a drawn archive."""
    return _inspection_pack() or drawn_archive


@pytest.fixture
def robustmad() -> Path:
    """The folder of published answers, one file per model; the test is skipped without."""
    folder = _robustmad()
    if folder is None:
        pytest.skip("no answers of real models: */data/robustmad beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty WORKBENCH_DATA, so that no test, nor a process it starts, meets the user's own warehouse."""
    folder = tmp_path / "data"
    monkeypatch.setenv("WORKBENCH_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def drawn_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawn images of six products with references, mmad.json and domain_knowledge.json; read only."""
    from workbench.embedded.archive import draw_archive

    folder = tmp_path_factory.mktemp("drawn") / "archive"
    draw_archive(folder, images=8, seed=3)
    return folder


@pytest.fixture(scope="session")
def chromium_browser() -> Iterator[Browser]:
    """The one Chromium of all tests; a second driver beside it is refused."""
    path = chromium.find()
    assert path, chromium.MISSING
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield launched
        launched.close()
