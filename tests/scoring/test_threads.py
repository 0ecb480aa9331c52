"""A run in a thread, as a server would score: it runs, stops when asked to, and excludes threads and processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from tests import scored
from tests.scored import Quiet
from workbench.errors import AlreadyRunning
from workbench.processes import is_free, single_instance
from workbench.scoring import run
from workbench.settings import Settings, Support


class Held(Quiet):
    """Waits within the run, after its first block, until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.within, self.go_on = threading.Event(), threading.Event()

    def advance(self, images: int, failed: int) -> None:
        super().advance(images, failed)
        self.within.set()
        assert self.go_on.wait(60)


@pytest.fixture
def settings(data_folder: Path) -> Settings:
    return scored.quick(data_folder, Support(knowledge="none"), block_images=1, limit=20)


def _free_for_another_process(lock: Path) -> bool:
    code = f"from pathlib import Path; from workbench.processes import is_free; print(is_free(Path({str(lock)!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_somebody_who_looks_whether_a_lock_is_free_turns_nobody_away(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    looking = FileLock(lock, thread_local=False)
    looking.acquire(timeout=0)
    threading.Timer(0.05, looking.release).start()
    with single_instance(lock, AlreadyRunning("taken")):
        assert not is_free(lock)
    assert is_free(lock)


@pytest.mark.slow
def test_a_run_in_a_thread_runs_stops_and_excludes_other_threads_and_processes(
    drawn_archive: Path, settings: Settings
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    watch, stop = Held(), threading.Event()

    def score(watch: Quiet) -> run.Outcome:
        return run.score(drawn_archive, settings, watch, stop=lambda: "the server" if stop.is_set() else "")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(score, watch)
        assert watch.within.wait(120)
        try:
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
            with pytest.raises(AlreadyRunning):
                threads.submit(score, Quiet()).result()
            with pytest.raises(AlreadyRunning):  # the main thread is turned away as well
                scored.score(drawn_archive, settings)
            (lock,) = (settings.work.data / "locks").glob("run-*.lock")
            assert not is_free(lock)
            assert not _free_for_another_process(lock)
        finally:
            stop.set()
            watch.go_on.set()
        stopped = first.result()
        assert (stopped.run.state, stopped.images) == ("stopped", 1)
        assert stopped.run.message == "stopped by the server; the same command goes on"
        assert is_free(lock)
        stop.clear()
        finished = threads.submit(score, Quiet()).result()
    assert (finished.run.run_id, finished.run.state) == (stopped.run.run_id, "finished")
    assert finished.resumed
