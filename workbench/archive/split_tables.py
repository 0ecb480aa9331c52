"""Published splits that stand in a table of their own: which pictures are scored and which are normal references.

The tables that are known are the `[[table]]` rows of `layouts.toml`: where one lies, what its columns are called, which
of its lists or words mean training. The archive's paths and the table's rows go in; what a row says of a picture comes
out, over what its folder says. Good pictures of the training part are references; defective ones are scored.

Paths of a table start at some folder near it, which nobody names: it is the one below which most of its pictures lie.
"""

from __future__ import annotations

import csv
import io
import posixpath
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from warehouse import bounded
from workbench import wording
from workbench.archive import image_paths, json_text, labels, text_files
from workbench.archive.labels import Label
from workbench.archive.layout import Place
from workbench.archive.problems import Problem, because

_MOST = 32  # such files in one folder; more are a file for each picture
_HEAD = 2**16  # bytes of a file among which a column is named, else it isn't read
_TRAINING = frozenset({"train", "training", "val", "valid", "validation"})


class Kind(BaseModel):
    """One kind of table, as `layouts.toml` says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    files: tuple[str, ...] = Field(min_length=1)  # where it lies, the first that is there counts
    columns: Mapping[str, tuple[str, ...]]  # path, split, label, mask, product -> names of the table's columns
    needs: tuple[str, ...]  # columns that tell it
    prefix: str = ""  # in JSON, the name under `meta` of what stands before its paths


@dataclass(frozen=True, slots=True)
class Splits:
    """What the tables of an archive say."""

    places: dict[str, Place]  # of the pictures that they name, and of their masks
    problems: list[Problem] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    other_tables: tuple[str, ...] = ()  # paths of tables that are none of these


def is_candidate(path: str) -> bool:
    """Whether a file lies where one of the tables may."""
    return any(_lies(path, pattern) for kind in kinds() for pattern in kind.files)


def near(root: Path, picture: str) -> list[str]:
    """Paths of the files that may be such a table of a picture; only folders that tables lie in are listed.

    Args:
        root: the archive's resolved root.
        picture: its path below the root.
    """
    patterns = [pattern for kind in kinds() for pattern in kind.files]
    found: list[str] = []
    for above in PurePosixPath(picture).parents:
        at_root = [pattern.removeprefix("/") for pattern in patterns if pattern.startswith("/") and not above.parts]
        anywhere = [pattern for pattern in patterns if not pattern.startswith("/")]
        for folder in dict.fromkeys(posixpath.dirname(pattern) for pattern in (*at_root, *anywhere)):
            with suppress(OSError):
                names = sorted(item.name for item in (root / above / folder).iterdir())
                found += ((above / folder / name).as_posix() for name in names)
    return [path for path in found if is_candidate(path)]


@cache
def kinds() -> tuple[Kind, ...]:
    """The known kinds of tables."""
    table = tomllib.loads(Path(__file__).with_name("layouts.toml").read_text(encoding="utf-8"))
    return tuple(Kind.model_validate(row) for row in table["table"])


def read(root: Path, tables: Iterable[str], places: Mapping[str, Place]) -> Splits:
    """What those of the tables say that are of a known kind.

    Args:
        root: the archive's resolved root.
        tables: paths of the files that lie where a table may.
        places: what their folders say of all pictures.
    """
    found, remaining, notes = Splits({}), dict.fromkeys(tables), list[str]()
    pictures = _Pictures(places)
    for kind in kinds():
        for above, files in _by_place(kind, remaining).items():
            first = ""  # the table that is read here, of several the first
            for pattern in kind.files if len(files) <= _MOST else ():
                others = first
                for path in (each for each in files if each in remaining and _lies(each, pattern)):
                    try:
                        rows = _rows(root / path, kind)
                    except Exception as error:  # noqa: BLE001 - whatever one table raises, the archive is read without
                        found.problems.append(Problem(path, f"{kind.name} can't be read from it: {because(error)}"))
                        del remaining[path]
                        continue
                    if rows is None:
                        continue
                    del remaining[path]
                    if others:
                        found.problems.append(Problem(path, f"not read: {kind.name} is read from {others}"))
                        continue
                    first = first or path
                    said = _Reading(kind, path, above, pictures).of(rows)
                    found.places.update(said.places)
                    found.problems.extend(said.problems)
                    notes += said.notes
    return replace(found, notes=tuple(notes), other_tables=tuple(remaining))


def _lies(path: str, pattern: str) -> bool:
    parts, wanted = path.casefold().split("/"), pattern.removeprefix("/").casefold().split("/")
    if pattern.startswith("/") and len(parts) != len(wanted):
        return False
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts[-len(wanted) :], wanted))


def _by_place(kind: Kind, paths: Iterable[str]) -> dict[str, list[str]]:
    """The files that may be such a table, by the folder that its place starts at."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        pattern = next((each for each in kind.files if _lies(path, each)), None)
        if pattern is not None:
            depth = pattern.removeprefix("/").count("/") + 1
            found["/".join(path.split("/")[:-depth])].append(path)
    return {above: sorted(paths) for above, paths in found.items()}


@dataclass(frozen=True, slots=True)
class _Row:
    """What a table says of a picture, as it is written."""

    number: int  # of the row
    path: str
    cells: Mapping[str, tuple[str, ...]]  # split, label, mask, product -> what stands there


def _rows(file: Path, kind: Kind) -> list[_Row] | None:
    """The rows of a table; None where it is none of this kind.

    Raises:
        OSError: it can't be read.
        ValueError: it isn't text, or not as CSV and JSON are.
        csv.Error: the same.
    """
    with file.open("rb") as opened_bytes:
        head = opened_bytes.read(_HEAD).replace(b"\0", b"").lower()  # of UTF-16 too
    if not any(name.encode() in head for name in kind.needs):
        return None
    if file.suffix.lower() == ".json":
        return _json_rows(json_text.load(file.read_bytes()).value, kind)
    text = text_files.read(file).text
    with io.StringIO(text, newline="") as opened:
        reader = csv.reader(opened, strict=True, delimiter=text_files.separator(text, kind.columns["path"][0]))
        header = [name.strip().casefold() for name in next(reader, [])]
        if not set(kind.needs) <= set(header):
            return None
        return [
            _row(number, dict(zip(header, cells, strict=False)), kind)
            for number, cells in enumerate(reader, start=2)
            if any(cell.strip() for cell in cells)
        ]


def _json_rows(value: JsonValue, kind: Kind) -> list[_Row] | None:
    """The rows of a document {train: [...], test: [...]}, which begin behind its prefix; or those of a table that
    pandas wrote, a list of rows or {column: {row: cell}}.
    """
    if isinstance(value, dict) and set(kind.needs) <= value.keys():
        columns = {name: cells for name, cells in value.items() if isinstance(cells, dict)}
        value = [{name: cells.get(row) for name, cells in columns.items()} for row in columns.get(kind.needs[0], {})]
    if isinstance(value, list):
        return [
            _row(number, each, kind)
            for number, each in enumerate(value, start=1)
            if isinstance(each, dict) and set(kind.needs) <= each.keys()
        ] or None
    if not isinstance(value, dict):
        return None
    lists = {name: each for name, each in value.items() if isinstance(each, list)}
    meta = value.get("meta")
    prefix = meta.get(kind.prefix) if isinstance(meta, dict) else None
    rows = [
        _row(number, {**each, "split": name}, kind, prefix if isinstance(prefix, str) else "")
        for name, every in lists.items()
        for number, each in enumerate(every, start=1)
        if isinstance(each, dict) and set(kind.needs) <= {*each, "split"}
    ]
    return rows or None


def _row(number: int, cells: Mapping[str, JsonValue], kind: Kind, prefix: str = "") -> _Row:
    said = {
        meant: tuple(str(cells[name]).strip() for name in names if cells.get(name) not in (None, ""))
        for meant, names in kind.columns.items()
    }
    said["mask"] = tuple(f"{prefix}{mask}" for mask in said.get("mask", ()))
    path = next(iter(said.pop("path", ())), "")
    return _Row(number, f"{prefix}{path}" if path else "", said)


class _Pictures:
    """An archive's pictures and masks, to be found by the end of their paths."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self.places = places
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in places:
            self._by_name[posixpath.basename(path)].append(path)

    def bases(self, rows: Sequence[_Row], near: str) -> list[str]:
        """The folders that the table's paths start at, each with a `/` at its end: below it, near it, or anywhere."""
        named = [row.path for row in rows if row.path]
        above = [f"{parent}/" if str(parent) != "." else "" for parent in (PurePosixPath(near or "."), *_parents(near))]
        for base in above:
            if 2 * sum(f"{base}{path}" in self.places for path in named) > len(named):
                return [base]
        counts: Counter[str] = Counter()
        for path in named:
            if "/" in path:
                ends = (each for each in self._by_name.get(posixpath.basename(path), ()) if each.endswith(f"/{path}"))
                counts.update(each.removesuffix(path) for each in ends)
        most = max(counts.values(), default=0)
        return [base for base, count in sorted(counts.items()) if 2 * count > most] or above[:1]


def _parents(near: str) -> Iterator[PurePosixPath]:
    yield from PurePosixPath(near).parents if near else ()


class _Reading:
    """One table, read against the archive."""

    def __init__(self, kind: Kind, table: str, above: str, pictures: _Pictures) -> None:
        self._kind, self._table, self._above, self._pictures = kind, table, above, pictures
        self._found: dict[str, Place] = {}
        self._problems: list[Problem] = []

    def of(self, rows: Sequence[_Row]) -> Splits:
        """What the rows say."""
        rows = [replace(row, path=image_paths.plain(row.path)) if row.path else row for row in rows]
        words = labels.read_column(word for row in rows for word in row.cells.get("label", ()))
        bases = self._pictures.bases(rows, self._above)
        for row in rows:
            self._add(row, bases, words)
        roles = Counter(place.role for place in self._found.values())
        normal, scored = wording.counted(roles["reference"], "reference"), wording.counted(roles["query"], "picture")
        note = f"{self._kind.name} in {self._table}: {normal}, {scored} to score"
        return Splits(self._found, self._problems, (note,) if self._found else ())

    def _add(self, row: _Row, bases: Sequence[str], words: Mapping[str, Label]) -> None:
        paths = {path: base for base in bases if (path := self._path(base, row.path)) is not None}
        if not paths:
            absent = f"{self._kind.name} names it, but the archive has no such image"
            self._problems.append(Problem(f"{self._table} row {row.number}", absent, unit="row"))
        said = [words[word] for word in row.cells.get("label", ()) if words[word].label]
        label = next((each for each in said if each.defect), next(iter(said), None))
        if any(each.label == "good" for each in said):
            label = Label("good")
        training = any(word.casefold() in _TRAINING for word in row.cells.get("split", ()))
        for path, base in paths.items():
            place = self._pictures.places[path]
            place = replace(place, role="query", kind=None)
            if label is not None:
                place = replace(place, label=label.label, defect=label.defect, by_mask=False)
            if training and place.label == "good":
                place = replace(place, role="reference")
            self._found[path] = replace(self._masked(place, row, base), product=self._product(place, row))

    def _masked(self, place: Place, row: _Row, base: str) -> Place:
        named = next(iter(row.cells.get("mask", ())), None)
        if named is None or place.label == "good":
            return replace(place, mask=None) if place.label == "good" else place
        mask = self._path(base, image_paths.plain(named))
        if mask is None:
            absent = f"{self._kind.name} gives a mask that isn't there"
            self._problems.append(Problem(f"{self._table} row {row.number}", absent, unit="field"))
            return place
        self._found[mask] = replace(self._pictures.places[mask], role="mask")
        return replace(place, mask=mask)

    def _product(self, place: Place, row: _Row) -> str:
        try:
            return bounded.name(row.cells["product"][0])
        except (KeyError, IndexError, ValueError):
            return place.product

    def _path(self, base: str, named: str) -> str | None:
        path = f"{base}{named}"
        if path in self._pictures.places:
            return path
        return image_paths.below_data_root(named, self._pictures.places) if image_paths.is_rooted(named) else None
