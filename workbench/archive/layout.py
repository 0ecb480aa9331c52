"""The folder layouts that are recognised: paths go in, product, role, label and mask come out.

Two shapes are known. In a *product folder*, as MVTec AD, VisA, LOCO, GoodsAD and Defect Spectrum have it, a picture's
kind is the folder it lies in:

    DATASET/product/train/good/000.png            a normal reference
    DATASET/product/test/good/000.png             a picture to score, labelled good
    DATASET/product/test/scratch/000.png          a picture to score, labelled defective, type scratch
    DATASET/product/ground_truth/scratch/000_mask.png    its mask (LOCO: .../000/000.png)

MVTec AD 2 has the masks below the test set, and two test sets without labels:

    DATASET/product/test_public/bad/000.png       a picture to score, labelled defective
    DATASET/product/test_public/ground_truth/bad/000_mask.png    its mask
    DATASET/product/test_private/000.png          a picture to score, nothing known (test_private_mixed too)

The archive's root may be any of these folders' parents, the product folder itself included. Everything else is a
*plain folder*: all of its pictures are scored, the product is the top folder's name, and nothing is known of labels.

A folder counts as a product folder only if something below it says so (a `good` folder or a `ground_truth`): names
like `test/lot7` alone would otherwise turn a lot number into a defect, and `test/0` into a good one. Names are compared
as people do: `Test`, `OK` and `Ground Truth` are what they say, and composed letters equal decomposed ones. Knows
nothing of files, only of their names.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from workbench import wording
from workbench.archive import labels
from workbench.archive.labels import Label
from workbench.archive.problems import Problem

Role = Literal["query", "reference", "mask"]

UNKNOWN = "unknown"

_TEST = ("test", "image", "test_public")  # Defect Spectrum says image and mask, MVTec AD test and ground_truth
_PRIVATE = ("test_private", "test_private_mixed")
_NORMAL = ("train", "validation")
_GROUND_TRUTH = ("ground_truth", "groundtruth")
_MASKS = (*_GROUND_TRUTH, "mask", "masks")
_ASIDE = ("rgb_mask", "rbg_mask", "captions")  # Defect Spectrum's coloured masks, known and not needed
_SPLITS = frozenset((*_TEST, *_PRIVATE, *_NORMAL, *_MASKS))


@dataclass(frozen=True, slots=True)
class Place:
    """What a picture's place says about it."""

    role: Role
    dataset: str
    product: str
    label: str | None  # good or defective
    defect: str | None
    mask: str | None = None  # path of its only mask; None also if it has several (LOCO), for one of them would mislead
    kind: str | None = None  # the folder's name that the label is read from


# A picture as its masks know it: product folder, kind, path below the kind without suffix.
_Picture = tuple[tuple[str, ...], str, str]


def label_of(word: str) -> tuple[str | None, str | None]:
    """(label, defect type) of a folder's word: good, defective of no known type, a type, or (None, None)."""
    said = labels.read(word)
    return said.label, said.defect


def places(root: Path, paths: Iterable[str]) -> tuple[dict[str, Place], list[Problem]]:
    """Each picture's place; pictures in a product folder but in none of its known folders are left out and counted.

    Args:
        root: the archive's resolved root; only its names are read.
        paths: all pictures, relative to the root with forward slashes.
    """
    above = (composed(root.parent.name), composed(root.name))
    parts = {path: tuple(name.strip() for name in composed(path).split("/")) for path in paths}
    folders = {names[:-1] for names in parts.values()}  # a million pictures lie in few
    products = _product_folders(folders)
    depths = {folder: _depth(folder, products) for folder in folders}
    kinds = _kinds(depths)
    found: dict[str, Place] = {}
    masks: dict[_Picture, list[str]] = {}
    unmasked: dict[str, _Picture] = {}
    aside: Counter[str] = Counter()
    for path, names in parts.items():
        depth = depths[names[:-1]]
        if depth is None:
            product = names[0] if len(names) > 1 else UNKNOWN
            found[path] = Place("query", above[1] or UNKNOWN, product, None, None)
            continue
        dataset, product = (name or UNKNOWN for name in (*above, *names)[depth : depth + 2])
        split, *below = (_plain(names[depth]), *names[depth + 1 :])
        if split in _PRIVATE:
            found[path] = Place("query", dataset, product, None, None)
            continue
        if split in _TEST and len(below) > 1 and _plain(below[0]) in _GROUND_TRUTH:
            split, *below = (_plain(below[0]), *below[1:])
        if len(below) < 2 or split not in _SPLITS:
            aside["/".join(names[:-1])] += split not in _ASIDE
            continue
        kind, *rest = below
        said = kinds[names[:depth]].get(kind) or _read(kind)
        role: Role = (
            "mask" if split in _MASKS else "reference" if split in _NORMAL and said.label == "good" else "query"
        )
        found[path] = Place(role, dataset, product, said.label, said.defect, kind=kind)
        stem = PurePosixPath(*rest).with_suffix("")
        if role == "mask":
            whole = str(stem)
            bare = whole[: -len("_mask")] if whole.lower().endswith("_mask") else whole
            for name in {bare, str(stem.parent)}:  # LOCO: a picture's masks have a folder
                masks.setdefault((names[:depth], _plain(kind), name), []).append(path)
        elif said.label != "good":
            unmasked[path] = (names[:depth], _plain(kind), str(stem))

    for path, picture in unmasked.items():
        match masks.get(picture):
            case [mask]:
                found[path] = replace(found[path], mask=mask)
    problems = [
        Problem(folder, f"{wording.counted(count, 'image')} left out: {_LEFT_OUT}", kind=_LEFT_OUT)
        for folder, count in sorted(aside.items())
        if count
    ]
    return found, problems


def counts(folders: Iterable[Place]) -> str:
    """What the folders' words meant, in words."""
    places = [place for place in folders if place.kind]
    meant = {
        f"{place.kind}": Label("good")
        if place.label == "good"
        else Label("type", place.defect)
        if place.defect
        else Label("defective")
        if place.label
        else _read(f"{place.kind}")
        for place in places
    }
    return labels.counts(Counter(f"{place.kind}" for place in places), meant)


_LEFT_OUT = "a product folder has train, test and ground_truth"


def composed(name: str) -> str:
    """The name with composed letters: macOS writes decomposed ones, tables and most other systems don't."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


@lru_cache(4096)
def _plain(name: str) -> str:
    """A folder's name as it is compared."""
    return "_".join(name.casefold().replace("-", " ").split())


_read = lru_cache(4096)(labels.read)


def _depth(folder: tuple[str, ...], products: frozenset[tuple[str, ...]]) -> int | None:
    """How deep the product folder lies that the folder is, or is in; None in a plain folder."""
    return next((depth for depth in range(len(folder) + 1) if folder[:depth] in products), None)


def _product_folders(folders: Iterable[tuple[str, ...]]) -> frozenset[tuple[str, ...]]:
    """Folders with a good or ground_truth folder where a product folder has one."""
    found = set()
    for names in folders:
        for depth in range(len(names) - 1):
            split, kind = _plain(names[depth]), names[depth + 1]
            tells = split in (*_TEST, *_NORMAL) and (_says_good(kind) or _plain(kind) in _GROUND_TRUTH)
            if tells or split in _GROUND_TRUTH:
                found.add(names[:depth])
                break
    return frozenset(found)


def _says_good(kind: str) -> bool:
    """Whether it does so in words: a number is the next lot as often as it is a label."""
    return _read(kind).label == "good" and not kind.strip().isdigit()


def _kinds(depths: Mapping[tuple[str, ...], int | None]) -> Mapping[tuple[str, ...], Mapping[str, Label]]:
    """What each product folder's kinds mean: where one of them says good in words, all numbers are those of types.

    Args:
        depths: how deep the product folder of each folder lies, None for plain ones.
    """
    found: dict[tuple[str, ...], set[str]] = {}
    for names, depth in depths.items():
        if depth is not None:
            kinds = found.setdefault(names[:depth], set())
            if len(names) > depth + 1 and _plain(names[depth]) in _TEST:
                kinds.add(names[depth + 1])
    read = {folder: labels.read_column(kinds) for folder, kinds in found.items()}
    for meanings in read.values():
        if any(map(_says_good, meanings)):
            meanings |= {kind: Label("type", kind) for kind in meanings if kind.strip().isdigit()}
    return read
