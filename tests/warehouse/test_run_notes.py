"""Names, notes and tags of runs: what a name stands for, and what may be one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.test_mmad_and_report import said
from tests.people import ANN
from tests.warehouse import rows
from warehouse.errors import Refused
from warehouse.queries.audit import Audit
from warehouse.queries.run_notes import LONGEST, NoteChange, RunNotes
from warehouse.store import Store

FIRST, SECOND, THIRD = "20250103T220005123Z-a1b2c3d4", "20250103T220006000Z-a1b2c3d4", "20250104T220005123Z-99999999"


@pytest.fixture
def notes(tmp_path: Path) -> RunNotes:
    store = Store(tmp_path)
    for number, run_id in enumerate((FIRST, SECOND, THIRD)):
        store.open_run(rows.run(run_id, started_at=rows.NOW + timedelta(hours=number)))
    return RunNotes(tmp_path)


def test_a_run_is_found_by_its_id_the_beginning_of_it_its_name_or_as_the_latest(notes: RunNotes) -> None:
    notes.change(SECOND, NoteChange(name="baseline"), actor=ANN)
    named = {FIRST: FIRST, "20250103T220005": FIRST, "20250104": THIRD, "baseline": SECOND, "latest": THIRD}
    assert {name: notes.run(name).run_id for name in named} == named
    notes.change(THIRD, NoteChange(hidden=True), actor=ANN)
    assert (notes.run("latest").run_id, notes.run(THIRD).run_id) == (SECOND, THIRD)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("20250103", f"2 runs begin with 20250103: {SECOND}, {FIRST}; write more"),
        ("202", "there is no run 202"),  # too short to mean one
        ("base", "there is no run base"),  # the beginning of a name is none
        ("", "there is no run "),
    ],
)
def test_what_names_no_run_or_several_is_refused(notes: RunNotes, name: str, why: str) -> None:
    notes.change(FIRST, NoteChange(name="baseline"), actor=ANN)
    with pytest.raises(Refused, match=why):
        notes.run(name)


@pytest.mark.parametrize("name", ["latest", "baseline", "2025", FIRST, " ", "x" * (LONGEST + 1)])
def test_a_name_that_stands_for_something_else_is_refused_and_nothing_is_stored(notes: RunNotes, name: str) -> None:
    notes.change(FIRST, NoteChange(name="baseline"), actor=ANN)
    with pytest.raises(Refused):
        notes.change(SECOND, NoteChange(name=name, note="kept?"), actor=ANN)
    assert list(notes.all()) == [FIRST]


def test_a_change_keeps_what_it_does_not_name_and_the_audit_log_says_what_changed(
    notes: RunNotes, tmp_path: Path
) -> None:
    notes.change(FIRST, NoteChange(name=" base  line ", note="new lamp", tag=("b", "a")), actor=ANN)
    after = notes.change(FIRST, NoteChange(tag=("c",), untag=("a", "never there")), actor=ANN)
    assert (after.name, after.note, after.tags, after.hidden) == ("base line", "new lamp", ("b", "c"), False)
    newest = Audit(tmp_path).rows(limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == (ANN.name, "note on run", FIRST)
    assert json.loads(newest.details) == {"tags": ["b", "c"]}
    assert notes.change(FIRST, NoteChange(name=""), actor=ANN).name == ""


def test_the_command_names_and_hides_runs_and_other_commands_take_the_name(notes: RunNotes, tmp_path: Path) -> None:
    said("runs", "set", FIRST, "--name", "baseline", "--tag", "october", "--data", tmp_path)
    assert "baseline #october" in said("runs", "--data", tmp_path)
    said("runs", "set", "baseline", "--hide", "--data", tmp_path)
    shown = json.loads(said("runs", "--json", "--data", tmp_path))
    assert [row["run_id"] for row in shown] == [THIRD, SECOND]
    every = json.loads(said("runs", "--json", "--hidden", "--data", tmp_path))
    assert [(row["name"], row["tags"], row["hidden"]) for row in every][2] == ("baseline", ["october"], True)
    said("export", "runs", "--run", "baseline", "-o", tmp_path / "run.jsonl", "--data", tmp_path)
    assert json.loads((tmp_path / "run.jsonl").read_text())["run_id"] == FIRST
