"""A second scan reads only what changed, and any name a file can have comes through."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.drawn import bottle, picture, remembered, scanned
from warehouse.store import Store
from workbench.archive import scan as archive


class Reader:
    """Reads files as the scan does, and remembers which."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, file: Path) -> str:
        self.read.append(file.name)
        return archive.content_of(file)


def test_a_second_scan_reads_no_image_and_finds_the_same(tmp_path: Path) -> None:
    bottle(tmp_path)
    first = scanned(tmp_path)
    reader = Reader()
    second = archive.scan(tmp_path, remembered(first), read_content=reader)
    assert reader.read == []
    assert (first.images_read, second.images_read) == (4, 0)
    assert second.registered == first.registered


def test_only_a_changed_file_is_read_again_and_becomes_another_entry(tmp_path: Path) -> None:
    folder = bottle(tmp_path)
    first = scanned(tmp_path)
    changed = picture(folder / "test/good/000.png", 31)
    os.utime(changed, ns=(1, 1))
    reader = Reader()
    second = archive.scan(tmp_path, remembered(first), read_content=reader)
    assert reader.read == ["000.png"]
    assert second.entries[0].image_id != first.entries[0].image_id
    assert second.entries[1:] == first.entries[1:]


def test_a_copy_that_keeps_its_sources_time_and_size_is_read_again(tmp_path: Path) -> None:
    folder = bottle(tmp_path)
    first = scanned(tmp_path)
    file = folder / "test/good/000.png"
    before = file.stat()
    file.write_bytes(file.read_bytes()[:-1] + b"!")  # in place: the inode stays
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = archive.scan(tmp_path, remembered(first))
    assert second.images_read == 1
    assert second.entries[0].content == archive.content_of(file) != first.entries[0].content


def test_a_file_that_was_touched_alone_is_read_and_stays_the_entry_it_was(tmp_path: Path) -> None:
    folder = bottle(tmp_path)
    first = scanned(tmp_path)
    (folder / "test/good/000.png").chmod(0o600)
    second = archive.scan(tmp_path, remembered(first))
    assert second.images_read == 1
    (changed,) = archive.changed(second.registered, remembered(first))
    assert changed == replace(first.entries[0], ctime_ns=(folder / "test/good/000.png").stat().st_ctime_ns)
    assert archive.scan(tmp_path, remembered(second)).images_read == 0


def test_entries_of_before_change_times_were_stored_are_known_and_completed(tmp_path: Path) -> None:
    bottle(tmp_path)
    first = scanned(tmp_path)
    older = remembered(first).with_columns(ctime_ns=None, inode=None)
    second = archive.scan(tmp_path, older)
    assert second.images_read == 0
    assert second.registered == first.registered
    assert archive.changed(second.registered, older) == second.registered


def test_another_inode_has_a_file_read_but_a_share_that_was_mounted_anew_is_not_read_whole(tmp_path: Path) -> None:
    bottle(tmp_path)
    known = remembered(scanned(tmp_path))
    one = known.with_columns(inode=pl.when(pl.int_range(pl.len()) == 0).then(7).otherwise("inode"))
    assert archive.scan(tmp_path, one).images_read == 1
    every = archive.scan(tmp_path, known.with_columns(pl.col("inode") + 7))
    assert every.images_read == 0
    assert every.registered == scanned(tmp_path, known).registered  # as they are numbered now


def test_a_picture_that_failed_is_read_again_whatever_its_file_system_says(tmp_path: Path) -> None:
    bottle(tmp_path)
    first = scanned(tmp_path)
    reader = Reader()
    second = archive.scan(tmp_path, remembered(first), read_content=reader, again=frozenset({first.entries[1].path}))
    assert reader.read == ["000.png"]
    assert second.registered == first.registered


def test_what_the_warehouse_gives_back_is_enough_to_read_nothing(tmp_path: Path) -> None:
    bottle(tmp_path / "images")
    store = Store(tmp_path / "data")
    first = scanned(tmp_path / "images")
    archive_id = first.archive.archive_id
    store.register_archive(first.archive)
    store.upsert_entries(archive_id, first.registered)

    second = scanned(tmp_path / "images", store.entries(archive_id))
    assert second.images_read == 0
    assert second.registered == first.registered


def test_progress_ends_at_the_number_of_images(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    told: list[int] = []
    archive.scan(tmp_path, remembered(scanned(tmp_path)), progress=told.append)
    assert told == [3]


file_names = (
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
    .filter(lambda name: not name.startswith("."))
    .map(lambda name: f"{name}.png")
    .filter(lambda name: len(name.encode()) <= 255)
)


@given(st.sets(file_names, min_size=1, max_size=5))
def test_every_name_that_is_text_comes_through(names: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for shade, name in enumerate(sorted(names)):
            picture(Path(folder, 'it\'s a "line"\n', name), shade)
        scan = scanned(Path(folder))
        assert [entry.path for entry in scan.entries] == sorted(f'it\'s a "line"\n/{name}' for name in names)
        assert len({entry.image_id for entry in scan.entries}) == len(names)
        assert all((Path(scan.archive.root) / entry.path).is_file() for entry in scan.entries)
        assert scan.problems == []
        assert archive.scan(Path(folder), remembered(scan)).images_read == 0
