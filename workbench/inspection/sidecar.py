"""`images.csv` or `images.jsonl`: what a plant knows about its images, one row per image, validated row by row.

`path` is required (relative to the archive's root); product, label, mask, line, camera, captured_at and reference are
optional and override what the folder says. A label is good (ok, normal, pass), defective (bad, ng, anomaly, ...) or a
defect type. A time without a zone is taken as UTC.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from workbench.inspection.errors import ArchiveError, Problem, because

NAMES = ("images.csv", "images.jsonl")


class Row(BaseModel):
    """One image's row."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=False)

    path: str = Field(min_length=1)
    product: str | None = None
    label: str | None = None
    mask: str | None = None
    line: str | None = None
    camera: str | None = None
    captured_at: datetime | None = None
    reference: str | None = None

    @field_validator("product", "label", "mask", "line", "camera", "captured_at", "reference", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("path", "mask", "reference")
    @classmethod
    def _inside_the_archive(cls, value: str | None) -> str | None:
        if value is None:
            return None
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{value} must be relative to the archive and stay inside it")
        return str(path)

    @field_validator("captured_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None or value.tzinfo is None:
            return value and value.replace(tzinfo=UTC)
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"{value} lies outside the years 1 to 9999") from error


def find(root: Path) -> Path | None:
    """The archive's own sidecar, if it has one."""
    return next((root / name for name in NAMES if (root / name).is_file()), None)


def read(file: Path) -> tuple[dict[str, Row], list[Problem]]:
    """The valid rows by path, and a problem for each row that isn't.

    Raises:
        ArchiveError: the file can't be read, isn't UTF-8, or has no `path` column.
    """
    rows: dict[str, Row] = {}
    problems: list[Problem] = []
    try:
        for number, raw in _json_lines(file) if file.suffix.lower() == ".jsonl" else _csv_rows(file):
            place = f"{file.name} line {number}"
            try:
                row = Row.model_validate_json(raw) if isinstance(raw, str) else Row.model_validate(raw)
            except ValidationError as error:
                problems.append(Problem(place, because(error)))
                continue
            if row.path in rows:
                problems.append(Problem(place, f"{row.path} has a row already; the first one counts"))
            else:
                rows[row.path] = row
    except OSError as error:
        raise ArchiveError(f"the sidecar {file} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ArchiveError(f"the sidecar {file} isn't UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise ArchiveError(f"the sidecar {file} isn't CSV: {error}") from error
    return rows, problems


def _csv_rows(file: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        columns = list(reader.fieldnames or ())
        if "path" not in columns:
            raise ArchiveError(f"the sidecar {file} has no column `path`; its columns: {', '.join(columns) or 'none'}")
        for row in reader:
            yield reader.line_num, {name: value for name, value in row.items() if name in columns}


def _json_lines(file: Path) -> Iterator[tuple[int, str]]:
    with file.open(encoding="utf-8-sig") as lines:
        yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
