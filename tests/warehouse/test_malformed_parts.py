"""Parts that are malformed in every way we could think of: they are put aside, all others arrive, nothing stops."""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import ledger, manifest, schema, spool
from warehouse.errors import DiskFull, Locked, MalformedPart, NewerWarehouse
from warehouse.ingest import ingest
from warehouse.records import scoring
from warehouse.store import Store
from warehouse.vectors import Vectors

Spoil = Callable[[Path], object]


def restated(part: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Other rows in a file, with a manifest that states them: made so by whoever wrote the part."""
    file = part / f"{name}.arrow"
    table = change(feather.read_table(file, memory_map=False))
    content = spool._encoded(table)
    file.write_bytes(content)
    stated = json.loads((part / "manifest.json").read_text())
    found = manifest.state(table, content)
    stated["files"][file.name] = {
        "columns": found.columns, "rows": found.rows, "size": found.size, "sha256": found.sha256
    }  # fmt: skip
    (part / "manifest.json").write_text(json.dumps(stated))


def stating(change: Callable[[dict[str, object]], object]) -> Spoil:
    """Another manifest over the same files."""

    def spoil(part: Path) -> None:
        file = part / "manifest.json"
        stated = json.loads(file.read_text())
        change(stated)
        file.write_text(json.dumps(stated))

    return spoil


def with_rows(name: str, **values: object) -> Spoil:
    """A file whose first row holds other values."""
    record = spool.FILES[name]

    def spoil(part: Path) -> None:
        def change(table: pa.Table) -> pa.Table:
            (first, *others) = table.to_pylist()
            return pa.Table.from_pylist([{**first, **values}, *others], schema=schema.arrow(record))

        restated(part, name, change)

    return spoil


def replaced(name: str, put: Callable[[Path], object]) -> Spoil:
    """Something else where a file was."""

    def spoil(part: Path) -> None:
        (part / name).unlink()
        put(part / name)

    return spoil


def emptied(part: Path) -> None:
    for file in part.iterdir():
        file.unlink()


def a_link(part: Path) -> None:
    real = part.parents[2] / "elsewhere"
    part.rename(real)
    part.symlink_to(real)


def a_file(part: Path) -> None:
    part.rename(part.parents[2] / "was a part")
    part.write_bytes(b"")


P = "predictions.arrow"
MALFORMED: dict[str, tuple[Spoil, str]] = {
    "a byte turned over": (lambda part: flipped(part / P, 3000), "predictions.arrow was changed after it was written"),
    "cut short": (lambda part: os.truncate(part / P, 5000), "predictions.arrow has 5000 bytes"),
    "grown out of all bounds": (lambda part: os.truncate(part / P, 2**35), "has 34359738368 bytes"),
    "a file missing": (lambda part: (part / "patches.arrow").unlink(), "patches.arrow is missing"),
    "the manifest missing": (lambda part: (part / "manifest.json").unlink(), "manifest.json is missing"),
    "nothing in it": (lambda part: emptied(part), "predictions.arrow is missing"),
    "an empty file": (replaced(P, Path.touch), "predictions.arrow has 0 bytes"),
    "a folder for a file": (replaced(P, Path.mkdir), "predictions.arrow is no file"),
    "a pipe for a file": (replaced(P, os.mkfifo), "predictions.arrow is no file"),
    "a link for a file": (replaced(P, lambda file: file.symlink_to("/etc/passwd")), "predictions.arrow can't be read"),
    "a link that goes in circles": (replaced(P, lambda file: file.symlink_to(file)), "predictions.arrow can't be read"),
    "a link for the part": (a_link, "it is no folder"),
    "a file for the part": (a_file, "it is no folder"),
    "a manifest that is no JSON": (lambda part: (part / "manifest.json").write_bytes(b"\xff{"), "manifest.json can't"),
    "a manifest of nothing": (lambda part: (part / "manifest.json").write_text("[]"), "manifest.json can't be read"),
    "a manifest as deep as a well": (
        lambda part: (part / "manifest.json").write_text("[" * 100_000), "manifest.json can't be read"
    ),
    "a manifest of a later release": (stating(lambda it: it.update(version=2)), "has version 2"),
    "a manifest of another run": (stating(lambda it: it.update(run_id="other")), "of run 'other'"),
    "a manifest of another block": (stating(lambda it: it.update(block=99)), "is that of block 99"),
    "a file not stated": (stating(lambda it: it["files"].pop(P)), "doesn't state predictions.arrow"),  # type: ignore[attr-defined]
    "other rows than stated": (stating(lambda it: it["files"][P].update(rows=5)), "has 6 rows"),  # type: ignore[index]
    "rows stated in words": (stating(lambda it: it["files"][P].update(rows="6")), "whole numbers"),  # type: ignore[index]
    "other types than stated": (
        stating(lambda it: it["files"][P]["columns"].__setitem__(1, ["block", "double"])), "has other columns"  # type: ignore[index]
    ),
    "a column that no table has": (
        lambda part: restated(part, "patches", lambda table: table.rename_columns({"score": "shine"})), "column shine"
    ),
    "a column of another type": (
        lambda part: restated(
            part, "patches", lambda table: table.set_column(4, "iteration", pa.array(["1"] * len(table)))
        ),
        "a column iteration string",
    ),
    "a column twice": (
        lambda part: restated(part, "patches", lambda it: it.append_column("score", it["score"])), "doesn't fit"
    ),
    "nothing where something must be": (
        lambda part: restated(
            part, "patches", lambda table: table.set_column(0, "run_id", pa.nulls(len(table), pa.string()))
        ),
        "patches.arrow doesn't fit the table",
    ),
    "seconds that are no number": (with_rows("predictions", seconds=math.nan), "column seconds"),
    "an entropy that is no number": (with_rows("predictions", entropy=[1.0, math.nan]), "column entropy"),
    "an infinite entropy of a token": (with_rows("predictions", token_entropy=[[1.0], [math.inf]]), "token_entropy"),
    "a probability that is no number": (
        with_rows("predictions", option_probabilities=[("A", 0.5), ("B", math.nan)]), "column option_probabilities"
    ),
    "a score of a text that is no number": (
        with_rows(
            "predictions", descriptions=[{"description_id": "d", "revision": 1, "rank": 1, "score": -math.inf}]
        ),
        "column descriptions",
    ),
    "a box without bounds": (with_rows("patches", x1=math.inf), "patches.arrow holds a number that isn't finite"),
    "a vector that is no number": (with_rows("image_vectors", vector=[1.0, math.nan, 0.5]), "image_vectors.arrow"),
    "half a vector without bounds": (with_rows("patch_vectors", vector=np.array([1, np.inf], np.float16)), "patch_vec"),
    "vectors of several lengths": (with_rows("image_vectors", vector=[1.0]), "different lengths"),
    "vectors of another length than the index": (
        lambda part: restated(
            part,
            "patch_vectors",
            lambda table: table.set_column(
                4, "vector", pa.array([np.ones(7, np.float16)] * len(table), pa.list_(pa.float16()))
            ),
        ),
        "have 7 numbers and those in the index 2",
    ),
    "a state that no answer has": (with_rows("predictions", status="perhaps"), "CHECK constraint"),
    "rows of another run": (with_rows("predictions", run_id="other"), "rows of another run or block"),
    "patches of another block": (with_rows("patches", block=77), "rows of another run or block"),
}  # fmt: skip


def flipped(file: Path, at: int, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1 << bit
    file.write_bytes(content)


def test_whatever_is_wrong_with_parts_all_others_arrive_and_nothing_wrong_is_stored(
    store: Store, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows.write_part(data, 0)
    ingest(store)
    blocks = {}
    for block, (name, (spoil, words)) in enumerate(MALFORMED.items(), 1):
        part = rows.write_part(data, block)
        spoil(part)
        blocks[block] = (name, words)
    good = [0, *range(900, 904)]
    for block in good[1:]:
        rows.write_part(data, block)
    (data / "spool" / RUN / "block-000901" / ".nfs0001").write_bytes(b"what a file system leaves")
    rows.write_part(data, 1, run_id="a run\nnobody opened")
    os.mkdir(os.fsencode(data / "spool") + b"/\xff")  # noqa: PTH102  a name that is no text
    rows.write_part(data, 801).rename(Path(os.fsdecode(os.fsencode(data / "spool") + b"/\xff/block-000001")))
    rows.write_part(data, 802).rename(data / "spool" / RUN / "block-1\n")  # no part's name
    (data / "spool" / RUN / f"block-000001.tmp-host-{'9' * 40}").mkdir()
    (data / "spool" / RUN / f"block-{'9' * 40}").mkdir()

    done = ingest(store)

    assert (done.parts, done.quarantined) == (4, len(MALFORMED) + 2)
    assert store.ingested_blocks(RUN) == set(good)
    expected = [rows.prediction(block, number) for block in good for number in range(6)]
    assert schema.records(scoring.Prediction, store.predictions(RUN)) == expected
    patches = [rows.patch(block, number) for block in good for number in range(6)]
    assert schema.records(scoring.Patch, store.patches(RUN)) == patches
    # Vectors go first: those of a part whose rows were refused may lie there too; they are its pictures' own.
    contents, vectors = Vectors(data).every_image_vector("encoder@1")
    assert set(contents) >= {row.content for row in expected}
    assert [tuple(vector) for vector in vectors] == [rows.image_vector(content) for content in contents]
    assert spool.pending(data) == []
    assert ingest(store).quarantined == 0

    told = {path.parent.name: reason for path, reason in spool.put_aside(data) if path.parent.name != RUN}
    assert told["a run\nnobody opened"].startswith("the warehouse has no run")
    assert len(told) == 2
    found = {path.name[:12]: reason for path, reason in spool.put_aside(data) if path.parent.name == RUN}
    told_otherwise = {
        name: found[f"block-{block:06d}"]
        for block, (name, words) in blocks.items()
        if words not in found[f"block-{block:06d}"]
    }
    assert told_otherwise == {}
    assert caplog.text.count("quarantined=") == done.quarantined


def test_no_byte_of_a_part_can_be_turned_over_unseen(data: Path) -> None:
    whole = rows.write_part(data, 0)
    tables = spool.read(whole).tables
    chance = random.Random(344)
    unseen = []
    for file in sorted(whole.iterdir()):
        content = file.read_bytes()
        for at in chance.sample(range(len(content)), 90):
            flipped(file, at, chance.randrange(8))
            try:
                unseen += [(file.name, at)] if spool.read(whole).tables != tables else []
            except MalformedPart:
                pass
            else:
                assert file.name == "manifest.json"  # it said the same: a letter of a key, say
            file.write_bytes(content)
    assert unseen == []
    assert spool.read(whole).tables == tables


def test_parts_of_the_release_before_manifests_go_in(store: Store, data: Path) -> None:
    for block in range(3):
        rows.without_manifest(rows.write_part(data, block))
    rows.write_part(data, 3)

    done = ingest(store)

    assert (done.parts, done.predictions, done.quarantined) == (4, 24, 0)


def test_a_number_that_is_not_finite_is_not_written(data: Path) -> None:
    with pytest.raises(ValueError, match=r"Prediction\.entropy holds a number that isn't finite"):
        spool.write_part(data, RUN, 0, [rows.prediction(0, 0, entropy=(1.0, math.nan))])
    with pytest.raises(ValueError, match=r"ImageVector\.vector holds"):
        spool.write_part(data, RUN, 0, [], image_vectors=[scoring.ImageVector("a" * 64, "e", (math.inf,))])
    assert spool.pending(data) == []


class Odd(Exception):
    """Of no library's kind."""


@pytest.mark.parametrize("error", [Odd("odd"), RuntimeError("odd"), KeyError("odd"), RecursionError("odd")])
def test_a_part_that_raises_whatever_it_likes_is_put_aside_alone(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for block in range(3):
        rows.write_part(data, block)
    raising_for(1, error, monkeypatch)

    done = ingest(store)

    assert (done.parts, done.quarantined) == (2, 1)
    assert store.ingested_blocks(RUN) == {0, 2}
    ((path, reason),) = spool.put_aside(data)
    assert path.name.startswith("block-000001-")
    assert "odd" in reason


@pytest.mark.parametrize(
    "error", [DiskFull("full"), Locked("taken"), NewerWarehouse("newer"), KeyboardInterrupt(), OSError(24, "too many")]
)
def test_what_is_the_machines_fault_leaves_every_part_in_the_spool(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    for block in range(3):
        rows.write_part(data, block)
    with monkeypatch.context() as patch:
        raising_for(1, error, patch, reading=isinstance(error, OSError))
        with pytest.raises(type(error)):
            ingest(store)
    assert spool.put_aside(data) == []
    assert spool.spooled_blocks(data, RUN) >= {1}

    assert ingest(store).quarantined == 0
    assert store.ingested_blocks(RUN) == {0, 1, 2}


def test_a_part_that_finds_no_memory_waits_and_the_others_go_in(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in range(3):
        rows.write_part(data, block)
    with monkeypatch.context() as patch:
        raising_for(1, MemoryError("none"), patch)
        with pytest.raises(MemoryError):
            ingest(store)
    assert store.ingested_blocks(RUN) == {0, 2}
    assert spool.spooled_blocks(data, RUN) == {1}
    assert ingest(store).parts == 1


def test_an_index_that_takes_nothing_is_not_a_parts_fault_and_one_that_takes_all_others_is_not_to_blame(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LanceDB has one kind of error for both; what an empty index doesn't take either is the part's."""
    for block in range(2):
        rows.write_part(data, block)
    enter = Vectors._add

    def picky(self: Vectors, kind: str, encoder: str, table: pa.Table) -> None:
        if rows.content(RUN, 100) in table[table.column_names[0]].to_pylist():
            raise ValueError("lance: no")
        enter(self, kind, encoder, table)  # type: ignore[arg-type]

    monkeypatch.setattr(Vectors, "_add", picky)
    assert ingest(store).quarantined == 1
    assert store.ingested_blocks(RUN) == {0}


def raising_for(block: int, error: BaseException, patch: pytest.MonkeyPatch, *, reading: bool = False) -> None:
    """Reading or storing this block raises; alone or with others."""
    enter, read, kind = ledger.enter, spool.read, type(error)

    def entering(con, blocks):  # type: ignore[no-untyped-def]
        if any(each.number == block for each in blocks):
            raise kind(*error.args)  # a new one: it would hold on to the connection with its traceback
        return enter(con, blocks)

    def reading_it(part: Path) -> spool.Block:
        if spool.identity(part)[1] == block:
            raise kind(*error.args)
        return read(part)

    if reading:
        patch.setattr(spool, "read", reading_it)
    else:
        patch.setattr(ledger, "enter", entering)
