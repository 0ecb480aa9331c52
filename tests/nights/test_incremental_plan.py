"""What a large archive costs a night: only what is new is read, and a known archive is planned quickly."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import polars as pl
import pytest

from tests.nights.archives import pictures, settled
from warehouse import schema
from warehouse.records.scoring import Entry
from warehouse.store import Store
from workbench.archive import remote, scan
from workbench.errors import ArchiveError


def files(folder: Path, count: int, first: int = 0) -> None:
    """Files that a scan takes for images; it opens none."""
    for number in range(first, first + count):
        file = folder / f"line-{number % 7}" / f"{number:06d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(number.to_bytes(8, "big"))
        settled(file)


@pytest.mark.slow
def test_an_archive_that_grew_by_500_images_costs_500_images_of_reading(tmp_path: Path, data_folder: Path) -> None:
    store, root = Store(data_folder), tmp_path / "archive"
    files(root, 4000)
    read: list[Path] = []

    def content(file: Path) -> str:
        read.append(file)
        return scan.content_of(file)

    first = scan.scan(root, pl.DataFrame(), read_content=content, settle_seconds=60)
    store.register_archive(first.archive)
    store.upsert_entries(first.archive.archive_id, first.registered)
    assert len(read) == len(set(read)) == first.images_read == 4000

    files(root, 500, first=4000)
    read.clear()
    known = store.entries(first.archive.archive_id)
    second = scan.scan(root, known, read_content=content, settle_seconds=60)
    assert len(read) == len(set(read)) == second.images_read == 500
    assert len(scan.changed(second.registered, known)) == 500


def test_a_label_that_arrives_later_is_written_and_nothing_else(tmp_path: Path) -> None:
    files(tmp_path, 5)
    first = scan.scan(tmp_path, pl.DataFrame())
    known = pl.DataFrame(schema.table(Entry, first.registered))
    (tmp_path / "images.csv").write_text("path,label\nline-0/000000.png,good\n")
    again = scan.scan(tmp_path, known)
    (changed,) = scan.changed(again.registered, known)
    assert (changed.path, changed.label) == ("line-0/000000.png", "good")
    assert again.images_read == 0


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    """An object store with two pictures and a note."""
    store = fsspec.filesystem("memory")
    for number, file in enumerate(pictures(tmp_path / "made", 2)):
        store.pipe(f"/plant/line-3/plate/{number}.png", file.read_bytes())
    store.pipe("/plant/line-3/readme.txt", b"no picture")
    return "memory://plant/line-3"


def test_an_object_store_is_copied_once_and_follows_what_changes_there(bucket: str, data_folder: Path) -> None:
    told: list[str] = []
    folder = remote.local(bucket, data_folder, told.append)
    assert sorted(file.name for file in folder.rglob("*.png")) == ["0.png", "1.png"]
    assert len(scan.scan(folder, pl.DataFrame()).entries) == 2
    told.clear()
    assert remote.local(bucket, data_folder, told.append) == folder
    assert [text for text in told if text.startswith("fetching")] == []

    store = fsspec.filesystem("memory")
    store.rm("/plant/line-3/plate/0.png")
    time.sleep(0.01)
    store.pipe("/plant/line-3/plate/1.png", b"another")
    remote.local(bucket, data_folder, told.append)
    (left,) = folder.rglob("*.png")
    assert left.read_bytes() == b"another"


def test_what_a_store_has_besides_pictures_is_not_fetched_and_counted(
    bucket: str, data_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = fsspec.filesystem("memory")
    extra = ("plate/@eaDir/0.png/a.png", "plate/@eaDir/0.png/b.png", ".cache/c.png", "plate/d.jp2", "plate/e.jfif")
    for name in extra:
        store.pipe(f"/plant/line-3/{name}", b"x")
    folder = remote.local(bucket, data_folder, lambda _text: None)
    store.rm("/plant/line-3", recursive=True)
    assert sorted(file.name for file in folder.rglob("[!.]*") if file.is_file()) == ["0.png", "1.png", "e.jfif"]
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "archive=memory://plant/line-3 passed over: 1 folder, .cache: hidden: 1 .cache",
        "archive=memory://plant/line-3 passed over: 1 folder, plate/@eaDir: a file server's or system's own: 1 @eaDir",
        "archive=memory://plant/line-3 passed over: 1 file, readme.txt: no picture by its name: 1 .txt",
        "archive=memory://plant/line-3 passed over: 1 file, plate/d.jp2: of a kind that isn't read: 1 .jp2",
    ]


def test_a_store_that_cannot_be_read_says_which_and_why(data_folder: Path) -> None:
    with pytest.raises(ArchiveError, match="memory://nowhere isn't there"):
        remote.local("memory://nowhere", data_folder, lambda _text: None)
    with pytest.raises(ArchiveError, match="none-such://bucket"):
        remote.local("none-such://bucket", data_folder, lambda _text: None)


@pytest.mark.slow
def test_a_hundred_thousand_known_entries_are_told_from_new_ones_in_seconds(tmp_path: Path) -> None:
    files(tmp_path, 1)
    (one,) = scan.scan(tmp_path, pl.DataFrame()).entries
    from dataclasses import replace

    entries = [replace(one, image_id=f"{number:032x}", path=f"{number}.png") for number in range(100_000)]
    known = pl.DataFrame(schema.table(Entry, entries)).with_columns(seen_at=pl.lit(datetime.now(UTC)))
    started = time.process_time()
    assert scan.changed(entries, known) == []
    assert time.process_time() - started < 6  # a tenth of what a million may take
