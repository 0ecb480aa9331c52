"""A warehouse of version 4, whose questions held their reference, with everything that named one of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.rows import NOW, RUN
from warehouse import identity, schema, spool
from warehouse.ingest import ingest
from warehouse.queries.reviews import Reviews
from warehouse.queries.rollups import Rollups, Selection
from warehouse.records.reviews import Dispute, DisputeReason
from warehouse.records.scoring import Option, Prediction, Run
from warehouse.store import Store
from workbench.archive.questions import question_of
from workbench.review import agreement

OLD = Path(__file__).parent / "schemas" / "004.sql"
EARLIER = "20250101T220005123Z-a1b2c3d4"
SUBTASK, QUESTION, TEXTS = "Anomaly Detection", "Is there any “Defekt”?", ("Yes.", "No.")
NORMAL, OTHER_NORMAL, GONE = (hashlib.sha256(name).hexdigest() for name in (b"normal", b"other", b"gone"))


def former(reference: str | None, texts: tuple[str, ...] = TEXTS) -> str:
    """A question's identity as version 4 made it."""
    return hashlib.sha256(json.dumps([SUBTASK, QUESTION, list(texts), reference]).encode()).hexdigest()[:32]


NEW = question_of(SUBTASK, QUESTION, TEXTS).question_id


def of_version_4(data: Path) -> Store:
    """Two runs that differ in their reference, the same question disputed and settled in each."""
    data.mkdir()
    with duckdb.connect(str(data / "warehouse.duckdb")) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(OLD.read_text(encoding="utf-8"))
        con.execute("DELETE FROM runs; DELETE FROM predictions; DELETE FROM patches")

        def copy(table: str, values: str) -> None:
            con.execute(f"CREATE OR REPLACE TEMP TABLE one AS SELECT * FROM {table} LIMIT 1")
            con.execute(f"INSERT INTO {table} SELECT * REPLACE ({values}) FROM one")

        def insert(table: str, made: pa.Table) -> None:
            con.register("made", made.select([name for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()]))
            con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM made")

        insert("runs", schema.table(Run, [rows.run(), rows.run(EARLIER)]))
        for place, (path, content) in enumerate((("good/a.png", NORMAL), ("good/b.png", OTHER_NORMAL))):
            copy("entries", f"'reference-{place}' AS image_id, 'archive' AS archive_id, '{path}' AS path, "
                 f"'{content}' AS content")  # fmt: skip
        told = [
            (EARLIER, "image-1", "good/a.png", NORMAL),
            (RUN, "image-1", "good/b.png", OTHER_NORMAL),
            (RUN, "image-2", None, None),
            (RUN, "image-3", "/elsewhere/normal.png", GONE),
        ]
        predictions = [
            rows.prediction(
                0, 0, run_id, image_id=image, question_id=former(content), question=QUESTION, reference_path=path,
                subtask=SUBTASK, options=tuple(map(Option, "AB", TEXTS)),
            )
            for run_id, image, path, content in told
        ]  # fmt: skip
        insert("predictions", schema.table(Prediction, predictions))
        con.execute(
            "INSERT INTO patches SELECT run_id, 0, image_id, question_id, 1, 2, 3, 0, 1, 28, 29, 0.5, true "
            "FROM predictions"
        )
        con.execute(
            "INSERT INTO audit_draws VALUES (?, 2, 1, [{'image_id': 'image-2', 'question_id': ?}, "
            "{'image_id': 'image-1', 'question_id': ?}], ?)",
            [RUN, former(None), former(OTHER_NORMAL), NOW],
        )
        for name, run_id, content, days in (("first", EARLIER, NORMAL, 0), ("second", RUN, OTHER_NORMAL, 1)):
            moment = (NOW + timedelta(days=days)).isoformat()
            same = f"'{name}' AS dispute_id, 'image-1' AS image_id, '{former(content)}' AS question_id"
            options = "[{'letter': 'A', 'text': 'Yes.'}, {'letter': 'B', 'text': 'No.'}] AS options"
            copy("disputes", f"{same}, 1 AS number, '{run_id}' AS run_id, '{SUBTASK}' AS subtask, "
                 f"'{QUESTION}' AS question, {options}, TIMESTAMPTZ '{moment}' AS opened_at")  # fmt: skip
            copy("dispute_reasons", f"'{name}' AS dispute_id, 'label' AS reason")
            copy("verdicts", f"'of {name}' AS verdict_id, {same}, '{run_id}' AS run_id, false AS deleted")
            copy("review_tasks", f"'{name}.1' AS task_key, '{name}' AS dispute_id")
            copy("settlements", f"{same}, 1 AS revision, '{'AB'[days]}' AS right_answer, false AS withdrawn, "
                 f"TIMESTAMPTZ '{moment}' AS settled_at")  # fmt: skip
    return Store(data)


def test_settlements_on_one_question_with_two_references_are_revisions_of_one_case(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    reviews = Reviews(store.data)
    kept = reviews.settlements("image-1")
    assert kept.select("question_id", "revision", "dispute_id", "right_answer").rows() == [
        (NEW, 1, "first", "A"), (NEW, 2, "second", "B"),
    ]  # fmt: skip
    (override,) = reviews.overrides().filter(image_id="image-1").iter_rows(named=True)
    assert (override["question_id"], override["right_answer"]) == (NEW, "B")


def test_a_settlement_that_was_taken_back_takes_none_back_that_stands(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    with duckdb.connect(str(store.data / "warehouse.duckdb")) as con:
        con.execute(
            "INSERT INTO settlements SELECT * REPLACE (2 AS revision, true AS withdrawn, "
            "settled_at + INTERVAL 9 DAY AS settled_at) FROM settlements WHERE dispute_id = 'second'"
        )
    reviews = Reviews(store.data)
    assert reviews.settlements("image-1").sort("revision")["dispute_id"].to_list() == ["second", "second", "first"]
    overrides = reviews.overrides().filter(image_id="image-1")
    assert overrides.select("dispute_id", "right_answer").rows() == [("first", "A")]
    states = dict(reviews.queue(image_id="image-1").select("dispute_id", "state").iter_rows())
    assert states == {"first": "settled", "second": "judged"}


def test_disputes_keep_their_names_and_tasks_and_are_numbered_on(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    reviews = Reviews(store.data)
    queue = reviews.queue(image_id="image-1").sort("number")
    assert queue.select("dispute_id", "number", "question_id", "state").rows() == [
        ("first", 1, NEW, "settled"), ("second", 2, NEW, "settled"),
    ]  # fmt: skip
    assert {each.task_key: each.dispute_id for each in reviews.tasks()}.items() >= {
        ("first.1", "first"), ("second.1", "second"),
    }  # fmt: skip
    verdicts = reviews.verdicts().filter(image_id="image-1")
    assert verdicts.select("verdict_id", "question_id").sort("verdict_id").rows() == [
        ("of first", NEW), ("of second", NEW),
    ]  # fmt: skip

    (again,) = schema.records(Dispute, queue.filter(number=2))
    reason = DisputeReason(again.dispute_id, "person", 1.0, 1.0, "look again", "anna", NOW)
    assert reviews.open([again], [reason], reopen=True, actor=ANN) == 1
    third = reviews.queue(image_id="image-1").filter(number=3)
    assert third.select("question_id", "reasons", "state").rows() == [(NEW, ["person"], "open")]


def test_an_open_dispute_of_an_old_name_gets_further_reasons(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    with duckdb.connect(str(store.data / "warehouse.duckdb")) as con:
        con.execute("DELETE FROM settlements; DELETE FROM verdicts")
    reviews = Reviews(store.data)
    (dispute,) = schema.records(Dispute, reviews.queue(image_id="image-1").filter(dispute_id="second"))
    assert reviews.open([dispute], [DisputeReason("second", "flip", 1.0, 1.0, "", "rules", NOW)], actor=ANN) == 1
    reasons = reviews.queue(image_id="image-1").filter(dispute_id="second")["reasons"][0]
    assert sorted(reasons) == ["flip", "label"]


def test_two_disputes_that_became_one_case_are_settled_in_one_pass_the_later_one_last(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    with duckdb.connect(str(store.data / "warehouse.duckdb")) as con:
        con.execute("DELETE FROM settlements")
        con.execute("UPDATE verdicts SET decision = 'wrong', right_answer = if(dispute_id = 'first', 'A', 'B')")
        con.execute("UPDATE dispute_reasons SET weight = if(dispute_id = 'first', 0.1, 0.9)")
    reviews = Reviews(store.data)
    assert (agreement.settle_due(reviews), agreement.settle_due(reviews)) == (2, 0)
    kept = reviews.settlements("image-1").sort("revision").select("revision", "dispute_id", "right_answer")
    assert kept.rows() == [(1, "first", "A"), (2, "second", "B")]
    assert set(reviews.queue(image_id="image-1")["state"]) == {"settled"}

    for name, left in (("first", ["second"]), ("second", [])):  # no dispute takes back what another one settled
        (opinion,) = [each for each in reviews.opinions() if each.dispute_id == name]
        reviews.judge([replace(opinion, withdrawn=True)], actor=ANN)
        assert agreement.settle_due(reviews) == 1
        assert reviews.overrides().filter(image_id="image-1")["dispute_id"].to_list() == left


def test_every_question_has_its_new_name_everywhere_and_answers_to_its_old_one(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    for run_id, count in ((RUN, 3), (EARLIER, 1)):
        assert store.predictions(run_id)["question_id"].to_list() == [NEW] * count
    assert store.patches(RUN)["question_id"].to_list() == [NEW] * 3
    draw = Reviews(store.data).audit_draw(RUN)
    assert draw is not None
    assert [(case.image_id, case.question_id) for case in draw.cases] == [("image-2", NEW), ("image-1", NEW)]
    for content in (NORMAL, OTHER_NORMAL, None, GONE):
        assert store.question_named(former(content)) == NEW
    assert store.question_named(NEW) == NEW


def test_what_a_question_was_shown_is_still_known(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    of = {
        (each.run_id, each.image_id): each
        for run_id in (RUN, EARLIER)
        for each in schema.records(Prediction, store.predictions(run_id))
    }
    texts = rows.prediction(0, 0).descriptions
    for key, content in {(EARLIER, "image-1"): NORMAL, (RUN, "image-1"): OTHER_NORMAL, (RUN, "image-2"): None}.items():
        assert of[key].evidence_id == identity.evidence_id(content, texts)
    outside = of[RUN, "image-3"]
    for prediction, shown, another in (
        (of[EARLIER, "image-1"], NORMAL, OTHER_NORMAL),
        (of[RUN, "image-1"], OTHER_NORMAL, GONE),
        (outside, GONE, NORMAL),
    ):
        assert identity.was_shown(prediction, shown)
        assert not identity.was_shown(prediction, another)


def test_facts_of_both_runs_pair_after_the_upgrade(tmp_path: Path) -> None:
    store = of_version_4(tmp_path / "data")
    both = Rollups(store.data).pairs(EARLIER, Selection(RUN))
    assert both["question_id"].to_list() == [NEW]
    assert both["evidence"][0] != both["old_evidence"][0]


def waiting(store: Store, run_id: str) -> None:
    """A part of version 4 about three images: with a reference that was replaced since, with none, with one outside."""
    store.register_archive(rows.archive())
    store.upsert_entries(
        "archive",
        [
            rows.entry(place, path="good/a.png", content=content)
            for place, content in enumerate((OTHER_NORMAL, NORMAL, GONE[::-1]))
        ],
    )
    told = [("good/a.png", NORMAL), (None, None), ("/elsewhere/normal.png", GONE)]
    predictions = [
        rows.prediction(
            7, 0, run_id, image_id=f"image-{place}", question_id=former(content), question=QUESTION,
            reference_path=path, subtask=SUBTASK, options=tuple(map(Option, "AB", TEXTS)),
        )
        for place, (path, content) in enumerate(told)
    ]  # fmt: skip
    patches = [rows.patch(7, 0, run_id, image_id=each.image_id, question_id=each.question_id) for each in predictions]
    part = rows.without_manifest(spool.write_part(store.data, run_id, 7, predictions, patches))
    file = part / "predictions.arrow"
    table = pa.ipc.open_file(file.read_bytes()).read_all().drop_columns(["evidence_id"])
    with pa.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)


def test_a_part_that_waited_while_the_program_was_renewed_goes_in_under_the_new_name(store: Store) -> None:
    waiting(store, RUN)
    done = ingest(store)
    assert (done.parts, done.quarantined) == (1, 0)
    stored = schema.records(Prediction, store.predictions(RUN))
    assert {each.question_id for each in stored} == {NEW} == set(store.patches(RUN)["question_id"])
    one_shot, zero_shot, outside = stored
    assert one_shot.evidence_id == identity.evidence_id(NORMAL, one_shot.descriptions)
    assert zero_shot.evidence_id == identity.evidence_id(None, zero_shot.descriptions)
    assert identity.was_shown(outside, GONE)
    assert not identity.was_shown(outside, NORMAL)
    assert store.question_named(former(GONE)) == NEW


def test_what_an_imported_answer_was_shown_stays_unknown_though_its_part_waited(store: Store) -> None:
    store.open_run(rows.run(EARLIER, purpose="import"))
    waiting(store, EARLIER)
    assert ingest(store).quarantined == 0
    stored = store.predictions(EARLIER)
    assert stored["question_id"].to_list() == [NEW] * 3
    assert stored["evidence_id"].null_count() == 3


@given(st.text(), st.text(), st.lists(st.text(), max_size=26), st.text() | st.none())
def test_a_question_is_its_subtask_text_and_options_and_nothing_else(
    subtask: str, question: str, texts: list[str], reference: str | None
) -> None:
    mine = identity.question_id(subtask, question, texts)
    changed = (
        identity.question_id(subtask + "x", question, texts),
        identity.question_id(subtask, question + "x", texts),
        identity.question_id(subtask, question, [*texts, "x"]),
    )
    assert question_of(subtask, question, texts).question_id == mine
    assert mine not in changed
    keys = [identity.seed_key(subtask, question, texts, shown) for shown in (reference, (reference or "") + "x")]
    assert keys[0] != keys[1]
