"""A night by saved thresholds: the morning report says it beside the answers, Tonight shows either, live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.jobs import surfaces
from tests.nights.calendars import schedule
from tests.pages.screen import case_links, opened, words
from tests.people import ANN
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.queries.nights import Nights
from warehouse.queries.thresholds import Thresholds
from warehouse.records.nights import Night, NightRun
from warehouse.records.thresholds import Threshold
from warehouse.store import Store
from workbench.nights import deliver, morning, reports
from workbench.nights.step_runner import Context
from workbench.settings import Settings, Work

TONIGHT = "workbench/pages/nights/tonight.py"


def scored_night(data: Path) -> Context:
    """Two runs of one night: the newer asks three of twenty pictures again, without any score."""
    store, ledger, at = Store(data), Nights(data), rows.NOW
    ledger.keep_schedule(schedule(), actor=ANN)
    calls = {"run-1": range(20), "run-2": range(3)}
    for place, (run_id, pictures) in enumerate(calls.items()):
        store.open_run(rows.run(run_id, started_at=at + timedelta(minutes=place), digest=run_id, plan=run_id))
        predictions = [
            rows.prediction(
                0, 0, run_id, image_id=f"picture-{number}", image_path=f"{number}.png", label=None,
                correct_answer=None, answer="A" if number < 10 else "B", content=f"{number:064x}",
            )
            for number in pictures
        ]  # fmt: skip
        compared = [
            rows.comparison(0, 0, run_id, image_id=f"picture-{number}", score=0.5 if number % 2 else 0.25)
            for number in pictures
            if run_id == "run-1"
        ]
        spool.write_part(data, run_id, 0, predictions, (), (), (), compared)
        ingest(store)
        store.close_run(run_id, "finished")
        ledger.join_run(NightRun("line-3", at, run_id, "archive"))
    ledger.keep_night(Night("line-3", at, at, 1, "finished", at, at, 1, 0, None))
    night, settings = ledger.last_nights()["line-3"], Settings(work=Work(data=data))
    return Context(schedule(), night, settings, tuple(calls), lambda: at + timedelta(hours=1))


def save(data: Path, value: float) -> None:
    saved = Threshold("", "", "comparison", 0, value, "given", None, "{}", None, "", "", datetime.now(UTC))
    Thresholds(data).save(saved, actor=ANN)


def test_the_morning_says_both_and_tonight_shows_what_is_asked_for(data_folder: Path) -> None:
    context = scored_night(data_folder)
    before = morning.report(context)
    assert before.by_thresholds == ()
    save(data_folder, 0.4)
    made = morning.report(context)
    assert made.alarms == before.alarms
    (stated,) = made.by_thresholds
    # Of the seventeen pictures of the older run alone nine have odd numbers; the newer run's three keep their answers.
    outcome = "12 of 20 pictures without a label were called defective"
    assert outcome in stated.sentence
    assert "all products at or above 0.4 (version 1)" in stated.sentence
    assert reports.from_json(reports.as_json(made)) == made
    assert stated.sentence in deliver.text(made)
    assert outcome in surfaces.plain(deliver.html(made))

    morning.keep(context, made)
    as_answered = surfaces.plain(words(opened(TONIGHT)))
    assert "10 of 20 pictures without a label were called defective" in as_answered
    assert "as they were when the report was made" in as_answered
    page = opened(TONIGHT, alarms="comparison")
    assert "showing 12 of 12, most suspicious first" in surfaces.plain(words(page))
    assert f"{outcome} (60.0 %" in surfaces.plain(words(page)).split("By saved thresholds")[0]
    save(data_folder, 0.0)  # the page goes by what holds now, the report by what held
    moved = surfaces.plain(words(opened(TONIGHT, alarms="comparison")))
    assert "20 of 20 pictures without a label were called defective" in moved
    assert "version 2" in moved
    assert outcome in moved.split("By saved thresholds")[1]


def test_what_was_found_leads_by_the_saved_threshold_the_surest_first(data_folder: Path) -> None:
    context = scored_night(data_folder)
    by_answers = morning.report(context).called_defective
    assert by_answers is not None
    assert (by_answers.rule, by_answers.called, by_answers.images, by_answers.called_good) == ("answers", 10, 20, 0)
    save(data_folder, 0.4)
    made = morning.report(context)
    found = made.called_defective
    assert found is not None
    assert found.sentence == "12 of 20 pictures were called defective by the threshold on comparison."
    assert len(found.pictures) == 12
    by_score = {int(each.image_id.removeprefix("picture-")) for each in found.pictures if each.run_id == "run-1"}
    assert by_score == {3, 5, 7, 9, 11, 13, 15, 17, 19}
    for told in (deliver.text(made), surfaces.plain(deliver.html(made))):
        assert told.index(found.sentence) < told.index("12 of 20 pictures without a label were called defective")
    morning.keep(context, made)
    tonight = opened(TONIGHT)
    said = surfaces.plain(words(tonight))
    assert said.index("What was found") < said.index("By saved thresholds") < said.index("After scoring")
    assert [link["image"] for link in case_links(tonight)[:12]] == [each.image_id for each in found.pictures]
    assert {link["alarms"] for link in case_links(tonight)[:12]} == {"comparison"}


def test_labelled_pictures_are_found_too(data_folder: Path) -> None:
    store, ledger, at = Store(data_folder), Nights(data_folder), rows.NOW
    ledger.keep_schedule(schedule(), actor=ANN)
    store.open_run(rows.run("run-1", started_at=at, digest="run-1", plan="run-1"))
    labels = ["defective", "good", "good", "defective"]
    predictions = [
        rows.prediction(
            0, 0, "run-1", image_id=f"picture-{number}", image_path=f"{number}.png", content=f"{number:064x}",
            label=label, correct_answer="A" if label == "defective" else "B", answer="B" if number == 3 else "A",
            option_probabilities={"A": 0.6 + 0.1 * number, "B": 0.4 - 0.1 * number},
        )
        for number, label in enumerate(labels)
    ]  # fmt: skip
    spool.write_part(data_folder, "run-1", 0, predictions)
    ingest(store)
    store.close_run("run-1", "finished")
    ledger.join_run(NightRun("line-3", at, "run-1", "archive"))
    ledger.keep_night(Night("line-3", at, at, 1, "finished", at, at, 1, 0, None))
    night, settings = ledger.last_nights()["line-3"], Settings(work=Work(data=data_folder))
    found = morning.report(
        Context(schedule(), night, settings, ("run-1",), lambda: at + timedelta(hours=1))
    ).called_defective
    assert found is not None
    assert found.sentence == "3 of 4 pictures were called defective; 2 of them are labelled good."
    assert [each.image_id for each in found.pictures] == ["picture-2", "picture-1", "picture-0"]
