"""From paths to what they say: product, role, label, defect, mask, camera, piece and time of every picture.

The layouts that are known are rows of `layouts.toml`, with those of one's own settings before them. The folder of one
product is found by what a row says tells it; below it, the row's patterns say what each picture is. The archive's root
may be any folder above, the product's own included, and several layouts may lie below one root. Where nothing tells a
layout, a folder is *plain*: all of its pictures are scored, the product is the top folder's name, and nothing is known
of labels. There, too, a picture called as another one with `_mask` (or `_gt`, `_label`, `_seg`) after it is that one's
mask and isn't scored.

A folder called `test` tells nothing by itself: `test/lot7` would turn a lot into a defect, and `test/0` into a good
picture. Names are compared as people do: `Test`, `OK` and `Ground Truth` are what they say, and composed letters equal
decomposed ones. Knows nothing of files, only of their names.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from workbench.archive import labels, layout_table
from workbench.archive.labels import Label
from workbench.archive.layout_table import Layout, Role, Tell
from workbench.archive.problems import Problem

UNKNOWN = "unknown"
PLAIN, ORPHAN = "plain folders", "a mask of no picture"

_OF_ANOTHER = re.compile(r"(?P<picture>.+?)[ ._-]+(?:mask|gt|ground[ _-]?truth|label|seg|segmentation)", re.IGNORECASE)


Names = tuple[str, ...]


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
    camera: str | None = None
    line: str | None = None
    serial: str | None = None
    time: str | None = None  # as the name has it
    by_mask: bool = False  # whether the mask's content says if it is good: the reader of masks knows
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """What the names of an archive say."""

    places: dict[str, Place]  # by path
    problems: list[Problem]  # what is left out
    layouts: Counter[str] = field(default_factory=Counter)  # pictures by the layout they were found in
    orphans: tuple[str, ...] = ()  # masks of no picture


def label_of(word: str) -> tuple[str | None, str | None]:
    """(label, defect type) of a folder's word: good, defective of no known type, a type, or (None, None)."""
    said = labels.read(word)
    return said.label, said.defect


def places(root: Path, paths: Iterable[str], layouts: Sequence[Layout] = ()) -> Understood:
    """Each picture's place; what a product's layout has no place for is left out and counted.

    Args:
        root: the archive's resolved root; only its names are read.
        paths: all pictures, relative to the root with forward slashes.
        layouts: those to look for before the project's.
    """
    above = (composed(root.parent.name), composed(root.name))
    by_folder: dict[Names, list[tuple[str, str]]] = defaultdict(list)  # folder's names -> (path, file's name)
    for path in paths:
        *folder, name = (part.strip() for part in composed(path).split("/"))
        by_folder[tuple(folder)].append((path, name))

    found = Understood({}, [])
    orphans: list[str] = []
    claimed: set[Names] = set()
    told = list(_products(by_folder, (*layouts, *layout_table.public_layouts())))
    of_products = {product.names for product, _ in told}
    for product, fitting in told:
        folders = [names for names in product.folders if names not in claimed]
        files = [(path, names[len(product.names) :], name) for names in folders for path, name in by_folder[names]]
        if not files:
            continue
        readings = [reading for layout in fitting if (reading := _Reading(layout, product.names, above)).reads(files)]
        if read := next((reading for reading in readings if reading.pictures), next(iter(readings), None)):
            read.score_others(of_products)
            found.places.update(read.found)
            found.layouts[read.layout.name] += read.pictures
            orphans += read.orphans
            if read.layout.leaves_others:
                for names in folders:
                    by_folder[names] = [file for file in by_folder[names] if file[0] not in read.found]
                folders = [names for names in folders if not by_folder[names]]
            else:
                found.problems.extend(read.left_out())
            claimed.update(folders)
    for names, named in by_folder.items():
        if names not in claimed:
            plain = dict(_plain_places(names, named, above))
            found.places.update(plain)
            found.layouts[PLAIN] += sum(place.role == "query" for place in plain.values())
    if orphans:
        found.problems.extend(Problem(path, ORPHAN, kind=ORPHAN, unit="mask") for path in orphans)
    return replace(found, orphans=tuple(orphans))


def counts(folders: Iterable[Place]) -> str:
    """What the folders' words meant, in words."""
    told = [place for place in folders if place.kind]
    meant = {
        f"{place.kind}": Label("good")
        if place.label == "good"
        else Label("type", place.defect)
        if place.defect
        else Label("defective")
        if place.label
        else _read(f"{place.kind}")
        for place in told
    }
    return labels.counts(Counter(f"{place.kind}" for place in told), meant)


def composed(name: str) -> str:
    """The name with composed letters: macOS writes decomposed ones, tables and most other systems don't."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


_read = lru_cache(4096)(labels.read)


def _says_good(kind: str) -> bool:
    """Whether it does so in words: a number is the next lot as often as it is a label."""
    return _read(kind).label == "good" and not kind.strip().isdigit()


def _says_bad(kind: str) -> bool:
    """Whether it does so in words, and not as a type of defect, which any word may be."""
    return _read(kind).meaning == "defective" and not kind.strip().isdigit()


_SAYS: Mapping[str, Callable[[str], bool]] = {
    "good": _says_good,
    "bad": _says_bad,
    "verdict": lambda kind: _says_good(kind) or _says_bad(kind),
}


def _is_meant(said: Mapping[str, str]) -> bool:
    """Whether the folders that must say good or bad do."""
    return all(says(said[field]) for field, says in _SAYS.items() if field in said)


_YEAR, _MONTH, _DAY_OF = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = re.compile(
    rf"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|{_YEAR}([-_.]){_MONTH}(?:\1{_DAY_OF})?"
    rf"|{_DAY_OF}([-_.]){_MONTH}\2{_YEAR}"
)


def _is_date(name: str) -> bool:
    """Whether a folder is a day or month: what lies below it is no other product on the next day."""
    return _DATE.fullmatch(name.strip()) is not None


@dataclass(slots=True)
class _Product:
    """A folder that may be a product's, and the folders below it."""

    names: Names
    folders: list[Names] = field(default_factory=list)


def _products(
    by_folder: Mapping[Names, Sequence[tuple[str, str]]], layouts: Sequence[Layout]
) -> Iterator[tuple[_Product, list[Layout]]]:
    """Every folder that something tells to be a product's, those above first, with its layouts in the table's order."""
    told: dict[Names, dict[int, set[tuple[int, int]]]] = defaultdict(lambda: defaultdict(set))
    tells = [
        (place, option, number, tell)
        for place, layout in enumerate(layouts)
        for option, needed in enumerate(layout.tells)
        for number, tell in enumerate(needed)
    ]
    for names, files in by_folder.items():
        for place, option, number, tell in tells:
            depth = len(names) - len(tell.names) + tell.is_file
            depths = (depth,) if tell.is_file else range(depth + 1)
            for at in depths:
                if at < 0 or (option, number) in told.get(names[:at], {}).get(place, ()):
                    continue
                if _tells(tell, names[at:], files):
                    told[names[:at]][place].add((option, number))
    complete = {
        names: found
        for names, by_layout in told.items()
        if (found := [layouts[place] for place in sorted(by_layout) if _complete(layouts[place], by_layout[place])])
    }
    products = {names: _Product(names) for names in complete}
    for names in by_folder:
        for depth in range(len(names) + 1):
            if names[:depth] in products:
                products[names[:depth]].folders.append(names)
    for names in sorted(products, key=lambda names: (len(names), names)):
        yield products[names], complete[names]


def _complete(layout: Layout, found: set[tuple[int, int]]) -> bool:
    return any(
        all((option, number) in found for number in range(len(needed))) for option, needed in enumerate(layout.tells)
    )


def _tells(tell: Tell, names: Names, files: Sequence[tuple[str, str]]) -> bool:
    """Whether these folders, with one of the files where it takes one, begin as it says."""
    folders = tell.names[:-1] if tell.is_file else tell.names
    for pattern, name in zip(folders, names, strict=False):
        found = pattern.fullmatch(name)
        if found is None or not _is_meant(found.groupdict()):
            return False
    return not tell.is_file or any(
        tell.names[-1].fullmatch(stem) is not None and (not tell.types or ending in tell.types)
        for stem, ending in (_stem(name) for _, name in files)
    )


def _stem(name: str) -> tuple[str, str]:
    """A file's name without its type, and that."""
    stem, dot, ending = name.rpartition(".")
    return (stem, ending.lower()) if dot and stem else (name, "")


class _Reading:
    """The pictures below one product's folder, as one layout has them."""

    def __init__(self, layout: Layout, product: Names, above: Names) -> None:
        self.layout = layout
        named = [name for name in (*above, *product) if not _is_date(name)]
        self._dataset, self._product = (name or UNKNOWN for name in ("", "", *named)[-2:])
        self._names = product
        self.found: dict[str, Place] = {}
        self.orphans: list[str] = []
        self._masks: dict[Names, list[str]] = defaultdict(list)
        self._keys_of_masks: dict[str, list[Names]] = defaultdict(list)
        self._pictures: dict[str, tuple[Names, Role, dict[str, str]]] = {}
        self._left_out: dict[Names, list[tuple[str, str]]] = defaultdict(list)  # folder below -> (path, file's name)
        self._aside: Counter[str] = Counter()
        self._others = 0  # pictures that it has no place for and that are scored
        self._fitting = lru_cache(4096)(self._fit)

    @property
    def pictures(self) -> int:
        """How many there are, masks aside."""
        return len(self._pictures) + self._others

    def reads(self, files: Iterable[tuple[str, Names, str]]) -> bool:
        """Whether the layout fits these files: path, folders below the product's, name.

        A layout that needs pairs doesn't where most masks belong to no picture.
        """
        for path, folder, name in files:
            self._add(path, folder, name)
        keys = {key for key, _, _ in self._pictures.values()}
        lonely = [path for path, own in self._keys_of_masks.items() if not keys.intersection(own)]
        if self.layout.pairs and (not self._keys_of_masks or 2 * len(lonely) > len(self._keys_of_masks)):
            return False
        self.orphans = sorted(lonely)
        read = self._kinds()
        self.found = {path: Place("mask", self._dataset, self._product, None, None) for path in self._keys_of_masks}
        for path, (key, role, fields) in self._pictures.items():
            self.found[path] = self._place(key, role, fields, read)
        return True

    def _add(self, path: str, folder: Names, name: str) -> None:
        stem, ending = _stem(name)
        role: Role | None = None
        for fits, pattern, said, rest in self._fitting(folder):
            if (role and fits != "mask") or (pattern.types and ending not in pattern.types):
                continue
            below = f"{rest}{stem}"
            fields = said
            if pattern.below is not None:
                inside = pattern.below.fullmatch(below)
                if inside is None:
                    continue
                fields = said | inside.groupdict()
                below = inside["picture"]
            key = (below, *(_plain(fields.get(each) or "") for each in self.layout.shared))
            if fits == "mask":
                self._masks[key].append(path)
                self._keys_of_masks[path].append(key)
            elif role is None and fits != "aside":
                self._pictures[path] = (key, fits, fields)
            role = role or fits
            if fits != "mask":
                break
        if role == "aside":
            self._aside[self._named(folder)] += 1
        elif role is None:
            self._left_out[folder].append((path, name))

    def score_others(self, of_products: Set[Names]) -> None:
        """Where there are normals and nothing to score, take what the layout has no place for as unlabelled pictures.

        Args:
            of_products: folders that are products; what lies in another one's stays where it is.
        """
        roles = {place.role for place in self.found.values()}
        if not self.layout.scores_others or "reference" not in roles or "query" in roles:
            return
        for folder in list(self._left_out):
            depths = range(1, len(folder) + 1)
            if not any((*self._names, *folder[:depth]) in of_products for depth in depths):
                taken = dict(_plain_pictures(self._left_out.pop(folder), self._dataset, self._product))
                self.found.update(taken)
                self._others += sum(place.role == "query" for place in taken.values())

    def left_out(self) -> Iterator[Problem]:
        """What the layout has no place for, and what it knows and doesn't need, by folder."""
        no_place = f"the layout {self.layout.name} has no place for it"
        reason = f"{no_place}; {self.layout.hint}" if self.layout.hint else no_place
        for folder, files in sorted((self._named(folder), files) for folder, files in self._left_out.items()):
            yield Problem(folder or ".", reason, kind=no_place, count=len(files))
        not_needed = f"the layout {self.layout.name} doesn't need it"
        for folder, count in sorted(self._aside.items()):
            yield Problem(folder or ".", not_needed, kind=not_needed, count=count)

    def _named(self, folder: Names) -> str:
        return "/".join((*self._names, *folder))

    def _fit(self, folder: Names) -> list[tuple[Role, layout_table.Pattern, dict[str, str], str]]:
        """The patterns that these folders fit, with what they say and what of the folders is left for the name."""
        found = []
        for role, pattern in self.layout.patterns:
            said = pattern.below_of(folder)
            if said is not None and _is_meant(said):
                said = said | {"kind": said["verdict"]} if "verdict" in said else said
                rest = folder[len(pattern.folders) :]
                found.append((role, pattern, said, "".join(f"{name}/" for name in rest)))
        return found

    def _place(self, key: Names, role: Role, fields: dict[str, str], read: Mapping[str, Label]) -> Place:
        masks, kind, by_mask = self._masks.get(key, []), fields.get("kind"), False
        mask = masks[0] if len(masks) == 1 else None
        label, defect = None, None
        if self.layout.label == "kind" and kind is not None:
            said = read.get(kind) or _read(kind)
            label, defect = said.label, said.defect
        elif self.layout.label == "has mask":
            label = "defective" if masks else "good"
        elif self.layout.label == "marked in mask":
            by_mask = mask is not None
        if label == "good":
            mask = None
        if role == "reference" and label != "good" and not by_mask:
            role = "query"
        return Place(
            role, self._dataset, self._product, label, defect, mask, kind if self.layout.label == "kind" else None,
            fields.get("camera"), fields.get("line"), fields.get("serial"), fields.get("time"), by_mask,
            fields.get("lot"),
        )  # fmt: skip

    def _kinds(self) -> Mapping[str, Label]:
        """What the kinds mean: where one of them says good in words, all numbers are those of types."""
        kinds = {fields["kind"] for _, role, fields in self._pictures.values() if role == "query" and "kind" in fields}
        read = labels.read_column(kinds)
        if any(map(_says_good, read)):
            read |= {kind: Label("type", kind) for kind in read if kind.strip().isdigit()}
        return read | {kind: Label("good") for kind in kinds if kind.casefold() in self.layout.good}


def _plain_places(names: Names, files: Sequence[tuple[str, str]], above: Names) -> Iterator[tuple[str, Place]]:
    """A plain folder's pictures, of the product that its top folder names."""
    return _plain_pictures(files, above[1] or UNKNOWN, next((name for name in names if not _is_date(name)), UNKNOWN))


def _plain_pictures(files: Sequence[tuple[str, str]], dataset: str, product: str) -> Iterator[tuple[str, Place]]:
    """Unlabelled pictures of one folder; one that is called as another with `_mask` after it is that one's mask."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path, name in files:
        by_stem[_stem(name)[0].casefold()].append(path)
    masks: dict[str, list[str]] = defaultdict(list)
    for path, name in files:
        of = _OF_ANOTHER.fullmatch(_stem(name)[0])
        if of and (pictures := by_stem.get(of["picture"].casefold())) and len(pictures) == 1:
            masks[pictures[0]].append(path)
    are_masks = {mask for each in masks.values() for mask in each}
    for path, _ in files:
        if path in are_masks:
            yield path, Place("mask", dataset, product, None, None)
        else:
            mask = masks[path][0] if len(masks.get(path, ())) == 1 else None
            yield path, Place("query", dataset, product, None, None, mask)


@lru_cache(4096)
def _plain(name: str) -> str:
    """A folder's name as it is compared."""
    return "_".join(name.casefold().replace("-", " ").split())
