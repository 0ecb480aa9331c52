"""Runs told apart on the pages: names, tags, notes and hidden runs, the order of the list, what isn't the default."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.pages import seed
from tests.pages.screen import opened, run_buttons, words
from tests.people import ANN
from warehouse.queries.run_notes import NoteChange, RunNotes
from workbench import settings as configuration
from workbench.analysis import run_differences

RUNS, GALLERY = "workbench/pages/runs/runs.py", "workbench/pages/gallery.py"


@pytest.fixture
def newer(data_folder: Path) -> tuple[str, str]:
    """The ids of two runs, the newer first: of two pictures, and all wrong."""
    seeded = seed.seed(data_folder)
    run = replace(
        seeded.run,
        run_id="20250105T220005123Z-99999999",
        started_at=seeded.run.started_at + timedelta(days=1),
        settings=json.dumps({**configuration.Settings().values(), "think_tokens": 0}, default=str),
    )
    cases = [seed.a_case(run.run_id, entry, 0)[0] for entry in seeded.entries[:2]]
    wrong = [replace(case, answer="A" if case.correct_answer == "B" else "B") for case in cases]
    seed.store_run(seeded.store, run, wrong, [])
    return run.run_id, seeded.run.run_id


def test_a_name_stands_in_list_and_selects_beside_what_is_not_the_default(
    newer: tuple[str, str], data_folder: Path
) -> None:
    RunNotes(data_folder).change(newer[0], NoteChange(name="no thinking", tag=["october"]), actor=ANN)
    page = opened(RUNS)
    assert "no thinking" in words(page)
    assert "october" in words(page)
    assert "think tokens 0" in words(page)
    chosen = opened(GALLERY).selectbox(key="choose.run").format_func(newer[0])
    assert chosen.startswith("no thinking · ")
    assert chosen.endswith("think tokens 0")


def test_a_hidden_run_is_left_out_of_the_list_and_is_no_page_s_usual_run(
    newer: tuple[str, str], data_folder: Path
) -> None:
    before = run_buttons(opened(RUNS))
    RunNotes(data_folder).change(newer[0], NoteChange(hidden=True), actor=ANN)
    assert run_buttons(opened(RUNS)) == before[1:]
    assert run_buttons(opened(RUNS, hidden="1")) == [before[1], before[0]]
    assert opened(GALLERY).selectbox(key="choose.run").value == newer[1]
    assert run_buttons(opened(RUNS, run=newer[0])) == [before[1], before[0]]  # by name it is found


def test_the_list_is_sorted_by_accuracy(newer: tuple[str, str]) -> None:
    newest_first = run_buttons(opened(RUNS))
    assert run_buttons(opened(RUNS, sort="accuracy")) == newest_first[::-1]
    assert "the most accurate first" in words(opened(RUNS, sort="accuracy"))


def test_the_form_stores_what_is_written_and_says_why_a_name_is_refused(
    newer: tuple[str, str], data_folder: Path
) -> None:
    RunNotes(data_folder).change(newer[1], NoteChange(name="baseline"), actor=ANN)
    page = opened(RUNS)
    for label, text in (("Name", "second try"), ("Tags", "b, a")):
        next(field for field in page.text_input if field.label == label).set_value(text)
    next(button for button in page.button if button.label == "Save").click().run()
    note = RunNotes(data_folder).all()[newer[0]]
    assert (note.name, note.tags) == ("second try", ("a", "b"))
    next(field for field in page.text_input if field.label == "Name").set_value("baseline")
    next(button for button in page.button if button.label == "Save").click().run()
    assert f"baseline stands for the run {newer[1]} already" in words(page)


@pytest.mark.parametrize("name", ["latest", "20250105", "20250105T220005123Z-99999999"])
def test_an_address_names_a_run_by_its_beginning_or_as_the_latest(newer: tuple[str, str], name: str) -> None:
    assert newer[0] in words(opened(RUNS, run=name))


def test_the_beginning_of_several_runs_names_none(newer: tuple[str, str]) -> None:
    page = words(opened(RUNS, run="20250"))
    assert all(run_id not in page for run_id in newer)


def test_default_settings_differ_in_nothing_and_each_changed_one_is_named() -> None:
    usual = {**configuration.Settings().values()}
    assert run_differences.from_defaults(json.dumps(usual, default=str)) == ()
    changed = run_differences.from_defaults(json.dumps({**usual, "think_tokens": 0, "device": "cuda:7"}, default=str))
    assert changed == ("think tokens 0",)  # a device changes no answer
