"""Text files as people's tools write them are read as meant, or told: encodings, separators, times, names."""

from __future__ import annotations

import json
import random
import unicodedata
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.drawn import NOTHING_KNOWN, picture
from workbench.archive import knowledge_files, sidecar, text_files
from workbench.archive import scan as archive
from workbench.archive.sidecar import Times

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
WESTERN = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), max_size=40)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60), st.sampled_from(ENCODINGS))
def test_a_table_is_the_same_in_every_encoding(text: str, encoding: str) -> None:
    table = f"path,line\n{text}\n"
    assert text_files.decode(table.encode(encoding)).text.removeprefix("\ufeff") == table.removeprefix("\ufeff")


@given(WESTERN)
def test_a_table_of_windows_code_page_is_read_as_meant_or_refused(text: str) -> None:
    data = f"path,line\n{text}\n".encode("cp1252")
    try:
        found = text_files.decode(data)
    except UnicodeDecodeError:
        return
    assert found.text.encode(found.encoding if found.note is None else "cp1252") == data
    if found.note is not None:
        assert found.text == f"path,line\n{text}\n"


def test_german_and_french_tables_of_excel_are_read_and_told() -> None:
    found = text_files.decode("path;Prüfer\nGehäuse/1.png;François\n".encode("cp1252"))
    assert found.text == "path;Prüfer\nGehäuse/1.png;François\n"
    assert found.note == "it isn't UTF-8 and was read as Windows-1252; save it as UTF-8 if letters look wrong"


@pytest.mark.parametrize("data", [b"Geh\xc3\xa4use \xe4\n", b"a\x81b\n", "é".encode() + b"\xff"])
def test_damaged_text_is_refused_and_not_read_half_wrong(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        text_files.decode(data)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", [*ENCODINGS, "cp1252"])
def test_a_sidecar_is_the_same_in_every_encoding_and_with_every_separator(
    tmp_path: Path, separator: str, encoding: str
) -> None:
    picture(tmp_path / "Gehäuse/1.png")
    rows = [["path", "label", "line"], ["Gehäuse/1.png", "Kratzer", '"4, links"']]
    (tmp_path / "images.csv").write_bytes("\r\n".join(map(separator.join, rows)).encode(encoding))
    (entry,) = archive.scan(tmp_path, NOTHING_KNOWN).entries
    assert (entry.product, entry.defect, entry.line) == ("Gehäuse", "Kratzer", "4, links")


def test_a_knowledge_table_of_excel_is_read(tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    text = "dataset;product;entry;text\nLinie;Gehäuse;Kratzer;Eine helle, dünne Linie.\n"
    file.write_bytes(text.encode("utf-16"))
    assert knowledge_files.read(file) == {("Linie", "Gehäuse", "Kratzer"): "Eine helle, dünne Linie."}


@pytest.mark.parametrize(
    ("text", "times", "moment"),
    [
        ("29.11.2026 22:05", Times(day_first=True), datetime(2026, 11, 29, 22, 5, tzinfo=UTC)),
        ("03/04/2026", Times(day_first=True), datetime(2026, 4, 3, tzinfo=UTC)),
        ("03/04/2026", Times(day_first=False), datetime(2026, 3, 4, tzinfo=UTC)),
        ("3-4-2026T07:00:01,5Z", Times(day_first=False), datetime(2026, 3, 4, 7, 0, 1, 500_000, tzinfo=UTC)),
        ("2026-07-01 12:00", Times(zone="Europe/Berlin"), datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01 12:00+01:00", Times(zone="Europe/Berlin"), datetime(2026, 7, 1, 11, tzinfo=UTC)),
        ("01.07.2026 12:00", Times(True, "America/New_York"), datetime(2026, 7, 1, 16, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_the_settings_say(text: str, times: Times, moment: datetime) -> None:
    assert sidecar.moment(text, times) == moment


@pytest.mark.parametrize(
    ("text", "times"),
    [("03.04.2026", Times()), ("31.02.2026", Times(day_first=True)), ("13/13/2026", Times(day_first=True)),
     ("29.11.26", Times(day_first=True)), ("29.11/2026", Times(day_first=True))],
)  # fmt: skip
def test_a_time_that_may_be_two_or_none_is_refused(text: str, times: Times) -> None:
    with pytest.raises(ValueError, match=r"day_first|isn't a date|day|month"):
        sidecar.moment(text, times)


@pytest.mark.parametrize("name", ["product", "line", "camera", "serial", "label"])
@pytest.mark.parametrize("value", ["a\x07b", "x" * 201, "a\x1b[31m"])
def test_a_name_that_is_none_costs_its_field_and_is_told(tmp_path: Path, name: str, value: str) -> None:
    picture(tmp_path / "plate/1.png")
    (tmp_path / "images.csv").write_text(f"path,{name}\nplate/1.png,{value}\n", encoding="utf-8")
    scan = archive.scan(tmp_path, NOTHING_KNOWN)
    (entry,) = scan.entries
    assert (entry.product, entry.line, entry.camera, entry.serial, entry.label) == ("plate", None, None, None, None)
    (problem,) = scan.problems
    assert problem.reason.startswith(f"{name}: ")
    assert problem.reason.endswith("the rest of the row counts")


@pytest.mark.slow
def test_of_ten_thousand_mutated_rows_none_is_accepted_out_of_bounds(tmp_path: Path) -> None:
    chance = random.Random(0)
    good: dict[str, object] = {
        "path": "plate/1.png", "product": "plate", "label": "Kratzer", "mask": "m/1.png", "line": "4", "camera": "left",
        "captured_at": "2026-11-29T22:05:30+01:00", "reference": "r/1.png", "serial": "A-17",
    }  # fmt: skip
    odd = ["..", "../x", "/etc/passwd", "C:\\x", "\x00", "\x1b[2J", "\ud800", "x" * 300, "", " ", "NaN", "1e999", "0",
           "9999-12-31", "1970-01-01", "2026-13-45", "\u202e", "\u0085", "a\nb", "-", "null", "\ufeff"]  # fmt: skip
    with (tmp_path / "images.jsonl").open("w", encoding="utf-8") as file:
        for number in range(10_000):
            wrong = good | {"path": f"plate/{number}.png"}
            for name in chance.sample(sorted(wrong), chance.randrange(1, 3)):
                text, at = str(wrong[name]), chance.randrange(3)
                new = chance.choice([*odd, chance.randrange(-5, 10**6), 1.5, None, True, [text], {"a": text}])
                wrong[name] = new if not isinstance(new, str) else (new, text + new, new + text)[at]
            file.write(json.dumps(wrong) + "\n")
    rows, problems = sidecar.read(tmp_path / "images.jsonl")
    assert rows
    assert problems
    for row in rows.values():
        for place in filter(None, (row.path, row.mask, row.reference)):
            assert not PurePosixPath(place).is_absolute()
            assert ".." not in place.replace("\\", "/").split("/")
        for said in filter(None, (row.product, row.label, row.line, row.camera, row.serial)):
            assert 1 <= len(said) <= 200
        for said in filter(None, (*row.model_dump(exclude={"captured_at"}).values(),)):
            assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in said)
        if row.captured_at is not None:
            assert 1980 <= row.captured_at.year <= datetime.now(UTC).year + 1
