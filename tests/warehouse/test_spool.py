"""Parts on disk: whole or not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import schema, spool
from warehouse.errors import MalformedPart
from warehouse.records import scoring


def a_dead_pid() -> int:
    """The id of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(data: Path, host: str, pid: int) -> Path:
    path = data / "spool" / RUN / f"block-000007.tmp-{host}-{pid}"
    path.mkdir(parents=True)
    (path / "predictions.arrow").write_bytes(b"half")
    return path


def test_a_part_holds_its_rows_under_its_run_and_block(data: Path) -> None:
    part = rows.write_part(data, 12, questions=4)

    assert part == data / "spool" / RUN / "block-000012"
    assert sorted(path.name for path in part.iterdir()) == [
        "comparisons.arrow",
        "image_vectors.arrow",
        "manifest.json",
        "patch_vectors.arrow",
        "patches.arrow",
        "predictions.arrow",
    ]
    assert feather.read_table(part / "predictions.arrow").equals(
        schema.table(scoring.Prediction, [rows.prediction(12, number) for number in range(4)])
    )
    assert spool.identity(part) == (RUN, 12)
    assert spool.pending(data) == [part]
    assert spool.spooled_blocks(data, RUN) == {12}
    assert spool.spooled_blocks(data, "another run") == frozenset()


def test_writing_a_block_again_keeps_the_part_that_is_there(data: Path) -> None:
    first = rows.write_part(data, 0)
    before = (first / "predictions.arrow").stat().st_mtime_ns
    again = rows.write_part(data, 0)

    assert again == first
    assert (first / "predictions.arrow").stat().st_mtime_ns == before
    assert [path.name for path in first.parent.iterdir()] == ["block-000000"]


def test_blocks_past_a_million_keep_their_place(data: Path) -> None:
    rows.write_part(data, 1_234_567, questions=2)

    assert spool.spooled_blocks(data, RUN) == {1_234_567}


def test_a_row_that_does_not_fit_leaves_nothing_behind(data: Path) -> None:
    with pytest.raises(ValueError, match=r"Prediction\.seconds"):
        spool.write_part(data, RUN, 0, [rows.prediction(0, 0, seconds="fast")])
    assert spool.pending(data) == []


def test_what_a_dead_writer_left_is_removed_and_what_others_are_writing_is_not(data: Path) -> None:
    dead = leftover(data, socket.gethostname(), a_dead_pid())
    mine = leftover(data, socket.gethostname(), os.getpid())
    elsewhere = leftover(data, "another-host", 1)
    forgotten = leftover(data, "another-host", 2)
    os.utime(forgotten, (time.time() - 2 * 86400,) * 2)

    spool.clean(data)

    assert [path.exists() for path in (dead, mine, elsewhere, forgotten)] == [False, True, True, False]


def changed(part: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Write a part's file anew with other rows or columns."""
    file = part / f"{name}.arrow"
    feather.write_feather(change(feather.read_table(file, memory_map=False)), file, compression="uncompressed")


def torn(part: Path) -> None:
    """Overwrite what lies in the middle of an otherwise whole file."""
    file = part / "predictions.arrow"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    file.write_bytes(content)


def read(part: Path) -> list[pa.Table]:
    return list(spool.read(part).tables.values())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda part: (part / "patches.arrow").unlink(), "patches.arrow is missing"),
        (lambda part: (part / "patches.arrow").write_bytes(b""), "patches.arrow can't be read"),
        (lambda part: (part / "predictions.arrow").write_bytes(b"ARROW1 not"), "predictions.arrow can't be read"),
        (lambda part: os.truncate(part / "predictions.arrow", 5000), "predictions.arrow can't be read"),
        (torn, "predictions.arrow can't be read"),
        (lambda part: changed(part, "patches", lambda rows: rows.drop_columns("score")), "lacks the column score"),
        (
            lambda part: changed(part, "patches", lambda rows: rows.rename_columns({"score": "shine"})),
            "a column shine double that the table doesn't have",
        ),
        (
            lambda part: changed(
                part, "patches", lambda rows: rows.set_column(0, "run_id", pa.array([1] * len(rows)))
            ),
            "a column run_id int64 that the table doesn't have",
        ),
        (
            lambda part: changed(
                part, "patches", lambda rows: rows.set_column(0, "run_id", pa.nulls(len(rows), pa.string()))
            ),
            "patches.arrow doesn't fit the table: .*null",
        ),
    ],
    ids=[
        "a file missing",
        "an empty file",
        "not Arrow",
        "cut short",
        "torn inside",
        "a column missing",
        "a column too many",
        "a column of another type",
        "nothing where something must be",
    ],
)  # fmt: skip
def test_a_malformed_part_without_a_manifest_is_recognised(
    data: Path, spoil: Callable[[Path], object], words: str
) -> None:
    part = rows.without_manifest(rows.write_part(data, 0))
    assert len(read(part)) == 5
    spoil(part)

    with pytest.raises(MalformedPart, match=words):
        read(part)


def test_rows_of_several_parts_come_one_part_after_the_other(data: Path) -> None:
    parts = [rows.write_part(data, block, questions=2) for block in (0, 1)]

    assert spool.rows([spool.read(part) for part in parts], "predictions").equals(
        schema.table(scoring.Prediction, [rows.prediction(block, number) for block in (0, 1) for number in (0, 1)])
    )


def test_a_part_from_before_an_optional_column_is_read_with_the_column_empty(data: Path) -> None:
    part = rows.without_manifest(rows.write_part(data, 0, questions=2))
    whole = spool.rows([spool.read(part)], "predictions")
    changed(part, "predictions", lambda rows: rows.drop_columns("camera"))

    without = spool.rows([spool.read(part)], "predictions")

    assert without.schema.equals(whole.schema)
    assert without["camera"].null_count == 2
    assert without.drop_columns("camera").equals(whole.drop_columns("camera"))
