"""A settlement that version 4 stored moves, under the truth `reviewed`, the numbers it should, on all surfaces."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.jobs import surfaces
from tests.jobs.surfaces import Numbers
from warehouse import identity, schema, spool
from warehouse.ingest import ingest
from warehouse.queries.curation import Curation
from warehouse.records.scoring import Prediction, RetrievedDescription
from warehouse.store import Store
from workbench.archive.questions import question_of

RUN = "20250103T220005123Z-a1b2c3d4"
ANOTHER = "20250104T220005123Z-b1b2c3d4"  # by version 4, with another reference: its questions had other names
LATER = "20250105T220005123Z-c1b2c3d4"  # by today's program, without a reference and with another text
SCHEMA = Path(__file__).parents[1] / "warehouse/schemas/004.sql"
# Images with label, right answer and what was answered to "is there a defect", and to "what kind" where that was asked.
ANSWERS = """
    ('i0', 'good', 'B', 'A', NULL, NULL), ('i1', 'defective', 'A', 'B', 'A', 'A'), ('i2', 'good', 'B', 'B', NULL, NULL),
    ('i3', 'good', 'B', 'A', NULL, NULL), ('i4', 'good', 'B', 'A', NULL, NULL), ('i5', 'good', 'B', 'B', 'C', 'C')
"""
# What people settled: of i0 that it is defective as the model said, of i1's detection that the label is right, of i2
# that it is defective, of i3 that nobody can tell, of i4 what was taken back; and that none of i1's kinds is right.
SETTLED = """
    ('i0', 'detection', 'correct', 'A', 'defective', 'single', false, 'label', TIMESTAMPTZ '2025-01-04'),
    ('i1', 'detection', 'wrong', 'A', 'defective', 'agreed', false, 'audit', TIMESTAMPTZ '2025-01-04'),
    ('i2', 'detection', 'wrong', 'A', 'defective', 'person', false, 'uncertain', TIMESTAMPTZ '2025-01-04'),
    ('i3', 'detection', 'unsure', NULL, NULL, 'majority', false, 'label', TIMESTAMPTZ '2025-01-04'),
    ('i4', 'detection', 'wrong', 'A', 'defective', 'single', true, 'label', TIMESTAMPTZ '2025-01-04'),
    ('i1', 'kind', 'wrong', NULL, NULL, 'single', false, 'contradiction', TIMESTAMPTZ '2025-01-04')
"""
ROWS = f"""
    DELETE FROM runs; DELETE FROM predictions; DELETE FROM settlements; DELETE FROM disputes; DELETE FROM entries;
    DELETE FROM dispute_reasons; DELETE FROM facts; DELETE FROM cells; DELETE FROM ledger; DELETE FROM patches;
    INSERT INTO runs VALUES (
        '{RUN}', 'a1b2c3d4', 'plan', 'archive', 'embedded', true,
        '{{"knowledge": "none", "templates": "", "shots": 0, "prompt": "", "think_tokens": 4}}', NULL,
        TIMESTAMPTZ '2025-01-03 22:00:05+00', TIMESTAMPTZ '2025-01-03 22:10:05+00', 'finished', NULL, 8, 8, 0, 0,
        'here', 'cpu', '{{}}',
        {{'load': 0.0, 'vision': 0.0, 'prefill': 0.0, 'loop': 0.0, 'answer': 0.0, 'write': 0.0}}, NULL
    );
    CREATE TEMP TABLE answers AS SELECT * FROM (VALUES {ANSWERS}) AS a (image_id, label, key, answer, kind, said);
    CREATE TEMP TABLE asked AS
    SELECT image_id, label, 'detection' AS question_id, 'Anomaly Detection' AS subtask,
        'Is there a defect?' AS question,
        [{{'letter': 'A', 'text': 'Yes.'}}, {{'letter': 'B', 'text': 'No.'}}] AS options, key AS correct_answer,
        answer, ['defective', 'good'] AS claims
    FROM answers UNION ALL
    SELECT image_id, label, 'kind', 'Defect Classification', 'What kind of defect is it?',
        [{{'letter': 'A', 'text': 'Scratch.'}}, {{'letter': 'B', 'text': 'Dent.'}},
            {{'letter': 'C', 'text': 'Hole.'}}], kind, said, NULL FROM answers WHERE kind IS NOT NULL;
    INSERT INTO entries BY NAME
    SELECT image_id, 'archive' AS archive_id, image_id || '.png' AS path, md5(image_id) AS content, 1 AS size,
        1 AS mtime_ns, 'drawn' AS dataset, 'bottle' AS product, label,
        if(label = 'defective', 'crack', NULL) AS defect, TIMESTAMPTZ '2025-01-03' AS seen_at FROM answers;
    INSERT INTO predictions BY NAME
    SELECT '{RUN}' AS run_id, 0 AS block, *, image_id || '.png' AS image_path, md5(image_id) AS content,
        'drawn' AS dataset, 'bottle' AS product, if(label = 'defective', 'crack', NULL) AS defect, false AS conditional,
        'train/good/0.png' AS reference_path, 'answered' AS status,
        MAP {{'A': 0.5, 'B': 0.5}} AS initial_option_probabilities, MAP {{'A': 0.5, 'B': 0.5}} AS option_probabilities,
        [1.0, 0.5, 0.4] AS entropy, []::DOUBLE[][] AS token_entropy, []::DOUBLE[] AS reward, 2 AS best_iteration,
        [] AS descriptions, 0 AS knowledge_dropped, false AS knowledge_cut, 0.1 AS seconds,
        TIMESTAMPTZ '2025-01-03 22:00:05+00' AS created_at FROM asked;
    INSERT INTO ledger VALUES ('{RUN}', 0, 8, 0, TIMESTAMPTZ '2025-01-03 22:00:06+00');
    INSERT INTO runs SELECT * REPLACE ('{ANOTHER}' AS run_id, started_at + INTERVAL 1 DAY AS started_at) FROM runs;
    INSERT INTO predictions
    SELECT * REPLACE ('{ANOTHER}' AS run_id, question_id || ' of another' AS question_id,
        'train/good/1.png' AS reference_path) FROM predictions;
    INSERT INTO ledger VALUES ('{ANOTHER}', 0, 8, 0, TIMESTAMPTZ '2025-01-04 22:00:06+00');
    CREATE TEMP TABLE held AS SELECT * FROM (VALUES {SETTLED}) AS s
        (image_id, question_id, decision, right_answer, label, basis, withdrawn, reason, settled_at);
    INSERT INTO disputes BY NAME
    SELECT image_id || question_id AS dispute_id, image_id, question_id, 1 AS number, '{RUN}' AS run_id,
        image_id || '.png' AS image_path, 'bottle' AS product, subtask, question, options, answer, correct_answer,
        1 AS slots, settled_at AS opened_at, claims
    FROM asked JOIN held USING (image_id, question_id);
    INSERT INTO dispute_reasons
    SELECT image_id || question_id, reason, 0.5, 0.5, '', 'rules', settled_at FROM held;
    INSERT INTO settlements BY NAME
    SELECT * EXCLUDE (reason), 1 AS revision, image_id || question_id AS dispute_id, 'anna' AS author, '' AS reason
    FROM held;
"""
ARCHIVE = Numbers(correct=4, counted=8, escape=1, defective=1, overkill=3, good=5)
REVIEWED = Numbers(correct=3, counted=7, escape=2, defective=3, overkill=1, good=2)


@pytest.fixture
def upgraded(data_folder: Path) -> Path:
    """A data folder as version 4 left it; the first look brings it up."""
    data_folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(data_folder / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(SCHEMA.read_text(encoding="utf-8"))
        con.execute(ROWS)
    return data_folder


@pytest.mark.slow
def test_settlements_of_version_4_move_what_they_should_on_every_surface_and_nothing_by_the_archive(
    upgraded: Path,
) -> None:
    for truth, expected in (("archive", ARCHIVE), ("reviewed", REVIEWED)):
        for surface, numbers in surfaces.everywhere(upgraded, RUN, truth).items():  # type: ignore[arg-type]
            assert numbers.agrees(expected), (truth, surface, numbers)


@pytest.mark.slow
def test_settlements_still_hold_after_shots_reference_and_knowledge_were_changed(upgraded: Path) -> None:
    """Nothing that a question is shown is part of what it is, before the upgrade and after it."""
    store = Store(upgraded)
    run = store.run(RUN)
    assert run is not None
    shown = (RetrievedDescription("drawn/bottle/crack", 2, 1, 0.5, "drawn", "bottle", "crack"),)
    asked = [
        replace(
            one, run_id=LATER, reference_path=None, descriptions=shown, evidence_id=identity.evidence_id(None, shown),
            question_id=question_of(one.subtask, one.question, [each.text for each in one.options]).question_id,
        )
        for one in schema.records(Prediction, store.predictions(RUN))
    ]  # fmt: skip
    settings = run.settings.replace('"shots": 0', '"shots": 1')
    store.open_run(replace(run, run_id=LATER, settings=settings, knowledge_version="k2", answered=0))
    spool.write_part(upgraded, LATER, 0, asked)
    ingest(store)
    assert len({one.evidence_id for one in asked} & set(store.predictions(RUN)["evidence_id"])) == 0
    for truth, expected in (("archive", ARCHIVE), ("reviewed", REVIEWED)):
        for surface, numbers in surfaces.everywhere(upgraded, LATER, truth).items():  # type: ignore[arg-type]
            assert numbers.agrees(expected), (truth, surface, numbers)
        summaries = [store.run_summary(run_id, truth) for run_id in (RUN, ANOTHER, LATER)]  # type: ignore[arg-type]
        assert summaries[0].equals(summaries[1])
        assert summaries[0].equals(summaries[2])


@pytest.mark.slow
def test_beside_every_reviewed_number_stands_how_many_were_verified_and_by_whose_rule(upgraded: Path) -> None:
    told = "people verified 4 of the 7 answers that count"
    rules = ("audit 1", "contradiction 1", "label 1", "uncertain 1")
    for page in surfaces.PAGES.values():
        text = surfaces.said(page, RUN, "reviewed")
        assert told in text
        assert all(rule in text for rule in rules)
        assert told not in surfaces.said(page, RUN, "archive")
    options = ("--truth", "reviewed", "--data", str(upgraded))
    assert told in surfaces.command("mmad", "--run", RUN, *options)
    assert re.search(r"4 \(audit 1, contradiction 1,", surfaces.command("runs", *options))
    surfaces.command("report", RUN, "-o", str(upgraded / "r.html"), *options)
    assert told in (upgraded / "r.html").read_text(encoding="utf-8")


def test_a_draft_s_gate_reads_the_same_truth(upgraded: Path) -> None:
    store = Store(upgraded)
    images = store.predictions(RUN)["image_id"].unique()
    truths = Curation(upgraded).truths(RUN, images).drop("cluster_id")
    read = store.predictions(RUN, truth="reviewed").drop_nulls("correct_answer")
    assert sorted(truths.rows()) == sorted(read.select("image_id", "question_id", "correct_answer").rows())
    assert truths.height == 7
