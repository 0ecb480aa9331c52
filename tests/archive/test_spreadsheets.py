"""An Excel workbook beside the pictures says what a CSV of its first sheet would."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.archive import workbooks
from tests.scoring.drawn import NOTHING_KNOWN, picture, scanned
from workbench.archive import scan as archive
from workbench.archive import sidecar
from workbench.archive.problems import account
from workbench.archive.sidecar import Times
from workbench.errors import ArchiveError

HEADER = ("Path", "label", "line", "serial", "captured_at", "remark")


def test_dates_and_numbers_in_cells_are_what_a_csv_of_them_says(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 29, 22, 5, 30)
    workbooks.write(
        tmp_path / "images.xlsx",
        Bilder=[
            HEADER,
            ("a.png", "i.O.", 7, "0017", moment, 3),
            (),
            ("sub\\b.PNG ", "Kratzer", 7.5, 17, date(2026, 11, 30), None),
            ("c.png", True, None, None, "29.11.2026 22:05", None),
            ("d.png", "ok", None, None, 45_000.5, None),
        ],
        Legende=[("i.O.", "in Ordnung")],
    )
    rows, problems = sidecar.read(tmp_path / "images.xlsx", Times(day_first=True, zone="Europe/Berlin"))
    a, b, c, d = rows.values()
    assert (a.label, a.line, a.serial, a.captured_at) == ("i.O.", "7", "0017", moment.replace(hour=21, tzinfo=UTC))
    assert (b.path, b.label, b.line, b.serial) == ("sub\\b.PNG ", "Kratzer", "7.5", "17")
    assert b.captured_at == datetime(2026, 11, 29, 23, tzinfo=UTC)
    assert (c.label, c.captured_at) == ("TRUE", datetime(2026, 11, 29, 21, 5, tzinfo=UTC))
    assert (d.label, d.captured_at) == ("ok", None)  # a bare number is no date
    assert [(each.unit, each.count, each.example) for each in account(problems)] == [
        ("sheet", 1, "images.xlsx"), ("column", 1, "images.xlsx line 1"), ("field", 1, "images.xlsx line 6")
    ]  # fmt: skip

    as_csv = tmp_path / "images.csv"
    as_csv.write_text(
        "Path,label,line,serial,captured_at,remark\na.png,i.O.,7,0017,2026-11-29T22:05:30,3\n"
        "sub\\b.PNG ,Kratzer,7.5,17,2026-11-30,\nc.png,TRUE,,,29.11.2026 22:05,\nd.png,ok,,,45000.5,\n"
    )
    assert sidecar.read(as_csv, Times(day_first=True, zone="Europe/Berlin"))[0] == rows


def test_a_workbook_at_the_root_is_found_and_a_table_beside_it_counts_first(tmp_path: Path) -> None:
    picture(tmp_path / "sub/Geha\u0308use.png")
    workbooks.write(tmp_path / "images.xlsx", Bilder=[("path", "line"), (" sub/Geh\u00e4use.png ", 4)])
    [entry] = scanned(tmp_path).entries
    assert entry.line == "4"
    (tmp_path / "images.csv").write_text("path,line\nsub/Geh\u00e4use.png,5\n", encoding="utf-8")
    scan = scanned(tmp_path)
    assert (scan.entries[0].line, [each.path for each in scan.problems]) == ("5", ["images.xlsx"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no workbook", b"path,line\na.png,4\n"])
def test_what_is_no_workbook_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images.xlsx").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"isn't a workbook that can be read: .*; save it as CSV"):
        sidecar.read(tmp_path / "images.xlsx")


def test_without_its_reader_a_workbook_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a.png")
    file = workbooks.write(tmp_path / "night.xlsx", Bilder=[("path", "line"), ("a.png", 4)])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(ArchiveError, match=r"pip install 'inspection-workbench\[excel\]', or save it as CSV"):
        archive.scan(tmp_path, NOTHING_KNOWN, sidecar_file=file)


def test_a_csv_that_names_its_separator_for_excel_is_read_by_it(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("sep=;\r\npath;line\r\na.png;4\r\nb.png;\r\n\r\nc.png\r\n")
    rows, [problem] = sidecar.read(tmp_path / "images.csv")
    assert ({path: row.line for path, row in rows.items()}, problem.path) == (
        {"a.png": "4", "b.png": None}, "images.csv line 6"
    )  # fmt: skip
