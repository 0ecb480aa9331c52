"""The client: every public name has an example, and each example runs over a warehouse."""

from __future__ import annotations

import doctest
import inspect
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench
from tests.pages import seed
from tests.people import ANN
from warehouse.errors import Refused
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.run_notes import NoteChange, RunNotes
from workbench.client import Compared, Workbench
from workbench.errors import UnreadableImage

PUBLIC: list[Any] = [
    workbench.open, Compared, Workbench, *(
        member for name, member in inspect.getmembers(Workbench, inspect.isfunction) if not name.startswith("_")
    ),
]  # fmt: skip


@pytest.fixture
def wb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """Two runs over the same pictures in a folder `data`; the older one is called baseline."""
    seeded = seed.seed(tmp_path / "data")
    run = replace(seeded.run, run_id="20250106T220005123Z-99999999", started_at=seed.STARTED + timedelta(days=3))
    cases = [seed.a_case(run.run_id, entry, 0)[0] for entry in seeded.entries]
    seed.store_run(seeded.store, run, [replace(case, answer="A") for case in cases if case.options], [])
    RunNotes(seeded.store.data).change(seeded.run.run_id, NoteChange(name="baseline"), actor=ANN)
    monkeypatch.chdir(tmp_path)
    return workbench.open("data")


def test_the_examples_of_all_public_names_run(wb: Workbench) -> None:
    assert wb.data.exists()
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for thing in PUBLIC:
        (example,) = finder.find(thing, thing.__qualname__, globs={})
        assert example.examples, f"{thing.__qualname__} has no example"
        runner.run(example)
    assert runner.failures == 0
    assert len(PUBLIC) >= 10


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda thing: thing.__qualname__)
def test_every_public_function_says_what_comes_back_and_what_is_raised(thing: object) -> None:
    text = inspect.getdoc(thing) or ""
    if inspect.isfunction(thing):
        taken = set(inspect.signature(thing).parameters) - {"self"}
        assert not taken or "Args:" in text or taken <= {"name"}
        assert "Raises:" in text or thing is Workbench.runs
        assert thing.__annotations__["return"] != "pl.DataFrame" or "Returns:" in text


def test_numbers_are_those_of_the_warehouse(wb: Workbench) -> None:
    run_id = wb.run("baseline").run_id
    facts = Rollups(wb.data).facts(Selection(run_id))
    assert wb.frame("baseline").equals(facts)
    row = wb.runs().filter(name="baseline").row(0, named=True)
    assert (row["counted"], row["correct"]) == (facts["right"].count(), facts["right"].sum())
    both = wb.compare("baseline", "latest")
    rights = [np.mean(both.pairs[name].to_numpy()) for name in ("right", "old_right")]
    assert both.verdict.difference.value == pytest.approx(rights[0] - rights[1])
    assert both.by_subtask["n"].sum() == both.pairs.height


def test_what_is_not_there_is_named_with_what_to_do(wb: Workbench, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no warehouse; score an archive first"):
        workbench.open(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(Refused, match="there is no run nowhere"):
        wb.frame("nowhere")
    with pytest.raises(ValueError, match="there is no filter colour; there are subtask"):
        wb.frame("latest", colour="red")
    with pytest.raises(Refused, match="no registered archive has the image"):
        wb.picture("latest", "nothing")
    entry = next(each for each in (wb._store.entry(name) for name in wb.frame("latest")["image_id"]) if each)
    (Path(wb._store.archives()[0].root) / entry.path).unlink()
    with pytest.raises(UnreadableImage, match="vanished"):
        wb.picture("latest", entry.image_id)


def test_the_notebook_of_the_first_hour_runs(wb: Workbench) -> None:
    notebook = json.loads((Path(__file__).parents[1] / "docs" / "first_hour.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    space: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "first_hour.ipynb", "exec"), space)
    assert space["runs"] == wb.runs()["run_id"].to_list()
    assert isinstance(space["compared"], Compared)
    assert "asked of both" in space["compared"].verdict.sentence
    assert all(not cell.get("outputs") for cell in notebook["cells"])
