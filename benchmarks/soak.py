"""Scoring, ingesting, reading and tidying up together for 45 minutes: does anything grow, is anybody slow?

    python -m benchmarks.soak [--minutes 45] [--readers 3] [--output FILE]

One `workbench schedule loop` scores what arrives, every minute anew; pictures arrive all the time; readers ask what
pages ask; a writer stores small things as pages do; retention runs every half minute. Memory and open files of the loop
are sampled every five seconds; over the second half their slope must not be more than two standard errors above zero.
Readers' p95 must be at most 500 ms, writers' 3 s, and nothing may fail.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import statsmodels.api as sm
from numpy.typing import NDArray

from benchmarks import machine
from tests import scored
from tests.nights.archives import OWN, pictures
from tests.nights.calendars import schedule
from warehouse.night_records import Backup
from warehouse.nights import Nights
from warehouse.rollups import Rollups
from warehouse.store import Store
from workbench.nights import retention
from workbench.settings import Operation

READER_P95, WRITER_P95 = 0.5, 3.0  # seconds
SAMPLE = 5.0  # seconds


class Soak:
    """Everything that goes on at once over one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archive, self.data = folder, folder / "archive", folder / "data"
        self.stop = threading.Event()
        self.read: list[float] = []
        self.written: list[float] = []
        self.samples: list[tuple[float, float, int]] = []  # minutes, MiB, open files
        self.errors: list[str] = []

    def go_on(self, pause: float, what: Callable[[], None], seconds: list[float] | None = None) -> threading.Thread:
        """Do it again and again in a thread of its own."""

        def work() -> None:
            while not self.stop.wait(pause):
                started = time.perf_counter()
                try:
                    what()
                except Exception as error:  # noqa: BLE001  what fails is what is looked for
                    self.errors.append(f"{type(error).__name__}: {error}")
                if seconds is not None:
                    seconds.append(time.perf_counter() - started)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def look(self) -> None:
        """What a page asks."""
        runs = Store(self.data).runs()
        if runs.height:
            Rollups(self.data)
            Store(self.data).prediction_index(runs["run_id"][0], limit=30)

    def note(self) -> None:
        """A short transaction, as a page's."""
        Nights(self.data).keep_backup(Backup(datetime.now(UTC), "none"))


def main() -> int:
    """Soak, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(Soak(Path(folder)), arguments.minutes, arguments.readers)
    machine.report(figures, arguments.output)
    return 0 if figures["passed"] else 1


def soak(it: Soak, minutes: float, readers: int) -> dict[str, object]:
    """Let everything go on for so long, and judge."""
    pictures(it.archive, 4)
    Nights(it.data).keep_schedule(schedule(archive=str(it.archive), settings=OWN, cron="* * * * *", review_budget=0))
    arrived = [4]

    def arrive() -> None:
        pictures(it.archive, 1, first=arrived[0])
        arrived[0] += 1

    command = [*scored.command("schedule", "loop", "--every", "5")]
    loop = subprocess.Popen(
        command, env=scored.environment(it.data), cwd=it.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    process, begun = psutil.Process(loop.pid), time.monotonic()

    def sample() -> None:
        it.samples.append(((time.monotonic() - begun) / 60, process.memory_info().rss / 2**20, process.num_fds()))

    threads = [
        it.go_on(4.0, arrive),
        it.go_on(SAMPLE, sample),
        it.go_on(30.0, lambda: _tidy(it.data)),
        it.go_on(2.0, it.note, it.written),
        *(it.go_on(0.5, it.look, it.read) for _ in range(readers)),
    ]
    time.sleep(60 * minutes)
    it.stop.set()
    for thread in threads:
        thread.join()
    loop.terminate()
    _, said = loop.communicate(timeout=600)
    table = np.array(it.samples)
    half = table[len(table) // 2 :]
    memory, files = (_slope(half[:, 0], half[:, column]) for column in (1, 2))
    reader, writer = float(np.quantile(it.read, 0.95)), float(np.quantile(it.written, 0.95))
    nights = Nights(it.data).nights()
    failed = [night.message or "" for night in nights if night.state == "failed"]
    used = sum(file.stat().st_size for file in it.data.rglob("*") if file.is_file()) / 2**20
    passed = memory["flat"] and files["flat"] and reader <= READER_P95 and writer <= WRITER_P95
    return {
        "minutes": minutes,
        "nights": len(nights),
        "images_scored": sum(night.images for night in nights),
        "memory_mib_a_minute": memory,
        "open_files_a_minute": files,
        "disk_mib": used,
        "disk_mib_an_image": used / max(1, sum(night.images for night in nights)),
        "reads": len(it.read),
        "reader_p95_seconds": reader,
        "writes": len(it.written),
        "writer_p95_seconds": writer,
        "errors": [*it.errors[:5], *failed[:5]],
        "loop_ended": {"code": loop.returncode, "tracebacks": said.decode().count("Traceback")},
        "passed": bool(passed and not it.errors and not failed),
    }


def _tidy(data: Path) -> None:
    retention.tidy(data, Operation(keep_traces_mib=64, keep_thumbnails_mib=1), datetime.now(UTC))


def _slope(minutes: NDArray[np.float64], values: NDArray[np.float64]) -> dict[str, object]:
    """The slope with its interval; samples are not independent, so the error is Newey and West's."""
    fitted = sm.OLS(values, sm.add_constant(minutes)).fit(cov_type="HAC", cov_kwds={"maxlags": 6})
    slope, error = float(fitted.params[1]), float(fitted.bse[1])
    return {"slope": slope, "error": error, "flat": bool(slope - 2 * error <= 0)}


if __name__ == "__main__":
    sys.exit(main())
