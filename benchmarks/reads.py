"""How long the reads behind a page take in a warehouse of millions of predictions.

    python -m benchmarks.reads --runs 40 [--output benchmarks/results/reads.json]

One run of 50,000 predictions is ingested and stored again under other names until there are so many runs, each
prediction with 20 proposed patches. Every read opens the database anew, as a page's does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks import invented, machine
from warehouse import spool
from warehouse.database import Database
from warehouse.ingest import ingest
from warehouse.store import Store

PARTS, ROWS, PATCHES = 50, 1000, 20


def main() -> None:
    """Fill the warehouse, time each read three times, print and store the shortest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        store = Store(data)
        fill(data, args.runs)
        run_id = store.runs()["run_id"][args.runs // 2]
        row = store.prediction_index(run_id, limit=1).row(0, named=True)
        reads: dict[str, Callable[[], object]] = {
            "a new instance of DuckDB": lambda: duckdb.connect().close(),
            "opening": lambda: Database(data).frame("SELECT 1"),
            "runs": store.runs,
            "run_summary": lambda: store.run_summary(run_id),
            "failures": lambda: store.failures(run_id),
            "prediction_index, 50 rows": lambda: store.prediction_index(run_id, limit=50),
            "prediction_index, whole run": lambda: store.prediction_index(run_id),
            "case": lambda: store.case(run_id, row["image_id"]),
            "patches of an image": lambda: store.patches(run_id, row["image_id"]),
        }
        figures = {
            "predictions": args.runs * PARTS * ROWS,
            "patches": args.runs * PARTS * ROWS * PATCHES,
            "megabytes": round((data / "warehouse.duckdb").stat().st_size / 1e6),
            "seconds": {name: round(min(seconds(read) for _ in range(3)), 3) for name, read in reads.items()},
        }
    machine.report(figures, args.output)


def fill(data: Path, runs: int) -> None:
    """Runs of equal rows under names that differ in their date."""
    store = Store(data)
    store.open_run(invented.a_run())
    for block in range(PARTS):
        spool.write_part(data, invented.RUN, block, invented.a_block(block, ROWS, patches=0).predictions)
    ingest(store)
    for number in range(runs):
        name = invented.RUN if number == 0 else f"2026{number // 28 + 1:02d}{number % 28 + 1:02d}T220005123Z-a1b2c3d4"
        with Database(data)._transaction() as con:
            for table in ("runs", "predictions") if number else ():
                con.execute(
                    f"INSERT INTO {table} SELECT * REPLACE (? AS run_id) FROM {table} WHERE run_id = ?",
                    [name, invented.RUN],
                )
            con.execute(
                "INSERT INTO patches SELECT run_id, block, image_id, question_id, iteration, 1, 2, 0, 0, 28, 28, "
                "random(), random() < 0.2 FROM predictions, generate_series(1, ?) AS p(iteration) WHERE run_id = ?",
                [PATCHES, name],
            )


def seconds(read: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    read()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
