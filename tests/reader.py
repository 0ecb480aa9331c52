"""A reader in a process of its own: polls a data folder until told to stop, and fails at anything half-stored.

    python -m tests.reader DATA [SECONDS]

Prints `ready`, and after a line on stdin how often it read. A block seen once must never be seen with other rows.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from warehouse.store import Store


def main(data: Path, seconds: float) -> None:
    store, stop = Store(data), threading.Event()
    threading.Thread(target=stop_when_told, args=[stop], daemon=True).start()
    blocks: dict[tuple[str, int], int] = {}
    reads = 0
    print("ready", flush=True)
    while True:
        for run_id in store.runs()["run_id"]:
            sizes = store.prediction_index(run_id).group_by("block").len()
            for block, rows in sizes.iter_rows():
                if blocks.setdefault((run_id, block), rows) != rows:
                    raise SystemExit(f"block {block} of {run_id} had {blocks[run_id, block]} rows and now {rows}")
            if missing := [key for key in blocks if key[0] == run_id and key[1] not in set(sizes["block"])]:
                raise SystemExit(f"{missing} were there and are gone")
        reads += 1
        if stop.wait(seconds):
            break
    print(f"{reads} reads", flush=True)


def stop_when_told(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
