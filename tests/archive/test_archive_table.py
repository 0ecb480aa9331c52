"""A plant's table is understood or told: shifted rows, odd headers, times, doubled keys, names in other forms."""

from __future__ import annotations

import csv
import json
import tempfile
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.drawn import bottle, picture, reasons, scanned
from workbench.archive import sidecar
from workbench.archive.problems import Problem, account, in_sentence


def table(folder: Path, text: str, name: str = "images.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@given(
    st.permutations(["path", "label", "product", "captured_at", "remark"]),
    st.lists(st.tuples(st.sampled_from(["", " ", "\t", "\u00a0"]), st.booleans()), min_size=5, max_size=5),
)
def test_blanks_and_case_in_a_header_change_nothing(columns: list[str], dress: list[tuple[str, bool]]) -> None:
    header = [blank + (name.upper() if up else name) + blank for name, (blank, up) in zip(columns, dress, strict=True)]
    cells = {"path": "a.png", "label": "bent", "product": " nut ", "captured_at": "2026-01-03T22:00", "remark": "x"}
    with tempfile.TemporaryDirectory() as folder, Path(folder, "images.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([header, [cells[name] for name in columns]])
        file.flush()
        rows, problems = sidecar.read(Path(folder, "images.csv"))
    assert [(each.unit, each.count, each.reason.lower()) for each in problems] == [("column", 1, "not read: remark")]
    row = rows["a.png"]
    assert (row.label, row.product, row.captured_at) == ("bent", "nut", datetime(2026, 1, 3, 22, tzinfo=UTC))


@given(st.lists(st.sampled_from([0, 1, 2, 3, 4, 5]), min_size=1, max_size=8))
def test_a_row_with_a_cell_too_many_or_too_few_is_told_with_its_line_and_never_shifted(widths: list[int]) -> None:
    rows = [[f"{number}.png", "Plate", "good", "more", "more"][:width] for number, width in enumerate(widths)]
    with tempfile.TemporaryDirectory() as folder, Path(folder, "images.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "product", "label"], *rows])
        file.flush()
        found, problems = sidecar.read(Path(folder, "images.csv"))
    assert list(found) == [f"{number}.png" for number, width in enumerate(widths) if width == 3]
    assert [problem.path for problem in problems] == [
        f"images.csv line {number + 2}" for number, width in enumerate(widths) if width not in (0, 3)
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("path,lable", "the column 'lable' isn't read; call it label if it is"),
        ("path,Timestamp", "the column 'Timestamp' isn't read; call it captured_at if it is"),
        ("path,defect_type", "the column 'defect_type' isn't read; call it label if it is"),
        ("path, camera ,Camera", "the column 'Camera' stands there twice; the first counts"),
        ("path,label,defect_type", "not read: defect_type"),
        ("path,remark,shift", "not read: remark, shift"),
    ],
)
def test_a_column_that_looks_like_a_known_one_or_stands_twice_is_told(
    tmp_path: Path, header: str, said: str | None
) -> None:
    file = table(tmp_path, f"{header}\n{','.join(['a.png'] + ['x'] * header.count(','))}\n")
    assert [(each.path, each.reason) for each in sidecar.read(file)[1]] == (
        [("images.csv line 1", said)] if said else []
    )
    row = dict.fromkeys(header.split(","), "x") | {"path": "a.png"}
    as_json = table(tmp_path, json.dumps(row) + "\n" + json.dumps(row | {"path": "b.png"}), "images.jsonl")
    assert {each.reason for each in sidecar.read(as_json)[1]} == ({said} if said else set())


NOW = datetime.now(UTC)
moments = st.datetimes(datetime(1980, 1, 1), datetime(NOW.year + 1, 12, 31), timezones=st.just(UTC))


@given(moments, st.sampled_from(["", "-"]), st.sampled_from(["T", " "]), st.sampled_from(["Z", "", "+00:00", "-0000"]))
def test_iso_times_are_read_in_both_forms_to_the_second(moment: datetime, dash: str, gap: str, zone: str) -> None:
    colon = ":" if dash else ""
    moment = moment.replace(microsecond=0)
    said = moment.strftime(f"{moment.year:04}{dash}%m{dash}%d{gap}%H{colon}%M{colon}%S") + zone
    assert sidecar.Row.model_validate({"path": "a", "captured_at": said}).captured_at == moment


@given(
    st.integers(0, 10**15).map(str).filter(lambda text: len(text) != 8)
    | st.floats(0, 1e15, allow_nan=False).map(str)
    | moments.map(lambda moment: str(int(moment.timestamp() * 1000)))
)
def test_digits_are_never_seconds_and_cost_their_field_alone(digits: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for raw in (json.dumps(digits), digits):
            file = table(Path(folder), f'{{"path": "a.png", "label": "bent", "captured_at": {raw}}}', "images.jsonl")
            rows, problems = sidecar.read(file)
            assert (rows["a.png"].captured_at, rows["a.png"].label) == (None, "bent")
            assert problems[0].reason.startswith("captured_at: ")
            assert problems[0].reason.endswith("; the rest of the row counts")


@pytest.mark.parametrize("year", ["1970", "1979", "2611", str(NOW.year + 2), "0001", "9999"])
def test_a_year_in_which_no_picture_was_taken_is_told(tmp_path: Path, year: str) -> None:
    rows, [problem] = sidecar.read(table(tmp_path, f"path,captured_at,line\na.png,{year}-06-01T00:00:00+14:00,3\n"))
    assert (rows["a.png"].captured_at, rows["a.png"].line) == (None, "3")
    assert "lies outside the years 1980 to next year: is the camera's clock set?" in problem.reason


def test_a_broken_field_costs_that_field(tmp_path: Path) -> None:
    bottle(tmp_path)
    picture(tmp_path / "a.png", 77)
    row = {"path": "a.png", "mask": "../m.png", "label": "bent", "line": 3, "camera": [1], "product": True}
    table(tmp_path, json.dumps(row | {"reference": "D:\\golden.png"}), "images.jsonl")
    scan = scanned(tmp_path)
    entry = next(entry for entry in scan.entries if entry.path == "a.png")
    assert (entry.label, entry.defect, entry.line, entry.camera, entry.mask_path) == (
        "defective",
        "bent",
        "3",
        None,
        None,
    )
    [problem] = scan.problems
    assert problem.path == "images.jsonl line 1"
    assert all(f"{name}: " in problem.reason for name in ("mask", "camera", "product", "reference"))


def test_a_number_that_no_float_holds_is_no_name_and_its_row_counts(tmp_path: Path) -> None:
    rows, problems = sidecar.read(
        table(tmp_path, f'{{"path": "a.png", "line": {10**400}, "label": 2}}', "images.jsonl")
    )
    assert (rows["a.png"].line, rows["a.png"].label) == (None, "2")
    assert [each.reason for each in problems] == [
        "line: it has 401 characters; a name has at most 200; the rest of the row counts"
    ]


def test_a_doubled_key_of_a_row_is_told_and_the_first_counts(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    table(tmp_path, '{"path": "a.png", "label": "good", "label": "bent", " label": "dent"}', "images.jsonl")
    scan = scanned(tmp_path)
    assert scan.entries[0].label == "good"
    assert [(each.path, each.reason) for each in scan.problems] == [
        ("images.jsonl line 1", "'label' stands there twice; the first one counts"),
        ("images.jsonl line 1", "' label' and 'label' are one name; the first one counts"),
    ]


@pytest.mark.parametrize(
    "name", ["sub\\Geha\u0308use.png", "./sub/Geh\u00e4use.PNG ", " sub /geh\u00e4use.png", "Sub//Geha\u0308use.png"]
)
def test_a_name_in_another_form_is_the_same_file(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "sub/Geha\u0308use.png")
    picture(tmp_path / "sub/m.png", 3)
    table(tmp_path, f"path,label,mask\n{name},bent,SUB\\m.png\n")
    scan = scanned(tmp_path)
    assert [(entry.path, entry.defect, entry.mask_path) for entry in scan.entries] == [
        ("sub/Geha\u0308use.png", "bent", "sub/m.png")
    ]
    assert scan.problems == []


def test_of_two_files_that_a_name_fits_neither_is_taken_and_the_very_name_wins(tmp_path: Path) -> None:
    for name in ("a.png", "A.png", "b.png"):
        picture(tmp_path / name)
    table(tmp_path, "path,label\na.PNG,bent\nA.png,good\nb.png,good\nB.png,bent\n")
    scan = scanned(tmp_path)
    assert {entry.path: entry.label for entry in scan.entries} == {"A.png": "good", "a.png": None, "b.png": "good"}
    assert reasons(scan) == {
        "a.PNG": "images.csv names it, but the archive has no such image",
        "B.png": "another row of images.csv names the same image; the first one counts",
    }


def test_what_the_column_meant_is_said_and_a_word_that_says_nothing_leaves_the_folders(tmp_path: Path) -> None:
    bottle(tmp_path)
    words = {"test/good/000.png": "n/a", "test/scratch/000.png": "1"}
    table(tmp_path, "Path, Label\n" + "".join(f"DATA/bottle/{path},{word}\n" for path, word in words.items()))
    scan = scanned(tmp_path)
    assert [(entry.label, entry.defect) for entry in scan.entries] == [("good", None), ("defective", None)]
    assert scan.notes == (
        "labels in images.csv: 0 good, 1 defective (1), 1 without a label (n/a)",
        "labels of folders: 1 good (good), 0 defective",
    )


def test_a_table_in_capitals_is_found_and_a_second_one_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    table(tmp_path, "path,line\na.png,3\n", "Images.CSV")
    assert scanned(tmp_path).entries[0].line == "3"
    table(tmp_path, "path,line\na.png,4\n")
    table(tmp_path, '{"path": "a.png", "line": "5"}', "images.jsonl")
    scan = scanned(tmp_path)
    assert (scan.entries[0].line, reasons(scan)) == ("4", {"images.jsonl": "not read: images.csv counts"})


def test_problems_of_a_kind_are_told_together_with_their_number() -> None:
    problems = [Problem(f"{number}.png", "gone") for number in range(1_204)]
    problems += [Problem(f"t line {number}", f"{number} cells", kind="cells") for number in range(2)]
    problems += [Problem("one", "alone")]
    problems += [Problem("lot", "not needed", count=40), Problem("b", "guessed", unit="remark")]
    kinds = account(problems)
    assert in_sentence(kinds) == (
        "1,204 files, such as 0.png: gone; 2 files, such as t line 0: 0 cells; 1 file, one: alone; "
        "40 files, such as lot: not needed; b: guessed"
    )
    assert in_sentence(kinds, limit=1) == "1,204 files, such as 0.png: gone; and 44 of 4 other kinds"


def test_next_year_is_the_last_year(tmp_path: Path) -> None:
    last = datetime(NOW.year + 2, 1, 1, tzinfo=UTC) - timedelta(seconds=1)
    row = sidecar.Row.model_validate({"path": "a", "captured_at": last.isoformat()})
    assert row.captured_at == last
    assert unicodedata.is_normalized("NFC", row.path)
