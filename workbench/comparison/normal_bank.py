"""Normal pictures to compare with: their class vectors in memory, their patches on the disk.

    normals, a tower -> `NormalBank.open` computes what isn't stored yet -> `nearest` of a class vector -> `patches`

Features lie by the picture's content in a folder of their tower, a safetensors file each, written whole or not at all.
So filling may be cut anywhere and go on, and several processes may fill one folder, each in an order of its own: the
worst is that a picture which two come to at once is computed twice. A file that can't be read is computed anew. A
picture that killed two processes which saw it is passed over (`deadly_pictures.py`).

All normals are searched, whatever their product: what a query's folder or label says decides nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import re
import tempfile
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from warehouse.errors import full_disk_named
from workbench.comparison.deadly_pictures import DeadlyPictures
from workbench.comparison.features import Features, Patches, Tower, Vector
from workbench.comparison.template import Scan, scan_of
from workbench.errors import UnreadableImage


@dataclass(frozen=True, slots=True, order=True)
class Normal:
    """A picture that shows nothing but what is good."""

    content: str  # what tells pixels apart, as `Picture.content`
    dataset: str
    product: str
    piece: str | None = None  # the thing it shows, of several pictures of one; None: a thing of its own

    @property
    def unit(self) -> tuple[str, str, str]:
        """What is left out together: the piece, else the picture."""
        return self.dataset, self.product, self.content if self.piece is None else f"piece {self.piece}"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A normal, and how alike it is."""

    normal: Normal
    likeness: float  # cosine of the class vectors


class FeatureStore:
    """Features of one tower by content, below a folder that others may use too."""

    def __init__(self, folder: Path, tower: Tower):
        self._tower = tower
        self._folder = folder / _file_name(tower.name)
        self._deadly = DeadlyPictures(self._folder / "being-seen")

    def fill(self, content: str, open_image: Callable[[], Image.Image]) -> None:
        """Store the picture's features if they aren't there.

        Raises:
            UnreadableImage: it can't be opened, or processes died over it.
            DiskFull: there is no room for them.
        """
        vector, binarised = self.class_vector_and_kind(content)
        if vector is None or (binarised and self.scan(content) is None):
            with self._deadly.guard(_file_name(content)):
                image = open_image()
                features, scan = self._tower.features(image), scan_of(image)
            self.put(content, features, scan)

    def put(self, content: str, features: Features, scan: Scan | None = None) -> None:
        """Store features, whole or not at all, and the pixels of a picture that is a scan of black and white."""
        tensors: dict[str, NDArray[Any]] = {"class_vector": features.class_vector, "patches": features.patches}
        if scan is not None:
            tensors["scan"] = np.packbits(scan, axis=1)  # (rows, columns / 8)
        stated = None if scan is None else {"binarised": "yes", "columns": str(scan.shape[1])}
        _write(self.path(content), save(tensors, stated))

    def scan(self, content: str) -> Scan | None:
        """The pixels of a scan of black and white; None of any other picture, and where none are stored."""
        try:
            with safe_open(self.path(content), framework="numpy") as file:
                columns = int((file.metadata() or {}).get("columns", "0"))
                return np.unpackbits(file.get_tensor("scan"), axis=1, count=columns).astype(bool) if columns else None
        except (OSError, SafetensorError, ValueError):
            return None

    def vector_of(self, content: str, open_image: Callable[[], Image.Image]) -> Vector:
        """The class vector of a picture that need be no normal: kept without its patches, which would fill the disk.

        Raises:
            UnreadableImage: it can't be opened, or processes died over it.
        """
        path = self._folder / "vectors" / content[:2] / f"{_file_name(content)}.safetensors"
        vector: Vector | None = self.class_vector(content)
        if vector is None:
            vector = _read(path, "class_vector")
        if vector is None:
            with self._deadly.guard(_file_name(content)):
                vector = self._tower.features(open_image()).class_vector
            _write(path, save({"class_vector": vector}))
        return vector

    def is_binarised(self, content: str) -> bool:
        """Whether what is stored is of a scan of black and white."""
        return self.class_vector_and_kind(content)[1]

    def class_vector_and_kind(self, content: str) -> tuple[Vector | None, bool]:
        """(d,) float32, None where nothing usable is stored; and whether it is of a scan of black and white."""
        try:
            with safe_open(self.path(content), framework="numpy") as file:
                if "patches" not in file.keys():  # noqa: SIM118 - the file is no mapping
                    return None, False
                vector = file.get_tensor("class_vector")
                return vector if np.isfinite(vector).all() else None, (file.metadata() or {}).get("binarised") == "yes"
        except (OSError, SafetensorError):
            return None, False

    def keep_numbers(self, name: str, numbers: Mapping[str, object]) -> None:
        """Keep what was worked out of features, by a name that says of which; not where the folder may only be read."""
        with suppress(OSError):
            _write(self._folder / "numbers" / f"{name}.json", json.dumps(numbers).encode())

    def numbers(self, name: str) -> dict[str, Any] | None:
        """What was kept under the name; None where nothing usable was."""
        try:
            kept: dict[str, Any] = json.loads((self._folder / "numbers" / f"{name}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return kept

    def class_vector(self, content: str) -> Vector | None:
        """(d,) float32; None where nothing usable is stored."""
        vector: Vector | None = _read(self.path(content), "class_vector")
        return vector

    def patches(self, content: str) -> Patches | None:
        """(rows, cols, D) float16; None where nothing usable is stored."""
        patches: Patches | None = _read(self.path(content), "patches")
        return patches

    def path(self, content: str) -> Path:
        """Where a picture's features lie, or would."""
        return self._folder / content[:2] / f"{_file_name(content)}.safetensors"


class NormalBank:
    """Normals whose features are stored; see the module's opening lines."""

    def __init__(self, normals: Iterable[Normal], store: FeatureStore, left_out: Mapping[str, str] | None = None):
        """Of normals that the store holds; others are left out.

        The order in which normals come decides nothing, and a content that comes twice counts once.

        Args:
            normals: in any order.
            store: of their features.
            left_out: by content, why some could not be seen.
        """
        self.store, self.left_out = store, dict(left_out or {})
        by_content = {normal.content: normal for normal in sorted(normals, reverse=True)}
        vectors = {content: store.class_vector_and_kind(content) for content in sorted(by_content)}
        self.normals = tuple(by_content[content] for content, (vector, _) in vectors.items() if vector is not None)
        self.has_scans = any(binarised for _, binarised in vectors.values())  # of black and white
        stored = [vector for vector, _ in vectors.values() if vector is not None]
        self._vectors = np.stack(stored) if stored else np.zeros((0, 1), np.float32)  # (n, d)
        self._units = _numbered(normal.unit for normal in self.normals)  # (n,)
        self._products = _numbered((normal.dataset, normal.product) for normal in self.normals)  # (n,)
        self._index = {normal.content: at for at, normal in enumerate(self.normals)}

    @classmethod
    def open(
        cls,
        folder: Path,
        tower: Tower,
        normals: Iterable[Normal],
        open_image: Callable[[Normal], Image.Image],
        progress: Callable[[int], None] | None = None,
    ) -> NormalBank:
        """The bank of these normals; what isn't stored yet is computed. A picture that can't be opened is left out,
        and so is one that killed the processes that opened it; the bank names them.

        Args:
            folder: where features of all towers lie, `data/features`.
            tower: what sees them.
            normals: in any order.
            open_image: gives a normal's pixels, seen as queries are seen: the same region, the same tone.
            progress: is called with the number of normals that are ready.
        """
        store, listed = FeatureStore(folder, tower), list(normals)
        # In one order, processes that are equally fast would see every picture at the same time, wherever they begin.
        random.Random(os.getpid()).shuffle(listed)
        left_out: dict[str, str] = {}
        for ready, normal in enumerate(listed, start=1):
            try:
                store.fill(normal.content, lambda each=normal: open_image(each))  # type: ignore[misc]
            except UnreadableImage as error:
                left_out[normal.content] = str(error)
            finally:
                if progress:
                    progress(ready)
        return cls(listed, store, left_out)

    def __len__(self) -> int:
        return len(self.normals)

    @property
    def identity(self) -> str:
        """A hash of the normals with their products and pieces."""
        lines = [f"{each.content}\0{each.dataset}\0{each.product}\0{each.piece or ''}" for each in self.normals]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def nearest(self, class_vector: Vector, count: int, leave_out: Normal | None = None) -> list[Neighbour]:
        """The normals whose class vectors are most alike, the most alike first; ties by content.

        Args:
            class_vector: (d,) float32 of unit norm.
            count: how many at most.
            leave_out: a normal that is left out, with all other pictures of its piece.
        """
        if not self.normals:
            return []
        likeness = self._vectors @ class_vector  # (n,)
        if leave_out is not None:
            likeness[self._units == self._units[self._index[leave_out.content]]] = -np.inf
        count = min(count, len(likeness))
        least = np.partition(likeness, -count)[-count]
        candidates = np.flatnonzero((likeness >= least) & np.isfinite(likeness))
        order = candidates[np.argsort(-likeness[candidates], kind="stable")][:count]
        return [Neighbour(self.normals[at], float(likeness[at])) for at in order]

    def strangers(self, sample: Sequence[Normal], likeness: float, count: int) -> list[list[Neighbour]]:
        """For each of these normals of one product the nearest ones among products of another kind.

        Args:
            sample: normals of one product.
            likeness: a product is of another kind when its nearest normals are less alike than this, as a median.
            count: how many for each at most.
        """
        if not sample:
            return []
        vectors = np.stack([self.class_vector(normal) for normal in sample])  # (s, d)
        alike = self._vectors @ vectors.T  # (n, s)
        nearest = np.full((self._products.max() + 1, len(sample)), -np.inf, np.float32)  # (products, s)
        np.maximum.at(nearest, self._products, alike)
        strange = np.median(nearest, axis=1) < likeness
        strange[self._products[self._index[sample[0].content]]] = False
        others = np.flatnonzero(strange[self._products])
        found = []
        for column in alike[others].T:
            order = np.argsort(-column, kind="stable")[:count]
            found.append([Neighbour(self.normals[others[at]], float(column[at])) for at in order])
        return found if len(others) else []

    def class_vector(self, normal: Normal) -> Vector:
        """(d,) float32 of unit norm."""
        vector: Vector = self._vectors[self._index[normal.content]]
        return vector

    def features(self, normal: Normal) -> Features:
        """All that is stored of it.

        Raises:
            OSError: what was there is gone or damaged.
        """
        return Features(self.class_vector(normal), self.patches(normal))

    def patches(self, normal: Normal) -> Patches:
        """(rows, cols, D) float16, from the disk.

        Raises:
            OSError: what was there is gone or damaged.
        """
        patches = self.store.patches(normal.content)
        if patches is None:
            gone = "the features of a normal picture are gone from the data folder; score again"
            raise FileNotFoundError(errno.ENOENT, gone, str(self.store.path(normal.content)))
        return patches

    def by_content(self, content: str) -> Normal | None:
        """The normal of this content, if it is one."""
        at = self._index.get(content)
        return None if at is None else self.normals[at]


def _read(path: Path, name: str) -> Any:
    """A tensor of a file; None where nothing usable is there."""
    try:
        with safe_open(path, framework="numpy") as file:
            return file.get_tensor(name)
    except (OSError, SafetensorError):
        return None


def _write(target: Path, data: bytes) -> None:
    """All of the file or nothing; another process may write the same at once."""
    with full_disk_named(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".filling-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(target)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _numbered(keys: Iterable[Hashable]) -> NDArray[np.int64]:
    """Equal numbers for equal keys."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _file_name(text: str) -> str:
    """The text as a name of a file, told apart from all others."""
    safe = re.sub(r"[^A-Za-z0-9._+-]+", "-", text)
    return safe if safe == text else f"{safe[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
