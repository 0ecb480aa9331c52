"""The first sheet of an Excel workbook as a CSV of it would be: a file goes in, rows of texts come out.

A date in a cell is written as ISO 8601 has it, a whole number without a point, and what a formula shows is its stored
value. The reader of the cells is python-calamine, an optional part of the installation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from workbench.errors import ArchiveError

SUFFIXES = frozenset({".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"})


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook."""

    name: str
    rows: list[tuple[int, list[str]]]  # number of the row from 1, and its cells; rows of blanks are left out
    other_sheets: tuple[str, ...]  # that aren't read


def read(file: Path) -> Sheet:
    """The workbook's first sheet.

    Raises:
        OSError: the file can't be read.
        ArchiveError: it is no workbook, or what reads one isn't installed.
    """
    try:
        import python_calamine
    except ImportError as error:
        raise ArchiveError(
            f"reading {file} needs python-calamine: pip install 'inspection-workbench[excel]', or save it as CSV"
        ) from error
    file.open("rb").close()
    try:
        workbook = python_calamine.load_workbook(str(file))
        first, *others = workbook.sheet_names
        cells = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, ValueError) as error:
        raise ArchiveError(f"{file} isn't a workbook that can be read: {error}; save it as CSV") from error
    written = ((number, [_text(cell) for cell in row]) for number, row in enumerate(cells, start=1))
    return Sheet(first, [(number, row) for number, row in written if any(cell.strip() for cell in row)], tuple(others))


def _text(cell: int | float | str | bool | time | date | datetime | timedelta) -> str:
    match cell:
        case bool():
            return str(cell).upper()
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() | date() | time():
            return cell.isoformat()
    return str(cell)
