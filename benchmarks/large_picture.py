"""A line scan of 60,000 x 4,096 pixels, opened tile by tile and scored: `python -m benchmarks.large_picture`.

Draws the scan, with a hole and its mask, in every format and colour that is asked for, then has a process of its own
open all its tiles, and another score the first one with the embedded demo model. Of each process the greatest resident
memory is told; it must stay within 3 GiB, else this ends with 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import machine

WIDTH, HEIGHT = 60_000, 4_096
LIMIT_MIB = 3 * 1024
FORMATS = ("png", "jpg", "tif", "bmp")
COLOURS = ("grey", "rgb")

# In processes of their own, so that each tells the greatest memory of its work alone.
_DRAW = """
import sys
from pathlib import Path
from benchmarks.large_picture import draw
draw(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""
_OPEN = """
import json, resource, sys
from pathlib import Path
import polars as pl
from workbench.archive import scan
from workbench.archive.image_decoding import inspect_image
from workbench.archive.run_views import RunViews
from workbench.archive.tiles import Tiling
root = Path(sys.argv[1])
found = scan.scan(root, pl.DataFrame(), tiling=Tiling()).entries
for entry in found:
    inspect_image(root / entry.path, RunViews().of(entry))
print(json.dumps([len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""
_SCORE = """
import json, resource, sys
from pathlib import Path
from warehouse.store import Store
from workbench.scoring import run
from workbench.settings import Method, Settings, Work
class Quiet:
    def step(self, text): pass
    def begin(self, images, images_done): pass
    def advance(self, images, failed): pass
settings = Settings(method=Method(iterations=int(sys.argv[3])), work=Work(data=Path(sys.argv[2])))
outcome = run.score(Path(sys.argv[1]), settings, Quiet())
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps([outcome.images, outcome.run.failed, peak]))
"""


def main() -> int:
    """Draw, open, score; print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", action="append", default=[], choices=FORMATS, help="all by default")
    parser.add_argument("--colour", action="append", default=[], choices=COLOURS, help="both by default")
    parser.add_argument("--iterations", type=int, default=2, help="of the method, when the first one is scored")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for colour in args.colour or COLOURS:
            for suffix in args.format or FORMATS:
                root = Path(folder) / f"{colour} {suffix}"
                root.mkdir()
                subprocess.run([sys.executable, "-c", _DRAW, root, suffix, colour], check=True)
                size = sum(file.stat().st_size for file in root.glob(f"**/scan.{suffix}"))
                row: dict[str, object] = {"colour": colour, "format": suffix, "mib": _mib(size)}
                rows.append(row | _measured(_OPEN, ("tiles", "peak_mib"), root))
                sys.stderr.write(f"{rows[-1]}\n")
                if len(rows) == 1:
                    names = ("scored_tiles", "failed_questions", "peak_mib_scored")
                    rows[0] |= _measured(_SCORE, names, root, Path(folder) / "data", str(args.iterations))
                shutil.rmtree(root)
    machine.report({"width": WIDTH, "height": HEIGHT, "iterations": args.iterations, "scans": rows}, args.output)
    peaks = [value for row in rows for name, value in row.items() if name.startswith("peak") and isinstance(value, int)]
    return int(max(peaks) > LIMIT_MIB)


def _measured(script: str, names: tuple[str, ...], *arguments: Path | str) -> dict[str, object]:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    *counts, kib = json.loads(done.stdout.splitlines()[-1])
    values = [*counts, _mib(1024 * kib)]
    seconds = {f"{names[0].removesuffix('tiles')}seconds": round(time.perf_counter() - started, 1)}
    return dict(zip(names, values, strict=True)) | seconds


def _mib(count: int) -> int:
    return round(count / 2**20)


def draw(root: Path, suffix: str, colour: str) -> None:
    """A belt with grain, darker towards one end, with a hole; its mask."""
    rng = np.random.default_rng(1)
    channels = 1 if colour == "grey" else 3
    grain = rng.integers(90, 130, (HEIGHT, 3000, channels)).astype(np.uint8)
    scan = Image.new("L" if colour == "grey" else "RGB", (WIDTH, HEIGHT))
    for left in range(0, WIDTH, 3000):
        scan.paste(Image.fromarray((grain - left // 1500).squeeze()), (left, 0))
    hole = (41_000, 2_000, 41_200, 2_150)
    scan.paste(0, hole)
    options: dict[str, Any] = {"png": {"compress_level": 1}, "jpg": {"quality": 90}}.get(suffix, {})
    for folder, image, name in (("test", scan, f"scan.{suffix}"), ("ground_truth", None, "scan_mask.png")):
        file = root / "belt" / folder / "hole" / name
        file.parent.mkdir(parents=True)
        if image is None:
            image = Image.new("L", scan.size)
            image.paste(255, hole)
            options = {"compress_level": 1}
        image.save(file, **options)


if __name__ == "__main__":
    sys.exit(main())
