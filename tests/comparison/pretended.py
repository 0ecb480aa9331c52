"""A tower that needs no weights, and features drawn at random: for what is true of any tower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.comparison import Features, FeatureStore, Normal, NormalBank


class PretendedTower:
    """Sees the mean colour of each of 8 x 8 patches."""

    name = "pretended/8px/1"

    def __init__(self) -> None:
        self.calls = 0

    def features(self, image: Image.Image) -> Features:
        self.calls += 1
        small = np.asarray(image.convert("RGB").resize((8, 8)), np.float32) + 1
        return Features(unit(small.mean((0, 1))), unit(small).astype(np.float16))


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Each of length 1."""
    units: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return units


def features(rng: np.random.Generator, rows: int = 4, cols: int = 4, width: int = 16) -> Features:
    """Drawn at random."""
    return Features(unit(rng.normal(size=width)), unit(rng.normal(size=(rows, cols, width))).astype(np.float16))


def filled(folder: Path, tower: PretendedTower, normals: Iterable[Normal], of: Mapping[str, Features]) -> NormalBank:
    """The bank of these features."""
    store = FeatureStore(folder, tower)
    for content, each in of.items():
        store.put(content, each)
    return NormalBank(normals, store)
