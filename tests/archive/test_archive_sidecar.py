"""A sidecar says what the folder can't; a row that can't be used is a problem and the rest counts."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.drawn import NOTHING_KNOWN, bottle, mask, picture, reasons, scanned
from warehouse.identity import cluster_id
from workbench.archive import scan as archive
from workbench.archive import sidecar
from workbench.errors import ArchiveError

COLUMNS = ("path", "product", "label", "mask", "line", "camera", "captured_at", "reference", "serial", "lot")


def write_csv(file: Path, *rows: dict[str, str]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_a_row_says_everything_the_folder_does_not(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "b.png", 2)
    picture(tmp_path / "golden.png", 3)
    mask(tmp_path / "a_mask.png", (0, 0, 9, 9))
    write_csv(
        tmp_path / "images.csv",
        {
            "path": "a.png",
            "product": "gear",
            "label": "chipped tooth",
            "mask": "a_mask.png",
            "line": "3",
            "camera": "top",
            "captured_at": "2025-01-03T22:00:05+01:00",
            "reference": "golden.png",
        },
    )
    scan = scanned(tmp_path)
    a, b = scan.entries
    assert (a.product, a.label, a.defect) == ("gear", "defective", "chipped tooth")
    assert (a.mask_path, a.line, a.camera, a.reference_path) == ("a_mask.png", "3", "top", "golden.png")
    assert a.captured_at == datetime(2025, 1, 3, 21, 0, 5, tzinfo=UTC)
    assert (b.product, b.label, b.line) == ("unknown", None, None)
    assert [entry.path for entry in scan.references] == ["golden.png"]
    assert scan.problems == []


def test_pictures_of_one_piece_and_copies_of_one_picture_are_one_cluster(tmp_path: Path) -> None:
    for name, content in (("top", 1), ("side", 2), ("other", 3), ("bolt", 4), ("bare", 5), ("copy", 5)):
        picture(tmp_path / "first" / f"{name}.png", content)
    write_csv(
        tmp_path / "first" / "images.csv",
        {"path": "top.png", "product": "gear", "serial": " 0017 "},
        {"path": "side.png", "product": "gear", "serial": "0017"},
        {"path": "other.png", "product": "gear", "serial": "17"},
        {"path": "bolt.png", "product": "bolt", "serial": "0017"},
        {"path": "bare.png", "product": "gear", "serial": ""},
    )
    shutil.copytree(tmp_path / "first", tmp_path / "second")

    first, second = scanned(tmp_path / "first"), scanned(tmp_path / "second")

    serials = {entry.path: entry.serial for entry in first.entries}
    assert serials == {
        "top.png": "0017", "side.png": "0017", "other.png": "17", "bolt.png": "0017", "bare.png": None, "copy.png": None
    }  # fmt: skip
    of = {entry.path: cluster_id(entry) for entry in first.entries}
    assert of["top.png"] == of["side.png"]
    assert of["bare.png"] == of["copy.png"] == next(e.content for e in first.entries if e.path == "copy.png")
    assert len(set(of.values())) == 4
    # A serial counts within its archive; a picture is the same wherever it lies.
    assert {of[e.path] == cluster_id(e) for e in second.entries if e.serial} == {False}
    assert {of[e.path] == cluster_id(e) for e in second.entries if e.serial is None} == {True}
    assert "serial in images.csv: 4 images of 3 pieces; a piece counts once in every interval" in first.notes


def test_a_lot_is_of_its_picture_and_parts_pieces_of_the_same_serial(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c", "d")):
        picture(tmp_path / f"{name}.png", number)
    write_csv(
        tmp_path / "images.csv",
        {"path": "a.png", "serial": "1", "lot": "2026-11"},
        {"path": "b.png", "serial": "1", "lot": "2026-11"},
        {"path": "c.png", "serial": "1", "lot": "2026-12"},
        {"path": "d.png", "serial": "1"},
    )
    entries = scanned(tmp_path).entries
    assert [entry.lot for entry in entries] == ["2026-11", "2026-11", "2026-12", None]
    assert [len({cluster_id(entry) for entry in entries[: n + 1]}) for n in range(4)] == [1, 1, 2, 3]


def test_an_image_is_neither_its_own_mask_nor_reference_and_a_row_that_is_a_mask_is_told(tmp_path: Path) -> None:
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        picture(tmp_path / name, number)
    write_csv(
        tmp_path / "images.csv",
        {"path": "a.png", "label": "NOK", "mask": "b.png"},
        {"path": "b.png", "label": "OK"},
        {"path": "c.png", "label": "NOK", "mask": "c.png", "reference": "c.png"},
    )
    scan = scanned(tmp_path)
    assert [(entry.path, entry.mask_path, entry.reference_path) for entry in scan.entries] == [
        ("a.png", "b.png", None),
        ("c.png", None, None),
    ]
    assert [(problem.path, problem.reason.removeprefix("images.csv ")) for problem in scan.problems] == [
        ("c.png", "gives it itself as its mask, which isn't used"),
        ("c.png", "gives it itself as its reference, which isn't used"),
        ("b.png", "has a row for it and gives it to another image as its mask: it isn't scored"),
    ]


def test_a_reference_that_is_labelled_defective_is_told(tmp_path: Path) -> None:
    for number, name in enumerate(("a.png", "b.png")):
        picture(tmp_path / name, number)
    write_csv(tmp_path / "images.csv", {"path": "a.png", "label": "OK", "reference": "b.png"},
              {"path": "b.png", "label": "NOK"})  # fmt: skip
    assert reasons(scanned(tmp_path)) == {"a.png": "its reference is labelled defective: b.png"}


def test_a_reference_with_a_row_of_its_own_is_scored_too(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "golden.png", 2)
    write_csv(tmp_path / "images.csv", {"path": "a.png", "reference": "golden.png"}, {"path": "golden.png"})
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["a.png", "golden.png"]


@pytest.mark.parametrize(
    ("word", "label", "defect"),
    [
        ("good", "good", None),
        ("OK", "good", None),
        ("NG", "defective", None),
        ("defective", "defective", None),
        ("scratch", "defective", "scratch"),
    ],
)
def test_a_label_is_good_defective_or_a_type(tmp_path: Path, word: str, label: str, defect: str | None) -> None:
    picture(tmp_path / "a.png")
    write_csv(tmp_path / "images.csv", {"path": "a.png", "label": word})
    (entry,) = scanned(tmp_path).entries
    assert (entry.label, entry.defect) == (label, defect)


def test_a_row_overrides_what_the_layout_says(tmp_path: Path) -> None:
    bottle(tmp_path)
    write_csv(tmp_path / "images.csv", {"path": "DATA/bottle/test/scratch/000.png", "label": "dent"})
    scratched = scanned(tmp_path).entries[1]
    assert (scratched.defect, scratched.product) == ("dent", "bottle")
    assert scratched.mask_path == "DATA/bottle/ground_truth/scratch/000_mask.png"


def test_json_lines_say_the_same(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    rows = [{"path": "./a.png", "camera": "top", "shift": "night", "label": None}, {"path": "a.png", "camera": "left"}]
    (tmp_path / "images.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n\n")
    scan = scanned(tmp_path)
    assert scan.entries[0].camera == "top"
    assert reasons(scan)["images.jsonl line 2"] == "a.png has a row already; the first one counts"
    assert reasons(scan)["images.jsonl line 3"].startswith("Invalid JSON")


def test_rows_about_absent_files_are_problems_and_the_rest_counts(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    write_csv(
        tmp_path / "images.csv",
        {"path": "absent.png"},
        {"path": "a.png", "camera": "top", "mask": "no_mask.png", "reference": "no_reference.png"},
        {"path": "../outside.png"},
        {"path": "", "camera": "x"},
        {"path": "b.png", "captured_at": "last night"},
    )
    scan = scanned(tmp_path)
    assert (scan.entries[0].camera, scan.entries[0].mask_path) == ("top", None)
    found = [(problem.path, problem.reason) for problem in scan.problems]
    assert ("absent.png", "images.csv names it, but the archive has no such image") in found
    assert ("a.png", "images.csv gives it the mask no_mask.png, which isn't there") in found
    assert ("a.png", "images.csv gives it the reference no_reference.png, which isn't there") in found
    by_line = reasons(scan)
    assert "must be relative to the archive and stay inside it" in by_line["images.csv line 4"]
    assert by_line["images.csv line 5"].startswith("path: ")
    assert by_line["images.csv line 6"].startswith("captured_at: ")


def test_a_sidecar_can_lie_elsewhere(tmp_path: Path) -> None:
    picture(tmp_path / "archive/a.png")
    file = write_csv(tmp_path / "night.csv", {"path": "a.png", "line": "7"})
    scan = archive.scan(tmp_path / "archive", NOTHING_KNOWN, sidecar_file=file)
    assert scan.entries[0].line == "7"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"file,label\na.png,good\n", "has no column `path`; its columns: file, label"),
        (b"", "has no column `path`; its columns: none"),
        (b"path\ncaf\xe9 \xc3\xa9.png\n", "isn't UTF-8 text"),
        (b'path\n"a.png" b\n', "isn't CSV"),
    ],
)
def test_a_sidecar_that_is_none_says_what_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "images.csv").write_bytes(content)
    with pytest.raises(ArchiveError, match=words):
        scanned(tmp_path)


def test_a_sidecar_that_is_not_there_says_which(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"absent\.csv can't be read: No such file or directory"):
        archive.scan(tmp_path, NOTHING_KNOWN, sidecar_file=tmp_path / "absent.csv")


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: bool(text.strip()))


@given(st.lists(st.tuples(words, words), min_size=1, max_size=4, unique_by=lambda row: row[0]))
def test_what_is_written_as_csv_is_read(rows: list[tuple[str, str]]) -> None:
    paths = [f"lot/{number}{name.replace('/', '')}" for number, (name, _) in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        file = write_csv(
            Path(folder, "images.csv"),
            *({"path": path, "camera": camera} for path, (_, camera) in zip(paths, rows, strict=True)),
        )
        found, problems = sidecar.read(file)
    assert problems == []
    cameras = (unicodedata.normalize("NFC", camera).strip() for _, camera in rows)
    assert {path: row.camera for path, row in found.items()} == dict(zip(paths, cameras, strict=True))


@given(
    st.dictionaries(
        st.sampled_from(COLUMNS),
        st.none() | st.integers() | st.floats() | st.text(st.characters()) | st.datetimes(timezones=st.timezones()),
    )
)
def test_whatever_a_row_says_is_used_or_told_field_by_field(row: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "images.jsonl")
        file.write_text(json.dumps(row, default=str))
        found, problems = sidecar.read(file)
    assert found or problems
    for used in found.values():
        used.model_dump_json()
        for name, value in row.items():
            silent = value is None or value != value or (isinstance(value, str) and not value.strip())
            lost = not silent and getattr(used, name) is None
            assert lost is (bool(problems) and f"{name}: " in problems[0].reason)


def test_a_time_before_the_first_year_is_a_problem_of_its_row(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    write_csv(tmp_path / "images.csv", {"path": "a.png", "captured_at": "0001-01-01T00:00:00+14:00"})
    scan = scanned(tmp_path)
    assert scan.entries[0].captured_at is None
    assert reasons(scan)["images.csv line 2"].startswith("captured_at: ")
