"""A crew in trouble: devices that are lost, processes that die again and again, what they say that can't be sent.

The processes are real ones with a script instead of a model.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from warehouse.records.scoring import Capabilities, Timings
from workbench.errors import DeviceLost
from workbench.scoring import process_pool
from workbench.scoring.crash_counts import CrashCounts
from workbench.scoring.evaluator import Declaration
from workbench.scoring.plan import Block
from workbench.scoring.process_pool import Processes
from workbench.scoring.run_resources import RunResources
from workbench.scoring.worker import Job, Stored
from workbench.settings import Machine, Settings, Work

Answer = Callable[[Block], None]


DECLARATION = Declaration("segments", "weights", Capabilities(True, True, True, True), demo=True, embedding_scale=1.0)


def born(data: Path) -> int:
    """How many processes were started so far."""
    return len(list(data.glob("born-*")))


def serve(pipe: Connection, answer: Answer) -> None:
    """What a process says when nothing goes wrong; its job is taken already."""
    while (task := pipe.recv()) is not None:
        answer(task.block)
        pipe.send(process_pool._Told(Stored(task.block.number, 1, 1, 0), Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1))
    pipe.send(process_pool._Ended())


def employed(pipe: Connection) -> int:
    """The place of a process that is ready and has its job."""
    pipe.send(process_pool._Ready(DECLARATION, {}, None, (), "cpu", 1))
    _, place = pipe.recv()
    return int(place)


def the_first_device_is_lost(pipe: Connection, *_: object) -> None:
    if employed(pipe) == 0:
        pipe.send(process_pool._Failed(pickle.dumps(DeviceLost("it fell off the bus"))))
        time.sleep(600)  # as a driver that doesn't answer keeps it
    serve(pipe, lambda _: None)


def the_second_dies_and_another_loads_for_ever(pipe: Connection, settings: Settings, *_: object) -> None:
    data = settings.work.data
    (data / f"born-{os.getpid()}").touch()
    if born(data) > 2:
        time.sleep(600)
    place = employed(pipe)

    def answer(_: Block) -> None:
        if place == 1:
            os._exit(9)
        while born(data) <= 2:
            time.sleep(0.02)

    serve(pipe, answer)


def each_dies_in_its_second_block(pipe: Connection, *_: object) -> None:
    employed(pipe)
    done: list[Block] = []
    serve(pipe, lambda block: os._exit(9) if done else done.append(block))


def worked(
    data: Path, devices: int, blocks: int, heard: Callable[[Processes, Stored | None], object] = lambda *_: None
) -> list[int]:
    """The blocks that a crew stored, in their order; it has minutes."""
    data.mkdir()
    settings, deadline = Settings(work=Work(data=data), machine=Machine(device="cpu")), time.monotonic() + 300
    crew = Processes(["cpu"] * devices, settings, RunResources())
    stored: list[int] = []
    try:
        job = Job("run", data, settings)
        for told in crew.work(job, [Block(number, ()) for number in range(blocks)], CrashCounts(data, "run")):
            heard(crew, told)
            stored += [told.block] if told else []
            assert time.monotonic() < deadline
    finally:
        crew.close()
    return sorted(stored)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "PATIENCE", 0.5)
    monkeypatch.setattr(process_pool, "RESTARTS", 1)


@pytest.mark.slow
def test_a_lost_device_that_keeps_its_process_from_ending_does_not_keep_the_run(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "_serve", the_first_device_is_lost)
    assert worked(data_folder, devices=2, blocks=6) == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
@pytest.mark.parametrize(("stopped", "blocks"), [(False, [0, 1, 2, 3, 4, 5]), (True, [0, 1, 2])])
def test_a_run_does_not_wait_for_a_model_that_is_still_loading(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool, blocks: list[int]
) -> None:
    monkeypatch.setattr(process_pool, "_serve", the_second_dies_and_another_loads_for_ever)
    assert worked(data_folder, 2, 6, lambda crew, told: crew.stop() if stopped and told else None) == blocks
    assert born(data_folder) == 3


@pytest.mark.slow
def test_a_process_that_dies_after_a_stop_is_not_replaced(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "_serve", each_dies_in_its_second_block)
    assert worked(data_folder, 1, 9, lambda crew, told: crew.stop() if told else None) == [0]


@pytest.mark.slow
def test_deaths_with_a_block_stored_in_between_are_not_counted_together(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_pool, "_serve", each_dies_in_its_second_block)
    assert worked(data_folder, devices=1, blocks=4) == [0, 1, 2, 3]


def test_an_error_comes_with_where_it_was_raised() -> None:
    class Unsendable(Exception):
        """Of a class that the other side can't find."""

    for error in (TypeError("odd"), Unsendable("odd")):
        try:
            raise error
        except Exception as raised:  # noqa: BLE001
            sent = pickle.loads(process_pool._pickled(raised))
        assert str(sent).endswith("odd")
        assert "raise error" in sent.__notes__[0]


def test_what_a_library_logs_is_sent_whatever_it_adds(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[logging.LogRecord] = []
    logger = logging.Logger("library")
    logger.addHandler(process_pool._Logs(lambda record: said.append(pickle.loads(pickle.dumps(record)))))
    logger.warning("%d %% of %s", 5, threading.Lock(), extra={"lock": threading.Lock(), "block": 7})
    (record,) = said
    assert record.getMessage().startswith("5 % of <unlocked")
    assert (record.name, record.levelno, record.__dict__["block"]) == ("library", logging.WARNING, 7)
    logger.warning("%d", "no number")
    assert "no number" in capsys.readouterr().err
    assert len(said) == 1
