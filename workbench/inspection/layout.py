"""What an image is, from its place in the folder alone: paths go in, product, role, label and mask come out.

Two shapes are known. In a *product folder*, as MVTec AD, VisA, LOCO, GoodsAD and Defect Spectrum have it, a picture's
kind is the folder it lies in:

    DATASET/product/train/good/000.png            a normal reference
    DATASET/product/test/good/000.png             a picture to score, labelled good
    DATASET/product/test/scratch/000.png          a picture to score, labelled defective, type scratch
    DATASET/product/ground_truth/scratch/000_mask.png    its mask (LOCO: .../000/000.png)

The archive's root may be any of these folders' parents, the product folder itself included. Everything else is a
*plain folder*: all of its pictures are scored, the product is the top folder's name, and nothing is known of labels.

A folder counts as a product folder only if something below it says so (a `good` folder or a `ground_truth`): names
like `test/lot7` alone would otherwise turn a lot number into a defect. Knows nothing of files, only of their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from workbench.inspection.errors import Problem

Role = Literal["query", "reference", "mask"]

UNKNOWN = "unknown"

_TEST = ("test", "image")  # Defect Spectrum says image and mask where MVTec AD says test and ground_truth
_NORMAL = ("train", "validation")
_MASKS = ("ground_truth", "mask")
_ASIDE = ("rgb_mask", "rbg_mask", "captions")  # Defect Spectrum's coloured masks, known and not needed
_SPLITS = frozenset((*_TEST, *_NORMAL, *_MASKS))

_GOOD = frozenset({"good", "ok", "normal", "pass"})
_UNTYPED = frozenset({"bad", "anomaly", "anomalous", "defect", "defective", "fail", "ng", "nok"})


@dataclass(frozen=True, slots=True)
class Place:
    """What a picture's place says about it."""

    role: Role
    dataset: str
    product: str
    label: str | None  # good or defective
    defect: str | None
    mask: str | None = None  # path of its only mask; None also if it has several (LOCO), for one of them would mislead


# A picture as its masks know it: product folder, kind, path below the kind without suffix.
_Picture = tuple[tuple[str, ...], str, str]


def label_of(word: str) -> tuple[str, str | None]:
    """(label, defect type) of a folder's or a sidecar's word: good, defective of no known type, or a type."""
    plain = word.strip().casefold()
    if plain in _GOOD:
        return "good", None
    return "defective", None if plain in _UNTYPED else word.strip()


def places(root: Path, paths: Iterable[str]) -> tuple[dict[str, Place], list[Problem]]:
    """Each picture's place; pictures in a product folder but in none of its known folders are left out and counted.

    Args:
        root: the archive's resolved root; only its names are read.
        paths: all pictures, relative to the root with forward slashes.
    """
    above = (root.parent.name, root.name)
    parts = {path: tuple(path.split("/")) for path in paths}
    products = _product_folders(parts.values())
    found: dict[str, Place] = {}
    masks: dict[_Picture, list[str]] = {}
    unmasked: dict[str, _Picture] = {}
    aside: Counter[str] = Counter()
    for path, names in parts.items():
        depth = next((depth for depth in range(len(names)) if names[:depth] in products), None)
        if depth is None:
            product = names[0] if len(names) > 1 else UNKNOWN
            found[path] = Place("query", root.name or UNKNOWN, product, None, None)
            continue
        if len(names) < depth + 3 or names[depth] not in _SPLITS:
            aside["/".join(names[:-1])] += names[depth] not in _ASIDE
            continue
        split, kind, *below = names[depth:]
        dataset, product = (name or UNKNOWN for name in (*above, *names)[depth : depth + 2])
        label, defect = label_of(kind)
        role: Role = "mask" if split in _MASKS else "reference" if split in _NORMAL and label == "good" else "query"
        found[path] = Place(role, dataset, product, label, defect)
        stem = PurePosixPath(*below).with_suffix("")
        if role == "mask":
            for name in {str(stem).removesuffix("_mask"), str(stem.parent)}:  # LOCO: a picture's masks have a folder
                masks.setdefault((names[:depth], kind, name), []).append(path)
        elif label != "good":
            unmasked[path] = (names[:depth], kind, str(stem))

    for path, picture in unmasked.items():
        match masks.get(picture):
            case [mask]:
                found[path] = replace(found[path], mask=mask)
    problems = [
        Problem(folder, f"{count} images left out: a product folder has train, test and ground_truth")
        for folder, count in sorted(aside.items())
        if count
    ]
    return found, problems


def _product_folders(paths: Iterable[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    """Folders with a good or ground_truth folder where a product folder has one."""
    found = set()
    for names in paths:
        for depth in range(len(names) - 2):
            split, kind = names[depth : depth + 2]
            if split == "ground_truth" or (split in (*_TEST, *_NORMAL) and kind in _GOOD):
                found.add(names[:depth])
                break
    return frozenset(found)
