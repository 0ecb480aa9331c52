"""How long a writer waits while eight readers poll, one of them with a query of two seconds.

    python -m benchmarks.readers --seconds 120 [--output benchmarks/results/readers.json]

Readers and the writer are processes of their own on one warehouse. The writer stores and ingests a small block every
half second, as a scoring run does every few; its time is from asking for the warehouse to the end of the commit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path
from queue import Queue

from benchmarks import invented, machine
from warehouse import spool
from warehouse.database import Database
from warehouse.ingest import ingest
from warehouse.store import Store

LONG_QUERY = 2.0  # seconds
ROWS = 20  # predictions in a block


def main() -> None:
    """Run readers and writer for a while, print and store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()

    processes = multiprocessing.get_context("spawn")
    stop, ready, read = processes.Event(), processes.Semaphore(0), processes.Queue()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        store = Store(data)
        store.open_run(invented.a_run())
        readers = [
            processes.Process(target=poll, args=(data, number == 0, stop, ready, read))
            for number in range(args.readers)
        ]
        for reader in readers:
            reader.start()
        for _ in readers:
            ready.acquire()
        waited = write(store, args.seconds)
        stop.set()
        reads = sorted(seconds for _ in readers for seconds in read.get())
        for reader in readers:
            reader.join()
        lost = len(waited) * ROWS - store.predictions(invented.RUN).height
    machine.report(
        {
            "readers": args.readers,
            "failed_readers": sum(reader.exitcode != 0 for reader in readers),
            "lost_rows": lost,
            "reads": len(reads),
            "read_seconds_p50": round(statistics.median(reads), 3),
            "writes": len(waited),
            "write_seconds_p50": round(statistics.median(waited), 3),
            "write_seconds_p95": round(statistics.quantiles(waited, n=20, method="inclusive")[-1], 3),
            "write_seconds_max": round(max(waited), 3),
        },
        args.output,
    )


def write(store: Store, seconds: float) -> list[float]:
    """How long each write took."""
    waited: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        block = invented.a_block(len(waited), ROWS, patches=5)
        spool.write_part(store.data, invented.RUN, len(waited), block.predictions, block.patches)
        start = time.perf_counter()
        ingest(store)
        waited.append(time.perf_counter() - start)
        time.sleep(0.5)
    return waited


def poll(data: Path, slow: bool, stop: Event, ready: Semaphore, read: Queue[list[float]]) -> None:
    """Read what a page reads, again and again; the slow one holds its connection for two seconds each time."""
    store = Store(data)
    waited: list[float] = []
    store.run_summary(invented.RUN)  # importing is not reading
    ready.release()
    while not stop.is_set():
        start = time.perf_counter()
        if slow:
            with Database(data).reading() as con:
                con.execute("SELECT count(*) FROM predictions").fetchall()
                time.sleep(LONG_QUERY)
        else:
            store.run_summary(invented.RUN)
            waited.append(time.perf_counter() - start)
        time.sleep(0.1)
    read.put(waited)


if __name__ == "__main__":
    main()
