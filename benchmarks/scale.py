"""Planning a night of 100,000 images: how long it takes, how much memory, and that the second night reads none of them.

    python -m benchmarks.scale [--images N]

The pictures are grey squares of 32 pixels with a spot of their own. Each plan is made in a process of its own, so that
its peak memory is its own: scan the folder and measure its pictures, remember entries and measures in a real warehouse,
ask the inspection protocol, cut the blocks.
Prints a table and a line of JSON, and leaves both in results/scale.md.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

RESULT = Path(__file__).parent / "results" / "scale.md"
SIDE = 32  # pixels
PRODUCTS, FOLDERS = 20, 10  # folders of 500 images at 100,000


@dataclass(frozen=True, slots=True)
class Planned:
    """What one plan took."""

    images: int
    questions: int
    blocks: int
    plan: str
    images_read: int
    measured: int
    scan_seconds: float
    remember_seconds: float
    plan_seconds: float
    cpu_seconds: float  # of all its threads, imports included; wall time on a busy machine says little
    peak_mib: float  # of the whole process

    @property
    def seconds(self) -> float:
        """Scan, remember and plan."""
        return self.scan_seconds + self.remember_seconds + self.plan_seconds


def main() -> None:
    """Make the images, plan twice, print and store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--plan", nargs=2, type=Path, metavar=("ROOT", "DATA"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plan:
        sys.stdout.write(json.dumps(asdict(plan_once(*args.plan))))
        return
    with tempfile.TemporaryDirectory() as folder:
        root, data = Path(folder, "archive"), Path(folder, "data")
        draw(root, args.images)
        first = in_a_process(root, data)
        second = in_a_process(root, data)
    assert first.measured == args.images, "a picture was not measured"
    assert (second.images_read, second.measured, second.plan) == (0, 0, first.plan), "the second plan read images"
    text = report(args.images, first, second)
    sys.stdout.write(text + "\n")
    if args.images == parser.get_default("images"):
        RESULT.write_text(text + "\n", encoding="utf-8")


def draw(root: Path, images: int) -> None:
    """Small pictures, no two alike, in product folders without labels."""
    file, plate = io.BytesIO(), Image.new("RGB", (SIDE, SIDE), "grey")
    plate.paste("white", (10, 12, 22, 20))
    plate.save(file, "BMP")
    grey = file.getvalue()
    for number in range(images):
        folder = root / f"product {number % PRODUCTS:02}" / f"lot {number // PRODUCTS % FOLDERS:02}"
        if number < PRODUCTS * FOLDERS:
            folder.mkdir(parents=True)
        (folder / f"{number:06}.bmp").write_bytes(grey[:-3] + number.to_bytes(3, "big"))  # the last pixel is its own


def in_a_process(root: Path, data: Path) -> Planned:
    """What `plan_once` took in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.scale", "--plan", str(root), str(data)]
    return Planned(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def plan_once(root: Path, data: Path) -> Planned:
    """The plan as `workbench score` makes it, timed."""
    from warehouse.queries.measures import PictureMeasures
    from warehouse.store import Store
    from workbench.archive import questions, references
    from workbench.archive import scan as archive
    from workbench.archive.measures import KNOWN_AT_ONCE
    from workbench.question_sets import INSPECTION, built_in
    from workbench.scoring import plan

    store, stored = Store(data), PictureMeasures(data)
    started = time.perf_counter()
    archive_id = archive.identify(root).archive_id
    scan = archive.scan(root, store.entries(archive_id), unmeasured=stored.missing(archive_id, KNOWN_AT_ONCE))
    scanned = time.perf_counter()
    store.register_archive(scan.archive)
    stored.store(scan.measures)
    store.upsert_entries(scan.archive.archive_id, scan.registered)
    remembered = time.perf_counter()
    made = plan.make(questions.of_set(built_in(INSPECTION), scan, [], references.gather(scan)).items)
    return Planned(
        images=len(scan.entries),
        questions=made.planned,
        blocks=len(made.blocks),
        plan=made.identity,
        images_read=scan.images_read,
        measured=len(scan.measures),
        scan_seconds=scanned - started,
        remember_seconds=remembered - scanned,
        plan_seconds=time.perf_counter() - remembered,
        cpu_seconds=time.process_time(),
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def report(images: int, first: Planned, second: Planned) -> str:
    """The result as a page."""
    rows = "\n".join(
        f"| {name} | {each.images_read:,} | {each.measured:,} | {each.scan_seconds:.1f} | {each.remember_seconds:.1f} "
        f"| {each.plan_seconds:.1f} | {each.seconds:.1f} | {each.cpu_seconds:.1f} | {each.peak_mib:,.0f} |"
        for name, each in (("first", first), ("second", second))
    )
    return f"""# Planning {images:,} images

`python -m benchmarks.scale`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} CPUs ({platform.machine()}), \
load {os.getloadavg()[0]:.1f} at the end, Python {platform.python_version()}. {first.questions:,} questions in \
{first.blocks:,} blocks; goal: the first plan under 60 s and 1,024 MiB, the second reads no image.

| plan | images read | measured | scan, s | remember, s | plan, s | all, s | CPU, s | peak memory, MiB |
| - | - | - | - | - | - | - | - | - |
{rows}

```json
{json.dumps({"first": asdict(first), "second": asdict(second)})}
```"""


if __name__ == "__main__":
    main()
