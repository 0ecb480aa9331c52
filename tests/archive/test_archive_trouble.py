"""What can't be used is left out with its reason; the rest is found."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scoring.drawn import NOTHING_KNOWN, bottle, picture, reasons, scanned
from workbench.archive import scan as archive
from workbench.errors import ArchiveError


def test_a_missing_folder_says_which(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"the archive .*/absent can't be listed: No such file or directory"):
        scanned(tmp_path / "absent")


def test_a_file_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="can't be listed: Not a directory"):
        scanned(picture(tmp_path / "a.png"))


def test_an_empty_folder_is_an_archive_without_images(tmp_path: Path) -> None:
    scan = scanned(tmp_path)
    assert (scan.entries, scan.references, scan.problems) == ([], [], [])


def test_files_that_are_no_pictures_are_entries_that_fail_when_opened(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("a note, not a picture")
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["empty.png", "text.png"]
    assert scan.problems == []


def test_a_link_to_a_folder_is_not_followed_so_a_loop_ends(tmp_path: Path) -> None:
    picture(tmp_path / "lot/a.png")
    (tmp_path / "lot/again").symlink_to(tmp_path)
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["lot/a.png"]
    assert reasons(scan) == {"lot/again": f"a link to a folder isn't followed: {tmp_path}"}


def test_links_that_leave_the_archive_are_not_followed(tmp_path: Path) -> None:
    outside = picture(tmp_path / "outside/secret.png")
    inside = picture(tmp_path / "archive/a.png")
    (tmp_path / "archive/out.png").symlink_to(outside)
    (tmp_path / "archive/folder").symlink_to(outside.parent)
    (tmp_path / "archive/in.png").symlink_to(inside)
    (tmp_path / "archive/gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "archive/self.png").symlink_to(tmp_path / "archive/self.png")
    scan = scanned(tmp_path / "archive")
    assert [entry.path for entry in scan.entries] == ["a.png", "in.png"]
    assert reasons(scan).keys() == {"out.png", "folder", "gone.png", "self.png"}
    assert "leaves the archive" in reasons(scan)["out.png"]


def test_an_archive_reached_through_a_link_is_the_archive_it_points_to(tmp_path: Path) -> None:
    bottle(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    through, direct = scanned(tmp_path / "link"), scanned(tmp_path / "real")
    assert through.archive.archive_id == direct.archive.archive_id
    assert [entry.image_id for entry in through.entries] == [entry.image_id for entry in direct.entries]


def test_a_name_that_is_not_utf_8_is_reported_in_printable_form(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.png")).write_bytes(b"")
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["a.png"]
    assert reasons(scan) == {"caf\\udce9.png": "the name isn't UTF-8; rename it"}


def test_a_pipe_named_like_a_picture_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert reasons(scanned(tmp_path)) == {"pipe.png": "not a file"}


def test_an_image_that_vanishes_during_the_scan_is_reported(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "b.png", 2)

    def read(file: Path) -> str:
        if file.name == "b.png":
            file.unlink()
        return archive.content_of(file)

    scan = archive.scan(tmp_path, NOTHING_KNOWN, read_content=read)
    assert [entry.path for entry in scan.entries] == ["a.png"]
    assert "vanished" in reasons(scan)["b.png"]


class FailingListing:
    """A network share's listing: the item called `stale` can't be asked what it is, after `last` the listing ends."""

    def __init__(self, listing: Iterator[os.DirEntry[str]]) -> None:
        self.listing = listing

    def __enter__(self) -> FailingListing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.listing.close()  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[object]:
        for item in self.listing:
            yield StaleItem(item) if item.name.startswith("stale") else item
            if item.name == "last.png":
                raise OSError(errno.EIO, os.strerror(errno.EIO))


class StaleItem:
    """Known by its name alone."""

    def __init__(self, item: os.DirEntry[str]) -> None:
        self.name, self.path = item.name, item.path

    def is_dir(self, **_: bool) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle")


def test_an_item_that_cannot_be_asked_and_a_listing_that_breaks_off_cost_themselves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/x.png", "stale/x.png", "stale.png", "z/x.png", "broken/last.png"):
        picture(tmp_path / name)
    listing = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: FailingListing(listing(folder)))
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["a/x.png", "broken/last.png", "z/x.png"]
    assert reasons(scan) == {
        "stale": "can't be read: Stale file handle",
        "stale.png": "can't be read: Stale file handle",
        "broken": "the folder's listing broke off: Input/output error",
    }


def test_housekeeping_folders_are_not_entered_and_counted_once(tmp_path: Path) -> None:
    kept = picture(tmp_path / "line1/a.jpg")
    for folder in (
        "@eaDir/a.jpg",
        "#recycle/line1",
        "line1/@eaDir/a.jpg",
        "$Recycle.Bin/S-1-5-21",
        "#snapshot/GMT-2026",
    ):
        picture(tmp_path / folder / "b.png")
    for folder in ("System Volume Information", "lost+found", "@Recycle", "__MACOSX/line1", "line1/Thumbs"):
        picture(tmp_path / folder / "c.png")
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == [kept.relative_to(tmp_path).as_posix()]
    [problem] = scan.problems
    assert (problem.unit, problem.count) == ("folder", 10)
    assert problem.reason.startswith("a file server's or system's own: 2 @eaDir, 1 ")


def test_pictures_of_unread_kinds_are_counted_by_kind_and_a_jfif_is_a_jpeg(tmp_path: Path) -> None:
    jpeg = picture(tmp_path / "a.jpg")
    jpeg.rename(tmp_path / "a.jfif")
    for name in ("b.jp2", "c.JP2", "d.gif", "e/f.heic", "g.dng", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["a.jfif"]
    assert [(each.path, each.count, each.reason) for each in scan.problems] == [
        ("notes.txt", 1, "no picture by its name: 1 .txt"),
        ("b.jp2", 5, "of a kind that isn't read: 2 .jp2, 1 .gif, 1 .dng, 1 .heic"),
    ]


def test_what_an_ordinary_user_may_not_read_is_reported(tmp_path: Path) -> None:
    picture(tmp_path / "archive/open/a.png")
    picture(tmp_path / "archive/closed/b.png").parent.chmod(0)
    picture(tmp_path / "archive/open/c.png").chmod(0)
    # Root may read everything, and CI often is root: the scan runs in a process that isn't.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    code = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        import polars
        from workbench.archive import scan as archive
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        scan = archive.scan(Path(sys.argv[1]), polars.DataFrame())
        print([entry.path for entry in scan.entries])
        for problem in scan.problems:
            print(problem.path, "|", problem.reason)
        """
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "archive")], capture_output=True, text=True, check=False
        )
    finally:
        (tmp_path / "archive/closed").chmod(0o755)
    assert done.stdout.splitlines() == [
        "['open/a.png']",
        "closed | the folder can't be listed: Permission denied",
        "open/c.png | permission denied: the file can't be read",
    ], done.stderr
