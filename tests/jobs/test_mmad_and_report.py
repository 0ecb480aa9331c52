"""`workbench mmad` and `workbench report`: a run or an answer file in, a table or one file out."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.pages import seed
from tests.scoring.test_answer_file import written
from warehouse.errors import Refused
from warehouse.store import Store
from workbench.analysis import mmad


def said(*words: str | Path) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_table_names_its_scorer_and_counts_invalid_answers(tmp_path: Path) -> None:
    for scorer in ("official", "strict"):
        text = said("mmad", "--answers", written(tmp_path / "a.json"), "--scorer", scorer)
        assert f"{scorer} scorer" in text
        assert re.search(r"5 labelled questions; [12] invalid answers?", text)
        assert "Overkill" in text


def test_official_says_where_paths_and_labels_differ() -> None:
    rows = [
        ("a/good/1.png", True),
        ("a/2.png", True),
        ("a/3.png", False),
        ("b/goodyear/4.png", False),
        ("b/5.png", None),
    ]
    answers = pl.DataFrame(
        [{"subtask": mmad.DETECTION, "image": path, "normal": normal} for path, normal in rows]
        + [{"subtask": "Defect Localization", "image": "a/2.png", "normal": True}]
    )
    assert mmad.misread(answers) == 2


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    text = said("mmad", "--answers", written(tmp_path / "a.json"), "--csv", tmp_path / "t.csv", "--json")
    found = json.loads(text)
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row[""] for row in rows] == [row["name"] for row in found["rows"]] == ["DATA", "Average"]
    assert float(rows[0]["Overkill"]) == found["rows"][0]["overkill"]
    assert found["scorer"] == "official"


def test_an_imported_file_is_a_run_with_the_same_table(tmp_path: Path) -> None:
    answers, data = written(tmp_path / "a.json"), tmp_path / "data"
    imported = json.loads(said("import", answers, "--name", "some-model", "--data", data, "--json"))
    of_run = json.loads(said("mmad", "--run", imported["run_id"], "--data", data, "--json"))
    of_file = json.loads(said("mmad", "--answers", answers, "--json"))
    assert {**of_run, "of": ""} == {**of_file, "of": ""}
    assert "some-model" in of_run["of"]
    for words in (["import"], ["mmad", "import"]):  # the second is the command's older name
        again = said(*words, answers, "--name", "some-model", "--data", data)
        assert again.startswith(f"{imported['run_id']} was imported before")


def test_neither_or_both_of_run_and_answers_is_wrong_use(tmp_path: Path) -> None:
    for words in ([], ["--run", "r", "--answers", "a.json"]):
        result = CliRunner().invoke(app, ["mmad", *words])
        assert result.exit_code == 2
        assert "either --run RUN or --answers" in result.stderr


@pytest.mark.parametrize(
    ("question_set", "subtask", "labelled", "told"),
    [
        (
            "wareneingang",
            "Fehlererkennung",
            True,
            "set wareneingang, which has no subtask of MMAD, .*: workbench report R",
        ),
        ("inspection", None, True, "asked the question set inspection; published MMAD results can't be"),
        ("mmad", None, False, "has no labelled answers, so there is no accuracy to print"),
    ],
)
def test_of_what_is_not_mmads_a_sentence_tells_instead_of_an_empty_table(
    tmp_path: Path, question_set: str, subtask: str | None, labelled: bool, told: str
) -> None:
    seeded = seed.seed(tmp_path / "data", images=2)
    run = replace(seeded.run, run_id="20250105T220005123Z-a1b2c3d4", plan="other", question_set=question_set)
    cases = [
        replace(each if labelled else seed.unlabelled(each), run_id=run.run_id, subtask=subtask or each.subtask)
        for each in seeded.store.case(seeded.run.run_id, seeded.entries[0].image_id)
    ]
    seed.store_run(seeded.store, run, cases, [])
    result = CliRunner().invoke(app, ["mmad", "--run", run.run_id, "--data", str(tmp_path / "data")])
    text = f"{result.stdout}{result.exception or ''}".replace(f"report {run.run_id}", "report R")
    assert re.search(told, " ".join(text.split()))
    assert ("Average" in text) == (question_set == "inspection")


@pytest.mark.parametrize("words", [["mmad", "--run", "none"], ["report", "none", "-o", "r.html"]])
def test_a_run_that_is_not_there_is_refused_with_where_to_look(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(Refused, match="`workbench runs` lists them"):
        said(*words, "--data", tmp_path)


@pytest.mark.slow
def test_a_report_is_one_file_with_figures_tables_and_a_verdict(tmp_path: Path) -> None:
    seeded = seed.seed(tmp_path / "data")
    other = second(seeded)
    text = report(tmp_path, seeded.run.run_id)
    assert "Escapes:" in text
    assert "Overkill:" in text
    assert len(re.findall("Plotly.newPlot", text)) > 5
    assert "Compared with" not in text
    against = report(tmp_path, seeded.run.run_id, "--against", other)
    assert re.search("not enough evidence|is better than|is worse than", against, re.IGNORECASE)
    assert "Compared with" in against


def test_a_report_asks_nothing_of_a_network(tmp_path: Path) -> None:
    text = report(tmp_path, seed.seed(tmp_path / "data").run.run_id)
    assert not re.findall(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?!data:)""", text)


def test_a_report_of_an_imported_file_says_what_it_lacks(tmp_path: Path) -> None:
    imported = json.loads(
        said("import", written(tmp_path / "a.json"), "--name", "m", "--data", tmp_path / "data", "--json")
    )
    text = report(tmp_path, imported["run_id"])
    assert "There is no probability of each option: what answered this run (answer file)" in text
    assert "There is no course of entropy over iterations: what answered this run (answer file)" in text
    assert "Score the same archive with a local model." in text


def test_a_report_of_a_run_without_labels_says_so(tmp_path: Path) -> None:
    seeded = seed.seed(tmp_path / "data")
    run = replace(seeded.run, run_id="20250105T220005123Z-a1b2c3d4", plan="unlabelled")
    cases = [seed.unlabelled(each) for each in seeded.store.case(seeded.run.run_id, seeded.entries[0].image_id)]
    seed.store_run(seeded.store, run, [replace(each, run_id=run.run_id) for each in cases], [])
    assert "No answer of this run has a label" in report(tmp_path, run.run_id)


def report(tmp_path: Path, run: str, *more: str) -> str:
    said("report", run, "-o", tmp_path / "r.html", "--data", tmp_path / "data", *more)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    return text


def second(seeded: seed.Seeded) -> str:
    """A later run over the same questions whose first answers are all wrong."""
    store: Store = seeded.store
    run = replace(
        seeded.run, run_id="20250104T220005123Z-a1b2c3d4", plan="later", started_at=seeded.run.started_at + timedelta(1)
    )
    cases = [
        replace(each, run_id=run.run_id, answer="B" if each.answer == "A" else "A")
        for entry in seeded.entries
        for each in store.case(seeded.run.run_id, entry.image_id)
        if each.status == "answered"
    ]
    seed.store_run(store, run, cases, [])
    return run.run_id
