"""Readers never starve the writer, nor the other way round."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from warehouse import locks
from warehouse.errors import Locked

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_eight_polling_readers_one_with_a_long_query_leave_the_writer_its_turn() -> None:
    command = [sys.executable, "-m", "benchmarks.readers", "--seconds", "15"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)

    assert figures["failed_readers"] == 0
    assert figures["lost_rows"] == 0
    assert figures["reads"] > 0
    assert figures["write_seconds_p95"] <= 3.0


def refuses(lock: AbstractContextManager[None]) -> bool:
    try:
        with lock:
            return False
    except Locked as error:
        return "stayed taken by another process; see who holds it with `fuser" in str(error)


def test_readers_share_and_a_writer_is_alone(tmp_path: Path) -> None:
    with locks.shared(tmp_path, "w", 1), locks.shared(tmp_path, "w", 1):
        assert refuses(locks.exclusive(tmp_path, "w", 0.05))
    with locks.exclusive(tmp_path, "w", 1):
        assert refuses(locks.shared(tmp_path, "w", 0.05))
        assert refuses(locks.exclusive(tmp_path, "w", 0.05))
    assert not refuses(locks.exclusive(tmp_path, "w", 1))


def test_a_reader_who_comes_after_a_waiting_writer_queues_behind_it(tmp_path: Path) -> None:
    order: list[str] = []

    def write() -> None:
        with locks.exclusive(tmp_path, "w", 60):
            order.append("writer")

    def read() -> None:
        with locks.shared(tmp_path, "w", 60):
            order.append("reader")

    writer, reader = threading.Thread(target=write), threading.Thread(target=read)
    with locks.shared(tmp_path, "w", 1):
        writer.start()
        while not refuses(locks.shared(tmp_path, "w", 0)):
            time.sleep(0.01)  # until the writer waits
        reader.start()
        time.sleep(0.2)
        assert order == []
    writer.join()
    reader.join()

    assert order == ["writer", "reader"]


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from warehouse import locks\n"
        "with locks.exclusive(Path(sys.argv[1]), 'w', 1): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    with locks.exclusive(tmp_path, "w", 1):
        pass
