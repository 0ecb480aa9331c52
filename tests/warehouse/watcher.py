"""A reader in a process of its own: polls a data folder until told to stop, then says what it saw.

    python -m tests.warehouse.watcher DATA QUESTIONS_PER_BLOCK

Prints `ready`, and after a line on stdin how often it read; ends at once, saying why, at anything that must not be.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from warehouse.store import Store


def main(data: Path, questions: int) -> None:
    store = Store(data)
    stop = threading.Event()
    threading.Thread(target=stop_when_told, args=[stop], daemon=True).start()
    seen: dict[str, int] = {}
    reads = 0
    print("ready", flush=True)
    while not stop.is_set():
        for run_id in store.runs()["run_id"]:
            rows = store.prediction_index(run_id)
            run = store.run(run_id)  # read after its rows, so it may know of more
            sizes = rows.group_by("block").len()["len"]
            if not (sizes == questions).all():
                raise SystemExit(f"{run_id} has half a block: {sizes.to_list()}")
            if rows.height < seen.get(run_id, 0):
                raise SystemExit(f"{run_id} had {seen[run_id]} rows and now {rows.height}")
            if run is None or rows.height > run.answered:
                raise SystemExit(f"{run_id} has {rows.height} rows and counts {run and run.answered}")
            seen[run_id] = rows.height
        reads += 1
        time.sleep(0.1)
    print(f"{reads} reads", flush=True)


def stop_when_told(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
