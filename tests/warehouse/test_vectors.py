"""LanceDB as an index: one row a key, one table a vector space."""

from __future__ import annotations

from pathlib import Path

import lancedb
import numpy as np
import pytest

from warehouse import vectors as vectors_module
from warehouse.errors import BrokenIndex, Refused
from warehouse.records import scoring
from warehouse.vectors import Vectors


def text(entry: str, vector: tuple[float, ...], revision: int = 1, encoder: str = "e") -> scoring.TextVector:
    return scoring.TextVector(f"drawn/bottle/{entry}", revision, encoder, vector)


def test_without_an_index_there_is_nothing_and_nothing_is_made(data: Path) -> None:
    vectors = Vectors(data)

    assert vectors.counts().is_empty()
    assert vectors.text_vectors("e") == []
    assert vectors.image_vectors(["c"], "e") == {}
    assert not (data / "vectors").exists()


def test_a_vector_written_twice_is_there_once(data: Path) -> None:
    vectors = Vectors(data)
    first = scoring.ImageVector("a" * 64, "e", (1.0, 0.0))
    vectors.upsert_images([first, first])
    vectors.upsert_images([first, scoring.ImageVector("b" * 64, "e", (0.0, 1.0))])
    patch = scoring.PatchVector("a" * 64, "m", 1, 2, (0.5, 0.25, 0.125))
    vectors.upsert_patches([patch, patch])
    vectors.upsert_patches([patch, scoring.PatchVector("a" * 64, "m", 2, 2, (0.5, 0.25, 0.125))])

    assert sorted(vectors.counts().rows()) == [("images", "e", 2), ("patches", "m", 2)]
    assert vectors.patch_places(["a" * 64, "b" * 64], "m") == {("a" * 64, 1, 2), ("a" * 64, 2, 2)}
    assert vectors.patch_places(["a" * 64], "another") == set()


def test_encoders_of_different_length_live_side_by_side(data: Path) -> None:
    vectors = Vectors(data)
    vectors.upsert_images(
        [scoring.ImageVector("a" * 64, "small", (1.0, 2.0)), scoring.ImageVector("a" * 64, "large", (1.0, 2.0, 3.0))]
    )

    assert vectors.image_vectors(["a" * 64], "small")["a" * 64].tolist() == [1.0, 2.0]
    assert vectors.image_vectors(["a" * 64, "c" * 64], "large")["a" * 64].tolist() == [1.0, 2.0, 3.0]
    assert vectors.image_vectors(["a" * 64], "none") == {}


def test_one_encoder_with_two_lengths_is_refused(data: Path) -> None:
    with pytest.raises(Refused, match="different lengths"):
        Vectors(data).upsert_texts([text("crack", (1.0,)), text("dent", (1.0, 2.0))])


def test_a_vector_that_the_index_could_not_hold_is_refused(data: Path) -> None:
    vectors = Vectors(data)
    vectors.upsert_texts([text("crack", (1.0, 2.0))])
    with pytest.raises(Refused, match="have 3 numbers and those in the index 2"):
        vectors.upsert_texts([text("dent", (1.0, 2.0, 3.0))])
    with pytest.raises(Refused, match="hold a number that isn't finite"):
        vectors.upsert_texts([text("dent", (1.0, float("nan")))])
    with pytest.raises(Refused, match="have no numbers"):
        vectors.upsert_texts([text("dent", ())])


def test_texts_of_one_encoder_come_back_with_their_revisions(data: Path) -> None:
    vectors = Vectors(data)
    quoted = text('worker\'s "hole"; --', (1.0, 0.0))
    written = [text("crack", (1.0, 0.0)), text("crack", (0.0, 1.0), revision=2), quoted]
    vectors.upsert_texts([*written, text("crack", (0.0, 1.0), encoder="another")])
    vectors.upsert_texts([quoted])

    assert sorted(vectors.text_vectors("e"), key=lambda row: (row.description_id, row.revision)) == written


def test_a_text_is_there_when_all_its_windows_are(data: Path) -> None:
    vectors = Vectors(data)
    one, two, three = (
        scoring.TextVector("drawn/bottle/crack", 1, "e", vector, window, 3)
        for window, vector in enumerate([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)])
    )
    vectors.upsert_texts([text("crack", (0.5, 0.5), revision=2), three, one])
    assert set(vectors.text_windows("e")) == {("drawn/bottle/crack", 2)}
    vectors.upsert_texts([one, two, three])
    assert vectors.text_windows("e")["drawn/bottle/crack", 1].tolist() == [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    assert vectors.window_counts(["drawn/bottle/crack", "drawn/bottle/dent"]) == {
        ("drawn/bottle/crack", 1): {"e": 3},
        ("drawn/bottle/crack", 2): {"e": 1},
    }


def test_a_table_of_one_row_per_text_counts_as_none_and_is_made_anew(data: Path) -> None:
    vectors = Vectors(data)
    vectors.upsert_texts([text("crack", (1.0, 0.0))])
    (table,) = (data / "vectors").glob("texts-*.lance")
    database = lancedb.connect(data / "vectors")
    old = database.open_table(table.stem).to_arrow().drop_columns(["window", "windows"])
    database.create_table(table.stem, old, mode="overwrite")

    assert (vectors.text_vectors("e"), vectors.text_windows("e")) == ([], {})
    assert vectors.window_counts(["drawn/bottle/crack"]) == {}
    vectors.upsert_texts([text("dent", (0.0, 1.0))])
    assert list(vectors.text_windows("e")) == [("drawn/bottle/dent", 1)]


def test_another_handle_sees_what_was_written_since(data: Path) -> None:
    writer, reader = Vectors(data), Vectors(data)
    writer.upsert_texts([text("crack", (1.0, 0.0))])
    assert len(reader.text_vectors("e")) == 1

    writer.upsert_texts([text("dent", (1.0, 0.0))])
    assert len(reader.text_vectors("e")) == 2


def test_files_that_cannot_be_used_are_named_with_the_way_out(data: Path) -> None:
    vectors = Vectors(data)
    vectors.upsert_texts([text("crack", (1.0, 0.0))])
    for file in (data / "vectors").rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"torn")

    with pytest.raises(BrokenIndex, match="make it anew with `workbench reindex`"):
        Vectors(data).text_vectors("e")
    with pytest.raises(BrokenIndex):
        Vectors(data).upsert_texts([text("dent", (1.0, 0.0)), text("crack", (1.0, 0.0))])


def test_many_small_appends_are_merged_into_few_fragments(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_module, "_SMALL_APPENDS", 4)
    vectors = Vectors(data)
    for number in range(7):
        vectors.upsert_images([scoring.ImageVector(f"{number:064x}", "e", (1.0, float(number)))])

    (table,) = (data / "vectors").glob("images-*.lance")
    assert vectors.counts().rows() == [("images", "e", 7)]
    assert len(list((table / "_versions").glob("*.manifest"))) > 7  # older versions are kept for whoever reads them
    found = vectors.image_vectors([f"{number:064x}" for number in range(7)], "e")
    assert np.array_equal(np.stack([found[f"{n:064x}"] for n in range(7)])[:, 1], np.arange(7.0))
