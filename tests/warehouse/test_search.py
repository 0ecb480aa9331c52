"""Hybrid search: a revision stands where its best window does, and where its words do."""

from __future__ import annotations

from pathlib import Path

import lancedb

from warehouse.queries.search import TextSearch, Words

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def words(
    entry: str, text: str, *windows: tuple[float, ...], product: str = "drawn/bottle", revision: int = 1
) -> Words:
    return Words(f"{product}/{entry}", revision, product, text, windows)


def found(search: TextSearch, text: str, *vectors: tuple[float, ...], product: str | None = None) -> list[str]:
    return [hit.description_id.split("/")[-1] for hit in search.find(text, vectors, product, 3)]


def test_a_long_text_is_found_by_any_of_its_windows_and_by_any_of_its_words(data: Path) -> None:
    search = TextSearch(data, "e")
    assert (search.keys(), search.count(), search.find("dent", [X], None, 3)) == (set(), 0, [])
    many = [words(f"other{number}", "nothing", (0.1, 0.7, 0.7)) for number in range(20)]
    long = words("long", "A dent. Then oil.", *[(0.0, 0.9, 0.1)] * 9, X)
    search.add(
        [*many, long, words("dent", "A dent.", (0.9, 0.1, 0.0)), words("ink", "Ink.", Z, product="drawn/nut")], 3
    )
    search.add([long], 3)

    assert search.count() == len(search.keys()) == 23
    assert found(search, "?", X)[:2] == ["long", "dent"]
    assert set(found(search, "oil", Z)[:2]) == {"long", "ink"}
    assert found(search, "?", Y, Z, product="drawn/nut") == ["ink"]
    assert len(set(found(search, "?", Y))) == 3  # ten windows of one text don't crowd the others out
    assert "ink" in found(search, "?", X, Z)  # a long question is as near as its best window


def test_a_table_without_windows_is_made_anew(data: Path) -> None:
    TextSearch(data, "e").add([words("dent", "A dent.", X)], 3)
    (table,) = (data / "vectors").glob("search-*.lance")
    database = lancedb.connect(data / "vectors")
    old = database.open_table(table.stem).to_arrow().drop_columns(["window"])
    database.create_table(table.stem, old, mode="overwrite")

    search = TextSearch(data, "e")
    assert (search.count(), search.keys(), search.find("dent", [X], None, 3)) == (0, set(), [])
    search.add([words("oil", "Oil.", Y)], 3)
    assert found(search, "oil", Y) == ["oil"]
