"""How many predictions a second `workbench ingest` moves from spool parts into the warehouse.

    python -m benchmarks.ingest [--questions 100000] [--output benchmarks/results/ingest.json]

Every question has a trace of 11 iterations and 4 think tokens. Four times: parts of 1,000 questions; the same with 20
proposed patches a question; with these, a vector per image and a vector per accepted patch; and the parts that a
scoring run writes by default, of 8 images and 40 questions, with patches. Writing the parts is not timed: there the
model takes the time. Processor seconds are given beside wall-clock seconds because they say the same on a busy machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import invented, machine
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.store import Store
from warehouse.vectors import Vectors


def main() -> None:
    """Write the parts, time the ingest, print and store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        first, bare, patched, whole, small = (
            Path(folder) / name for name in ("first", "bare", "patched", "whole", "small")
        )
        for number in range(args.questions // 1000):
            block = invented.a_block(number, 1000)
            spool.write_part(bare, invented.RUN, number, block.predictions)
            spool.write_part(patched, invented.RUN, number, block.predictions, block.patches)
            spool.write_part(whole, invented.RUN, number, *block)
        for number in range(args.questions // 40 // 5):
            block = invented.a_block(number, 40)
            spool.write_part(small, invented.RUN, number, block.predictions, block.patches)
        spool.write_part(first, invented.RUN, 0, *invented.a_block(0, 40))
        measure(first)  # a process imports its libraries once, which takes longer than moving a part
        figures = {
            "predictions": measure(bare),
            "predictions_and_patches": measure(patched),
            "predictions_patches_and_vectors": measure(whole),
            "parts_of_eight_images_with_patches": measure(small),
        }
    machine.report(figures, args.output)


def measure(data: Path) -> dict[str, float]:
    """Figures of the ingest of everything in a data folder's spool."""
    store = Store(data)
    store.open_run(invented.a_run())
    # Read once, so that the parts are in memory, as those of a running night are.
    size = sum(len(file.read_bytes()) for part in spool.pending(data) for file in part.iterdir())
    wall, cpu = time.perf_counter(), time.process_time()
    done = ingest(store)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "parts": done.parts,
        "predictions": done.predictions,
        "patches": done.patches,
        "vectors": sum(Vectors(data).counts()["rows"]),
        "spool_megabytes": round(size / 1e6, 1),
        "wall_seconds": round(wall, 2),
        "processor_seconds": round(cpu, 2),
        "predictions_per_second": round(done.predictions / wall),
        "predictions_per_processor_second": round(done.predictions / cpu),
    }


if __name__ == "__main__":
    main()
