"""Copies of object stores through kills: nothing fetched twice, nothing missed, many requests at a time."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.archive import slow_store
from tests.scoring.drawn import picture, scanned
from workbench.archive import previews, remote
from workbench.errors import ArchiveError


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty pictures in two folders behind slow://."""
    monkeypatch.setenv(slow_store.LOG, str(tmp_path / "log"))
    slow_store.register()
    for number in range(20):
        picture(tmp_path / f"plant/{number % 2}/{number:02}.png", number)
    return tmp_path / "plant"


def fetched(plant: Path) -> Counter[str]:
    """How often each object was."""
    return Counter((plant.parent / "log").read_text().split())


def copied(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.png")}


def test_a_process_killed_after_any_object_has_the_next_one_fetch_the_rest_alone(plant: Path, tmp_path: Path) -> None:
    address, data = f"slow://{plant}", tmp_path / "data"
    variables = {slow_store.LOG: str(tmp_path / "log")}
    for objects in (1, 3, 5, 7):
        killed = forked.run("tests.archive.slow_store:fetch", address, data, str(objects), environment=variables)
        assert killed.returncode == 9
    folder = remote.local(address, data, lambda _: None)
    assert copied(folder) == copied(plant)
    assert max(fetched(plant).values()) == 1
    assert [file.name for file in folder.rglob("*.part")] == []


@pytest.mark.parametrize("state", ["whole beside", "journal first", "a line cut off", "half of it", "no journal"])
def test_wherever_an_object_was_cut_off_it_is_taken_or_fetched_and_never_half_of_it(
    plant: Path, tmp_path: Path, state: str
) -> None:
    address, data = f"slow://{plant}", tmp_path / "data"
    folder = remote.local(address, data, lambda _: None)
    journal, target = folder / remote._JOURNAL, folder / "1/07.png"
    *lines, last = sorted(journal.read_text().splitlines(), key=lambda line: "07.png" in line)
    version = next(found.version for found in remote._journal(folder).values() if found.name == "1/07.png")
    whole = remote._beside(target, version)
    if state in ("whole beside", "journal first"):
        target.rename(whole)
    if state == "half of it":
        whole.write_bytes(target.read_bytes()[:40])
        target.unlink()
    if state in ("whole beside", "half of it"):
        journal.write_text("\n".join(lines) + "\n")
    if state == "a line cut off":
        journal.write_text("\n".join([*lines, last[: len(last) // 2]]))
    if state == "no journal":
        journal.unlink()
    remote.local(address, data, lambda _: None)
    assert copied(folder) == copied(plant)
    again = {name for name, times in fetched(plant).items() if times > 1}
    expected = {"half of it": {"07.png"}, "a line cut off": {"07.png"}}
    assert again == expected.get(state, set()) or state == "no journal"


def test_an_object_that_changed_is_fetched_again_and_one_that_went_is_gone(plant: Path, tmp_path: Path) -> None:
    address, data = f"slow://{plant}", tmp_path / "data"
    folder = remote.local(address, data, lambda _: None)
    picture(plant / "0/00.png", 99, (9, 9))
    (plant / "1/01.png").unlink()
    remote.local(address, data, lambda _: None)
    assert copied(folder) == copied(plant)
    assert {name for name, times in fetched(plant).items() if times > 1} == {"00.png"}


def test_what_an_earlier_release_fetched_is_not_fetched_again(plant: Path, tmp_path: Path) -> None:

    address, data = f"slow://{plant}", tmp_path / "data"
    folder = remote.local(address, data, lambda _: None)
    versions = {name: each.version for name, each in remote._journal(folder).items()}
    (folder / remote._JOURNAL).unlink()
    (folder / ".fetched.json").write_text(json.dumps(versions))
    remote.local(address, data, lambda _: None)
    assert max(fetched(plant).values()) == 1
    assert not (folder / ".fetched.json").exists()


def test_more_than_the_disk_may_take_is_refused_before_anything_is_fetched(plant: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="fetched_gib allows 1e-07"):
        remote.local(f"slow://{plant}", tmp_path / "data", lambda _: None, gib=1e-7)
    assert not (tmp_path / "log").exists()


@pytest.mark.slow
def test_three_hundred_objects_take_a_tenth_of_their_time_one_by_one(plant: Path, tmp_path: Path) -> None:
    for number in range(20, 300):
        picture(plant / f"{number % 2}/{number:03}.png", number % 256)
    began = time.monotonic()
    remote.local(f"slow://{plant}", tmp_path / "data", lambda _: None)
    took = time.monotonic() - began
    print(f"300 objects of {slow_store.LATENCY} s in {took:.2f} s")
    assert took <= 300 * slow_store.LATENCY / 10


@pytest.mark.slow
def test_a_listing_of_twenty_thousand_keys_takes_a_fifth_of_what_a_hundred_thousand_may() -> None:
    class Listing:
        def find(self, root: str, *, detail: bool) -> dict[str, dict[str, Any]]:
            assert detail
            return {
                f"{root}/{number % 50}/{number}.png": {
                    "Key": f"{root}/{number % 50}/{number}.png", "name": f"{root}/{number % 50}/{number}.png",
                    "LastModified": datetime(2026, 1, 1, tzinfo=UTC), "ETag": f'"{number:032x}"', "Size": 10**6,
                    "size": 10**6, "type": "file", "StorageClass": "STANDARD", "ChecksumAlgorithm": ["CRC64NVME"],
                }
                for number in range(20_000)
            }  # fmt: skip

    tracemalloc.start()
    found, _ = remote._wanted("s3://plant", Listing(), "plant")
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    print(f"{peak:.0f} MiB")
    assert len(found) == 20_000
    assert peak < 300 / 5


def test_a_snapshot_in_a_hugging_face_cache_is_an_archive_and_its_pictures_are_shown(tmp_path: Path) -> None:
    repository = tmp_path / "datasets--plant--line"
    blob = picture(repository / "blobs/abc.png", 3).rename(repository / "blobs/abc")
    root = repository / "snapshots/0123abcd"
    (root / "plate").mkdir(parents=True)
    (root / "plate/1.png").symlink_to("../../../blobs/abc")
    outside = picture(tmp_path / "secret.png", 4)
    (root / "plate/2.png").symlink_to(outside)
    scan = scanned(root)
    assert [entry.path for entry in scan.entries] == ["plate/1.png"]
    assert [problem.path for problem in scan.problems] == ["plate/2.png"]
    assert scan.notes == ("1 link into the Hugging Face cache datasets--plant--line followed",)
    assert previews.locate("plate/1.png", str(root), [str(root)]) == blob
    assert previews.locate("plate/2.png", str(root), [str(root)]) is None
