"""One denominator: every surface says the same of a run, whatever of it was broken, unreadable, unlabelled or open."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs import screen
from jobs.__main__ import app
from tests.jobs import surfaces
from tests.jobs.surfaces import Numbers
from tests.mmad import DECLARED, SUBTASKS
from tests.nights.calendars import schedule
from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.test_truth import settle
from warehouse import schema, spool
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.nights import Night, NightRun
from warehouse.records.scoring import Option, Prediction
from warehouse.store import Store
from workbench.analysis import alarms, cell_totals, intervals, mmad, report, stress, traces
from workbench.analysis.report_contents import Reported
from workbench.nights import deliver, morning, reports
from workbench.nights.step_runner import Context
from workbench.scoring.run import Outcome, called_defective
from workbench.settings import Settings, Work

DETECTION, KIND, LOOKS = SUBTASKS[0], SUBTASKS[1], SUBTASKS[3]
OTHER = ("Blau", "Rot")  # a detection question of which nothing tells what its options claim
# Twelve images: label, and how their detection answer came out.
IMAGES = (
    *[("good", "failed")] * 2, *[("defective", "failed")] * 2, ("good", "invalid"), ("defective", "invalid"),
    (None, "A"), ("good", "B"), ("good", "A"), ("defective", "A"), ("defective", "B"), ("defective", "A"),
)  # fmt: skip


def answers(run_id: str) -> list[Prediction]:
    """Three questions about each image: is there a defect, which, and what it looks like."""
    made = []
    for place, (label, came) in enumerate(IMAGES):
        right = {"good": "B", "defective": "A", None: None}[label]
        for number, subtask in enumerate((DETECTION, KIND, LOOKS)):
            status = came if came == "failed" or (came == "invalid" and number == 0) else "answered"
            text = "A" if number == 0 and place == 6 else came if number == 0 else right or "A"
            made.append(
                rows.prediction(
                    0, number, run_id, image_id=f"image-{place}", image_path=f"{label}/{place}.png", subtask=subtask,
                    content=rows.content(run_id, place),
                    question_id=f"q{number}", label=label, defect=None, status=status, claims=None,
                    answer=text if status == "answered" else None,
                    correct_answer=right if number < 2 else None,
                    error="truncated" if status == "failed" else None,
                    **({"options": (), "option_probabilities": {}} if number == 2 else {}),
                )
            )  # fmt: skip
    return made


@pytest.fixture
def store(data_folder: Path) -> Store:
    """The same answers as a run of the night before, of tonight, and of tonight's golden samples."""
    store, ledger = Store(data_folder), Nights(data_folder)
    ledger.keep_schedule(schedule(), actor=ANN)
    for run_id, days, purpose in (("run-0", 0, "archive"), ("run-1", 1, "archive"), ("run-2", 1, "golden")):
        at = rows.NOW + timedelta(days=days)
        store.open_run(
            rows.run(run_id, started_at=at, settings='{"knowledge": "none", "templates": "", "shots": 0, "prompt": ""}')
        )
        spool.write_part(data_folder, run_id, 0, answers(run_id))
        ingest(store)
        store.close_run(run_id, "finished")
        ledger.join_run(NightRun("line-3", at, run_id, purpose))  # type: ignore[arg-type]
        ledger.keep_night(Night("line-3", at, at, 1, "finished", at, at, 1, 0, None))
    return store


@pytest.mark.slow
def test_every_surface_says_the_same_numbers(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.run("run-1")
    assert run is not None
    predictions, cells = store.predictions("run-1"), Rollups(store.data).cells(Selection("run-1"))
    found = Rollups(store.data)
    judged = found.facts(Selection("run-1"))
    right, counted = {DETECTION: 3, KIND: 7}, {DETECTION: 7, KIND: 7}

    # The commands `runs`, `report`, `mmad` and `export`, the pages Runs, Errors and Gallery, facts and cells.
    expected = Numbers(correct=10, counted=14, escape=1, defective=4, overkill=1, good=3)
    for surface, numbers in surfaces.everywhere(store.data, "run-1", "archive").items():
        assert numbers.agrees(expected), (surface, numbers)
    for page in ("runs/runs", "errors"):
        assert "△ 1 of 1 picture without a label was called defective (100.0 %" in surfaces.said(
            surfaces.PAGES[page], "run-1", "archive"
        )
    gallery = surfaces.said(surfaces.PAGES["gallery"], "run-1", "archive")
    assert "36 cases: ▲ 1 escape, ■ 1 overkill, ◇ 2 invalid, ⊘ 12 failed, △ 1 alarm, ✓ 10 right" in gallery

    # `score`: what it stores, prints and writes for machines.
    summary = store.run_summary("run-1")
    called = called_defective(store, "run-1")
    outcome = Outcome(
        run, (), summary, store.failures("run-1"), called, 12, 1.0, resumed=False, waiting=0, zero_shot=True
    )
    screen.show(outcome, store.data)
    printed = " ".join(capsys.readouterr().out.split())
    assert "0.429 of 7" in printed
    assert "1 escape of 4 defective images, 1 overkill of 3 good ones; 2 of 7 unreadable" in printed
    assert "1 of 1 picture without a label was called defective (100.0 %" in printed
    told: list[dict[str, int | str]] = json.loads(json.dumps(screen.as_json(outcome)["subtasks"]))
    assert {row["subtask"]: (row["correct"], row["labelled"]) for row in told} == {
        DETECTION: (3, 7), KIND: (7, 7), LOOKS: (0, 0)
    }  # fmt: skip

    # `runs`, in its table.
    listed = CliRunner().invoke(app, ["runs", "--json", "--data", str(store.data)], catch_exceptions=False).stdout
    (of_run,) = [row for row in json.loads(listed) if row["run_id"] == "run-1"]
    assert {name: of_run[name] for name in ("unreadable", "alarms", "passes")} == {
        "unreadable": 2, "alarms": 1, "passes": 0
    }  # fmt: skip
    assert "0.714 of 14" in CliRunner().invoke(app, ["runs", "--data", str(store.data)]).stdout

    # Pages, and their slower twins.
    for table in (cell_totals.accuracy_by_subtask(cells, DECLARED), intervals.rates(judged, ("subtask",))):
        assert {row["subtask"]: row["right"] for row in table.iter_rows(named=True)} == right
        assert {row["subtask"]: row["n"] for row in table.iter_rows(named=True)} == counted
    detected = cell_totals.detection(cells)
    assert (detected.escapes, detected.defective, detected.overkills, detected.good) == (1, 4, 1, 3)
    assert detected.unread == 2
    assert (called.called.images, called.called.defective) == (1, 1)
    figures = stress.figures(judged)
    assert (figures["escape"], figures["overkill"], figures["unreadable"]) == pytest.approx((1 / 4, 1 / 3, 2 / 7))

    # The report, MMAD's strict table, whose miss and overkill the protocol defines otherwise, and golden samples.
    courses = traces.profiles(found.traces(Selection("run-1")))
    reported = Reported(run, judged, mmad.answers(predictions), courses, called)
    said = " ".join(report.sentences(reported))
    for words in ("Escapes: 25.0 %", "Overkill: 33.3 %", "Unreadable: 28.6 %", "Micro accuracy: 71.4 %"):
        assert words in said
    scores = mmad.score(reported.answers, "strict")
    assert (scores.questions, scores.invalid) == (14, 2)
    assert scores.micro == pytest.approx(100 * 10 / 14)
    assert scores.average.accuracy[DETECTION] == pytest.approx(100 * (1 / 3 + 2 / 4) / 2)
    night = Nights(store.data).last_nights()["line-3"]
    context = Context(schedule(), night, Settings(work=Work(data=store.data)), ("run-1",), lambda: rows.NOW)
    golden = {each.error: (each.wrong, each.n) for each in morning._truth(context) if each.source == "golden samples"}
    assert golden == {"overkill": (1, 3), "escape": (1, 4), "unreadable": (2, 7)}

    # The morning.
    told_in_the_morning = morning.report(context)
    assert told_in_the_morning.alarms == called
    assert reports.from_json(reports.as_json(told_in_the_morning)) == told_in_the_morning
    for written in (deliver.text(told_in_the_morning), deliver.html(told_in_the_morning)):
        assert called.called.sentence in written
    rates = {one.name: one.tonight for one in told_in_the_morning.rates}
    assert (rates["escape"], rates["overkill"], rates["unreadable"]) == pytest.approx((1 / 4, 1 / 3, 2 / 7))


def test_answers_that_claim_nothing_known_are_counted_and_said(data_folder: Path) -> None:
    store = Store(data_folder)
    store.open_run(rows.run())
    options = tuple(Option(letter, text) for letter, text in zip("AB", OTHER, strict=True))
    made = [
        rows.prediction(0, number, claims=None, options=options, label=label, correct_answer=key, question="Farbe?")
        for number, label, key in ((0, None, None), (2, "defective", None), (4, "defective", "A"))
    ]
    spool.write_part(data_folder, rows.RUN, 0, made)
    ingest(store)
    assert store.run_summary(rows.RUN)["unclaimed"].to_list() == [2]
    found = cell_totals.detection(Rollups(data_folder).cells(Selection(rows.RUN)))
    assert (found.unclaimed, found.escapes, found.overkills) == (2, 1, 0)
    run, judged = store.run(rows.RUN), Rollups(data_folder).facts(Selection(rows.RUN))
    assert run is not None
    answered = mmad.answers(store.predictions(rows.RUN))
    said = report.sentences(Reported(run, judged, answered, pl.DataFrame(), alarms.NOTHING))
    assert any(sentence.startswith("Of 2 detection answers nothing tells") for sentence in said)


@pytest.mark.slow
def test_they_agree_under_the_reviewed_truth_too_whatever_was_settled_of_broken_and_unreadable_answers(
    store: Store,
) -> None:
    cases = {(each.image_id, each.question_id): each for each in schema.records(Prediction, store.predictions("run-1"))}
    settle(store.data, cases["image-0", "q0"], label="defective")  # failed: it still does not count
    settle(store.data, cases["image-4", "q0"], label="defective")  # unreadable: wrong for either label
    settle(store.data, cases["image-6", "q0"], right_answer="B", label="good")  # the alarm is overkill
    settle(store.data, cases["image-7", "q1"], right_answer=None)  # none of the options: wrong
    settle(store.data, cases["image-8", "q2"], right_answer=None)  # open: never counts
    settle(store.data, cases["image-9", "q0"], decision="unsure", right_answer=None)  # nobody can tell
    expected = Numbers(correct=8, counted=14, escape=1, defective=4, overkill=2, good=3)
    for surface, numbers in surfaces.everywhere(store.data, "run-1", "reviewed").items():
        assert numbers.agrees(expected), (surface, numbers)
