"""Scoring, ingesting, reading and tidying up together for 45 minutes: does anything grow, is anybody slow?

    python -m benchmarks.soak [--minutes 45] [--readers 3] [--output FILE]

One `workbench schedule loop` scores what arrives, every minute anew; pictures arrive all the time; another scorer's
parts arrive in the spool and are ingested; readers ask what pages ask; a writer stores small things as pages do;
retention drops traces, vectors and thumbnails every half minute. Sampled every five seconds: memory and open files of
the loop, and the disk beyond data, which is all of the data folder but the database's blocks in use, the vectors there
are, backups and reports. Over the second half no slope may be more than two standard errors above zero. Readers' p95
must be at most 500 ms, writers' 3 s, and nothing may fail.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import statsmodels.api as sm
from numpy.typing import NDArray

from benchmarks import invented, machine
from tests import scored
from tests.nights.archives import OWN, pictures
from tests.nights.calendars import schedule
from tests.people import ANN
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.queries.rollups import Rollups
from warehouse.records.nights import Backup
from warehouse.store import Store
from warehouse.upkeep import Upkeep
from warehouse.vectors import Vectors
from workbench.nights import retention
from workbench.settings import Operation

READER_P95, WRITER_P95 = 0.5, 3.0  # seconds
SAMPLE = 5.0  # seconds
LIMITS = Operation(keep_traces_mib=16, keep_vectors_mib=1, keep_thumbnails_mib=1)


class Soak:
    """Everything that goes on at once over one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.archive, self.data = folder, folder / "archive", folder / "data"
        self.stop = threading.Event()
        self.read: list[float] = []
        self.written: list[float] = []
        self.samples: list[tuple[float, float, int, float]] = []  # minutes, MiB, open files, MiB beyond data
        self.dropped = [0, 0, 0]  # traces, vectors, thumbnails
        self.errors: list[str] = []
        self.pictures = 4  # that have arrived
        self.blocks = 0  # of the other scorer

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
        Nights(self.data).keep_backup(Backup(datetime.now(UTC), "none"), actor=ANN)

    def arrive(self) -> None:
        """Another picture to score, and a thumbnail as pages keep them."""
        (file,) = pictures(self.archive, 1, first=self.pictures)
        thumbnail = self.data / "thumbnails" / f"{self.pictures:06d}.jpg"
        thumbnail.parent.mkdir(parents=True, exist_ok=True)
        thumbnail.write_bytes(file.read_bytes())
        self.pictures += 1

    def ingest(self) -> None:
        """A block of another scorer: into the spool, then into the warehouse."""
        block = invented.a_block(self.blocks, 20, patches=5)
        spool.write_part(
            self.data,
            invented.RUN,
            self.blocks,
            block.predictions,
            block.patches,
            block.image_vectors,
            block.patch_vectors,
        )
        self.blocks += 1
        ingest(Store(self.data))

    def tidy(self) -> None:
        """Drop what is over the limits."""
        gone = retention.tidy(self.data, LIMITS, datetime.now(UTC), actor=ANN)
        self.dropped = [sum(pair) for pair in zip(self.dropped, astuple(gone), strict=True)]

    def beyond_data(self) -> float:
        """MiB on the disk that no row, vector, backup or report needs."""
        kept = {"backups", "reports"}
        used = sum(size for place, size in _files(self.data) if place.parts[0] not in kept)
        return (used - Upkeep(self.data).used_bytes() - Vectors(self.data).used_bytes()) / 2**20


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
    pictures(it.archive, it.pictures)
    kept = schedule(archive=str(it.archive), settings=OWN, cron="* * * * *", review_budget=0)
    Nights(it.data).keep_schedule(replace(kept, created_at=datetime.now(UTC)), actor=ANN)
    Store(it.data).open_run(invented.a_run())

    command = [*scored.command("schedule", "loop", "--every", "5")]
    loop = subprocess.Popen(
        command, env=scored.environment(it.data), cwd=it.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    process, begun = psutil.Process(loop.pid), time.monotonic()

    def sample() -> None:
        used = process.memory_info().rss / 2**20, process.num_fds(), it.beyond_data()
        it.samples.append(((time.monotonic() - begun) / 60, *used))

    threads = [
        it.go_on(4.0, it.arrive),
        it.go_on(5.0, it.ingest),
        it.go_on(SAMPLE, sample),
        it.go_on(30.0, it.tidy),
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
    memory, files, disk = (_slope(half[:, 0], half[:, column]) for column in (1, 2, 3))
    reader, writer = float(np.quantile(it.read, 0.95)), float(np.quantile(it.written, 0.95))
    nights = Nights(it.data).nights()
    failed = [night.message or "" for night in nights if night.state == "failed"]
    passed = memory["flat"] and files["flat"] and disk["flat"] and reader <= READER_P95 and writer <= WRITER_P95
    return {
        "minutes": minutes,
        "nights": len(nights),
        "images_scored": sum(night.images for night in nights),
        "memory_mib_a_minute": memory,
        "open_files_a_minute": files,
        "beyond_data_mib_a_minute": disk,
        "every_minute": [
            dict(zip(("minutes", "memory_mib", "open_files", "beyond_data_mib"), map(_rounded, row), strict=True))
            for row in table[:: int(60 / SAMPLE)]
        ],
        "disk_mib": {name: _rounded(size / 2**20) for name, size in sorted(_by_folder(it.data).items())},
        "blocks_ingested_for_another_scorer": it.blocks,
        "dropped": dict(zip(("traces", "vectors", "thumbnails"), it.dropped, strict=True)),
        "reads": len(it.read),
        "reader_p95_seconds": reader,
        "writes": len(it.written),
        "writer_p95_seconds": writer,
        "errors": [*it.errors[:5], *failed[:5]],
        "loop_ended": {"code": loop.returncode, "tracebacks": said.decode().count("Traceback")},
        "passed": bool(passed and not it.errors and not failed),
    }


def _files(data: Path) -> Iterator[tuple[Path, int]]:
    """Every file's place in the data folder and its size in bytes; one that goes meanwhile is passed over."""
    for file in data.rglob("*"):
        with suppress(FileNotFoundError):
            if file.is_file():
                yield file.relative_to(data), file.stat().st_size


def _by_folder(data: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for place, size in _files(data):
        sizes[place.parts[0]] += size
    return sizes


def _rounded(value: float) -> float:
    return round(float(value), 2)


def _slope(minutes: NDArray[np.float64], values: NDArray[np.float64]) -> dict[str, object]:
    """The slope with its standard error.

    Neighbouring samples are alike, so the error is Newey and West's, with as many lags as Andrews' rule gives for a
    first-order autoregression.
    """
    line = sm.add_constant(minutes)
    left = sm.OLS(values, line).fit().resid
    alike = float(np.clip(left[1:] @ left[:-1] / max(left @ left, 1e-12), 0.0, 0.97))
    reach = 1.1447 * (4 * alike**2 / (1 - alike**2) ** 2 * len(values)) ** (1 / 3)
    lags = int(min(np.ceil(reach), len(values) // 3))
    fitted = sm.OLS(values, line).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    slope, error = float(fitted.params[1]), float(fitted.bse[1])
    return {"slope": slope, "error": error, "lags": lags, "flat": bool(slope - 2 * error <= 1e-9)}


if __name__ == "__main__":
    sys.exit(main())
