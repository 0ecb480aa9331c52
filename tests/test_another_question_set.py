"""Eleven subtasks in German, none of MMAD's, two of which claim defects: from a file to every surface, without code."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from jobs.report import _reported as reported
from tests import scored
from tests.curation import plates
from tests.mmad import SUBTASKS
from tests.pages.screen import opened, words
from tests.pages.test_numbers import figure
from tests.people import ANN, by
from warehouse import schema
from warehouse.queries.reviews import Reviews
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.reviews import Dispute
from warehouse.records.scoring import Prediction
from warehouse.store import Store
from workbench import question_sets
from workbench.analysis import bias, cell_totals, report
from workbench.curation import edit, trial
from workbench.review import blinding, disputes, rules
from workbench.scoring.run import Outcome

FILE = Path(__file__).parent / "archive" / "wareneingang.toml"
DECLARED = question_sets.parse(FILE.read_text(encoding="utf-8"), "wareneingang.toml")
OPEN = "Fehlerbild"

pytestmark = pytest.mark.slow


@dataclass
class Scored:
    store: Store
    archive: Path
    outcome: Outcome

    @property
    def run_id(self) -> str:
        return self.outcome.run.run_id


@pytest.fixture(scope="module")
def incoming(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    folder = tmp_path_factory.mktemp("incoming")
    archive = plates.draw(folder / "archive", scratched=8, others=8)
    store = plates.knowing(folder / "data", archive)
    ran = CliRunner().invoke(app, ["questions", "add", str(FILE), "--data", str(store.data)])
    assert ran.exit_code == 0, ran.output
    assert "workbench score ARCHIVE --questions wareneingang" in ran.output
    settings = plates.settings(store.data)
    settings = replace(settings, work=replace(settings.work, questions="wareneingang"))
    return Scored(store, archive, scored.score(archive, settings))


def test_the_set_is_listed_shown_and_kept_with_the_run(incoming: Scored) -> None:
    listed = CliRunner().invoke(app, ["questions", "list", "--json", "--data", str(incoming.store.data)])
    assert [each["name"] for each in json.loads(listed.output)] == ["inspection", "mmad", "wareneingang"]
    shown = CliRunner().invoke(app, ["questions", "show", "wareneingang", "--data", str(incoming.store.data)])
    assert shown.output.strip() == FILE.read_text(encoding="utf-8").strip()
    again = CliRunner().invoke(app, ["questions", "add", str(FILE), "--data", str(incoming.store.data)])
    assert "was registered before, as it is" in again.output
    run = incoming.outcome.run
    assert (run.question_set, run.subtasks) == ("wareneingang", DECLARED.subtasks)
    assert json.loads(run.settings)["facts"]["questions"] == DECLARED.version
    assert len(DECLARED.names) == 11
    assert not set(DECLARED.names) & set(SUBTASKS)


def test_right_answers_follow_from_label_defect_type_and_mask(incoming: Scored) -> None:
    rows = schema.records(Prediction, incoming.store.predictions(incoming.run_id))
    texts = {
        (each.subtask, each.defect): next((o.text for o in each.options if o.letter == each.correct_answer), None)
        for each in rows
    }
    assert texts["Fehlererkennung", "scratch"] == "Ja"
    assert texts["Freigabe", "scratch"] == "Sperren"
    assert texts["Fehlerart", "scratch"] == "Kratzer"
    assert texts["Fehlerliste", "scratch"] == "Scratch."
    assert {each.correct_answer for each in rows if each.subtask in ("Ursache", OPEN, "Farbe")} == {None}
    located = [each for each in rows if each.subtask == "Fehlerort"]
    assert sum(each.correct_answer is not None for each in located) > len(located) / 2
    claims = {each.subtask: each.claims for each in rows}
    assert claims["Fehlererkennung"] == ("defective", "good")
    assert claims["Freigabe"] == ("good", "defective", "cannot say")
    assert {claims[name] for name in DECLARED.names if name not in DECLARED.detecting} == {None}
    denying = {each.subtask: [o.text for o in each.options if o.letter in (each.no_defect or ())] for each in rows}
    assert {name: texts for name, texts in denying.items() if texts} == {
        "Fehlerart": ["Kein Fehler"], "Fehlerliste": ["Keiner davon"],
    }  # fmt: skip


def test_both_detections_are_counted(incoming: Scored) -> None:
    summary = incoming.outcome.summary
    assert set(summary["subtask"]) == set(DECLARED.names)
    counted = dict(summary.select("subtask", "detections").iter_rows())
    assert {name for name, count in counted.items() if count} == DECLARED.detecting == {"Fehlererkennung", "Freigabe"}
    assert int(summary["unclaimed"].sum()) == 0


def test_errors_shows_the_set_s_subtasks_in_its_order(incoming: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(incoming.store.data))
    errors = opened("workbench/pages/errors.py", run=incoming.run_id)
    heat = json.dumps(figure(errors, "errors.heat"), ensure_ascii=False)
    judged = {row["subtask"] for row in incoming.outcome.summary.iter_rows(named=True) if row["labelled"]}
    assert judged == {"Fehlererkennung", "Freigabe", "Fehlerart", "Fehlerliste", "Fehlerort"}
    assert all(name in heat for name in judged)
    for page in (errors, opened("workbench/pages/runs/runs.py", run=incoming.run_id)):
        assert not [name for name in SUBTASKS if name in words(page)]


def test_rules_open_cases_and_masks_stay_blind(incoming: Scored) -> None:
    store = incoming.store
    told = disputes.open_for(store, incoming.run_id, disputes.inspected_by(store, incoming.run_id), actor=ANN)
    assert told.added
    assert told.reasons.get("label")
    queue = Reviews(store.data).queue(incoming.run_id)
    assert set(queue["subtask"]) <= set(DECLARED.names) - {OPEN}
    kinds = dict(queue.select("subtask", "kind").iter_rows())
    assert kinds == {each.name: each.kind for each in DECLARED.subtasks if each.name in kinds}
    for dispute in schema.records(Dispute, queue):
        if dispute.subtask in ("Fehlererkennung", "Freigabe", "Fehlerort", "Fehlerart"):
            assert blinding.mask_answers(dispute)
        if dispute.subtask == "Farbe":
            assert not blinding.mask_answers(dispute)


def test_a_contradiction_is_seen_by_what_the_set_declares(incoming: Scored) -> None:
    cases = rules.disputable(Reviews(incoming.store.data).cases(incoming.run_id))
    image = cases["image_id"][0]

    def contradicted(**answers: str) -> set[str]:
        named = cases.filter(pl.col("image_id") == image, pl.col("subtask").is_in(list(answers)))
        said = named.with_columns(answer=pl.col("subtask").replace_strict(answers))
        names = dict(said.select("question_id", "subtask").iter_rows())
        return {names[key.question_id] for key in rules.contradictions(said)}

    assert contradicted(Fehlererkennung="B", Fehlerart="A") == {"Fehlererkennung"}  # Nein, Kratzer
    assert contradicted(Fehlererkennung="B", Fehlerart="D") == set()  # Nein, Kein Fehler
    assert contradicted(Fehlererkennung="A", Freigabe="A", Fehlerart="D") == {"Fehlererkennung"}  # Ja, Kein Fehler
    assert contradicted(Freigabe="B", Fehlerart="D") == {"Freigabe"}  # Sperren
    assert contradicted(Freigabe="C", Fehlerart="A") == set()  # Nachprüfen claims nothing
    assert contradicted(Fehlererkennung="A", Produkt="A", Farbe="A") == set()


def test_averages_and_position_bias_are_of_the_set_s_subtasks(incoming: Scored) -> None:
    chosen = Selection(incoming.run_id)
    found = Rollups(incoming.store.data)
    cells, facts = found.cells(chosen), found.facts(chosen)
    assert cell_totals.accuracy_by_subtask(cells, DECLARED.subtasks)["subtask"].to_list() == [
        name for name in DECLARED.names if name in set(facts.drop_nulls("right")["subtask"])
    ]
    by_hand = facts.drop_nulls("right").with_columns(
        side=pl.when(pl.col("subtask").is_in(["Fehlererkennung", "Freigabe"])).then("label")
    )
    rates = by_hand.group_by("dataset", "subtask", "side").agg(pl.col("right").mean())
    for keys in (("dataset", "subtask"), ("dataset",)):
        rates = rates.group_by(keys).agg(pl.col("right").mean())
    by_rate = rates.select(100 * pl.col("right").mean()).item()
    assert cell_totals.average(cells, DECLARED.subtasks) == pytest.approx(by_rate)
    counted = facts.filter(
        pl.col("right").is_not_null(), ~pl.col("subtask").is_in(["Fehlererkennung", "Freigabe"]), pl.col("choices") > 1
    )
    assert bias.by_position(facts)["n"].max() == counted.height


def test_a_draft_is_tested_on_the_set_s_questions(incoming: Scored) -> None:
    store = incoming.store
    draft = edit.edit(store, plates.TEXT, plates.TRUE, "what it really leads to", actor=by("curator")).draft
    result = trial.run_test(store, trial.open_test(store, draft, actor=by("curator")), scored.Quiet(), actor=ANN)
    assert result is not None
    assert result.questions > 0
    tested = store.run(result.new_run)
    assert tested is not None
    assert (tested.question_set, tested.subtasks) == ("wareneingang", DECLARED.subtasks)


def test_the_report_speaks_of_the_set(incoming: Scored) -> None:
    said = report.sentences(reported(incoming.store, incoming.run_id, "archive"))
    assert any(sentence.startswith("Escapes") for sentence in said)
    html = report.build(reported(incoming.store, incoming.run_id, "archive"))
    assert all(name in html for name in DECLARED.detecting)
    assert "MMAD's average" not in html
