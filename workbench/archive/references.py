"""The normal picture that a product's images are compared with (one-shot): entries go in, references come out.

Asked in this order: the question file's own template (questions.py), the sidecar's `reference`, one seeded picture of
the product's `train/good`, one seeded picture of the folder given with --references, and none (zero-shot). The seeded
choice is the picture whose name hashes lowest with the seed: adding a picture changes the choice only if the new one
wins, and the order of a folder never matters. In place of a seeded picture a run may show one that is more like each
image (`scoring/like_references.py`); what is named stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from warehouse.bounded import same_name
from warehouse.records.scoring import Entry, Tile
from workbench import wording
from workbench.archive.image_decoding import SUFFIXES
from workbench.archive.scan import Scan, content_of
from workbench.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Reference:
    """A normal picture. `archive.root / path` opens it in either case."""

    path: str  # relative to the archive's root; absolute if it lies outside
    content: str  # SHA-256 of its bytes; a tile's as an entry's
    tile: Tile | None = None  # None: all of it
    is_seeded: bool = field(default=False, compare=False)  # nobody named it: one of the product's normals, by hash

    @staticmethod
    def of(entry: Entry) -> Reference:
        """An image of the archive."""
        return Reference(entry.path, entry.content, entry.tile)

    @property
    def file_content(self) -> str:
        """SHA-256 of the file's bytes."""
        return self.tile.content if self.tile else self.content


@dataclass(frozen=True, slots=True)
class References:
    """What an archive and a folder beside it offer."""

    in_archive: dict[str, Reference]  # every picture of the archive, by path
    of_products: dict[tuple[str, str], Reference]  # (dataset, product)
    tiles: Mapping[str, Sequence[Reference]] = field(default_factory=dict)  # of those in tiles, by path

    def choose(self, entry: Entry) -> Reference | None:
        """The picture to compare the entry with, when the question file names none; of one in tiles the tile that lies
        nearest to where the entry's does.
        """
        named = self.in_archive.get(entry.reference_path) if entry.reference_path else None
        found = named or self.of_products.get((entry.dataset, entry.product))
        if found is None or entry.tile is None or found.path not in self.tiles:
            return found
        return min(self.tiles[found.path], key=lambda each: _apart(entry.tile, each.tile))


def set_aside(scan: Scan, folder: Path | None) -> Scan:
    """The scan with the pictures below a folder of references set aside; the same where that lies elsewhere.

    They become references without a label: the folder says of which products they are, not their place in the archive.
    Of a folder that is the archive itself, or that it lies in, pictures stay what they are.
    """
    root = Path(scan.archive.root)
    place = folder.resolve() if folder else root
    if place == root or not place.is_relative_to(root):
        return scan
    below = f"{place.relative_to(root).as_posix()}/"
    serving = [replace(entry, label=None, defect=None) for entry in scan.entries if entry.path.startswith(below)]
    if not serving:
        return scan
    pictures = wording.counted(len({entry.path for entry in serving}), "picture")
    return replace(
        scan,
        entries=[entry for entry in scan.entries if not entry.path.startswith(below)],
        references=sorted([*scan.references, *serving], key=lambda entry: entry.path),
        notes=(*scan.notes, f"{pictures} below {below} are references (--references), and not scored"),
    )


def gather(scan: Scan, folder: Path | None = None, seed: int = 0) -> References:
    """The references of a scanned archive.

    Args:
        folder: DIR/product/* serves that product, DIR/* every other, where the archive has none of its own.

    Raises:
        ArchiveError: the folder or a picture in it can't be read.
    """
    in_archive: dict[str, Reference] = {}
    tiles: dict[str, list[Reference]] = {}
    for entry in scan.registered:
        in_archive.setdefault(entry.path, Reference.of(entry))
        if entry.tile:
            tiles.setdefault(entry.path, []).append(Reference.of(entry))
    normal: dict[tuple[str, str], list[str]] = {}
    for entry in scan.references:
        if entry.label == "good":  # a sidecar's reference serves the images that name it, not its whole folder
            normal.setdefault((entry.dataset, entry.product), []).append(entry.path)
    of_products = {
        product: replace(in_archive[by_seed(paths, seed)], is_seeded=True) for product, paths in normal.items()
    }
    if folder:
        for product in {(entry.dataset, entry.product) for entry in scan.entries} - of_products.keys():
            found = _from_folder(folder, product[1], seed)
            if found:
                of_products[product] = found
    return References(in_archive, of_products, tiles)


def _apart(one: Tile | None, other: Tile | None) -> int:
    if one is None or other is None:
        return 0
    return abs(one.x0 - other.x0) + abs(one.y0 - other.y0)


def of_folder(folder: Path, product: str) -> list[Reference]:
    """All normal pictures that a folder given with --references has for a product, by path.

    Raises:
        ArchiveError: the folder or a picture in it can't be read.
    """
    try:
        return [Reference(path, content_of(Path(path))) for path in sorted(_paths(folder, product))]
    except OSError as error:
        raise ArchiveError(f"the references in {folder} can't be read: {error.strerror or error}") from error


def _from_folder(folder: Path, product: str, seed: int) -> Reference | None:
    try:
        pictures = _paths(folder, product)
        if not pictures:
            return None
        path = by_seed(pictures, seed)
        return Reference(path, content_of(Path(path)), is_seeded=True)
    except OSError as error:
        raise ArchiveError(f"the references in {folder} can't be read: {error.strerror or error}") from error


def _paths(folder: Path, product: str) -> list[str]:
    # Looked up among the names that are there: a product's name is free text and may be no path at all.
    wanted = same_name(product)
    own = next((item for item in folder.iterdir() if same_name(item.name) == wanted and item.is_dir()), None)
    return (_pictures(own) if own else []) or _pictures(folder)


def _pictures(folder: Path) -> list[str]:
    return [
        str(file.resolve())
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    ]


def by_seed(paths: Iterable[str], seed: int) -> str:
    """The path that hashes lowest with the seed."""
    return min(paths, key=lambda path: hashlib.sha256(f"{seed}\0{path}".encode()).digest())
