"""How many predictions a second `workbench ingest` moves from spool parts into the warehouse.

    python -m benchmarks.ingest --parts 100 [--output benchmarks/results/ingest.json]

Parts are what a scoring run writes: 1,000 questions on 200 images, each with a trace of 11 iterations and 4 think
tokens. Three times: predictions alone; with 20 proposed patches each; with these, a vector per image and a vector per
accepted patch as well. Writing the parts is not timed: there the model takes the time. Processor seconds are given
beside wall-clock seconds because they say the same on a busy machine.
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
    parser.add_argument("--parts", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000, help="predictions in a part")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()

    import lancedb  # noqa: F401  importing it takes longer than moving a part, and a process does it once

    with tempfile.TemporaryDirectory() as folder:
        bare, patched, whole = (Path(folder) / name for name in ("bare", "patched", "whole"))
        for number in range(args.parts):
            block = invented.a_block(number, args.rows)
            spool.write_part(bare, invented.RUN, number, block.predictions)
            spool.write_part(patched, invented.RUN, number, block.predictions, block.patches)
            spool.write_part(
                whole,
                invented.RUN,
                number,
                block.predictions,
                block.patches,
                block.image_vectors,
                block.patch_vectors,
            )
        figures = {
            "predictions": measure(bare),
            "predictions_and_patches": measure(patched),
            "predictions_patches_and_vectors": measure(whole),
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
