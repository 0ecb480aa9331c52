"""What the Store remembers and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from tests.warehouse import raw, rows
from tests.warehouse.rows import NOW, RUN
from warehouse import spool
from warehouse.database import Database
from warehouse.errors import BrokenWarehouse, Refused
from warehouse.ingest import ingest
from warehouse.records import scoring
from warehouse.store import Store


def test_a_warehouse_that_is_not_there_reads_as_an_empty_one_and_stays_away(data: Path) -> None:
    store = Store(data)

    assert store.runs().is_empty()
    assert store.run(RUN) is None
    assert store.archives() == []
    assert store.entries("archive").columns[:3] == ["image_id", "archive_id", "path"]
    assert store.published_knowledge() == (None, [])
    assert store.ingested_blocks(RUN) == frozenset()
    assert store.stamp() == ""
    assert not data.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"a text",
        lambda _: b"\0" * 20_000,
        lambda whole: whole[:9000],
        lambda whole: whole[:5000] + b"\xff" * 50 + whole[5050:],
    ],
    ids=["a text", "zeros", "cut short", "one block changed"],
)
def test_a_file_that_is_no_warehouse_is_said_to_be_none_and_left_alone(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    data = tmp_path / "blocks"  # "lock" in its path says nothing of a lock
    store, file = Store(data), data / "warehouse.duckdb"
    store.register_archive(rows.archive())
    spoiled = spoil(file.read_bytes())
    file.write_bytes(spoiled)

    for attempt in (store.archives, lambda: store.register_archive(rows.archive())):
        with pytest.raises(BrokenWarehouse, match=r"can't be opened .*`workbench restore` goes back to a copy"):
            attempt()
    assert file.read_bytes() == spoiled


def test_an_archive_keeps_the_time_of_its_first_registration(data: Path) -> None:
    store = Store(data)
    store.register_archive(rows.archive())
    store.register_archive(rows.archive(root="/moved", registered_at=NOW + timedelta(days=1)))

    assert store.archives() == [rows.archive(root="/moved")]
    assert store.archive("another") is None


def test_entries_are_stored_once_and_updated_by_image(data: Path) -> None:
    store = Store(data)
    store.upsert_entries("archive", [rows.entry(0), rows.entry(1)])
    store.upsert_entries("archive", [rows.entry(1, product="nut"), rows.entry(2)])

    assert store.entries("archive")["product"].to_list() == ["bottle", "nut", "bottle"]
    assert store.entry("image-1") == rows.entry(1, product="nut")
    assert store.entry("image-9") is None


def test_a_changed_file_replaces_its_entry_but_old_predictions_still_find_theirs(data: Path) -> None:
    store = Store(data)
    store.upsert_entries("archive", [rows.entry(0)])
    changed = rows.entry(0, image_id="image-0b", content="b" * 64, seen_at=NOW + timedelta(hours=1))
    store.upsert_entries("archive", [changed])

    assert store.entries("archive")["image_id"].to_list() == ["image-0b"]
    assert store.entry("image-0") == rows.entry(0)


def test_one_picture_under_two_labels_is_a_conflict(data: Path) -> None:
    store = Store(data)
    same = "f" * 64
    store.upsert_entries(
        "archive",
        [
            rows.entry(0, content=same, label="good"),
            rows.entry(1, content=same, label="defective"),
            rows.entry(2),
            rows.entry(3, content="e" * 64),
            rows.entry(4, content="e" * 64),
        ],
    )

    conflicts = store.conflicts("archive")
    assert conflicts.select("content", "label", "image_id").rows() == [
        (same, "good", "image-0"),
        (same, "defective", "image-1"),
    ]


def test_an_entry_of_another_archive_is_refused(data: Path) -> None:
    with pytest.raises(Refused, match="name another archive"):
        Store(data).upsert_entries("archive", [rows.entry(0, archive_id="other")])


def test_a_run_is_stored_whole_and_its_timings_add_up(store: Store) -> None:
    assert store.run(RUN) == rows.run()

    store.close_run(RUN, "stopped", NOW, "the window closed", scoring.Timings(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))
    stopped = store.run(RUN)
    assert stopped is not None
    assert (stopped.state, stopped.message, stopped.finished_at) == ("stopped", "the window closed", NOW)

    store.resume_run(RUN)
    again = store.run(RUN)
    assert again is not None
    assert (again.state, again.message, again.finished_at) == ("running", None, None)

    store.close_run(RUN, "finished", timings=scoring.Timings(1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    finished = store.run(RUN)
    assert finished is not None
    assert finished.timings == scoring.Timings(2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    assert finished.finished_at is not None


def test_only_an_unfinished_run_of_the_same_digest_and_plan_goes_on(store: Store) -> None:
    newer = "20250104T220005123Z-a1b2c3d4"
    store.open_run(rows.run(newer, started_at=NOW + timedelta(days=1)))

    found = store.newest_unfinished_run("a1b2c3d4", "plan")
    assert found is not None
    assert found.run_id == newer
    assert store.newest_unfinished_run("a1b2c3d4", "another plan") is None
    assert store.newest_unfinished_run("other", "plan") is None

    store.close_run(newer, "finished")
    older = store.newest_unfinished_run("a1b2c3d4", "plan")
    assert older is not None
    assert older.run_id == RUN
    store.close_run(RUN, "cancelled")
    assert store.newest_unfinished_run("a1b2c3d4", "plan") is None
    assert store.runs()["run_id"].to_list() == [newer, RUN]


def test_a_run_that_is_not_there_cannot_be_closed(store: Store) -> None:
    with pytest.raises(Refused, match="there is no run nowhere"):
        store.close_run("nowhere", "finished")


def test_the_same_run_cannot_be_opened_twice(store: Store) -> None:
    with pytest.raises(Refused, match="run_id"):
        store.open_run(rows.run())


def test_a_state_that_is_none_is_refused_by_the_table(store: Store) -> None:
    with pytest.raises(Refused, match="CHECK"):
        store.open_run(rows.run("another", state="asleep"))


def test_predictions_come_in_the_order_of_the_plan_and_by_what_is_asked(store: Store, data: Path) -> None:
    for block in (2, 0, 1):
        rows.write_part(data, block)
        ingest(store)

    assert store.predictions(RUN)["block"].to_list() == [0] * 6 + [1] * 6 + [2] * 6
    assert store.predictions(RUN, limit=2, offset=5)["block"].to_list() == [0, 1]
    assert store.case(RUN, "image-101") == [rows.prediction(1, 2), rows.prediction(1, 3)]
    assert store.predictions(RUN, subtask="Object Analysis").height == 9
    assert store.predictions(RUN, status="failed").is_empty()
    assert store.prediction_index(RUN, limit=1).to_dicts() == [
        {
            "block": 0,
            "image_id": "image-0",
            "image_path": "bottle/test/000.png",
            "content": rows.content(RUN, 0),
            "product": "bottle",
            "label": "good",
            "defect": None,
            "question_id": "question-0",
            "subtask": "Anomaly Detection",
            "status": "answered",
            "error": None,
            "answer": "B",
            "correct_answer": "B",
            "choices": 2,
            "claims": ["defective", "good"],
            "settled_entropy": 1.0,
            "seconds": 0.25,
        }
    ]
    assert store.patches(RUN, "image-101")["question_id"].to_list() == ["question-0", "question-1"]
    assert store.patches(RUN).height == 18


def test_a_summary_counts_by_subtask_and_names_the_failures(store: Store, data: Path) -> None:
    spool.write_part(
        data,
        RUN,
        0,
        [
            rows.prediction(0, 0),
            rows.prediction(0, 2, answer="A"),
            rows.prediction(0, 4, correct_answer=None),
            rows.prediction(0, 6, status="invalid", answer="maybe"),
            rows.prediction(0, 1, status="failed", answer=None, error="truncated: its end"),
        ],
    )
    ingest(store)

    assert store.run_summary(RUN).rows(named=True) == [
        {
            "subtask": "Anomaly Detection",
            "questions": 4,
            "answered": 3,
            "invalid": 1,
            "failed": 0,
            "labelled": 3,
            "correct": 1,
            "escape": 0,
            "overkill": 1,
            "unreadable": 1,
            "unclaimed": 0,
            "alarms": 0,
            "passes": 1,
            "detections": 3,
            "correct_detections": 1,
            "defective": 0,
            "good": 3,
        },
        {
            "subtask": "Object Analysis",
            "questions": 1,
            "answered": 0,
            "invalid": 0,
            "failed": 1,
            "labelled": 0,
            "correct": 0,
            "escape": 0,
            "overkill": 0,
            "unreadable": 0,
            "unclaimed": 0,
            "alarms": 0,
            "passes": 0,
            "detections": 0,
            "correct_detections": 0,
            "defective": 0,
            "good": 0,
        },
    ]
    assert store.failures(RUN).rows() == [("truncated", 1, 1, 1, "truncated: its end", "bottle/test/000.png")]
    run = store.run(RUN)
    assert run is not None
    assert (run.answered, run.invalid, run.failed) == (3, 1, 1)


def test_the_newest_published_version_and_its_texts_are_read_together(data: Path) -> None:
    store = Store(data)
    crack, dent = scoring.KnowledgeMember("drawn/bottle/crack", 1), scoring.KnowledgeMember("drawn/bottle/dent", 1)
    first = scoring.KnowledgeVersion("first", (crack, dent), NOW)
    second = scoring.KnowledgeVersion("second", (scoring.KnowledgeMember("drawn/bottle/crack", 2),), NOW + timedelta(1))
    assert store.published_knowledge() == (None, [])

    texts = [rows.description("crack"), rows.description("crack", 2), rows.description("dent")]
    raw.store_knowledge(data, texts, first)
    assert store.published_knowledge() == (first, [rows.description("crack"), rows.description("dent")])
    raw.store_knowledge(data, [], second)
    assert store.published_knowledge() == (second, [rows.description("crack", 2)])
    back = scoring.KnowledgeVersion("first", (crack, dent), NOW + timedelta(2))
    raw.store_knowledge(data, [], back)
    assert store.published_knowledge() == (back, store.knowledge("first"))
    assert store.descriptions()["revision"].to_list() == [2, 1]
    assert store.descriptions(latest=False).height == 3


def test_the_stamp_changes_with_content_and_only_then(store: Store, data: Path) -> None:
    before = store.stamp()
    store.runs()
    ingest(store)
    assert store.stamp() == before

    rows.write_part(data, 0)
    ingest(store)
    assert store.stamp() != before


def test_threads_of_one_process_read_and_write_at_once(store: Store, data: Path) -> None:
    trouble: list[BaseException] = []

    def reads() -> None:
        try:
            for _ in range(15):
                assert store.predictions(RUN).height % 6 == 0
        except BaseException as error:  # noqa: BLE001
            trouble.append(error)

    threads = [threading.Thread(target=reads) for _ in range(4)]
    for thread in threads:
        thread.start()
    for block in range(4):
        rows.write_part(data, block)
        ingest(store)
    for thread in threads:
        thread.join()

    assert trouble == []
    assert store.predictions(RUN).height == 24


def test_another_program_that_has_the_database_open_is_waited_for(store: Store, data: Path) -> None:
    holder = (
        "import duckdb, sys; c = duckdb.connect('warehouse.duckdb'); print('open', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", holder]
    with subprocess.Popen(command, cwd=data, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        with pytest.raises(duckdb.IOException):
            duckdb.connect(str(data / "warehouse.duckdb"))
        closing = threading.Timer(0.5, program.communicate, ["close\n"])
        closing.start()
        store.close_run(RUN, "finished")
        closing.join()

    run = store.run(RUN)
    assert run is not None
    assert run.state == "finished"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("writing", [False, True])
def test_ctrl_c_in_the_middle_of_a_query_is_ctrl_c(data: Path, writing: bool) -> None:
    database = Database(data)

    def within(text: str) -> None:
        with database._transaction() if writing else database.reading():
            raise RuntimeError(text)

    with pytest.raises(KeyboardInterrupt):
        within("Query interrupted")  # DuckDB's words
    with pytest.raises(RuntimeError, match="something else"):
        within("something else")
