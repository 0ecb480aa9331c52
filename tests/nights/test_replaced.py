"""Files that change between a night's scan and its scoring: each is scored once it can be, and none for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nights.archives import Nightly, pictures, settled
from tests.scoring.test_replaced import AfterTheScan, swap
from warehouse.store import Store
from workbench.archive.scan import content_of


def answered(data: Path) -> dict[tuple[str, str], list[str]]:
    """By path and content, how its first question ended in each run, oldest first."""
    store = Store(data)
    found: dict[tuple[str, str], list[str]] = {}
    for run_id in sorted(store.runs()["run_id"]):
        rows = store.predictions(run_id, subtask="Anomaly Detection")
        for path, content, status, error in rows.select("image_path", "content", "status", "error").iter_rows():
            found.setdefault((Path(path).stem, content), []).append((error or status).partition(":")[0])
    return found


@pytest.mark.slow
def test_what_changed_is_scored_the_next_night_and_what_stays_broken_is_not(tmp_path: Path, data_folder: Path) -> None:
    archive = tmp_path / "archive"
    good, swapped, truncated, deleted, damaged = pictures(archive, 5)
    (other,) = pictures(tmp_path / "elsewhere", 1, first=7)
    damaged.write_bytes(damaged.read_bytes()[:-200])
    settled(damaged)
    files = (good, swapped, truncated, deleted, damaged)
    contents = {file.stem: content_of(file) for file in files}
    whole = {file: file.read_bytes() for file in (truncated, deleted)}

    def happens() -> None:
        swap(swapped, other)
        truncated.write_bytes(whole[truncated][:-200])
        deleted.unlink()

    nightly = Nightly(data_folder, archive, watch=AfterTheScan(happens))
    nightly.keep()
    assert nightly.night().images == 5
    nightly.watch = AfterTheScan(lambda: None)
    for file, data in whole.items():
        file.write_bytes(data)
        settled(file)
    assert nightly.night().images == 3
    assert nightly.night().images == 0
    assert answered(data_folder) == {
        ("0000", contents["0000"]): ["answered"],
        ("0001", contents["0001"]): ["replaced since the scan"],
        ("0001", content_of(other)): ["answered"],
        ("0002", contents["0002"]): ["replaced since the scan", "answered"],
        ("0003", contents["0003"]): ["vanished", "answered"],
        ("0004", contents["0004"]): ["truncated"],
    }


@pytest.mark.slow
def test_a_half_copied_file_with_its_sources_time_and_size_is_scored_when_it_is_whole(
    tmp_path: Path, data_folder: Path
) -> None:
    archive = tmp_path / "archive"
    _, file = pictures(archive, 2)
    whole = tmp_path / "whole.png"
    whole.write_bytes(file.read_bytes())
    half = tmp_path / "half.png"
    half.write_bytes(bytes(200) + whole.read_bytes()[200:])
    swap(file, half)
    nightly = Nightly(data_folder, archive)
    nightly.keep()
    assert nightly.night().images == 2
    swap(file, whole)
    assert nightly.night().images == 1
    assert answered(data_folder)["0001", content_of(whole)] == ["answered"]
