"""A planted fall of a subtask, a product, a camera or a cell: Errors and Compare name it in sentence and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs import surfaces
from tests.pages import seed, story
from tests.pages.screen import opened, words
from tests.pages.test_numbers import charts, figure
from warehouse import schema
from warehouse.records.scoring import Prediction
from warehouse.store import Store
from workbench.analysis import error_concentration, run_differences

pytestmark = pytest.mark.slow

PLACES: list[dict[str, str]] = [
    {"subtask": "Object Classification"},
    {"product": "first"},
    {"camera": "A1"},
    {"product": "first", "subtask": "Defect Description"},
]


@dataclass(frozen=True)
class Planted:
    """A run in which answers fell in one place, and the run before."""

    place: Mapping[str, str]
    run: str
    base: str


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Planted]]:
    """A warehouse with one run per place, three of four right answers wrong there."""
    told = story.tell(tmp_path_factory.mktemp("planted") / "data", drawn=12, copies=12)
    before = schema.records(Prediction, told.store.predictions(told.before.run_id))
    products = sorted({one.product for one in before})
    runs = []
    for number, place in enumerate(PLACES, 1):
        place = {**place, **({"product": products[0]} if "product" in place else {})}
        run = seed.a_run(told.archive.archive_id, len(before), at=told.last_night.started_at + timedelta(days=number))
        rows = [_fall(replace(one, run_id=run.run_id), place, at) for at, one in enumerate(before)]
        seed.store_run(told.store, run, rows, [])
        runs.append(Planted(place, run.run_id, told.before.run_id))
    return str(told.store.data), runs


def _fall(one: Prediction, place: Mapping[str, str], at: int) -> Prediction:
    if at % 4 == 0 or any(getattr(one, name) != value for name, value in place.items()):
        return one
    wrong = next(option.letter for option in one.options if option.letter != one.correct_answer)
    return replace(one, answer=wrong)


@pytest.mark.parametrize("number", range(len(PLACES)), ids=["subtask", "product", "camera", "cell"])
def test_a_planted_fall_is_named_by_headline_heat_map_worst_slices_and_compare(
    number: int, planted: tuple[str, list[Planted]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, runs = planted
    monkeypatch.setenv("WORKBENCH_DATA", data)
    one = runs[number]
    named = error_concentration.in_words(tuple(one.place), tuple(one.place.values()))

    page = opened("workbench/pages/errors.py", run=one.run)
    assert f"are in {named}</b>" in words(page)
    (ranked,) = [key for key in charts(page) if "errors.ranked" in key]
    assert figure(page, ranked)["data"][-1]["customdata"][0][: len(one.place)] == list(one.place.values())
    traces = figure(page, "errors.heat")["data"]
    shown = [(*data[:2], int(text)) for t in traces for data, text in zip(t["customdata"], t["text"], strict=True)]
    inside: list[int] = []
    outside: list[int] = []
    for subtask, product, percent in shown:
        cell = {"subtask": subtask, "product": product}
        there = all(cell.get(name, value) == value for name, value in one.place.items())
        (inside if there else outside).append(percent)
    if "camera" not in one.place:  # which the heat map has no axis for
        assert max(inside) < min(outside)

    compared = opened("workbench/pages/compare.py", run=one.run, base=one.base)
    assert f"B loses most in {named}:" in words(compared)
    assert figure(compared, "compare.losses")["data"][-1]["customdata"][0][:2] == ["0", named]


def test_the_report_of_two_runs_says_where_the_new_one_loses_and_what_they_were_made_with(
    planted: tuple[str, list[Planted]], tmp_path: Path
) -> None:
    data, runs = planted
    one, store = runs[2], Store(Path(data))
    named = error_concentration.in_words(tuple(one.place), tuple(one.place.values()))
    file = tmp_path / "report.html"
    surfaces.command("report", one.run, "--against", one.base, "-o", str(file), "--data", data)
    text = surfaces.plain(file.read_text(encoding="utf-8"))
    verdict, where = text[text.index("Verdict") :], text[text.index("Where B loses") :]
    assert f"loses most in {named}: −" in verdict[: verdict.index("How was this computed?")]
    assert f"B loses most in {named}: −" in where[: where.index("How was this computed?")]
    table = where[where.index("Slices that lose, the most telling first") :]
    assert table[: table.index("−")].count(named) == 1
    old, new = store.run(one.base), store.run(one.run)
    assert old is not None
    assert new is not None
    same = old.digest == new.digest
    assert run_differences.sentence(run_differences.between(old, new), same, "The runs") in verdict


def test_the_sentence_is_of_the_selection_that_the_figures_show(
    planted: tuple[str, list[Planted]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, runs = planted
    monkeypatch.setenv("WORKBENCH_DATA", data)
    cell = runs[3]
    page = opened("workbench/pages/errors.py", run=cell.run, subtask=cell.place["subtask"])
    product = cell.place["product"].replace("_", " ")
    assert f"are in {product}</b>" in words(page)
    (first, *_) = figure(page, "errors.ranked.product")["data"][-1]["customdata"]
    assert first[0] == cell.place["product"]
    assert f"of the questions: {first[2]:.0f} % right" in words(page)


def test_against_expectation_is_a_toggle(planted: tuple[str, list[Planted]], monkeypatch: pytest.MonkeyPatch) -> None:
    data, runs = planted
    monkeypatch.setenv("WORKBENCH_DATA", data)
    page = opened("workbench/pages/errors.py", run=runs[0].run, heat="expectation")
    assert "Accuracy against expectation" in words(page)
    assert "Accuracy against expectation" not in words(opened("workbench/pages/errors.py", run=runs[0].run))
