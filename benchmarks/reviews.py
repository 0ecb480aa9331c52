"""5,000 open disputes: how long the page takes, a push of 1,000 tasks to a real Label Studio, and an empty pull.

    python -m benchmarks.reviews [--disputes 5000] [--push 1000] [--output benchmarks/results/reviews.json]

The server is the tests' own (`python -m tests.review.studio` installs it), on this machine. The page's time is that of
its script in a warm process, read from an empty cache: what stands between the browser's asking and its first paint.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import machine
from tests.pages import screen
from tests.people import ANN
from tests.review import killing, studio
from tests.review.conftest import Studio
from warehouse.store import Store
from workbench.review.labelstudio import push, server
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.pull import pull


def main() -> None:
    """Seed, time, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disputes", type=int, default=5000)
    parser.add_argument("--push", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, data = Path(folder) / "home", Path(folder) / "data"
        os.environ["WORKBENCH_DATA"] = str(data)
        killing.many(data, args.disputes)
        screen.opened("workbench/pages/disputes/disputes.py")  # importing is not painting
        page = min(timed(lambda: screen.opened("workbench/pages/disputes/disputes.py")) for _ in range(3))
        shutil.copytree(studio.template(), home)
        port = studio.free_port()
        process = server.start(studio.executable(), home, port)
        try:
            url = server.wait(process, port, home)
            studio_of = Studio(url, server.token(home), server.password(home), home)
            connection, store = Connection(studio_of.client(), studio_of.folder()), Store(data)
            push.push(store, connection, limit=0, actor=ANN)
            pushed = timed(lambda: push.push(store, connection, limit=args.push, actor=ANN))
            first = timed(lambda: pull(store, connection, actor=ANN))
            time.sleep(3)
            empty = timed(lambda: pull(store, connection, actor=ANN))
        finally:
            studio.stop(process)
    machine.report(
        {
            "disputes": args.disputes,
            "page_seconds": round(page, 3),
            "page_bound": 1.0,
            "tasks_pushed": args.push,
            "push_seconds": round(pushed, 2),
            "push_bound": 60.0,
            "first_pull_seconds": round(first, 2),
            "empty_pull_seconds": round(empty, 2),
            "empty_pull_bound": 3.0,
        },
        args.output,
    )


def timed(what: object) -> float:
    """Seconds a call takes."""
    assert callable(what)
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
