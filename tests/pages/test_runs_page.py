"""The Runs page over real warehouses: empty, one run, running, many; what it says and where its links lead."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import typer

from jobs.__main__ import app
from tests.pages import seed
from tests.pages.screen import case_links, opened, run_buttons, words
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.scoring import Entry, Prediction
from workbench import settings as configuration
from workbench.archive.tone_range import CameraTone, Tone, Tones
from workbench.pages.runs import cards

RUNS = "workbench/pages/runs/runs.py"


def test_an_empty_warehouse_tells_the_first_command(data_folder: Path) -> None:
    page = opened(RUNS)
    assert "Nothing has been scored yet." in words(page)
    assert "workbench score ARCHIVE" in page.code[0].value
    assert not data_folder.exists()  # looking changes nothing


def test_a_run_says_how_right_it_was_and_which_model_answered(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    text = words(opened(RUNS))
    cases = Rollups(data_folder).facts(Selection(seeded.run.run_id)).drop_nulls("right")
    rates = cases.group_by("subtask").agg(pl.col("right").mean())["right"]
    assert f"Mean accuracy {100 * sum(rates) / len(rates):.0f} %" in text
    assert "embedded demo model" in text
    assert "48 of 48 questions" in text
    assert "4 failed, 1 could not be read" in text
    assert "truncated: the file ends before the picture does" in text


def test_a_run_s_manifest_can_be_read(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    text = words(opened(RUNS))
    for fact in (
        seeded.run.digest,
        "bench-1",
        "cpu, 2 threads",
        "2.13.0",
        "k-drawn",
        "think tokens",
        seeded.archive.root,
    ):
        assert fact in text


def test_the_command_that_goes_on_with_a_run_is_one_that_score_takes(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    score = typer.main.get_command(app).commands["score"]  # type: ignore[attr-defined]
    flags = {flag for option in score.params for flag in (*option.opts, *option.secondary_opts)}
    usual = configuration.Settings().values()
    for name in json.loads(configuration.Settings().as_json()):
        held = json.dumps({name: not usual[name] if isinstance(usual[name], bool) else "7"})
        words = shlex.split(cards.resume(replace(seeded.run, settings=held), seeded.archive, "d"))
        assert {word for word in words if word.startswith("--")} <= flags, name


def test_ranges_of_deep_pictures_are_told_in_words(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    camera = CameraTone("set", "ball screw", None, Tone(integer=4095.0))
    held = json.dumps({"facts": {"tones": Tones(cameras=(camera,)).stated(), "dtype": "float32"}})
    facts = cards.settings(replace(seeded.run, settings=held))["Facts"]
    assert facts == {"dtype": "float32", "tones": "0 to 4095: ball screw"}
    assert cards.settings(replace(seeded.run, settings='{"facts": {"tones": null}}'))["Facts"] == {"tones": "none"}


def test_a_wrong_case_comes_first_and_its_link_names_run_image_and_question(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    first = seed.worst_first(seeded).row(0, named=True)
    assert first["outcome"] in ("escape", "overkill", "wrong")
    address = case_links(opened(RUNS))[0]
    assert address == {"run": seeded.run.run_id, "image": first["image_id"], "question": first["question_id"]}


def test_the_address_restores_filters_and_the_cases_carry_them(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    page = opened(RUNS, run=seeded.run.run_id, outcome="failed", subtask="Anomaly Detection")
    assert "showing 1 of 1" in words(page)
    (address,) = case_links(page)
    assert (address["outcome"], address["subtask"]) == ("failed", "Anomaly Detection")


def test_filters_that_leave_nothing_say_so(data_folder: Path) -> None:
    seed.seed(data_folder)
    assert "The filters leave none." in words(opened(RUNS, outcome="unlabelled"))
    assert "The filters leave none." in words(opened(RUNS, subtask="nonsense"))


@pytest.mark.parametrize("nonsense", ["-1", "abc", "99999999999999999999", "१२"])
def test_an_address_that_makes_no_sense_shows_the_first_cases(data_folder: Path, nonsense: str) -> None:
    seed.seed(data_folder)
    page = opened(RUNS, **{"from": nonsense, "outcome": nonsense, "entropy": nonsense, "flip": nonsense})
    assert "showing 30 of 48" in words(page)


def test_an_unknown_run_is_named_and_tells_the_next_command(data_folder: Path) -> None:
    seed.seed(data_folder)
    page = opened(RUNS, run="20990101T000000000Z-<b>nobody</b>")
    assert "There is no run <b>20990101T000000000Z-&lt;b&gt;nobody&lt;/b&gt;</b>" in words(page)
    assert page.code[0].value == "workbench runs"


def test_a_running_run_says_how_far_it_is_and_has_no_times_yet(data_folder: Path) -> None:
    seed.seed(data_folder, state="running")
    text = words(opened(RUNS))
    assert "Running:" in text
    assert "Not measured yet" in text
    assert "1 running" in text  # in the sidebar, on every page


def test_a_run_that_has_stored_nothing_yet_is_shown(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    later = seed.a_run(seeded.archive.archive_id, 40, "running", seed.STARTED + timedelta(days=1))
    seeded.store.open_run(later)
    page = opened(RUNS)
    assert "0 of 40 questions, the model is being loaded" in words(page)
    assert "No prediction of this run is stored yet." in words(page)
    assert run_buttons(page) == [later.run_id, seeded.run.run_id]


def test_a_stopped_run_says_why(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    message = "the disk is <full>: free some space, then run the same command again"
    seeded.store.close_run(seeded.run.run_id, "stopped", message=message)
    assert "the disk is &lt;full&gt;: free some space" in words(opened(RUNS))


def test_an_archive_without_labels_claims_no_accuracy(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(seeded.archive.archive_id, 4, at=seed.STARTED + timedelta(hours=1))
    predictions = [seed.unlabelled(seed.a_case(run.run_id, entry, 0)[0]) for entry in seeded.entries[:4]]
    seed.store_run(seeded.store, run, predictions, [])
    page = opened(RUNS)
    assert "The archive has no labels" in words(page)
    assert "Mean accuracy" not in words(page)
    assert not page.get("plotly_chart")


@pytest.mark.slow
def test_five_thousand_cases_are_shown_a_page_at_a_time(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(seeded.archive.archive_id, 5000, at=seed.STARTED + timedelta(hours=1))
    seed.store_run(seeded.store, run, _many(run.run_id, seeded.entries, 5000), [])
    page = opened(RUNS)
    assert "showing 30 of 5,000, worst outcome first" in words(page)
    assert len(case_links(page)) == 30
    page.button(key="runs.Later").click().run()
    assert page.query_params["from"] == "30"
    assert "showing 31–60 of 5,000" in words(page)


def test_many_runs_show_the_newest_and_the_chosen_one(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    for day in range(1, 12):
        seeded.store.open_run(seed.a_run(seeded.archive.archive_id, 10, at=seed.STARTED + timedelta(days=day)))
    page = opened(RUNS, run=seeded.run.run_id)
    assert "showing 8 of 12" in words(page)
    shown = run_buttons(page)
    assert len(shown) == 8
    assert seeded.run.run_id in shown
    assert shown == sorted(shown, reverse=True)


def test_text_from_the_warehouse_never_becomes_markup(data_folder: Path) -> None:
    seeded = seed.seed(data_folder)
    run = seed.a_run(
        seeded.archive.archive_id,
        1,
        at=seed.STARTED + timedelta(hours=1),
        model="<img src=x>",
        demo=False,
        host="<script>",
    )
    prediction = seed.failed(seed.a_case(run.run_id, seeded.entries[0], 0)[0], "<script>alert(1)</script>")
    seed.store_run(seeded.store, run, [prediction], [])
    text = words(opened(RUNS))
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text


def _many(run_id: str, entries: Sequence[Entry], count: int) -> list[Prediction]:
    made = [seed.a_case(run_id, entries[number % len(entries)], number % 4)[0] for number in range(48)]
    return [seed.renamed(made[number % 48], f"q{number:05d}") for number in range(count)]
