"""Every loop over things from outside: one item that raises is planted in it, and the rest arrives.

To add a loop, write a function that plants the item among others, goes over them all, and returns what arrived; and
give it a line in LOOPS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.nights.calendars import START, Clock, Memory, schedule
from tests.pages.test_night_pages import morning
from tests.people import ANN
from tests.planted import Odd, raising
from tests.review import loops as of_reviewers
from tests.scoring import loops as of_files
from tests.warehouse import rows
from warehouse import ledger
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.records.nights import MorningReport, Night
from warehouse.store import Store
from workbench.archive import remote
from workbench.errors import NightError
from workbench.nights import (
    backup,
    coordinator,
    deliver,
    health,
    metrics,
    pipeline,
    reports,
    retention,
    schedules,
    step_runner,
)
from workbench.nights.coordinator import Worked
from workbench.nights.step_runner import Context, Step
from workbench.review import disputes
from workbench.scoring import doctor
from workbench.settings import Operation, Settings, Work

NOW = datetime(2026, 1, 20, 6, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Loop:
    """A loop, gone over with an item that raises in its midst."""

    over: str
    go: Callable[[Path, pytest.MonkeyPatch], object]
    arrives: object


def spool_parts(data: Path, patch: pytest.MonkeyPatch) -> object:
    store = Store(data)
    store.open_run(rows.run())
    for block in range(3):
        rows.write_part(data, block)
    patch.setattr(ledger, "enter", raising(ledger.enter, lambda _, blocks: any(each.number == 1 for each in blocks)))
    return ingest(store).quarantined, store.ingested_blocks(rows.RUN)


def schedules_due(data: Path, patch: pytest.MonkeyPatch) -> object:
    ready = Memory([schedule("a"), schedule("b", cron="nonsense"), schedule("c", timezone="Atlantis"), schedule("d")])
    nights = coordinator.run_due(ready, lambda *_: Worked("finished", 1), data, Clock(START.replace(day=3)))
    return [night.schedule for night in nights]


def nights_of_schedules(data: Path, patch: pytest.MonkeyPatch) -> object:
    def work(due: schedules.Due, night: Night, stop: coordinator.Stop) -> Worked:
        if due.schedule.name == "b":
            raise Odd("planted")
        return Worked("finished", 1)

    ready = Memory([schedule("a"), schedule("b"), schedule("c")])
    nights = coordinator.run_due(ready, work, data, Clock(START.replace(day=3)))
    return [(night.schedule, night.state) for night in nights]


def three_schedules(data: Path, patch: pytest.MonkeyPatch) -> None:
    """Three in the warehouse, the second of which nobody can work with any more, as after a change of time zones."""
    for name in ("a", "b", "c"):
        Nights(data).keep_schedule(
            schedule(
                name, timezone="Atlantis" if name == "b" else "UTC", settings="{" if name == "b" else "{}", archive="/"
            ),
            actor=ANN,
        )
        report = reports.as_json(morning()) if name != "b" else '{"of": "another release"}'
        Nights(data).keep_report(MorningReport(name, START, START, report))


def schedules_of_the_doctor(data: Path, patch: pytest.MonkeyPatch) -> object:
    three_schedules(data, patch)
    return sorted({each.subject for each in health.examine(data, thorough=False) if "schedule " in each.subject})


def schedules_and_reports_of_the_metrics(data: Path, patch: pytest.MonkeyPatch) -> object:
    three_schedules(data, patch)
    metrics.write(data, data / "workbench.prom", NOW)
    text = (data / "workbench.prom").read_text()
    return [
        name
        for name in "abc"
        if f'night_images{{schedule="{name}"}}' in text and f'due_timestamp_seconds{{schedule="{name}"}}' in text
    ]


def checks_of_the_doctor(data: Path, patch: pytest.MonkeyPatch) -> object:
    patch.setattr(doctor, "_folder", raising(doctor._folder, lambda _: True))
    found = {each.subject: each.state for each in doctor.examine(data, thorough=False)}
    return found["data folder"], found["warehouse"], found["spool"]


def copies_thinned_out(data: Path, patch: pytest.MonkeyPatch) -> object:
    folder = data / "backups"
    folder.mkdir(parents=True)
    for day in range(1, 5):
        (folder / f"2026010{day}T000000Z.duckdb").touch()
    (folder / "20260102T000000Z.duckdb").unlink()
    (folder / "20260102T000000Z.duckdb").mkdir()  # it can't be removed as a file is
    backup.thin_out(data, 1, NOW, actor=ANN)
    return sorted(file.name[6:8] for file in folder.iterdir())


def thumbnails(data: Path, patch: pytest.MonkeyPatch) -> object:
    folder = data / "thumbnails"
    folder.mkdir(parents=True)
    for name in "abc":
        (folder / f"{name}.jpg").write_bytes(b"x")
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    unlink = Path.unlink

    def picky(path: Path, missing_ok: bool = False) -> None:
        if path.name == "b.jpg":
            raise PermissionError(13, "planted")
        unlink(path, missing_ok)

    patch.setattr(Path, "unlink", picky)
    dropped = retention.tidy(data, Operation(keep_thumbnails_mib=0), NOW, actor=ANN)
    return dropped.thumbnails, sorted(file.name for file in folder.iterdir())


def ways_of_a_report(data: Path, patch: pytest.MonkeyPatch) -> object:
    patch.setattr(deliver, "_post", raising(deliver._post, lambda *_: True))
    mailed: list[str] = []
    patch.setattr(deliver, "_mail", lambda where, *_: mailed.append(where.report_email))
    with pytest.raises(NightError, match="web hook"):
        deliver.send(morning(), Operation(report_url="https://x", report_email="a@b"), lambda _: None)
    return mailed


def context(data: Path, run_ids: tuple[str, ...] = ()) -> Context:
    night = Night("line-3", START, START, 1, "finished", START, None, 1, 0, None)
    return Context(schedule(review_budget=5), night, Settings(work=Work(data=data)), run_ids, lambda: NOW)


def steps_after_scoring(data: Path, patch: pytest.MonkeyPatch) -> object:
    three = [Step(name, raising(lambda _: "done", lambda _, name=name: name == "b")) for name in "abc"]  # type: ignore[arg-type]
    return [(each.step, each.state) for each in step_runner.work_through(three, context(data), lambda: "")]


def runs_looked_through_for_disputes(data: Path, patch: pytest.MonkeyPatch) -> object:
    looked: list[str] = []

    def open_run(_: Store, run_id: str, rules: object, *, actor: object) -> object:
        if run_id == "b":
            raise Odd("planted")
        looked.append(run_id)
        return type("Added", (), {"added": 1, "left_out": {}})

    patch.setattr(disputes, "open_run", open_run)
    with pytest.raises(NightError, match="no disputes of b: Odd"):
        pipeline._open_disputes(context(data, ("a", "b", "c")))
    return looked


def objects_of_a_store(data: Path, patch: pytest.MonkeyPatch) -> object:
    import fsspec

    store = fsspec.filesystem("memory")
    for name in "abc":
        store.pipe(f"/loops/{name}.png", b"picture")
    patch.setattr(remote, "_fetch", raising(remote._fetch, lambda _, path, *__: path.endswith("b.png")))
    folder = remote.local("memory://loops", data, lambda _: None)
    first = sorted(file.name for file in folder.glob("*.png"))
    patch.undo()
    remote.local("memory://loops", data, lambda _: None)
    return first, sorted(file.name for file in folder.glob("*.png"))


LOOPS = [
    Loop("spool parts", spool_parts, (1, {0, 2})),
    Loop("schedules that may be due", schedules_due, ["a", "d"]),
    Loop("nights of schedules", nights_of_schedules, [("a", "finished"), ("b", "failed"), ("c", "finished")]),
    Loop("schedules, for the doctor", schedules_of_the_doctor, ["schedule a", "schedule b", "schedule c"]),
    Loop("schedules and their reports, for the metrics", schedules_and_reports_of_the_metrics, ["a", "c"]),
    Loop("checks of the doctor", checks_of_the_doctor, ("red", "green", "green")),
    Loop("copies thinned out", copies_thinned_out, ["02", "04"]),
    Loop("thumbnails tidied up", thumbnails, (2, ["b.jpg", "gone.jpg"])),
    Loop("ways of a report", ways_of_a_report, ["a@b"]),
    Loop("steps after scoring", steps_after_scoring, [("a", "done"), ("b", "failed"), ("c", "done")]),
    Loop("runs looked through for disputes", runs_looked_through_for_disputes, ["a", "c"]),
    Loop("objects of a store", objects_of_a_store, (["a.png", "c.png"], ["a.png", "b.png", "c.png"])),
    Loop(
        "items of a listing",
        of_files.items_of_a_listing,
        (
            ["a/x.png", "e.png"],
            [
                ("b", "the folder can't be listed: planted"),
                ("c.png", "can't be read: planted"),
                ("d.png", "can't be read: planted"),
            ],
        ),
    ),
    Loop(
        "rows of a sidecar",
        of_files.rows_of_a_sidecar,
        (["good", None, "dent"], {"images.csv line 3": "can't be read: Odd: planted"}),
    ),
    Loop(
        "questions of a file",
        of_files.questions_of_a_file,
        [("good", "One?"), ("good", "Three?"), ("scratch", "One?"), ("scratch", "Two?"), ("scratch", "Three?")],
    ),
    Loop(
        "records of a question file",
        of_files.records_of_a_question_file,
        [("scratch", "One?"), ("scratch", "Two?"), ("scratch", "Three?")],
    ),
    Loop(
        "records of an answer file",
        of_files.records_of_an_answer_file,
        (["a", "c"], [("answer 2", "can't be read: Odd: planted")]),
    ),
    Loop("entries of a knowledge file", of_files.entries_of_a_knowledge_file, ["Even.", "Red."]),
    Loop(
        "drafts that wait for their test",
        of_reviewers.drafts_that_wait_for_their_test,
        (["good", "stain"], ("drawn/plate/scratch revision 2: Odd('planted')",), 0),
    ),
    Loop("masks of a block", of_files.masks_of_a_block, ["C", None, "C"]),
    Loop("pictures of a block", of_files.pictures_of_a_block, ["ready", "damaged: planted", None, "ready"]),
    Loop("pictures encoded anew", of_files.pictures_encoded_anew, (2, ["Odd('planted')"])),
    Loop("disputes pushed", of_reviewers.disputes_pushed, (2, 1)),
    Loop(
        "annotations of a task",
        of_reviewers.annotations_of_a_task,
        (["ls-p-1", "ls-p-3"], [(2, "can't be read: Odd: planted")]),
    ),
    Loop(
        "proposals of reviewers",
        of_reviewers.proposals_of_reviewers,
        (["drawn/a/scratch", "drawn/c/scratch"], ("drawn/b/scratch: Odd('planted')",)),
    ),
]


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.over)
def test_one_that_raises_keeps_none_of_the_others_away(
    loop: Loop, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loop.go(data_folder, monkeypatch) == loop.arrives
