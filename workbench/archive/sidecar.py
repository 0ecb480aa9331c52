"""`images.csv`, `.jsonl` or `.xlsx`: what a plant knows about its images, one row per image, validated row by row.

`path` is required (relative to the archive's root); product, label, mask, line, camera, captured_at, reference and
serial are optional and override what the folder says. `serial` names the piece that is shown: several pictures of one
product with one serial are of one piece, so they are no independent evidence. What a label means is `labels.py`'s; a
time is an ISO date or date and time, without a zone taken as UTC, and never a bare number: seconds since 1970 to one
tool are a date to the next.

A file is text in any encoding of `text_files.py`, its cells parted by commas, semicolons, tabs or bars; or a workbook,
whose first sheet is read (`spreadsheets.py`). A time whose day or month comes first is read as `Times` says, a setting,
and else told.

A table is never guessed at. A row with a cell too many or too few isn't used, for its cells may be shifted; a field
that can't be read costs that field and not the row; a column whose name looks like one of these is told, and of two
columns of one name the first counts. Names of columns are compared without blanks around them and without case.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, ValidationError, ValidationInfo, field_validator

from warehouse import bounded
from workbench.archive import json_text, spreadsheets, text_files
from workbench.archive.json_text import TWICE
from workbench.archive.problems import Problem, because
from workbench.errors import ArchiveError

NAMES = ("images.csv", "images.jsonl", "images.xlsx")

_SHOWN = 8  # unread columns
STUDIED = frozenset({"severity"})  # columns that a study's tables are divided by; a scan needs none of them
_LOOKS_LIKE = {
    column: tuple(words.split())
    for column, words in {
        "path": "file file_name filename image image_path file_path filepath name image_file datei dateiname bild pfad",
        "label": "class verdict result status defect defect_type defect_class category annotation ergebnis befund",
        "product": "object item part article artikel teil produkt",
        "mask": "mask_path mask_file ground_truth segmentation maske",
        "line": "linie",
        "camera": "kamera",
        "captured_at": "time date timestamp datetime date_time captured acquired_at created_at zeit datum zeitstempel",
        "reference": "reference_path template golden golden_sample referenz",
        "serial": "serial_number serial_no piece piece_id part_id unit_id seriennummer",
        "lot": "lot_number lot_no lot_id batch batch_id batch_number charge delivery lieferung los",
    }.items()
}
_SEPARATOR = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_DAY_AND_MONTH = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?!\d)")
_TIME = re.compile(
    r"(\d{4})(-?)(\d\d)\2(\d\d)(?:[Tt _]+(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Times:
    """How a table's times are meant where they don't say it themselves."""

    day_first: bool | None = None  # 03.04.2026 is 3 April; False: 4 March; None: it is told and not read
    zone: str = "UTC"  # of times without one


ISO = Times()
Name = Annotated[str, AfterValidator(bounded.name)]
InArchive = Annotated[str, AfterValidator(bounded.path), AfterValidator(lambda path: str(PurePosixPath(path)))]


class Row(BaseModel):
    """One image's row."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=False)

    path: InArchive
    product: Name | None = None
    label: Name | None = None
    mask: InArchive | None = None
    line: Name | None = None
    camera: Name | None = None
    captured_at: datetime | None = None
    reference: InArchive | None = None
    serial: Name | None = None
    lot: Name | None = None

    @field_validator("path", "product", "label", "mask", "line", "camera", "reference", "serial", "lot", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """JSON's numbers as a table has them, and nothing for a field of blanks or a NaN."""
        if _says_nothing(value):
            return None
        if isinstance(value, float) and math.isfinite(value) and value == int(value):
            return str(int(value))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return value

    @field_validator("captured_at", mode="before")
    @classmethod
    def _in_utc(cls, value: object, how: ValidationInfo) -> datetime | None:
        return None if _says_nothing(value) else moment(value, how.context or ISO)


def _says_nothing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and math.isnan(value))
    )


def find(root: Path) -> Path | None:
    """The archive's own sidecar, if it has one; its name's case doesn't matter."""
    exact = next((root / name for name in NAMES if (root / name).is_file()), None)
    if exact is not None:
        return exact
    try:
        with os.scandir(root) as listing:
            found = sorted(item.name for item in listing if item.name.lower() in NAMES)
    except OSError:
        return None
    return next((root / name for name in found if (root / name).is_file()), None)


def read(file: Path, times: Times = ISO) -> tuple[dict[str, Row], list[Problem]]:
    """The valid rows by path, and a problem for each row and field that isn't.

    Args:
        file: the table.
        times: how its times are meant where they don't say it themselves.

    Raises:
        ArchiveError: the file can't be read, isn't UTF-8, or has no `path` column.
    """
    rows: dict[str, Row] = {}
    problems: list[Problem] = []
    for line, raw in raw_rows(file, problems):
        place = f"{file.name} line {line}"
        row = _row(raw, file, place, problems, times)
        if row is None:
            continue
        if row.path in rows:
            twice = "has a row already; the first one counts"
            problems.append(Problem(place, f"{row.path} {twice}", kind=twice, unit="row"))
        else:
            rows[row.path] = row
    return rows, problems


def raw_rows(file: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, JsonValue]]]:
    """Each row's line and cells by column, known columns under their own names; what can't be used is a problem.

    Raises:
        ArchiveError: the file can't be read, isn't UTF-8, or has no `path` column.
    """
    try:
        if file.suffix.lower() == ".jsonl":
            yield from _json_lines(file, problems)
        else:
            yield from _table_rows(file, problems)
    except OSError as error:
        raise ArchiveError(f"the sidecar {file} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ArchiveError(f"the sidecar {file} isn't UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise ArchiveError(f"the sidecar {file} isn't CSV: {error}") from error


class Paths:
    """Finds the file that a table means, among those that are there.

    The very name first; else the one file whose name is the same to a person: composed or decomposed letters, either
    slash, blanks at the ends, other case. None where two files would do.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._same: dict[str, str | None] | None = None  # made when the first name isn't there as it is written

    def find(self, name: str) -> str | None:
        """The file's path in the archive."""
        if name in self._paths:
            return name
        if self._same is None:
            self._same = {}
            for path in self._paths:
                key = _same_path(path)
                self._same[key] = path if key not in self._same else None
        return self._same.get(_same_path(name))


def _same_path(path: str) -> str:
    parts = unicodedata.normalize("NFC", path).replace("\\", "/").casefold().split("/")
    return "/".join(part for each in parts if (part := each.strip()) not in ("", "."))


def _row(raw: dict[str, JsonValue], file: Path, place: str, problems: list[Problem], times: Times) -> Row | None:
    """The row without the fields that can't be read, each of them a problem; None if its path is one of them."""
    try:
        return Row.model_validate(raw, context=times)
    except ValidationError as error:
        broken = {str(found["loc"][0]) for found in error.errors(include_url=False)}
        if "path" in broken:
            problems.append(Problem(place, because(error), kind=f"{file.name}: a path can't be read", unit="row"))
            return None
        reason = f"{because(error)}; the rest of the row counts"
        kind = f"{file.name}: {', '.join(sorted(broken))} can't be read"
        problems.append(Problem(place, reason, kind=kind, unit="field", count=len(broken)))
        return Row.model_validate({name: value for name, value in raw.items() if name not in broken}, context=times)
    except Exception as error:  # noqa: BLE001 - whatever one row raises, the others count
        reason = f"can't be read: {because(error)}"
        problems.append(Problem(place, reason, kind=f"{file.name}: can't be read", unit="row"))
        return None


def _table_rows(file: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, JsonValue]]]:
    is_workbook = file.suffix.lower() in spreadsheets.SUFFIXES
    lines = _sheet_lines(file, problems) if is_workbook else _csv_lines(file, problems)
    _, header = next(lines, (1, list[str]()))
    columns = _columns(header, file, f"{file.name} line 1", problems)
    if "path" not in columns.values():
        named = ", ".join(name.strip() for name in header if name.strip()) or "none"
        plain = [_plain(name) for name in header]
        meant = next((name.strip() for name in header if _meant(_plain(name), plain) == "path"), None)
        hint = f"; call {meant} path if it is" if meant else ""
        raise ArchiveError(f"the sidecar {file} has no column `path`; its columns: {named}{hint}")
    for number, cells in lines:
        if len(cells) == len(header):
            yield number, {name: cells[index] for index, name in columns.items()}
            continue
        more = len(cells) > len(header)
        problems.append(
            Problem(
                f"{file.name} line {number}",
                f"{len(cells)} cells where the header has {len(header)}: the row isn't used, its cells may be "
                f"shifted{'; put a text with a comma in quotes' if more else ''}",
                kind=f"{file.name}: a cell too {'many' if more else 'few'}",
                unit="row",
            )
        )


def _csv_lines(file: Path, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Each line's number and cells, the header's first; lines of blanks behind it are left out."""
    with _opened(file, problems) as lines:
        named = _SEPARATOR.match(lines.getvalue())  # as Excel writes it for itself
        lines.seek(named.end() if named else 0)
        separator = named[1] if named else text_files.separator(lines.getvalue(), "path")
        reader = csv.reader(lines, strict=True, delimiter=separator)
        for number, cells in enumerate(reader):
            if not number or any(cell.strip() for cell in cells):
                yield reader.line_num + bool(named), cells


def _sheet_lines(file: Path, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    sheet = spreadsheets.read(file)
    if sheet.other_sheets:
        reason = f"not read: {', '.join(sheet.other_sheets[:_SHOWN])}; {sheet.name}, the first sheet, counts"
        problems.append(Problem(file.name, reason, unit="sheet", count=len(sheet.other_sheets)))
    yield from sheet.rows


def _opened(file: Path, problems: list[Problem]) -> io.StringIO:
    """The file's text; a guess at its encoding is told."""
    found = text_files.read(file)
    if found.note:
        problems.append(Problem(file.name, found.note, unit="remark"))
    return io.StringIO(found.text, newline="")


def _json_lines(file: Path, problems: list[Problem]) -> Iterator[tuple[int, dict[str, JsonValue]]]:
    known: dict[tuple[str, ...], dict[int, str]] = {}
    with _opened(file, problems) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            place = f"{file.name} line {number}"
            try:
                document = json_text.load(line)
            except ValueError as error:
                kind = f"{file.name}: Invalid JSON"
                problems.append(Problem(place, f"Invalid JSON: {error}", kind=kind, unit="row"))
                continue
            problems += (Problem(place, doubled.reason, kind=TWICE, unit="key") for doubled in document.doubled)
            if not isinstance(document.value, dict):
                problems.append(Problem(place, "an image's row is an object, {...}", unit="row"))
                continue
            names = tuple(document.value)
            if names not in known:
                known[names] = _columns(names, file, place, problems)
            values = list(document.value.values())
            yield number, {name: values[index] for index, name in known[names].items()}


def _columns(header: Iterable[str], file: Path, place: str, problems: list[Problem]) -> dict[int, str]:
    """Names by position; a doubled one is a problem and left out, so is the like of a known one that isn't there."""
    plain = [_plain(name) for name in header]
    known = Row.model_fields.keys()
    found: dict[int, str] = {}
    unread: list[str] = []
    for index, (name, written) in enumerate(zip(plain, header, strict=True)):
        if not name:
            continue
        if name in found.values():
            kind = f"{file.name}: the column {name} stands there twice"
            reason = f"the column {written.strip()!r} stands there twice; the first counts"
            problems.append(Problem(place, reason, kind, unit="column"))
            continue
        found[index] = name
        if name in known or name in STUDIED:
            continue
        if meant := _meant(name, plain):
            kind = f"{file.name}: the column {name} isn't read"
            reason = f"the column {written.strip()!r} isn't read; call it {meant} if it is"
            problems.append(Problem(place, reason, kind, unit="column"))
        else:
            unread.append(written.strip())
    if unread:
        named = f"{', '.join(unread[:_SHOWN])}{', ...' if len(unread) > _SHOWN else ''}"
        kind = f"{file.name}: not read"
        problems.append(Problem(place, f"not read: {named}", kind, unit="column", count=len(unread)))
    return found


def _plain(name: str) -> str:
    """A column's name as it is compared."""
    return "_".join(name.strip().casefold().split())


def _meant(name: str, header: Iterable[str]) -> str | None:
    """The known column, not in the header, that an unknown one looks like."""
    absent = [known for known in Row.model_fields if known not in header]
    said = next((known for known in absent if name in _LOOKS_LIKE.get(known, ())), None)
    return said or next(iter(difflib.get_close_matches(name, absent, n=1, cutoff=0.75)), None)


def moment(value: object, times: Times = ISO) -> datetime:
    """A date, or a date and time, as a moment in UTC.

    Raises:
        ValueError: it isn't written as ISO 8601 has it or as `times` says, or can't be when a picture was taken.
    """
    text = value.strip() if isinstance(value, str) else ""
    if local := _DAY_AND_MONTH.match(text):
        if times.day_first is None:
            raise ValueError(f"{value}: say by the setting day_first whether its day stands before its month")
        first, second, year = local.group(1, 3, 4)
        day, month = (first, second) if times.day_first else (second, first)
        text = f"{year}-{int(month):02}-{int(day):02}{text[local.end() :]}"
    said = _TIME.fullmatch(text)
    if said is None:
        raise ValueError(f"{value} isn't a date and time such as 2026-11-29T22:05:30+01:00 or 20261129T220530")
    year, _, month, day, hour, minute, second, fraction, zone = said.groups()
    clock = f"{hour or '00'}:{minute or '00'}:{second or '00'}.{(fraction or '0')[:6].ljust(6, '0')}"
    moment = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{(zone or '').upper()}")
    return bounded.moment(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(times.zone)))
