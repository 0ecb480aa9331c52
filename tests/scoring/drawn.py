"""Small real files for the tests of archives: drawn pictures, product folders, what a warehouse would remember."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from workbench.archive import scan as archive
from workbench.archive.scan import Scan

NOTHING_KNOWN = pl.DataFrame()


def picture(path: Path, shade: int = 128, size: tuple[int, int] = (8, 8)) -> Path:
    """A grey plate, saved where its folder need not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, shade, shade)).save(path)
    return path


def mask(path: Path, box: tuple[int, int, int, int], size: tuple[int, int] = (90, 60)) -> Path:
    """Black, and white within the box (left, top, right, bottom; the right and bottom edges outside)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((size[1], size[0]), np.uint8)
    values[box[1] : box[3], box[0] : box[2]] = 255
    Image.fromarray(values).save(path)
    return path


def bottle(root: Path) -> Path:
    """DATA/bottle as MVTec AD has it: two normal references, one good picture, one scratched with its mask."""
    folder = root / "DATA" / "bottle"
    picture(folder / "train/good/000.png", 10)
    picture(folder / "train/good/001.png", 20)
    picture(folder / "test/good/000.png", 30)
    picture(folder / "test/scratch/000.png", 40, (90, 60))
    mask(folder / "ground_truth/scratch/000_mask.png", (70, 0, 90, 10))
    return folder


def scanned(root: Path, known: pl.DataFrame = NOTHING_KNOWN) -> Scan:
    return archive.scan(root, known)


def remembered(scan: Scan) -> pl.DataFrame:
    """The scan as the warehouse would give it back."""
    return pl.DataFrame([asdict(entry) for entry in scan.registered], infer_schema_length=None)


def reasons(scan: Scan) -> dict[str, str]:
    return {problem.path: problem.reason for problem in scan.problems}
