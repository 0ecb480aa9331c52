"""Evaluators: their answers carry what they declare, and the scoring room asks for no more than the protocol."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests import scored
from tests.model import tiny
from tests.people import ANN
from tests.scored import Quiet
from warehouse import migrations, schema
from warehouse.records.scoring import Capabilities, Prediction, Run
from warehouse.store import Store
from workbench import embedded
from workbench.archive import knowledge_files
from workbench.errors import CannotReplay
from workbench.model import backbone
from workbench.model.case import Case, Reasoned
from workbench.model.method import Injection, Method
from workbench.model.naive_engine import NaiveEngine
from workbench.model.segmented_engine import SegmentedEngine
from workbench.scoring import prepare_run, replay
from workbench.scoring import run as scoring
from workbench.scoring.evaluator import Declaration, Evaluator
from workbench.scoring.executor import LocalExecutor
from workbench.scoring.local_evaluator import LocalEvaluator

RUN_LIKE = "INSERT INTO runs SELECT * REPLACE (? AS run_id, ? AS settings) FROM runs LIMIT 1"
PREDICTION_LIKE = "INSERT INTO predictions SELECT * REPLACE (? AS run_id, ? AS raw_text) FROM predictions LIMIT 1"
SCHEMAS = Path(__file__).parent.parent / "warehouse" / "schemas"


class Endpoint(Evaluator):
    """Answers every question with its last option and a word; knows nothing of devices, patches or think tokens."""

    def declare(self, method: Method) -> Declaration:  # noqa: ARG002
        return Declaration("endpoint", "v7", Capabilities(True, attention=False, latents=False, text=True))

    def answer(self, cases: Sequence[Case], method: Method) -> list[Reasoned]:  # noqa: ARG002
        return [self._answer(case.letters) for case in cases]

    def _answer(self, letters: Sequence[str]) -> Reasoned:
        share = dict.fromkeys(letters, 1 / len(letters))
        return Reasoned("answered", letters[-1], {}, share, (), None, (), (), "well", None, 0, False)


def carried(answers: Sequence[Reasoned | Prediction], patches: int) -> Capabilities:
    """What these answers carry."""
    traces = [each.iterations if isinstance(each, Reasoned) else each.entropy for each in answers]
    return Capabilities(
        probabilities=any(each.option_probabilities for each in answers),
        attention=patches > 0,
        latents=any(len(each) > 0 for each in traces),
        text=any(each.raw_text is not None or each.rationale is not None for each in answers),
    )


INJECTIONS: tuple[Injection, ...] = ("features", "none")
METHODS = [
    Method(iterations=iterations, think_tokens=tokens, samples=2, injection=injection)
    for iterations, tokens, injection in itertools.product((0, 2), (0, 2), INJECTIONS)
]


@pytest.fixture(scope="module")
def body() -> backbone.Backbone:
    return backbone.load(embedded.CHECKPOINT)


@pytest.mark.parametrize("kind", [SegmentedEngine, NaiveEngine])
@pytest.mark.parametrize("method", METHODS, ids=lambda each: f"{each.iterations}-{each.think_tokens}-{each.injection}")
def test_an_engine_declares_what_its_answers_carry(
    body: backbone.Backbone, kind: type[SegmentedEngine] | type[NaiveEngine], method: Method
) -> None:
    evaluator = LocalEvaluator("segments", "embedded", kind(body), demo=True)
    cases = [tiny.case(tiny.picture(each), options=tiny.YES_NO) for each in range(2)]

    found = carried(answers := evaluator.answer(cases, method), sum(len(each.patches) for each in answers))

    assert replace(found, text=True) == evaluator.declare(method).capabilities


@pytest.mark.slow
def test_an_evaluator_with_nothing_but_declare_and_answer_is_scored_like_any_other(
    drawn_archive: Path, data_folder: Path
) -> None:
    settings, store = scored.quick(data_folder), Store(data_folder)
    prepared = prepare_run.prepare(drawn_archive, settings, store, Quiet().step)
    executor = LocalExecutor(Endpoint(), settings.method, [], "somewhere")

    run = scoring.carry_out(replace(prepared, executor=executor), Quiet()).run

    rows = schema.records(Prediction, store.predictions(run.run_id))
    assert (run.state, run.answered) == ("finished", run.planned)
    assert (run.evaluator, run.evaluator_version, run.embedding_scale) == ("endpoint", "v7", None)
    assert carried(rows, store.patches(run.run_id).height) == run.capabilities
    with pytest.raises(CannotReplay, match="holds the answers of an endpoint, which can't be asked again"):
        replay.load(store, run.run_id)


def test_a_run_of_the_embedded_model_says_what_answered_it(drawn_archive: Path, data_folder: Path) -> None:
    knowledge_files.import_file(Store(data_folder), drawn_archive / "domain_knowledge.json", actor=ANN)
    run = scored.score(drawn_archive, scored.quick(data_folder, limit=8)).run

    assert run.evaluator == "segments"
    assert run.capabilities == Capabilities(True, True, True, True)
    assert f'"weights": "{run.evaluator_version}"' in run.settings


def test_runs_of_an_older_release_say_it_too() -> None:
    con = duckdb.connect()
    con.execute((SCHEMAS / "004.sql").read_text(encoding="utf-8"))
    older = {
        "naive": '{"engine": "naive", "think_tokens": 4, "iterations": 10, "facts": {"weights": "abc"}}',
        "plain": '{"engine": "segments", "think_tokens": 0, "iterations": 10, "injection": "features"}',
        "unmoved": '{"engine": "segments", "think_tokens": 4, "iterations": 0, "injection": "features"}',
        "blind": '{"engine": "segments", "think_tokens": 4, "iterations": 10, "injection": "none"}',
        "letters": '{"imported": "answer file", "knowledge": "unknown"}',
        "words": '{"imported": "answer file", "knowledge": "unknown"}',
        "half": '{"imported": "answer file", "knowledge": "unknown"}',  # killed: its parts wait in the spool
    }
    for run_id, settings in older.items():
        words = "I think B" if run_id == "words" else None
        con.execute(RUN_LIKE, [run_id, settings])
        con.execute(PREDICTION_LIKE, [run_id, words])
    con.execute("UPDATE runs SET state = 'finished' WHERE run_id <> 'half'")

    migrations.migrate(con)

    runs = {run.run_id: run for run in schema.records(Run, con.sql("SELECT * FROM runs").pl())}
    everything, nothing = Capabilities(True, True, True, True), Capabilities(False, False, False, False)
    assert {run_id: (run.evaluator, run.evaluator_version, run.capabilities) for run_id, run in runs.items()} == {
        "20250103T220005123Z-a1b2c3d4": ("segments", "", everything),
        "naive": ("naive", "abc", everything),
        "plain": ("segments", "", replace(everything, attention=False, latents=False)),
        "unmoved": ("segments", "", replace(everything, attention=False)),
        "blind": ("segments", "", replace(everything, attention=False)),
        "letters": ("answer file", "plan", nothing),
        "words": ("answer file", "plan", replace(nothing, text=True)),
        "half": ("answer file", "plan", replace(nothing, text=True)),
    }
