"""Backups beside a writer, going back, retention, and the report on its way to people."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest

from tests import forked
from tests.pages.test_night_pages import morning
from tests.people import ANN
from tests.warehouse import rows
from warehouse import kill_points, migrations
from warehouse.ingest import ingest
from warehouse.queries.audit import Audit
from warehouse.queries.nights import Nights
from warehouse.records.scoring import PatchVector
from warehouse.store import Store
from warehouse.upkeep import Upkeep
from warehouse.vectors import Vectors
from workbench.errors import BackupError, NightError, QuestionsError, ScheduleError
from workbench.nights import backup, deliver, metrics, retention, schedule_admin
from workbench.settings import Operation

NOW = datetime(2026, 1, 20, 6, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parents[1] / "warehouse" / "schemas"


def scored(data: Path, blocks: range) -> Store:
    """A run with some ingested blocks."""
    store = Store(data)
    if store.run(rows.RUN) is None:
        store.open_run(rows.run())
    for block in blocks:
        rows.write_part(data, block)
    ingest(store)
    return store


@pytest.mark.slow
def test_a_backup_taken_while_a_writer_works_is_one_moment_and_comes_back_whole(data_folder: Path) -> None:
    store = scored(data_folder, range(2))
    going, done = threading.Event(), threading.Event()

    def write() -> None:
        block = 2
        while not done.is_set():
            scored(data_folder, range(block, block + 1))
            block += 1
            going.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert going.wait(60)
    file = backup.make(data_folder, NOW, actor=ANN)
    done.set()
    writer.join()

    with duckdb.connect(str(file), read_only=True) as con:
        ((parts, told),) = con.sql("SELECT count(*), sum(predictions) FROM ledger").fetchall()
        ((predictions,),) = con.sql("SELECT count(*) FROM predictions").fetchall()
        ((counted,),) = con.sql("SELECT answered + invalid + failed FROM runs").fetchall()
        ((facts,),) = con.sql("SELECT count(*) FROM facts").fetchall()
    assert parts >= 2
    assert predictions == told == counted == facts

    restored = backup.restore(data_folder, file, NOW, actor=ANN)
    assert restored.aside is not None
    assert len(store.ingested_blocks(rows.RUN)) == parts
    assert scored(data_folder, range(200, 201)).ingested_blocks(rows.RUN) >= {200}


@pytest.mark.parametrize("version", range(1, migrations.newest()))
def test_a_warehouse_of_every_earlier_version_is_copied_and_brought_up_with_nothing_lost(
    data_folder: Path, version: int
) -> None:
    data_folder.mkdir()
    with duckdb.connect(str(data_folder / "warehouse.duckdb")) as con:
        con.execute((SCHEMAS / f"{version:03d}.sql").read_text(encoding="utf-8"))
        before = con.sql("SELECT image_id, question_id, answer, entropy FROM predictions").fetchall()

    (run,) = Store(data_folder).runs().iter_rows(named=True)
    assert len(Store(data_folder).predictions(run["run_id"])) == len(before)
    (kept,) = (data_folder / "backups").glob(f"version-{version}-*.duckdb")
    with duckdb.connect(str(kept), read_only=True) as con:
        assert con.sql("SELECT image_id, question_id, answer, entropy FROM predictions").fetchall() == before
        assert con.sql("SELECT max(version) FROM schema_versions").fetchall() == [(version,)]


def test_what_is_no_backup_is_refused_and_nothing_is_touched(data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="has no warehouse yet"):
        backup.make(data_folder, NOW, actor=ANN)
    scored(data_folder, range(1))
    text = tmp_path / "notes.txt"
    text.write_text("not a database")
    with pytest.raises(BackupError, match="can't be restored"):
        backup.restore(data_folder, text, NOW, actor=ANN)
    assert Store(data_folder).ingested_blocks(rows.RUN) == {0}


def test_a_backup_that_finds_no_room_leaves_nothing_behind(data_folder: Path) -> None:
    scored(data_folder, range(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, before[1]))  # no file may grow past so many bytes
    try:
        with pytest.raises(duckdb.Error, match="File too large"):
            backup.make(data_folder, NOW, actor=ANN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((data_folder / "backups").iterdir()) == []
    assert backup.make(data_folder, NOW, actor=ANN).exists()


def restore(data: str, file: str) -> None:
    """Go back to a copy, in a process that is killed on the way."""
    backup.restore(Path(data), Path(file), NOW, actor=ANN)


@pytest.mark.slow
def test_going_back_killed_at_any_moment_leaves_a_whole_database_and_is_done_again(
    data_folder: Path, tmp_path: Path
) -> None:
    store = scored(data_folder, range(1))
    file = backup.make(data_folder, NOW, tmp_path / "copy.duckdb", actor=ANN)
    scored(data_folder, range(1, 3))
    seen = []
    for phase in kill_points.RESTORE:
        dying = {**os.environ, "WORKBENCH_DIE_AT": phase}
        killed = forked.run(f"{__name__}:restore", data_folder, file, environment=dying)
        assert killed.returncode == -signal.SIGKILL
        assert (data_folder / "warehouse.duckdb").exists()
        seen.append(sorted(store.ingested_blocks(rows.RUN)))
    assert seen == [[0, 1, 2]] * 5 + [[0]]  # the present one or the older, never none
    assert [path.name for path in data_folder.glob("before-restore-*")] == ["before-restore-20260120T060000Z"]

    scored(data_folder, range(5, 6))
    done = backup.restore(data_folder, file, NOW, actor=ANN)
    assert done.aside == data_folder / "before-restore-20260120T060000Z-2"
    assert store.ingested_blocks(rows.RUN) == {0}
    assert [row.subject for row in Audit(data_folder).rows() if row.action == "restore"] == [str(file)]
    assert backup.restore(data_folder, done.aside / "warehouse.duckdb", NOW, actor=ANN).version == migrations.newest()
    assert store.ingested_blocks(rows.RUN) == {0, 5}
    assert not list(data_folder.glob("*.arriving"))


@pytest.mark.slow
def test_somebody_who_looks_all_the_while_never_finds_no_database(data_folder: Path, tmp_path: Path) -> None:
    scored(data_folder, range(1))
    file = backup.make(data_folder, NOW, tmp_path / "copy.duckdb", actor=ANN)
    absent, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            if not (data_folder / "warehouse.duckdb").exists():
                absent.append(True)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(3):
            backup.restore(data_folder, file, NOW, actor=ANN)
    finally:
        done.set()
        looking.join()
    assert absent == []


def test_a_damaged_database_is_put_aside_with_its_log(data_folder: Path, tmp_path: Path) -> None:
    scored(data_folder, range(1))
    file = backup.make(data_folder, NOW, tmp_path / "copy.duckdb", actor=ANN)
    for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
        (data_folder / name).write_bytes(b"torn")
    aside = backup.restore(data_folder, file, NOW, actor=ANN).aside
    assert aside is not None
    assert {path.name for path in aside.iterdir()} == {"warehouse.duckdb", "warehouse.duckdb.wal", "vectors"}
    assert Store(data_folder).ingested_blocks(rows.RUN) == {0}


def test_vectors_go_run_by_run_until_they_fit_and_no_further(data_folder: Path) -> None:
    store, vectors = Store(data_folder), Vectors(data_folder)
    for night in range(3):
        run = rows.run(f"2025010{night + 3}T220005123Z-a1b2c3d4", started_at=NOW + timedelta(days=night))
        store.open_run(run)
        rows.write_part(data_folder, 0, run.run_id)
    ingest(store)
    before = vectors.counts()["rows"].to_list()
    limit = 0.8 * vectors.used_bytes() / 2**20
    dropped = retention.tidy(data_folder, Operation(keep_vectors_mib=limit), NOW, actor=ANN)
    assert before == [9, 9]
    assert vectors.counts()["rows"].to_list() == [6, 6]
    assert dropped.vectors == 6


def test_only_the_newest_nightly_copies_are_kept(data_folder: Path) -> None:
    scored(data_folder, range(1))
    for day in range(3):
        backup.make(data_folder, NOW + timedelta(days=day), actor=ANN)
    mine = backup.make(data_folder, NOW, data_folder / "backups" / "before-the-move.duckdb", actor=ANN)
    killed = data_folder / "backups" / "20260123T060000Z.duckdb.unfinished"
    killed.write_bytes(b"half of it")
    os.utime(killed, (0, 0))
    assert backup.thin_out(data_folder, 2, NOW + timedelta(days=2), actor=ANN) == 1
    kept = sorted(file.name for file in (data_folder / "backups").iterdir())
    assert kept == ["20260121T060000Z.duckdb", "20260122T060000Z.duckdb", mine.name]


def test_copies_of_a_clock_that_ran_ahead_push_out_none_that_is_dated_right(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    for moment in (NOW - timedelta(days=1), NOW, *(NOW + timedelta(days=365, hours=hour) for hour in range(3))):
        (folder / f"{moment:%Y%m%dT%H%M%SZ}.duckdb").touch()
    assert backup.thin_out(tmp_path, 3, NOW, actor=ANN) == 2
    kept = sorted(file.name for file in folder.iterdir())
    assert kept == ["20260119T060000Z.duckdb", "20260120T060000Z.duckdb", "20270120T080000Z.duckdb"]


def test_old_traces_vectors_and_thumbnails_go_and_answers_stay(data_folder: Path) -> None:
    store = scored(data_folder, range(1))
    store.close_run(rows.RUN, "finished", NOW - timedelta(days=40))
    content = store.predictions(rows.RUN)["content"][0]
    Vectors(data_folder).upsert_patches([PatchVector(content, "encoder", 0, 0, (0.5, 0.5))])
    thumbnail = data_folder / "thumbnails" / "ab" / "abc.jpg"
    thumbnail.parent.mkdir(parents=True)
    thumbnail.write_bytes(b"x" * 1000)
    answered = store.predictions(rows.RUN).drop("token_entropy")

    untouched = retention.tidy(data_folder, Operation(), NOW, actor=ANN)
    assert untouched.in_words() == "dropped nothing"
    limits = Operation(keep_traces_days=30, keep_vectors_days=30, keep_thumbnails_mib=0)
    dropped = retention.tidy(data_folder, limits, NOW, actor=ANN)

    assert min(dropped.traces, dropped.vectors, dropped.thumbnails) > 0
    assert store.predictions(rows.RUN).drop("token_entropy").equals(answered)
    assert store.patches(rows.RUN).is_empty()
    assert Upkeep(data_folder).runs_with_traces() == []


def drop_all_there_is(data: str) -> None:
    """All but the newest copy, and every vector and thumbnail of a night long ago."""
    backup.thin_out(Path(data), 1, NOW, actor=ANN)
    retention.tidy(Path(data), Operation(keep_vectors_days=30, keep_thumbnails_days=30), NOW, actor=ANN)


def droppable(data: Path) -> dict[str, int]:
    """How much there is of what `drop_all_there_is` drops, by the kind that the audit log names it."""
    return {
        "backups": len(list((data / "backups").iterdir())),
        "vectors": sum(Vectors(data).counts()["rows"]),
        "thumbnails": len(list((data / "thumbnails").iterdir())),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "count"),
    # Three rows, and a step for each of two copies, two tables of vectors and two thumbnails: the first of each kind.
    [*(("after-change", count) for count in (1, 2, 3)), *(("within-drop", count) for count in (1, 3, 5))],
)
def test_no_file_goes_without_a_row_that_says_so_however_the_dropping_is_killed(
    data_folder: Path, phase: str, count: int
) -> None:
    scored(data_folder, range(1)).close_run(rows.RUN, "finished", NOW - timedelta(days=40))
    for day in range(3):
        backup.make(data_folder, NOW - timedelta(days=day), actor=ANN)
    (data_folder / "thumbnails").mkdir()
    for name in "ab":
        (data_folder / "thumbnails" / name).write_bytes(b"x")
        os.utime(data_folder / "thumbnails" / name, (0, 0))
    before, known = droppable(data_folder), len(Audit(data_folder).rows())
    environment = {**os.environ, "WORKBENCH_DIE_AT": f"{phase}:{count}"}
    done = forked.run(f"{__name__}:drop_all_there_is", data_folder, environment=environment)
    assert phase in kill_points.DROP
    assert done.returncode == -signal.SIGKILL, done.stderr
    log = Audit(data_folder).rows()
    said = {kind for row in log[: len(log) - known] for kind in json.loads(row.details)}
    assert {kind for kind, left in droppable(data_folder).items() if left < before[kind]} <= said

    drop_all_there_is(str(data_folder))  # what a kill left goes now
    assert droppable(data_folder) == {"backups": 1, "vectors": 0, "thumbnails": 0}
    log = Audit(data_folder).rows()
    told = [json.loads(row.details) for row in log[: len(log) - known]]
    assert all(sum(row.get(kind, 0) for row in told) >= gone for kind, gone in before.items() if kind != "backups")
    drop_all_there_is(str(data_folder))
    assert len(Audit(data_folder).rows()) == len(log)  # nothing was left to drop, so nobody says so


@contextmanager
def listening(fails: int) -> Iterator[tuple[str, list[bytes]]]:
    """A web hook that answers 500 so many times, then takes what comes."""
    received: list[bytes] = []
    left = [fails]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            left[0] -= 1
            if left[0] < 0:
                received.append(body)
            self.send_response(500 if left[0] >= 0 else 200)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Nothing on stderr."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret-token", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_report_is_sent_again_until_it_is_taken() -> None:
    waited: list[float] = []
    with listening(fails=2) as (url, received):
        assert deliver.send(morning(), Operation(report_url=url), waited.append) == ["web hook"]
    assert json.loads(received[0])["images"] == 3248
    assert len(waited) == 2
    assert 0 < sum(waited) < deliver.PATIENCE


def test_a_report_that_nobody_takes_is_an_error_that_names_no_secret() -> None:
    with listening(fails=99) as (url, received), pytest.raises(NightError) as told:
        deliver.send(morning(), Operation(report_url=url), lambda _seconds: None)
    assert received == []
    assert "web hook" in str(told.value)
    assert "secret-token" not in str(told.value)


def test_reports_of_schedules_lie_in_folders_of_their_own_whatever_their_names(data_folder: Path) -> None:
    names = ["line-3", "Line 3", "line/3", "日本", "Ελ", "Кот", "Кит", "..", ".", "-", "a" * 300, "a" * 300 + "b"]
    files = {name: deliver.write(replace(morning(), schedule=name), data_folder) for name in names}
    assert len(set(files.values())) == len(names)
    assert {file.parents[1] for file in files.values()} == {data_folder / "reports"}
    assert files["line-3"].parent.name == "line-3"


@pytest.mark.parametrize("name", ["", " ", "a ", "a\nb", "a\x00b", "a\u202eb", "a" * 101])
def test_a_schedule_that_no_list_could_show_is_refused_by_its_name(
    data_folder: Path, tmp_path: Path, name: str
) -> None:
    wanted = schedule_admin.Wanted(name, str(tmp_path), "0 22 * * *", "UTC", None, 0, {}, None, None)
    with pytest.raises(ScheduleError, match="name"):
        schedule_admin.add(data_folder, wanted, actor=ANN)
    schedule_admin.add(data_folder, replace(wanted, name="日本 / line 3"), actor=ANN)


def test_a_schedule_that_asks_what_is_neither_a_set_nor_a_file_is_refused(data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "asked.json").touch()
    wanted = schedule_admin.Wanted("line", str(tmp_path), "0 22 * * *", "UTC", None, 0, {}, None, None)
    for asked in ("inspection", str(tmp_path / "asked.json")):
        schedule_admin.add(data_folder, replace(wanted, settings={"questions": asked}), actor=ANN, replace=True)
    with pytest.raises(QuestionsError, match="inspektion is neither a question set nor a file"):
        schedule_admin.add(data_folder, replace(wanted, settings={"questions": "inspektion"}), actor=ANN)


def test_the_page_of_a_report_escapes_what_comes_from_the_archive() -> None:
    page = deliver.html(replace(morning(), archive="/x", model="<script>", demo=False))
    assert "bottle &lt;amber&gt;" in page
    assert "<script>" not in page
    assert "truncated" in deliver.text(morning())


def test_metrics_are_written_whole_for_prometheus(data_folder: Path, tmp_path: Path) -> None:
    from tests.nights.calendars import schedule

    Nights(data_folder).keep_schedule(schedule(), actor=ANN)
    file = tmp_path / "workbench.prom"
    metrics.write(data_folder, file, NOW)
    text = file.read_text()
    assert 'workbench_next_due_timestamp_seconds{schedule="line-3"}' in text
    assert "workbench_backup_timestamp_seconds 0.0" in text
