"""Small Excel workbooks, written as the format has them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from xml.sax.saxutils import escape

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
_BEFORE = datetime(1899, 12, 30)  # day 0 of a workbook's dates

Cell = str | float | bool | date | None


def write(file: Path, **sheets: Sequence[Sequence[Cell]]) -> Path:
    """A workbook of these sheets, dates in it as numbers with a date's format."""
    names = list(sheets)
    book = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, name in enumerate(names, start=1)
    )
    targets = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in enumerate(names, start=1)
    )
    styles = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs>'
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(
            "[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
        )
        packed.writestr(
            "_rels/.rels",
            f'<Relationships {_PACKAGE}><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        packed.writestr("xl/workbook.xml", f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{book}</sheets></workbook>')
        style = f'<Relationship Id="rId99" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        packed.writestr("xl/_rels/workbook.xml.rels", f"<Relationships {_PACKAGE}>{targets}{style}</Relationships>")
        packed.writestr("xl/styles.xml", f"<styleSheet {_MAIN}>{styles}</styleSheet>")
        for number, name in enumerate(names, start=1):
            rows = "".join(_row(at, cells) for at, cells in enumerate(sheets[name], start=1))
            packed.writestr(
                f"xl/worksheets/sheet{number}.xml", f"<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>"
            )
    return file


def _row(number: int, cells: Sequence[Cell]) -> str:
    written = "".join(_cell(f"{chr(65 + at)}{number}", cell) for at, cell in enumerate(cells) if cell is not None)
    return f'<row r="{number}">{written}</row>'


def _cell(place: str, cell: Cell) -> str:
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, date):
        moment = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
        return f'<c r="{place}" s="1"><v>{(moment - _BEFORE).total_seconds() / 86_400!r}</v></c>'
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'
