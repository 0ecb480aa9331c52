"""Several devices, one process each: the rows of a run in one process, whoever is killed and whenever."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import forked, scored
from tests.people import ANN
from tests.scored import Quiet, Stored
from warehouse.store import Store
from workbench.archive import knowledge_files
from workbench.errors import AlreadyRunning, BackboneError, SettingsError
from workbench.scoring import input_pipeline, models
from workbench.scoring import run as scoring
from workbench.scoring.plan import Block
from workbench.scoring.process_pool import Shares
from workbench.settings import Machine, Settings, load

TWO = Machine(device="cpu,cpu")


def settings(data: Path) -> Settings:
    return replace(scored.quick(data, block_images=1), machine=TWO)


def knowing(data: Path, archive: Path) -> Path:
    """The data folder with the archive's knowledge published."""
    knowledge_files.import_file(Store(data), archive / "domain_knowledge.json", actor=ANN)
    return data


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory, drawn_archive: Path) -> Stored:
    """What one process stores that nothing cut: eight images, a block each."""
    data = knowing(tmp_path_factory.mktemp("uncut") / "data", drawn_archive)
    assert scored.score(drawn_archive, scored.quick(data, block_images=1)).run.state == "finished"
    return scored.stored(data)


def children(pid: int) -> list[int]:
    """The pool's processes of this one, in the order they were started: those of its fork server."""
    return [process for server in _below(pid) for process in _below(server)]


def _below(pid: int) -> list[int]:
    """The processes below one that are a fork server or were forked from it."""
    below = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [process for process in below if "multiprocessing.forkserver" in command_line(process)]


def command_line(pid: int) -> str:
    """As it was started; empty for one that ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


class Killing(Quiet):
    """Kills one of the crew, another each time, after these many blocks."""

    def __init__(self, *after: int) -> None:
        super().__init__()
        self.after = list(after)

    def advance(self, images: int, failed: int) -> None:
        super().advance(images, failed)
        if self.after and len(self.advanced) == self.after[0]:
            self.after.pop(0)
            crew = children(os.getpid())
            assert len(crew) == 2
            os.kill(crew[len(self.after) % 2], signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_is_replaced_and_the_rows_are_those_of_one_process(
    tmp_path: Path, drawn_archive: Path, uncut: Stored, caplog: pytest.LogCaptureFixture
) -> None:
    data = knowing(tmp_path / "data", drawn_archive)
    watch = Killing(2)
    outcome = scoring.score(drawn_archive, settings(data), watch)
    assert (outcome.run.state, outcome.images) == ("finished", 8)
    assert watch.begun == [(8, 0)]
    assert [images for images, _ in watch.advanced] == [1] * 8  # each block is told of once
    assert "killed by SIGKILL" in caplog.text
    assert outcome.run.device.startswith("2 x cpu, 1 of ")
    assert min(outcome.run.timings.loop, outcome.run.timings.prefill, outcome.run.timings.write) > 0
    assert uncut.differences(scored.stored(data)) == []
    assert children(os.getpid()) == []
    assert not list((data / "tries").iterdir())


@pytest.mark.slow
def test_after_a_signal_to_all_of_them_and_after_the_coordinators_death_the_same_command_goes_on(
    tmp_path: Path, drawn_archive: Path, uncut: Stored
) -> None:
    data = knowing(tmp_path / "data", drawn_archive)

    # A signal to all lets the blocks at work be stored.
    with started(drawn_archive, data) as run:
        until(lambda: parts(data) > 0)
        os.killpg(run.pid, signal.SIGTERM)  # as a service manager does, which stops all processes of a unit
        assert run.wait() == 1
    stopped = Store(data).runs().row(0, named=True)
    assert (stopped["state"], stopped["message"]) == ("stopped", "stopped by SIGTERM; the same command goes on")
    assert 0 < stopped["answered"] < stopped["planned"]
    assert not list((data / "tries").iterdir())  # nothing was cut short
    if stopped["planned"] - stopped["answered"] <= 7:  # a block: what goes on next would have nothing to be killed at
        pytest.fail("the run was stopped too late to be killed as well; the archive has too few images")

    # A killed coordinator takes its processes along.
    with started(drawn_archive, data) as run:
        until(lambda: parts(data) > 0)
        crew = children(run.pid)
        assert len(crew) == 2
        run.kill()
        until(lambda: not any(alive(pid) for pid in crew))
    assert uncut.differences(go_on(drawn_archive, data)) == []


@pytest.mark.slow
def test_processes_that_die_in_the_middle_of_writing_leave_nothing_half_done(
    tmp_path: Path, drawn_archive: Path, uncut: Stored
) -> None:
    data = knowing(tmp_path / "data", drawn_archive)
    # Each process dies in its third part, and so do those that take its place: together they may just get through.
    with started(drawn_archive, data, {"WORKBENCH_DIE_AT": "after-write:10"}) as run:
        _, said = run.communicate()
    assert "its process ended (killed by SIGKILL); another takes its place" in said
    finished = Store(data).runs()["state"].to_list() == ["finished"]
    assert finished == (run.returncode == 0)
    assert uncut.differences(scored.stored(data) if finished else go_on(drawn_archive, data)) == []


@pytest.mark.slow
def test_images_that_kill_their_process_are_passed_over_and_the_run_finishes(
    tmp_path: Path, drawn_archive: Path, uncut: Stored
) -> None:
    archive = tmp_path / "archive"
    bad = scored.poisoned(drawn_archive, archive, {"poison.png": 3, "deadly.png": 5})  # when answered, when opened
    data = knowing(tmp_path / "data", drawn_archive)
    with started(archive, data, module="benchmarks.poisoned") as run:
        _, said = run.communicate()
        assert run.returncode == 1, said
    order = ["image_path", "question_id"]
    others = scored.all_but_the_poisoned(data, bad).sort(order)
    before = uncut.predictions.filter(~pl.col("image_path").is_in(list(bad.values()))).sort(order)
    assert others["answer"].to_list() == before["answer"].to_list()


@pytest.mark.slow
def test_a_second_coordinator_is_turned_away_and_leaves_no_process(tmp_path: Path, drawn_archive: Path) -> None:
    data = tmp_path / "data"
    one = scored.quick(data, limit=2)

    class Second(Quiet):
        def begin(self, images: int, images_done: int) -> None:  # noqa: ARG002
            with pytest.raises(AlreadyRunning) as caught:
                scored.score(drawn_archive, replace(one, machine=TWO))
            assert caught.value.exit_code == 75
            assert children(os.getpid()) == []

    assert scoring.score(drawn_archive, one, Second()).run.state == "finished"


@pytest.mark.slow
def test_a_device_that_is_not_there_is_told_before_a_run_is_opened(tmp_path: Path, drawn_archive: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(BackboneError, match="no CUDA device is available"):
        scored.score(drawn_archive, replace(scored.quick(data), machine=Machine(device="cpu,cuda:7")))
    assert Store(data).runs().is_empty()
    assert children(os.getpid()) == []


@given(st.integers(0, 40), st.integers(1, 5), st.data())
def test_every_block_is_handed_out_once_whoever_asks(count: int, places: int, data: st.DataObject) -> None:
    shares = Shares([Block(number, ()) for number in range(count)], places)
    given_out, lost = [], data.draw(st.integers(0, 3))
    while shares:
        place = data.draw(st.integers(0, places - 1))
        block = shares.take(place)
        assert block is not None
        if lost:  # the process died with it
            lost -= 1
            shares.give_back(place, [block])
        else:
            given_out.append(block.number)
    assert sorted(given_out) == list(range(count))
    assert shares.take(0) is None


def test_neighbouring_blocks_go_to_one_device_and_who_is_done_helps_from_the_far_end() -> None:
    shares = Shares([Block(number, ()) for number in range(6)], 2)
    order = [(place, block.number) for place in (0, 1, 0, 0, 0, 1) if (block := shares.take(place))]
    assert order == [(0, 0), (1, 3), (0, 1), (0, 2), (0, 5), (1, 4)]


def test_devices_are_one_by_one_or_all() -> None:
    assert models.devices(Machine(device="cuda:0,cuda:2,cpu")) == ("cuda:0", "cuda:2", "cpu")
    assert models.placed(TWO).device == "cpu,cpu"
    assert models.alone(TWO).device == "cpu"
    cards = torch.cuda.device_count()
    assert models.devices(Machine(device="all")) == (tuple(f"cuda:{i}" for i in range(cards)) or ("cpu",))
    with pytest.raises(SettingsError, match=r"device is gpu; give auto, all, cpu, cuda, or names .*--device"):
        load({"device": "gpu"})


def test_devices_share_the_cores_that_open_pictures() -> None:
    assert input_pipeline.default_processes("cpu", 2) == 0
    assert 1 <= input_pipeline.default_processes("cuda:1", 64) <= input_pipeline.default_processes("cuda:1")


# -- runs on the command line ------------------------------------------------------------------------------------------


@contextmanager
def started(
    archive: Path, data: Path, variables: dict[str, str] | None = None, module: str = "jobs"
) -> Iterator[forked.Started]:
    """A run on two processes, in a process group of its own; nothing of it is left behind."""
    own = {"WORKBENCH_BLOCK_IMAGES": "1", "WORKBENCH_INGEST_SECONDS": "600", **(variables or {})}
    with tempfile.TemporaryDirectory() as printed:
        run = forked.start(
            module, "score", archive, "--device", "cpu,cpu",
            environment=scored.environment(data, own), printed=Path(printed), folder=data.parent, leads_group=True,
        )  # fmt: skip
        try:
            yield run
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def go_on(archive: Path, data: Path) -> Stored:
    """What is stored when the same command has run to its end."""
    with started(archive, data) as run:
        _, said = run.communicate()
        assert run.returncode == 0, said
    return scored.stored(data)


def parts(data: Path) -> int:
    """Blocks in the spool; these runs bring none into the warehouse before they end."""
    return sum("." not in part.name for part in data.glob("spool/*/block-*"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: Callable[[], bool]) -> None:
    """Wait for it, for minutes at most."""
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
