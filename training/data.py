"""Training and test images, drawn once and kept as the model will see them.

Image i of a set follows from (seed, i) alone, so a set is the same however many processes draw it. Kept per image:
168 x 168 pixels as the image processor makes them, the defect's share of each of the 6 x 6 cells, the facets, and two
zoom crops: a cell cut from the original at full resolution and brought to 56 x 56.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.embedded.draw import Drawing, draw
from workbench.embedded.questions import Facets
from workbench.embedded.scenes import SIDE
from workbench.embedded.tiny_model import SHAPE

CELLS = SHAPE.cells
ZOOM_SIDE = 56  # pixels of a re-encoded crop: 2 x 2 tokens
CROPS = 2  # per image: one on the defect where there is one, one anywhere
_CELL = SIDE // CELLS  # pixels of a cell in the original
HIT = 0.03  # a cell counts as defective from this share of its pixels on
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class ImageSet:
    """N drawn images, as arrays."""

    images: npt.NDArray[np.uint8]  # (N, 168, 168, 3)
    cells: npt.NDArray[np.float32]  # (N, 36) share of the cell that is defective
    crops: npt.NDArray[np.uint8]  # (N, CROPS, 56, 56, 3)
    crop_shares: npt.NDArray[np.float32]  # (N, CROPS, 4) share of each crop's token that is defective
    facets: list[Facets]
    hard: npt.NDArray[np.bool_]  # (N, 2) tiny, faint

    def __len__(self) -> int:
        return len(self.facets)

    def part(self, count: int) -> ImageSet:
        """The first images of the set."""
        cut = {field.name: getattr(self, field.name)[:count] for field in fields(self)}
        return ImageSet(**cut)


def image_set(folder: Path, seed: int, count: int, line: str = "A", workers: int = 1,
              progress: Callable[[int], None] | None = None) -> ImageSet:  # fmt: skip
    """The set of this seed, drawn if `folder` doesn't hold it yet; `progress` gets the number of new images."""
    home = folder / f"images-{line}-{seed}-{count}"
    if not (home / "facets.json").exists():
        _draw_set(home, seed, count, line, workers, progress)
    arrays = {name: np.load(home / f"{name}.npy", mmap_mode="r") for name in _arrays(0)}
    facets = [Facets(**row) for row in json.loads((home / "facets.json").read_text())]
    return ImageSet(**arrays, facets=facets)


def _arrays(count: int) -> dict[str, tuple[tuple[int, ...], type]]:
    side = SHAPE.image_side
    return {
        "images": ((count, side, side, 3), np.uint8),
        "cells": ((count, CELLS**2), np.float32),
        "crops": ((count, CROPS, ZOOM_SIDE, ZOOM_SIDE, 3), np.uint8),
        "crop_shares": ((count, CROPS, 4), np.float32),
        "hard": ((count, 2), np.bool_),
    }


def _draw_set(
    home: Path, seed: int, count: int, line: str, workers: int, progress: Callable[[int], None] | None
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for name, (shape, kind) in _arrays(count).items():
        np.lib.format.open_memmap(home / f"{name}.npy", "w+", kind, shape)  # type: ignore[no-untyped-call]
    jobs = [(home, seed, start, min(count, start + _CHUNK), line) for start in range(0, count, _CHUNK)]
    facets: list[Facets] = []
    with ExitStack() as stack:
        draw_all: Iterable[list[Facets]] = map(_draw_chunk, jobs)
        if workers > 1:
            # Fresh processes: a fork of one whose threads hold locks, as torch's and OpenCV's do, may never return.
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
            draw_all = pool.map(_draw_chunk, jobs)
        for drawn in draw_all:
            facets += drawn
            if progress is not None:
                progress(len(drawn))
    # Written last: its presence says that the set is whole.
    (home / "facets.json").write_text(json.dumps([asdict(row) for row in facets]))


def _draw_chunk(job: tuple[Path, int, int, int, str]) -> list[Facets]:
    import cv2

    cv2.setNumThreads(1)
    home, seed, start, stop, line = job
    arrays = {name: np.load(home / f"{name}.npy", mmap_mode="r+") for name in _arrays(0)}
    facets = []
    for index in range(start, stop):
        rng = np.random.default_rng([seed, index])
        drawing = draw(rng, line="B" if line == "B" else "A")
        facets.append(drawing.facets)
        for name, value in arrays_of(drawing, rng).items():
            arrays[name][index] = value
    return facets


def arrays_of(drawing: Drawing, rng: np.random.Generator) -> dict[str, npt.NDArray[np.generic]]:
    """What is kept of a drawing, by array name."""
    share = (drawing.mask > 0).reshape(CELLS, _CELL, CELLS, _CELL).mean((1, 3), dtype=np.float32).flatten()
    hit = np.nonzero(share > HIT)[0]
    chosen = [
        int(hit[rng.integers(len(hit))]) if len(hit) else int(rng.integers(CELLS**2)),
        int(rng.integers(CELLS**2)),
    ]
    crops, shares = [], []
    for cell in chosen:
        box = cell_box(cell)
        crops.append(resize(drawing.image[box], ZOOM_SIDE))
        half = _CELL // 2
        shares.append((drawing.mask[box] > 0).reshape(2, half, 2, half).mean((1, 3), dtype=np.float32).flatten())
    return {
        "images": resize(drawing.image, SHAPE.image_side),
        "cells": share,
        "crops": np.stack(crops),
        "crop_shares": np.stack(shares),
        "hard": np.array([drawing.tiny, drawing.faint]),
    }


def cell_box(cell: int) -> tuple[slice, slice]:
    """The pixels of a cell in the original."""
    row, column = divmod(cell, CELLS)
    return slice(row * _CELL, (row + 1) * _CELL), slice(column * _CELL, (column + 1) * _CELL)


def resize(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """As the image processor resizes."""
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
