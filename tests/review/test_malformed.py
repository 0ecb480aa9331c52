"""Annotations that break the server's lists, or can't be read: each is put aside alone, and the others arrive."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.people import ANN
from tests.review import killing
from tests.review.conftest import Case, Studio, result, text
from warehouse.store import Store
from workbench.errors import BrokenAnswer
from workbench.review.labelstudio import push
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.pull import pull
from workbench.review.labelstudio.task import Annotation

pytestmark = pytest.mark.labelstudio

BOX = {"from_name": "boxes", "to_name": "query", "type": "rectanglelabels"}
SURROGATE = json.dumps([*result("Correct"), text("comment", "a\ud800b")])  # a broken emoji, as a cut clipboard holds


def box(**value: object) -> str:
    whole = {"x": 1, "y": 1, "width": 2, "height": 3, "rectanglelabels": ["Defect"], **value}
    return json.dumps([*result("Correct"), {**BOX, "value": whole}])


# What is written over a good annotation's row in the server's own database, where its API refuses some of it.
MALFORMED: dict[str, tuple[str, object]] = {
    "a lone surrogate in a comment": ("result", SURROGATE),
    "a lone surrogate in a key": ("result", r'[{"from_name":"verdict","x\udfff":1}]'),
    "a duration that is a word": ("lead_time", "abc"),
    "an endless duration": ("lead_time", float("inf")),
    "a creation that is no time": ("created_at", "yesterday"),
    "an update that is no time": ("updated_at", "yesterday"),
    "a number": ("result", "5"),
    "a text": ("result", '"x"'),
    "nothing": ("result", "null"),
    "an empty cell": ("result", None),
    "an object": ("result", '{"verdict": "Wrong"}'),
    "a list of anything": ("result", '["a", 1, null]'),
    "a region without a value": ("result", '[{"from_name": "verdict", "to_name": "query", "type": "choices"}]'),
    "a value that is a list": ("result", '[{"from_name": "x", "to_name": "query", "type": "choices", "value": [1]}]'),
    "a deep region": ("result", '[{"from_name": "comment", "value": ' + "[" * 400 + "]" * 400 + "}]"),
    "a box of 400 digits": ("result", box(x=int("9" * 400))),
    "a box of words": ("result", box(width="wide")),
    "a box beyond the picture": ("result", box(x=1e300)),
    "a label that was deleted": ("result", json.dumps([{**BOX, "from_name": "old boxes", "value": {}}])),
    "a text of three megabytes": ("result", json.dumps([*result("Correct"), text("comment", "x" * 3_000_000)])),
}
UNTOLD = list(MALFORMED)[:5]  # over these the server itself fails
# These are verdicts all the same.
READABLE: dict[str, tuple[str, object]] = {
    "an author who was deleted": ("completed_by_id", None),
    "control characters": ("result", json.dumps([*result("Correct"), text("comment", "a\0b\x1b[31mc")])),
    "no duration": ("lead_time", -1.0),
}


def overwrite(studio: Studio, annotation: int, column: str, value: object, table: str = "task_completion") -> None:
    """Write into the server's database behind its back."""
    con = sqlite3.connect(studio.home / "label_studio.sqlite3", timeout=30, isolation_level=None)
    con.execute("PRAGMA foreign_keys = OFF")
    con.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [value, annotation])
    con.close()


def test_every_malformed_annotation_is_put_aside_and_all_others_arrive(studio_server: Studio, tmp_path: Path) -> None:
    kinds = MALFORMED | READABLE
    reviews = killing.many(tmp_path / "data", len(kinds) + 4)
    store = Store(reviews.data)
    connection = Connection(studio_server.client(patience=20), studio_server.folder())
    push.push(store, connection, limit=len(kinds) + 4, audit_share=0.0, actor=ANN)
    tasks = [task.task_id for task in reviews.tasks()]
    spoilt = dict(zip(kinds, tasks, strict=False))
    given = {task_id: studio_server.judge(task_id, "Correct", comment="fine") for task_id in tasks}
    originals = {}
    con = sqlite3.connect(studio_server.home / "label_studio.sqlite3", timeout=30)
    for kind, (column, _) in kinds.items():
        (originals[kind],) = con.execute(
            f"SELECT {column} FROM task_completion WHERE id = ?", [given[spoilt[kind]]]
        ).fetchone()
    con.close()
    for kind, (column, value) in kinds.items():
        overwrite(studio_server, given[spoilt[kind]], column, value)

    first = pull(store, connection, actor=ANN)
    second = pull(store, connection, actor=ANN)

    aside = dict(reviews.quarantined().select("annotation_id", "reason").iter_rows())
    numbers = {kind: given[spoilt[kind]] for kind in MALFORMED}
    numbers["a creation that is no time"] = -spoilt["a creation that is no time"]  # not even its number can be had
    assert {kind for kind in MALFORMED if numbers[kind] not in aside} == set()
    assert set(aside) == set(numbers.values())
    assert (first.verdicts, first.quarantined) == (len(tasks) - len(MALFORMED), len(MALFORMED))
    assert (second.verdicts, second.withdrawn, second.quarantined) == (0, 0, 0)
    assert "correct or delete there the annotation" in aside[given[spoilt["a lone surrogate in a comment"]]]
    said = {row["comment"] for row in reviews.verdicts().iter_rows(named=True)}
    assert said == {"fine", "ab[31mc"}
    assert reviews.verdicts()["seconds"].null_count() == 1

    # Once mended in Label Studio's own way or behind its back, each comes in, and none is doubled.
    for kind, original in originals.items():
        overwrite(studio_server, given[spoilt[kind]], kinds[kind][0], original)
    mended = ["a number", "a box of words", *UNTOLD]
    for kind in ("a number", "a box of words"):
        studio_server.sdk().annotations.update(id=given[spoilt[kind]], result=result("Correct", comment="fine"))
    assert reviews.quarantined()["untold"].sum() == len(UNTOLD)
    pull(store, connection, actor=ANN)
    assert not reviews.quarantined()["untold"].any()
    home = {int(name.rpartition("-")[2]) for name in reviews.verdicts()["verdict_id"]}
    assert {given[spoilt[kind]] for kind in mended} <= home


def test_a_verdict_whose_edit_cannot_be_told_stands_until_it_can(case: Case, studio_server: Studio) -> None:
    push.push(case.store, case.connection, limit=2, audit_share=0.0, actor=ANN)
    first, second = (task.task_id for task in case.reviews.tasks())
    edited, deleted = studio_server.judge(first, "Correct"), studio_server.judge(second, "Correct")
    assert pull(case.store, case.connection, actor=ANN).verdicts == 2
    sdk = studio_server.sdk()
    for number in (edited, deleted):
        sdk.annotations.update(id=number, result=result("Correct", comment="again"))
        overwrite(studio_server, number, "result", SURROGATE)

    done = pull(case.store, case.connection, actor=ANN)
    assert (done.verdicts, done.withdrawn, done.quarantined) == (0, 0, 2)

    overwrite(studio_server, edited, "result", json.dumps(result("Unsure")))  # no update that a page would show
    sdk.annotations.delete(deleted)
    done = pull(case.store, case.connection, actor=ANN)
    assert (done.verdicts, done.withdrawn) == (1, 1)
    assert case.reviews.verdicts()["decision"].to_list() == ["unsure"]
    assert case.reviews.quarantined().is_empty()


def test_a_task_whose_data_cannot_be_told_stops_no_push_and_no_pull(case: Case, studio_server: Studio) -> None:
    push.push(case.store, case.connection, limit=3, audit_share=0.0, actor=ANN)
    first, second, _ = (task.task_id for task in case.reviews.tasks())
    for task_id in (first, second):
        studio_server.judge(task_id, "Correct")
    overwrite(studio_server, first, "data", '{"key": "a\\ud800"}', table="task")

    done = pull(case.store, case.connection, actor=ANN)
    again = pull(case.store, case.connection, actor=ANN)

    assert (done.verdicts, done.quarantined) == (1, 1)
    assert (again.verdicts, again.withdrawn, again.quarantined) == (0, 0, 0)
    assert push.push(case.store, case.connection, limit=1, audit_share=0.0, actor=ANN).sent == 1


def test_a_server_that_fails_over_everything_is_unreachable_and_nothing_is_put_aside(
    case: Case, studio_server: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    push.push(case.store, case.connection, limit=2, audit_share=0.0, actor=ANN)
    first, *_ = (task.task_id for task in case.reviews.tasks())
    studio_server.judge(first, "Correct")
    connection = replace(case.connection, studio=studio_server.client(patience=0.5))

    def broken(*_: object, **__: object) -> object:
        raise connection.studio._unreachable("a page", "status 500", BrokenAnswer)

    monkeypatch.setattr(connection.studio, "_once", broken)
    with pytest.raises(BrokenAnswer, match="Nothing is lost"):
        pull(case.store, connection, actor=ANN)
    assert case.reviews.quarantined().is_empty()


def test_a_duration_that_is_none_is_left_out() -> None:
    told = {"id": 1, "updated_at": "2026-01-05T00:00:00Z"}
    times = [Annotation.model_validate({**told, "lead_time": value}).seconds for value in (3, None, -1, float("nan"))]
    assert times == [3.0, None, None, None]
