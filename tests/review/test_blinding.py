"""Reviewers aren't shown the answer: no mask where it would tell, and verdicts given with one drawn count nowhere."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from tests.mmad import DECLARED, SUBTASKS
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.people import ANN, by
from tests.warehouse.judging import stored
from tests.warehouse.test_reviews import dispute, reason, settlement, verdict
from warehouse import migrations, schema
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import AuditCase, AuditDraw, Dispute, ReviewTask
from warehouse.records.scoring import Option
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.archive.view import Window
from workbench.review import agreement, blinding, disputes
from workbench.review.labelstudio import push
from workbench.review.labelstudio import task as labelstudio_task
from workbench.review.labelstudio.client import Address, LabelStudio
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.task import CaseForReview
from workbench.review.pictures import Folder
from workbench.review.sending import Wanted

SCHEMAS = Path(__file__).parents[1] / "warehouse" / "schemas"


def shown(data: Path, seeded: seed.Seeded, questions: list[int]) -> dict[tuple[str, str], CaseForReview]:
    """Every case about these questions as a push would send it, by label and subtask."""
    for entry in seeded.entries:
        for number in questions:
            disputes.open_by(
                seeded.store, seeded.run.run_id, Key(entry.image_id, seed.question_id(number)), actor=by("anna")
            )
    (data / "files").mkdir(exist_ok=True)
    connection = Connection(LabelStudio(Address("http://127.0.0.1:9", "x")), Folder(data / "files", "/files"))
    found = schema.records(Dispute, Reviews(data).queue())
    material = push._read(seeded.store, found, blinding.veiled(found))
    pictures = push._Pictures(seeded.store, connection)
    labels = {entry.image_id: str(entry.label) for entry in seeded.entries}
    assert all(pictures.show(one) for one in found)
    return {
        (labels[one.image_id], one.subtask): push._case(connection, Wanted(one, 1), material, pictures) for one in found
    }


def drawn(case: CaseForReview) -> list[str]:
    """What stands on the picture."""
    predictions = labelstudio_task.task(case)["predictions"]
    assert isinstance(predictions, list)
    return sorted({region["type"] for region in predictions[0]["result"]})


def test_a_task_whose_answer_the_mask_tells_shows_none_and_reads_alike_for_good_and_defective(
    data_folder: Path,
) -> None:
    cases = shown(data_folder, seed.seed(data_folder, images=4), [0, 1, 2, 3])

    assert cases[("defective", "Anomaly Detection")].marked
    for (_, subtask), case in cases.items():
        assert "polygonlabels" not in drawn(case)
        assert case.blind == (subtask != "Object Classification")
    for subtask in ("Anomaly Detection", "Defect Localization"):
        good, bad = (labelstudio_task.task(cases[(label, subtask)]) for label in ("good", "defective"))
        for task in (good, bad):
            data = task["data"]
            assert isinstance(data, dict)
            assert data["title"] == f"plate · {subtask}"
            told = json.dumps({name: data[name] for name in data if name not in ("knowledge", "asked", "choices")})
            assert not {"scratch", "good", "defective", "mask"} & set(told.casefold().replace("/", " ").split())
        assert good["data"].keys() == bad["data"].keys()  # type: ignore[attr-defined]


def test_a_question_about_a_known_defect_keeps_the_mask_unless_its_picture_is_judged_blind_too(
    data_folder: Path,
) -> None:
    seeded = seed.seed(data_folder, images=4)
    alone = shown(data_folder, seeded, [3])[("defective", "Object Classification")]
    assert "polygonlabels" in drawn(alone)
    beside = shown(data_folder, seeded, [0])[("defective", "Object Classification")]
    assert "polygonlabels" not in drawn(beside)


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_a_blind_task_never_carries_an_outline_even_if_its_case_has_one(subtask: str) -> None:
    outline = ((1.0, 1.0), (9.0, 1.0), (5.0, 9.0))
    options = (Option("A", "Scratch."), Option("B", "Stain."))
    (declared,) = [each for each in DECLARED if each.name == subtask]
    claims = ("defective", "good") if declared.detects else None
    blind = blinding.mask_answers(dispute(1, subtask=subtask, options=options, kind=declared.kind, claims=claims))
    case = CaseForReview(
        "d.1", "d", "", "?", options, "A", None, None, (), "/q", "/r", Window(0, 0, 10, 10), (), (outline,), blind
    )
    assert drawn(case) == ([] if declared.detects or declared.kind == "region" else ["polygonlabels"])
    offers = dispute(1, subtask=subtask, options=(Option("A", "Kein Fehler"),), no_defect=("A",))
    assert blinding.mask_answers(offers)


def audited(data: Path) -> tuple[Reviews, str, list[Dispute]]:
    """A run whose six answers to the first question were all drawn for its audit."""
    seeded = seed.seed(data, images=12)
    reviews, run, question = Reviews(data), seeded.run.run_id, seed.question_id(0)
    answered = reviews.cases(run).filter(status="answered", question_id=question)["image_id"].to_list()[:6]
    cases = [dispute(number, run_id=run, slots=2, image_id=name, question_id=question)
             for number, name in enumerate(answered)]  # fmt: skip
    drawn = tuple(AuditCase(one.image_id, one.question_id) for one in cases)
    reviews.draw_audit(
        AuditDraw(run, 100, 1, drawn, seed.STARTED), cases, [reason(one, "audit") for one in cases], actor=ANN
    )
    return reviews, run, cases


def test_verdicts_given_with_the_mask_in_sight_are_in_no_agreement_and_no_audit_estimate(data_folder: Path) -> None:
    reviews, run, cases = audited(data_folder)
    reviews.judge(
        stored(
            [
                verdict(one, slot, run_id=run, unblinded=number < 2, right_answer="B", judged_at=seed.STARTED)
                for number, one in enumerate(cases)
                for slot in (1, 2)
            ]
        ),
        actor=ANN,
    )
    reviews.judge(stored([settlement(one, basis="agreed") for one in cases]), actor=ANN)

    found = agreement.agreement(reviews.verdicts())
    assert (found.pairs, found.same, found.unblinded) == (4, 4, 4)
    estimate = disputes.audit_estimate(reviews, run)
    assert estimate is not None
    assert (estimate.judged, disputes.audit_left_out(reviews, run)) == (4, 2)
    page = html.unescape(words(opened("workbench/pages/disputes/disputes.py", run=run)))
    assert "4 verdicts are left out: the archive's mask was drawn on the task" in page
    assert "2 judged cases are left out: the archive's mask was drawn on the task" in page

    reviews.judge(stored([replace(settlement(cases[0]), basis="person", author="anna")]), actor=ANN)
    assert disputes.audit_left_out(reviews, run) == 1  # what a person settled doesn't rest on those verdicts


def test_the_budget_learns_from_drawn_cases_alone_and_from_no_verdict_given_with_the_mask_in_sight(
    data_folder: Path,
) -> None:
    reviews, run, _ = audited(data_folder)
    cases = schema.records(Dispute, reviews.queue())
    seen = [verdict(one, run_id=run, unblinded=number < 2) for number, one in enumerate(cases)]
    reviews.judge(stored(seen), actor=ANN)
    reviews.judge(stored([settlement(one) for one in cases]), actor=ANN)
    learned = disputes._judged_by_people(reviews, SUBTASKS)
    assert learned is not None
    assert len(learned.wrong) == 4

    rows = reviews.cases(run).filter(status="answered", question_id=seed.question_id(1))
    key = Key(rows["image_id"][0], rows["question_id"][0])
    disputes.open_by(Store(data_folder), run, key, actor=ANN)
    (asked,) = reviews.queue(image_id=key.image_id).filter(question_id=key.question_id)["dispute_id"]
    agreement.settle_by(reviews, asked, "correct", None, "looked", actor=ANN)
    picked = dispute(99, run_id=run, image_id=rows["image_id"][1], question_id=rows["question_id"][1])
    reviews.open([picked], [reason(picked, "uncertain")], actor=ANN)
    (picked,) = schema.records(Dispute, reviews.queue(image_id=picked.image_id).filter(question_id=picked.question_id))
    reviews.judge(stored([settlement(picked)]), actor=ANN)
    assert set(reviews.queue(run).filter(state="settled")["stratum"]) == {"audit", "rule", "volunteered"}
    again = disputes._judged_by_people(reviews, SUBTASKS)
    assert again is not None
    assert len(again.wrong) == 4


def test_what_somebody_volunteered_to_judge_before_the_draw_is_in_no_audit_estimate(data_folder: Path) -> None:
    seeded = seed.seed(data_folder, images=12)
    reviews, run, question = Reviews(data_folder), seeded.run.run_id, seed.question_id(0)
    answered = reviews.cases(run).filter(status="answered", question_id=question)["image_id"].to_list()[:2]
    volunteered, drawn = (
        dispute(number, run_id=run, image_id=name, question_id=question) for number, name in enumerate(answered)
    )
    reviews.open([volunteered], [reason(volunteered, "person")], actor=ANN)
    reviews.judge(stored([settlement(volunteered)]), actor=ANN)
    both = tuple(AuditCase(one.image_id, one.question_id) for one in (volunteered, drawn))
    draw = AuditDraw(run, 100, 1, both, seed.STARTED)
    reviews.draw_audit(draw, [drawn], [reason(drawn, "audit")], actor=ANN)
    reviews.judge(stored([settlement(drawn)]), actor=ANN)
    estimate = disputes.audit_estimate(reviews, run)
    assert estimate is not None
    assert estimate.judged == 1


def test_a_case_that_nobody_could_tell_is_not_judged_in_the_audit_lane(data_folder: Path) -> None:
    reviews, run, cases = audited(data_folder)
    reviews.judge(stored([settlement(one, decision="unsure", right_answer=None) for one in cases[:2]]), actor=ANN)
    reviews.judge(stored([settlement(one) for one in cases[2:]]), actor=ANN)
    estimate = disputes.audit_estimate(reviews, run)
    assert estimate is not None
    assert (len(cases), estimate.judged) == (6, 4)


def test_older_tasks_and_verdicts_with_a_mask_in_sight_are_marked(data_folder: Path) -> None:
    entries = seed.draw_archive(data_folder, 4)  # every second has a mask
    subtasks = ("Anomaly Detection", "Defect Localization", "Defect Classification")
    cases = [
        dispute(place, image_id=entry.image_id, subtask=subtask, dispute_id=f"{entry.label} {subtask} {place}")
        for place, (entry, subtask) in enumerate((entry, subtask) for entry in entries for subtask in subtasks)
    ]
    con = duckdb.connect()
    con.execute((SCHEMAS / "003.sql").read_text(encoding="utf-8"))
    tasks = [ReviewTask(f"{one.dispute_id}.1", one.dispute_id, 1, "p", 7, 64, 48, seed.STARTED) for one in cases]
    given = [verdict(one, verdict_id=f"ls-p-{place}") for place, one in enumerate(cases)]
    given += [verdict(cases[3], verdict_id="given in the dashboard")]
    for table, rows in (("entries", entries), ("disputes", cases), ("review_tasks", tasks), ("verdicts", given)):
        con.register("given", schema.table(type(rows[0]), rows))
        columns = con.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall()
        con.execute(f"INSERT INTO {table} BY NAME SELECT {', '.join(name for (name,) in columns)} FROM given")

    con.execute("BEGIN")
    migrations.migrate(con)
    con.execute("COMMIT")

    marked = {one.dispute_id for one in cases if one.dispute_id.startswith("defective") and "Class" not in one.subtask}
    seen = con.execute("SELECT DISTINCT dispute_id FROM review_tasks WHERE unblinded").fetchall()
    assert {name for (name,) in seen} == marked
    seen = con.execute("SELECT dispute_id FROM verdicts WHERE unblinded").fetchall()
    assert sorted(name for (name,) in seen) == sorted(marked)
