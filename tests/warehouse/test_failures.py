"""Why a question has no answer: a closed set of kinds beside the text, older rows by what their text names."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import duckdb
import pytest

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import failures, spool
from warehouse.failures import Failure, FailureKind
from warehouse.ingest import ingest
from warehouse.migration_steps import failures as step
from warehouse.store import Store
from workbench.analysis import failures as groups
from workbench.scoring import block

SCHEMAS = Path(__file__).parent / "schemas"
OLD = {  # as version 4 wrote them
    "vanished: the file was there when the archive was scanned": "vanished",
    "its reference is vanished: the file was there when the archive was scanned": "vanished",
    "replaced since the scan: the file holds another picture now": "replaced",
    "permission denied: the file can't be read": "permission denied",
    "can't be read: Stale file handle": "disk error",
    "empty: the file has no bytes": "empty",
    "not an image: its content is none of PNG, JPEG": "not an image",
    "a TIFF of signed 8-bit samples, which aren't read; save it unsigned": "unsupported",
    "truncated: the file ends before the picture does": "truncated",
    "damaged: broken data stream": "damaged",
    "too large: more than 400,000,000 pixels": "too large",
    "out of memory: this computer has too little left to open it": "out of memory",
    "its reference is quarantined: 2 processes died over it": "poison",
    "the model failed: out of memory": "device out of memory",
    "the model failed: RuntimeError: a shape": "model failed",
    "retrieval failed: ValueError: the sides differ too much": "encoder refused",
    "the model's numbers are not finite; try --dtype float32": "not finite",
    "900 tokens of pictures don't fit a context of 512; set a lower max_image_tokens": "does not fit",
    "somebody pulled the plug": "unknown",
    None: "unknown",
}


def test_every_text_of_an_older_version_names_its_kind() -> None:
    assert {text: failures.of_text(text) for text in OLD} == OLD
    assert set(OLD.values()) == set(get_args(FailureKind)) - {"source failed"}  # which no older version had


def test_the_step_to_version_5_reads_each_text_as_its_parts_are_read_today() -> None:
    assert {text: step.kind_of(text) for text in OLD} == OLD


def test_the_kinds_that_are_known_now_are_still_named_by_their_texts() -> None:
    """So that a part which an older program wrote beside this one is read alike."""
    known = [value for value in vars(failures).values() if isinstance(value, Failure)]
    assert {failures.of_text(each.text) for each in known} == {each.kind for each in known}
    assert failures.of_text(block.DEVICE_OUT_OF_MEMORY.text) == block.DEVICE_OUT_OF_MEMORY.kind
    assert ", ".join(f"'{kind}'" for kind in get_args(FailureKind)) == step._KINDS


def test_rows_of_version_4_get_their_kind_and_nothing_else_changes() -> None:
    con = duckdb.connect()
    con.execute((SCHEMAS / "004.sql").read_text(encoding="utf-8"))
    for text in OLD:
        con.execute("INSERT INTO predictions BY NAME SELECT * REPLACE ('failed' AS status, ? AS error) FROM "
                    "(FROM predictions LIMIT 1)", [text])  # fmt: skip
    names = [f"{name}::VARCHAR" for name, *_ in con.execute("DESCRIBE predictions").fetchall()
             if name != "descriptions"]  # fmt: skip
    before = con.execute(f"SELECT {', '.join(names)} FROM predictions ORDER BY rowid").fetchall()
    step.add(con)
    assert con.execute(f"SELECT {', '.join(names)} FROM predictions ORDER BY rowid").fetchall() == before
    kinds = con.execute("SELECT error, failure, status FROM predictions ORDER BY rowid").fetchall()[1:]
    assert {text: kind for text, kind, _ in kinds} == OLD
    with pytest.raises(duckdb.ConstraintException):
        con.execute("UPDATE predictions SET failure = 'because'")


def test_failures_are_grouped_by_kind_with_the_most_frequent_reason(data: Path, store: Store) -> None:
    reasons = ["damaged: a", "damaged: b", "damaged: b", "truncated: the end"]
    spool.write_part(
        data,
        RUN,
        0,
        [
            rows.prediction(0, number, image_id=f"image-{number}", image_path=f"{number}.png", status="failed",
                            answer=None, error=reason, failure=failures.of_text(reason))
            for number, reason in enumerate(reasons)
        ],
    )  # fmt: skip
    ingest(store)
    found = store.failures(RUN)
    assert found.rows() == [
        ("damaged", 3, 3, 2, "damaged: b", "1.png"),
        ("truncated", 1, 1, 1, "truncated: the end", "3.png"),
    ]
    assert groups.in_words("truncated", 4, 28) == "4 pictures truncated, 28 questions"
    assert groups.in_words("damaged", 1, 1) == "1 picture damaged, 1 question"
    assert groups.reason_in_words("damaged: b", 2) == "damaged: b, and 1 other reason"


def test_a_part_of_an_older_version_gets_its_kinds_when_it_is_ingested(data: Path, store: Store) -> None:
    spool.write_part(data, RUN, 0, [rows.prediction(0, 0, status="failed", answer=None, error="vanished: gone")])
    ingest(store)
    assert store.failures(RUN)["failure"].to_list() == ["vanished"]
