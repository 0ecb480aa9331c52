"""A disturbed knowledge file is read as meant or refused with the place: never another product, entry or text."""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse import bounded
from warehouse.records.scoring import Description
from workbench.archive import knowledge_files
from workbench.errors import KnowledgeError

TEXTS = {
    ("Werk", "Gehäuse", "good"): "Even, matt.",
    ("Werk", "Gehäuse", "Kratzer"): 'A thin line; often "bright".',
    ("Werk", "4711/02", "good"): "Zwei Bohrungen.",
    ("Werk", "4711/02", "Riß"): "First line.\nSecond line.",
    ("Linie 2", "Deckel", "good"): "Ein Deckel ohne Grat.",
}
KEYS = sorted(TEXTS)


def nested() -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for (dataset, product, entry), text in TEXTS.items():
        found.setdefault(dataset, {}).setdefault(product, {})[entry] = text
    return found


def as_csv(separator: str = ",", ending: str = "\n") -> str:
    page = io.StringIO()
    rows = csv.writer(page, delimiter=separator, lineterminator=ending)
    rows.writerows([knowledge_files.COLUMNS, *((*place, text) for place, text in TEXTS.items())])
    return page.getvalue()


def read_of(name: str, content: bytes) -> dict[tuple[str, str, str], str] | None:
    """What the file says; None where it is refused in words that name the file and can be printed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(content)
        try:
            return knowledge_files.read(file)
        except KnowledgeError as refused:
            words = str(refused)
        assert words.encode()
        assert str(file) in words
        return None


blanks = st.sampled_from(["", " ", "\t", "\u00a0", "  "])


@given(
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_separators_line_ends_and_encodings_change_nothing(separator: str, ending: str, encoding: str) -> None:
    found = read_of("texts.csv", as_csv(separator, ending).encode(encoding))
    assert found == dict(sorted(TEXTS.items()))


@given(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), blanks, blanks)
def test_blanks_around_names_and_encodings_of_json_change_nothing(encoding: str, before: str, behind: str) -> None:
    dressed = {
        f"{before}{dataset}{behind}": {f"{behind}{product}": entries for product, entries in products.items()}
        for dataset, products in nested().items()
    }
    found = read_of("texts.json", json.dumps(dressed, ensure_ascii=False).encode(encoding))
    assert found == dict(sorted(TEXTS.items()))


@given(
    st.sampled_from(KEYS),
    st.integers(0, 2),
    st.sampled_from(["..", ".", "", " ", "a\x00b", "a\nb", "x" * 201, "\ud800", "a%2Fb", "\x85"]),
)
def test_a_name_out_of_bounds_is_refused_with_its_place(place: tuple[str, str, str], at: int, name: str) -> None:
    document: dict[str, dict[str, dict[str, str]]] = {}
    for key, text in TEXTS.items():
        parts = list(key)
        if key == place:
            parts[at] = name
        document.setdefault(parts[0], {}).setdefault(parts[1], {})[parts[2]] = text
    assert read_of("texts.json", json.dumps(document).encode()) is None


@pytest.mark.parametrize("text", ["", "  ", "a\x00b", "\ud800", "a\x07", "x" * (bounded.LONGEST_TEXT + 1)])
def test_a_text_out_of_bounds_is_refused_with_its_place(text: str) -> None:
    assert read_of("texts.json", json.dumps({"D": {"p": {"e": text}}}).encode()) is None


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_ten_thousand_mutated_knowledge_rows_are_read_as_meant_or_refused(seed: int) -> None:
    """250 rows an example, one disturbance in the file."""
    chance = random.Random(seed)
    rows = [["dataset", "product", "entry", "text"]]
    rows += [[f"D{each % 3}", f"p{each % 25}", f"e{each}", f"Text {each}, of {each}."] for each in range(250)]
    meant = {(row[0], row[1], row[2]): row[3] for row in rows[1:]}
    at, cell = chance.randrange(1, 251), chance.randrange(4)
    disturbed = [list(row) for row in rows]
    kind = chance.choice(["insert", "drop", "double", "move", "control", "blank", "case", "swap"])
    match kind:
        case "insert":
            disturbed[at].insert(cell, "x")
        case "drop":
            del disturbed[at][cell]
        case "double":
            disturbed.insert(at, list(disturbed[at]))
        case "move":
            disturbed.append(disturbed.pop(at))
        case "control":
            disturbed[at][cell] += chance.choice("\x00\x01\x1b")
        case "blank":
            disturbed[at][cell] = f" {disturbed[at][cell]}\u00a0"
        case "case":
            disturbed.insert(at, [disturbed[at][0], disturbed[at][1], disturbed[at][2].upper(), "Other."])
        case "swap":
            order = chance.sample(range(4), 4)
            disturbed = [[row[column] for column in order] for row in disturbed]
    page = io.StringIO()
    csv.writer(page).writerows(disturbed)
    found = read_of("texts.csv", page.getvalue().encode())
    if kind in ("move", "blank", "swap"):
        assert found == meant
    else:
        assert found is None, kind


@given(
    st.dictionaries(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)] * 3),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
        min_size=1, max_size=5,
    ),
    st.sampled_from(["out", "out.json", "out.csv"]),
)  # fmt: skip
def test_an_export_stays_in_its_folder_and_is_read_back_as_it_was(
    texts: dict[tuple[str, str, str], str], output: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.json"), Path(folder, "exported", output)
        document: dict[str, dict[str, dict[str, str]]] = {}
        for (dataset, product, entry), text in texts.items():
            document.setdefault(dataset, {}).setdefault(product, {})[entry] = text
        source.write_text(json.dumps(document))
        try:
            found = knowledge_files.read(source)
        except KnowledgeError:
            return
        target.parent.mkdir()
        described = [
            Description("/".join(place), 1, *place, text, "published", "", "", None)  # type: ignore[arg-type]
            for place, text in found.items()
        ]
        try:
            knowledge_files.write(described, target)
        except KnowledgeError:
            pass
        else:
            assert knowledge_files.read(target) == found
        assert {path.name for path in Path(folder).iterdir()} == {"in.json", "exported"}
        assert {path.name for path in target.parent.iterdir()} <= {output}
