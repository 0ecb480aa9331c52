"""A night over an archive of a million images of which all but 500 are known: how long until the first is scored.

    python -m benchmarks.million [--images 1000000] [--new 500] [--output FILE]

The archive is real files below one folder, empty ones but for the first and the new: had one of the known been read,
its content would be another image and there would be more to score than the new ones. The warehouse knows each with
four answers. The night is a schedule's own, in a process of its own: scan, what the schedule has never scored, its
questions and blocks, until the model would begin. Exit 1 past 60 s, or when anything but the new images was read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from benchmarks import machine
from tests.nights.archives import OWN, Nightly, pictures
from tests.nights.calendars import schedule
from warehouse.database import Database
from warehouse.records.nights import Night
from workbench.archive import scan
from workbench.nights import incremental
from workbench.nights.night import settings_of

GOAL = 60.0  # seconds
BY_FOLDER, BATCH = 1000, 100_000
CHANGED_AT = datetime(2025, 6, 1, tzinfo=UTC)


@dataclass
class Planning:
    """A `scoring.watch.Watch` that notes when what begins."""

    started: float = field(default_factory=time.perf_counter)
    steps: dict[str, float] = field(default_factory=dict)  # seconds since the start
    images: int = -1

    def step(self, text: str) -> None:
        """Something begins."""
        self.steps.setdefault(text.partition(" ")[0], time.perf_counter() - self.started)

    def begin(self, images: int, images_done: int) -> None:
        """Everything is planned."""
        self.images = images - images_done
        self.steps["scoring"] = time.perf_counter() - self.started

    def advance(self, images: int, failed: int) -> None:
        """A block was stored."""


def main() -> int:
    """Make the archive and the warehouse, plan a night, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=500)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--night", nargs=2, type=Path, metavar=("ROOT", "DATA"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.night:
        sys.stdout.write(json.dumps(plan_a_night(*arguments.night)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        root, data = Path(folder, "archive"), Path(folder, "data")
        make(root, data, arguments.images)
        pictures(root, arguments.new, first=1, product="new")
        command = [sys.executable, "-m", "benchmarks.million", "--night", str(root), str(data)]
        planned = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    passed = planned["seconds"] < GOAL and planned["images_to_score"] == planned["images_read"] == arguments.new
    machine.report({"known_images": arguments.images, **planned, "passed": passed}, arguments.output)
    return 0 if passed else 1


def make(root: Path, data: Path, images: int) -> None:
    """An archive of so many images that a schedule has scored: one for real, its rows again for all others."""
    pictures(root, 1)
    nightly = Nightly(data, root)
    nightly.keep()
    nightly.night()
    identity = scan.identify(root).archive_id
    for rows in _others(root, identity, images - 1):
        with Database(data)._transaction() as con:
            con.register("others", rows)
            con.execute(
                "INSERT INTO facts SELECT f.* REPLACE (o.image_id AS image_id, o.path AS image_path, "
                "o.content AS cluster_id) "
                "FROM facts AS f CROSS JOIN others AS o WHERE f.image_path = 'plate/0000.png'"
            )
            con.execute(
                "INSERT INTO entries SELECT e.* REPLACE (o.image_id AS image_id, o.path AS path, o.content AS content, "
                "0 AS size, o.mtime_ns AS mtime_ns, NULL AS ctime_ns, NULL AS inode) "
                "FROM entries AS e CROSS JOIN others AS o WHERE e.path = 'plate/0000.png'"
            )


def _others(root: Path, identity: str, images: int) -> Iterator[pa.Table]:
    """Empty files, and what the warehouse is to know of them."""
    changed = int(CHANGED_AT.timestamp()) * 10**9
    for start in range(0, images, BATCH):
        numbers = range(start + 1, min(start + BATCH, images) + 1)
        paths = [f"plate/{number // BY_FOLDER:04d}/{number:07d}.png" for number in numbers]
        for path in paths:
            file = root / path
            if not int(file.stem) % BY_FOLDER or not file.parent.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT))
            os.utime(file, ns=(changed, changed))
        contents = [hashlib.sha256(path.encode()).hexdigest() for path in paths]
        yield pa.table(
            {
                "path": paths,
                "content": contents,
                "image_id": [
                    hashlib.sha256(f"{identity}\0{path}\0{content}".encode()).hexdigest()[:32]
                    for path, content in zip(paths, contents, strict=True)
                ],
                "mtime_ns": [changed] * len(paths),
            }
        )


def plan_a_night(root: Path, data: Path) -> dict[str, object]:
    """What it took until the first image would be scored."""
    read: list[Path] = []
    content_of = scan.content_of

    def counted(file: Path) -> str:
        read.append(file)
        return content_of(file)

    scan.content_of = counted
    kept = schedule(archive=str(root), settings=OWN)
    now = datetime.now(UTC) + timedelta(days=1)
    night = Night(kept.name, now, now, 1, "running", now, None, 1, 0, None)
    watch = Planning()
    for _ in incremental.score(root, settings_of(kept, data), night, watch, lambda: "planned"):
        pass
    return {
        "seconds": watch.steps["scoring"],
        "seconds_without_the_model": watch.steps["loading"],
        "images_to_score": watch.images,
        "images_read": len(read),
        "cpu_seconds": time.process_time(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
