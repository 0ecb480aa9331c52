"""Knowledge texts from files and into files: MMAD's domain_knowledge.json, folders of Markdown, CSV.

    domain_knowledge.json   {dataset: {product: {entry: text}}}
    FOLDER/dataset/product/entry.md
    texts.csv               dataset, product, entry, text

A file is the whole truth about the data sets it names: an entry it no longer has leaves the published set, while other
data sets stay as they were. Nothing is ever overwritten: a changed text becomes the entry's next revision
(`warehouse/queries/curation.py`), so a run that names its version can always be explained.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import RootModel, StringConstraints, ValidationError

from warehouse import bounded, names
from warehouse.queries.curation import Curation, Taken
from warehouse.records.audit import Actor
from warehouse.records.scoring import Description
from warehouse.store import Store
from workbench.archive import json_text, text_files
from workbench.archive.problems import printable
from workbench.archive.skipped_files import is_housekeeping
from workbench.errors import KnowledgeError

ALIASES = {"MVTec": "DS-MVTec"}  # MMAD's knowledge file and its question file name one data set differently
COLUMNS = ("dataset", "product", "entry", "text")
NORMALS = "normals.jsonl"  # in a folder of texts: see `normal_files.py`

Texts = dict[tuple[str, str, str], str]  # (dataset, product, entry) -> text
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _File(RootModel[dict[_Text, dict[_Text, dict[_Text, _Text]]]]):
    """What a knowledge file must look like."""


def import_file(store: Store, file: Path, publish: bool = True, *, actor: Actor) -> Taken:
    """The texts of `file` as new revisions where they are new or changed; published, or as drafts.

    Raises:
        KnowledgeError: the file can't be read or has another shape.
    """
    return Curation(store.data).take(read(file), f"imported from {file.name}", publish, actor=actor)


def read(file: Path) -> Texts:
    """(dataset, product, entry) -> text, sorted; from a folder of Markdown, a .csv, else JSON.

    Raises:
        KnowledgeError: it can't be read, has another shape, or holds no texts.
    """
    try:
        if file.is_dir():
            texts = _from_folder(file)
        elif file.suffix.lower() == ".csv":
            texts = _from_csv(file)
        else:
            texts = _from_json(file, file.read_bytes())
    except OSError as error:
        raise KnowledgeError(f"cannot read the knowledge file {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise KnowledgeError(f"{file} is not UTF-8 text: {error}") from None
    except csv.Error as error:
        raise KnowledgeError(f"{file} is not CSV: {error}") from None
    for place, text in texts.items():
        if why := names.problem(place) or _problem(text):
            raise KnowledgeError(f"{file}: {printable(' / '.join(place))}: {why}")
    _distinct(file, texts)
    if not texts:
        raise KnowledgeError(f"{file} holds no texts")
    return dict(sorted((_named(place), text) for place, text in texts.items()))


def other_files(file: Path) -> Counter[str]:
    """How many files of a folder of Markdown hold no text by their names, by their endings; hidden ones don't count.

    Raises:
        KnowledgeError: the folder can't be listed.
    """
    try:
        found = list(_files(file)) if file.is_dir() else []
    except OSError as error:
        raise KnowledgeError(f"cannot read the knowledge folder {file}: {error.strerror}") from None
    others = (each for each in found if each.suffix.lower() != ".md" and each != file / NORMALS)
    return Counter(each.suffix.lower() or "without an ending" for each in others)


def write(descriptions: Iterable[Description], output: Path) -> int:
    """How many texts were written: to a .json, a .csv, else into a folder of Markdown.

    Raises:
        KnowledgeError: the output can't be written, or the folder holds something already.
    """
    texts = {(d.dataset, d.product, d.entry): d.text for d in descriptions}
    try:
        if output.suffix.lower() == ".json":
            put(output, json.dumps(_nested(texts), indent=1, ensure_ascii=False) + "\n")
        elif output.suffix.lower() == ".csv":
            page = io.StringIO()
            rows = csv.writer(page, lineterminator="\n")
            rows.writerows([COLUMNS, *((*place, text) for place, text in texts.items())])
            put(output, page.getvalue())
        else:
            _to_folder(texts, output)
    except OSError as error:
        raise KnowledgeError(f"cannot write {output}: {error.strerror}") from None
    return len(texts)


def _problem(text: str) -> str | None:
    """Why this can't be a text; None where it can."""
    try:
        bounded.text(text)
    except ValueError as error:
        return f"its text can't be used: {error}"
    return None


def _named(place: tuple[str, str, str]) -> tuple[str, str, str]:
    """The place under the names by which it is stored."""
    dataset, product, entry = map(bounded.same_name, place)
    return ALIASES.get(dataset, dataset), product, entry


def _folded(name: str) -> str:
    return bounded.same_name(name).casefold()


def _distinct(file: Path, texts: Iterable[tuple[str, str, str]]) -> None:
    """Refuse names that are one name to a person: one of two texts would get lost, or be shown for the other.

    Raises:
        KnowledgeError: two data sets, two products of one or two entries of one are.
    """
    written: dict[tuple[str, ...], tuple[str, ...]] = {}
    for place in texts:
        for depth in (1, 2, 3):
            known = written.setdefault(tuple(map(_folded, _named(place)[:depth])), place[:depth])
            if known != place[:depth]:
                raise KnowledgeError(
                    f"{file}: {' / '.join(known)} and {' / '.join(place[:depth])} are one name; rename one"
                )


def _from_json(file: Path, content: bytes) -> Texts:
    try:
        document = json_text.load(content, same=_folded)
    except ValueError as error:
        raise KnowledgeError(f"{file} is not JSON: {error}") from None
    try:
        root = _File.model_validate(document.value).root
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = " / ".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
        raise KnowledgeError(
            f"{file} is not {{dataset: {{product: {{entry: text}}}}}}: at {printable(place)}: {first['msg']}"
        ) from None
    if document.doubled:
        first_twice = document.doubled[0]
        more = f" ({len(document.doubled) - 1:,} more names are)" if len(document.doubled) > 1 else ""
        raise KnowledgeError(
            f"{file}: in {first_twice.where}, {first_twice.name!r} stands twice{more}; one of the two would get lost"
        )
    return {
        (dataset, product, entry): text
        for dataset, products in root.items()
        for product, entries in products.items()
        for entry, text in entries.items()
    }


def _from_csv(file: Path) -> Texts:
    text = text_files.read(file).text
    with io.StringIO(text, newline="") as opened:
        rows = csv.reader(opened, strict=True, delimiter=text_files.separator(text, COLUMNS[0]))
        header = [name.strip().casefold() for name in next(rows, [])]
        missing = set(COLUMNS) - set(header)
        if missing:
            raise KnowledgeError(
                f"{file} lacks the columns {', '.join(sorted(missing))}; it needs {', '.join(COLUMNS)}"
            )
        if twice := [name for name in COLUMNS if header.count(name) > 1]:
            raise KnowledgeError(f"{file}, line 1: the column {twice[0]} stands there twice")
        texts: Texts = {}
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise KnowledgeError(
                    f"{file}, line {rows.line_num}: {len(row)} cells where the header has {len(header)}; "
                    "a text with a comma in it stands in quotes"
                )
            values = [row[header.index(name)].strip() for name in COLUMNS]
            place = (values[0], values[1], values[2])
            if not all(values):
                raise KnowledgeError(f"{file}, line {rows.line_num}: every row needs {', '.join(COLUMNS)}")
            if place in texts:
                raise KnowledgeError(f"{file}, line {rows.line_num}: {' / '.join(place)} is there twice")
            texts[place] = values[3]
    return texts


def _from_folder(folder: Path) -> Texts:
    texts: Texts = {}
    for file in sorted(_files(folder)):
        place = names.split(file.relative_to(folder).with_suffix("").as_posix())
        if file.suffix.lower() != ".md":
            if len(place) == 3 and file.suffix.lower() in (".txt", ".markdown", ".mdown", ".rst"):
                raise KnowledgeError(f"{file} isn't read: a text's file ends in .md; rename it, or take it out")
            continue
        if len(place) != 3:
            raise KnowledgeError(f"{file} is not at {folder}/DATASET/PRODUCT/ENTRY.md")
        text = text_files.read(file).text.strip()
        if not text:
            raise KnowledgeError(f"{file} is empty; remove it, or write the text")
        texts[place[0], place[1], place[2]] = text
    return texts


def _files(folder: Path) -> Iterator[Path]:
    """Every file below; what can't be listed is an error, for its texts would be withdrawn."""

    def refuse(error: OSError) -> None:
        raise error

    for above, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".") and not is_housekeeping(name)]
        for name in folders:
            if Path(above, name).is_symlink():
                raise KnowledgeError(f"{Path(above, name)} is a link to a folder and isn't followed; copy the folder")
        yield from (Path(above, name) for name in files if not name.startswith("."))


def _nested(texts: Mapping[tuple[str, str, str], str]) -> dict[str, dict[str, dict[str, str]]]:
    nested: dict[str, dict[str, dict[str, str]]] = {}
    for (dataset, product, entry), text in texts.items():
        nested.setdefault(dataset, {}).setdefault(product, {})[entry] = text
    return nested


def _to_folder(texts: Mapping[tuple[str, str, str], str], folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise KnowledgeError(f"{folder} is not empty; give a new folder: an entry left there would come back on import")
    for place in texts:
        if passed_over := [part for part in place if part.startswith(".") or is_housekeeping(part)]:
            raise KnowledgeError(
                f"{' / '.join(place)} can't be a file: one named {passed_over[0]} would be passed over on import, and "
                "its text withdrawn; write a .json or a .csv"
            )
    for place, text in texts.items():
        file = folder / f"{names.join(place)}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")


def put(file: Path, text: str) -> None:
    """Write the file whole or not at all: a half-written knowledge file would withdraw what it lacks."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
