"""Parts on disk: whole or not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import records, schema, spool
from warehouse.errors import MalformedPart


def a_dead_pid() -> int:
    """The id of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(data: Path, host: str, pid: int) -> Path:
    path = data / "spool" / RUN / f"block-000007.tmp-{host}-{pid}"
    path.mkdir(parents=True)
    (path / "predictions.parquet").write_bytes(b"half")
    return path


def test_a_part_holds_its_rows_under_its_run_and_block(data: Path) -> None:
    part = rows.write_part(data, 12, questions=4)

    assert part == data / "spool" / RUN / "block-000012"
    assert sorted(path.name for path in part.iterdir()) == [
        "image_vectors.parquet",
        "patch_vectors.parquet",
        "patches.parquet",
        "predictions.parquet",
    ]
    assert pq.read_table(part / "predictions.parquet").equals(
        schema.table(records.Prediction, [rows.prediction(12, number) for number in range(4)])
    )
    assert spool.identity(part) == (RUN, 12)
    assert spool.pending(data) == [part]
    assert spool.spooled_blocks(data, RUN) == {12}
    assert spool.spooled_blocks(data, "another run") == frozenset()


def test_writing_a_block_again_keeps_the_part_that_is_there(data: Path) -> None:
    first = rows.write_part(data, 0)
    before = (first / "predictions.parquet").stat().st_mtime_ns
    again = rows.write_part(data, 0)

    assert again == first
    assert (first / "predictions.parquet").stat().st_mtime_ns == before
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


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda part: (part / "patches.parquet").unlink(), "patches.parquet can't be read"),
        (lambda part: (part / "predictions.parquet").write_bytes(b"PAR1 not"), "predictions.parquet can't be read"),
        (
            lambda part: pq.write_table(
                pq.read_table(part / "patches.parquet").drop_columns("score"), part / "patches.parquet"
            ),
            "lacks the column score",
        ),
        (
            lambda part: pq.write_table(
                pq.read_table(part / "patches.parquet").rename_columns({"score": "shine"}), part / "patches.parquet"
            ),
            "a column shine double that the table doesn't have",
        ),
    ],
    ids=["a file missing", "not Parquet", "a column missing", "a column too many"],
)  # fmt: skip
def test_a_malformed_part_is_recognised_without_reading_its_rows(data: Path, spoil, words: str) -> None:  # type: ignore[no-untyped-def]
    part = rows.write_part(data, 0)
    spool.check(part)
    spoil(part)

    with pytest.raises(MalformedPart, match=words):
        spool.check(part)


def test_a_part_from_before_an_optional_column_is_still_good(data: Path) -> None:
    part = rows.write_part(data, 0)
    file = part / "predictions.parquet"
    pq.write_table(pq.read_table(file).drop_columns("camera"), file)

    spool.check(part)
