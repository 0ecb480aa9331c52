"""From the spool into the warehouse, exactly once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from pyarrow import feather

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import ingest as ingest_module
from warehouse import spool
from warehouse.errors import BrokenIndex
from warehouse.ingest import ingest
from warehouse.records import scoring
from warehouse.store import Store
from warehouse.vectors import Vectors


def counts(data: Path) -> list[tuple[str, str, int]]:
    return Vectors(data).counts().sort("kind").rows()


def test_parts_become_rows_and_vectors_and_are_gone(store: Store, data: Path) -> None:
    for block in range(3):
        rows.write_part(data, block)

    done = ingest(store)

    assert (done.parts, done.predictions, done.patches, done.quarantined) == (3, 18, 18, 0)
    assert store.ingested_blocks(RUN) == {0, 1, 2}
    assert store.predictions(RUN).height == store.patches(RUN).height == 18
    assert counts(data) == [("images", "encoder@1", 9), ("patches", "model@1", 9)]
    assert spool.pending(data) == []
    run = store.run(RUN)
    assert run is not None
    assert (run.answered, run.invalid, run.failed) == (18, 0, 0)


def test_with_nothing_in_the_spool_nothing_is_opened(store: Store, data: Path) -> None:
    before = store.stamp()

    assert ingest(store).parts == 0
    assert store.stamp() == before


def test_a_block_written_again_after_its_ingest_changes_nothing(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    ingest(store)
    rows.write_part(data, 0)

    done = ingest(store)

    assert (done.parts, done.predictions) == (0, 0)
    assert store.predictions(RUN).height == 6
    assert spool.pending(data) == []
    assert counts(data) == [("images", "encoder@1", 3), ("patches", "model@1", 3)]


def test_an_empty_block_is_done_too(store: Store, data: Path) -> None:
    spool.write_part(data, RUN, 5, [])

    assert ingest(store).parts == 1
    assert store.ingested_blocks(RUN) == {5}


def test_a_malformed_part_is_put_aside_with_its_reason_and_the_others_go_in(store: Store, data: Path) -> None:
    for block in range(3):
        rows.write_part(data, block)
    (spool.pending(data)[1] / "patches.arrow").unlink()

    done = ingest(store)

    assert (done.parts, done.quarantined) == (2, 1)
    assert store.ingested_blocks(RUN) == {0, 2}
    assert spool.pending(data) == []
    (reason,) = (data / "spool" / "quarantine" / RUN).glob("block-000001-*.reason.txt")
    assert "patches.arrow is missing" in reason.read_text()
    assert reason.with_name(reason.name.removesuffix(".reason.txt")).is_dir()


def test_a_row_the_tables_refuse_puts_its_part_aside_alone(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    spool.write_part(data, RUN, 1, [rows.prediction(1, 0, status="perhaps")])
    rows.write_part(data, 2)

    done = ingest(store)

    assert (done.parts, done.predictions, done.quarantined) == (2, 12, 1)
    assert store.predictions(RUN)["status"].unique().to_list() == ["answered"]
    run = store.run(RUN)
    assert run is not None
    assert run.answered == 12


def test_rows_torn_inside_an_intact_file_put_the_part_aside(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    file = rows.without_manifest(rows.write_part(data, 1)) / "predictions.arrow"
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    file.write_bytes(content)

    done = ingest(store)

    assert (done.parts, done.quarantined) == (1, 1)
    assert store.ingested_blocks(RUN) == {0}


def test_vectors_that_do_not_fit_put_their_part_aside(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    spool.write_part(
        data,
        RUN,
        1,
        [rows.prediction(1, 0)],
        image_vectors=[scoring.ImageVector(letter * 64, "encoder@1", (1.0,) * ord(letter)) for letter in "ab"],
    )

    assert ingest(store).quarantined == 1
    assert store.ingested_blocks(RUN) == {0}


def test_trouble_that_is_not_a_parts_fault_leaves_the_parts_in_the_spool(store: Store, data: Path) -> None:
    rows.write_part(data, 0)
    (data / "vectors").write_text("a file where the folder should be")

    with pytest.raises(BrokenIndex):
        ingest(store)
    assert spool.spooled_blocks(data, RUN) == {0}

    (data / "vectors").unlink()
    assert ingest(store).parts == 1


def test_a_stored_part_that_cannot_be_removed_is_stored_and_the_next_ingest_removes_it(
    store: Store, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [rows.write_part(data, block) for block in (0, 1)]
    (parts[0] / "somebody's").mkdir()

    done = ingest(store)

    assert (done.parts, done.predictions, done.quarantined) == (2, 12, 0)
    assert "block-000000 is stored but can't be removed" in caplog.text
    assert spool.pending(data) == []
    assert ingest(store).parts == 0
    assert list((data / "spool" / RUN).iterdir()) == []


def test_rows_of_another_block_are_not_let_in(store: Store, data: Path) -> None:
    spool.write_part(data, RUN, 0, [rows.prediction(4, 0)])

    assert ingest(store).quarantined == 1
    assert store.predictions(RUN).is_empty()


def test_a_part_of_a_run_nobody_opened_is_put_aside(store: Store, data: Path) -> None:
    rows.write_part(data, 0, run_id="unknown")
    rows.write_part(data, 0)

    assert ingest(store).quarantined == 1
    (reason,) = (data / "spool" / "quarantine" / "unknown").glob("*.reason.txt")
    assert "the warehouse has no run unknown" in reason.read_text()
    assert store.ingested_blocks(RUN) == {0}


def test_a_quarantined_part_put_back_whole_is_ingested(store: Store, data: Path) -> None:
    rows.write_part(data, 0, run_id="late")
    ingest(store)
    store.open_run(rows.run("late"))
    (aside,) = (path for path in (data / "spool" / "quarantine" / "late").iterdir() if path.is_dir())
    aside.rename(data / "spool" / "late" / "block-000000")

    assert ingest(store).parts == 1
    assert store.predictions("late").height == 6


def test_many_parts_go_in_several_transactions(store: Store, data: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(ingest_module, "_PARTS_AT_ONCE", 2)
    for block in range(5):
        rows.write_part(data, block)

    assert ingest(store).parts == 5
    assert store.predictions(RUN).height == 30


def test_a_part_from_before_an_optional_column_is_ingested_with_the_column_empty(store: Store, data: Path) -> None:
    file = rows.without_manifest(rows.write_part(data, 0)) / "predictions.arrow"
    feather.write_feather(feather.read_table(file, memory_map=False).drop_columns("camera"), file)
    rows.write_part(data, 1)

    assert ingest(store).quarantined == 0
    assert store.predictions(RUN).select(pl.col("camera").null_count()).item() == 12


@pytest.mark.slow
def test_two_ingesters_at_once_store_every_block_once(store: Store, data: Path) -> None:
    for block in range(12):
        rows.write_part(data, block)
    code = (
        "import sys; from pathlib import Path; from warehouse.ingest import ingest; from warehouse.store import Store\n"
    )
    code += "print(ingest(Store(Path(sys.argv[1]))).parts)"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(data)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    moved = [int(process.communicate()[0]) for process in processes]

    assert sum(moved) == 12
    assert store.predictions(RUN).height == store.patches(RUN).height == 72
    assert counts(data) == [("images", "encoder@1", 36), ("patches", "model@1", 36)]
    run = store.run(RUN)
    assert run is not None
    assert run.answered == 72
