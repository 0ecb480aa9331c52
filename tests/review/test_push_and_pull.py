"""Disputes to a real Label Studio and verdicts back: each once, edits and deletions followed, nonsense put aside."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.pages import seed
from tests.people import ANN
from tests.review.conftest import Case, Studio, choice, result
from warehouse import schema
from warehouse.records.reviews import DefectBox, Dispute, Verdict
from workbench.review import agreement
from workbench.review.labelstudio import push
from workbench.review.labelstudio.client import LabelStudio
from workbench.review.labelstudio.pull import pull
from workbench.review.labelstudio.task import CONFIG, DRAWN_VERSION, VERSION

pytestmark = pytest.mark.labelstudio


def dispute_of(case: Case, key: str) -> Dispute:
    (found,) = [one for one in schema.records(Dispute, case.reviews.queue()) if key.startswith(one.dispute_id)]
    return found


def verdicts(case: Case) -> list[Verdict]:
    return schema.records(Verdict, case.reviews.verdicts())


def sent(case: Case, limit: int = 3) -> list[tuple[int, str]]:
    """The tasks of a push: their numbers and keys."""
    push.push(case.store, case.connection, limit=limit, audit_share=0.0, actor=ANN)
    return [(task.task_id, task.task_key) for task in case.reviews.tasks()]


@pytest.mark.parametrize("kind", ["legacy", "personal"])
def test_both_kinds_of_token_open_label_studio(studio_server: Studio, kind: str) -> None:
    token = studio_server.token
    if kind == "personal":
        answer = httpx.post(f"{studio_server.url}/api/token/", headers={"Authorization": f"Token {token}"})
        token = answer.json()["token"]
    client = studio_server.client(token)

    assert client.kind == kind
    assert client.whoami() == "reviewer@workbench.test"


def test_a_push_makes_one_task_per_dispute_however_often_it_is_given(case: Case, studio_server: Studio) -> None:
    first = push.push(case.store, case.connection, limit=4, audit_share=0.0, actor=ANN)
    again = push.push(case.store, case.connection, limit=0, actor=ANN)
    forgotten = [task.task_key for task in case.reviews.tasks()]
    with case.reviews._database._transaction() as con:  # as a warehouse brought back from a backup
        con.execute("DELETE FROM review_tasks")
    third = push.push(case.store, case.connection, limit=4, audit_share=0.0, actor=ANN)

    assert (first.sent, first.found) == (4, 0)
    assert (again.sent, again.found) == (0, 0)
    assert (third.sent, third.found) == (0, 4)
    (project,) = case.reviews.projects()
    assert project.project_id is not None
    remote = case.connection.studio.project(project.project_id)
    assert remote is not None
    assert (remote.tasks, remote.config) == (4, CONFIG)
    assert sorted(case.connection.studio.keys(project.project_id)) == sorted(forgotten)


def test_the_audit_lane_keeps_its_share_of_a_push(case: Case) -> None:
    push.push(case.store, case.connection, limit=5, audit_share=0.4, actor=ANN)
    states = case.reviews.queue().filter(state="pushed")
    assert states.filter(states["reasons"].list.contains("audit")).height == 2
    assert states.height == 5


def test_a_drawn_case_lies_in_a_project_that_shows_no_answer_and_its_verdict_comes_home(
    case: Case, studio_server: Studio
) -> None:
    push.push(case.store, case.connection, limit=2, audit_share=0.5, actor=ANN)
    projects = {each.config: each.project_key for each in case.reviews.projects()}
    assert set(projects) == {VERSION, DRAWN_VERSION}
    (drawn,) = case.reviews.tasks(projects[DRAWN_VERSION])
    dispute = dispute_of(case, drawn.task_key)
    data = studio_server.sdk().tasks.get(drawn.task_id).data
    assert "model" not in data["asked"]
    right = next(option for option in dispute.options if option.letter != dispute.answer)
    said = [choice("right_option", f"{right.letter}: {right.text}")]
    studio_server.sdk().annotations.create(id=drawn.task_id, result=said, lead_time=3.0)

    assert pull(case.store, case.connection, actor=ANN).verdicts == 1
    (verdict,) = verdicts(case)
    assert (verdict.dispute_id, verdict.decision, verdict.right_answer) == (dispute.dispute_id, "wrong", right.letter)
    assert case.reviews.queue().filter(dispute_id=dispute.dispute_id)["stratum"].to_list() == ["audit"]


def test_pictures_that_cannot_be_shown_take_no_room_of_a_push(case: Case, seeded: seed.Seeded) -> None:
    queue, root = case.reviews.queue(), Path(seeded.archive.root)
    heaviest = queue["image_path"][0]
    other = next(path for path in queue["image_path"] if path != heaviest)
    (root / heaviest).write_bytes((root / other).read_bytes())
    left = queue.filter(queue["image_path"] != heaviest)["dispute_id"].to_list()

    done = push.push(case.store, case.connection, limit=3, audit_share=0.0, actor=ANN)

    assert (done.sent, done.waiting) == (3, queue.height - 3 - len(done.unreadable))
    assert (
        f"by rules; {len(done.unreadable)} can't be shown: {heaviest}: no longer the picture that was scored"
        in done.summary
    )
    assert case.reviews.queue().filter(state="pushed")["dispute_id"].to_list() == left[:3]


def test_a_verdict_comes_home_whole(case: Case, studio_server: Studio) -> None:
    (task_id, key), *_ = sent(case)
    dispute = dispute_of(case, key)
    right = next(option for option in dispute.options if option.letter != dispute.answer)
    studio_server.judge(
        task_id,
        "Wrong",
        right_option=f"{right.letter}: {right.text}",
        explanation="Misleads",
        better="A scratch is thin and bright.",
        comment="<b>see</b> the corner",
        box={"x": 25.0, "y": 50.0, "width": 12.5, "height": 25.0},
    )
    assert pull(case.store, case.connection, actor=ANN).verdicts == 1
    assert pull(case.store, case.connection, actor=ANN).verdicts == 0

    (verdict,) = verdicts(case)
    assert (verdict.dispute_id, verdict.image_id, verdict.question_id) == (
        dispute.dispute_id,
        dispute.image_id,
        dispute.question_id,
    )
    assert (verdict.decision, verdict.right_answer, verdict.explanation) == ("wrong", right.letter, "misleads")
    assert verdict.boxes == (DefectBox(42.0, 84.0, 63.0, 126.0),)  # of 168 x 168 pixels
    assert (verdict.better_description, verdict.comment) == ("A scratch is thin and bright.", "<b>see</b> the corner")
    assert (verdict.reviewer, verdict.seconds) == ("reviewer@workbench.test", 12.5)
    (settled,) = case.reviews.overrides().iter_rows(named=True)
    assert (settled["right_answer"], settled["basis"], settled["author"]) == (
        right.letter,
        "single",
        "reviewer@workbench.test",
    )


def test_edits_and_deletions_are_followed_and_the_history_is_kept(case: Case, studio_server: Studio) -> None:
    (task_id, _), (other_id, _), *_ = sent(case)
    sdk = studio_server.sdk()
    annotation = studio_server.judge(task_id, "Correct")
    other = studio_server.judge(other_id, "Correct")
    assert pull(case.store, case.connection, actor=ANN).settled == 2

    sdk.annotations.update(id=annotation, result=result("Unsure"))
    sdk.annotations.delete(other)
    done = pull(case.store, case.connection, actor=ANN)

    assert (done.verdicts, done.withdrawn, done.settled) == (1, 1, 2)
    assert [verdict.decision for verdict in verdicts(case)] == ["unsure"]
    assert case.reviews.verdicts(history=True).sort("verdict_id", "revision")["revision"].to_list() == [1, 2, 1, 2]
    assert case.reviews.overrides().is_empty()
    assert case.reviews.settlements().height == 4


def test_a_deleted_task_takes_its_verdict_back_whatever_was_put_aside(case: Case, studio_server: Studio) -> None:
    (task_id, _), (other_id, _), *_ = sent(case)
    studio_server.judge(task_id, "Correct")
    studio_server.sdk().annotations.create(id=other_id, result=[choice("verdict", "Perhaps")])
    pull(case.store, case.connection, actor=ANN)
    studio_server.sdk().tasks.delete(str(task_id))

    assert pull(case.store, case.connection, actor=ANN).withdrawn == 1
    assert pull(case.store, case.connection, actor=ANN).withdrawn == 0
    assert verdicts(case) == []


def test_what_cannot_be_a_verdict_is_put_aside_with_its_reason(case: Case, studio_server: Studio) -> None:
    tasks = sent(case, limit=6)
    sdk = studio_server.sdk()
    project_id = case.reviews.projects()[0].project_id
    shown = {**sdk.tasks.get(str(tasks[0][0])).data, "key": None}
    copy = sdk.tasks.create(project=project_id, data={**shown, "key": tasks[0][1]})
    foreign = sdk.tasks.create(project=project_id, data=shown)
    bad = {
        tasks[0][0]: [choice("verdict", "Perhaps")],
        tasks[1][0]: [choice("nope", "Wrong")],
        tasks[2][0]: [],
        tasks[3][0]: [
            *result("Unsure"),
            {"from_name": "boxes", "to_name": "reference", "type": "rectanglelabels", "value": {}},
        ],
        tasks[4][0]: result("Unsure", box={"x": 120.0, "y": 0.0, "width": 5.0, "height": 5.0}),
        tasks[5][0]: result("Wrong", right_option="Z: <script>"),
        copy.id: result("Unsure"),
        foreign.id: result("Unsure"),
    }
    for task_id, said in bad.items():
        sdk.annotations.create(id=task_id, result=said)

    done = pull(case.store, case.connection, actor=ANN)
    again = pull(case.store, case.connection, actor=ANN)

    assert (done.verdicts, done.quarantined, again.quarantined) == (0, 8, 0)
    reasons = dict(case.reviews.quarantined().select("task_id", "reason").iter_rows())
    assert "the verdict is 'Perhaps'" in reasons[tasks[0][0]]
    assert "control 'nope'" in reasons[tasks[1][0]]
    assert "the verdict is None" in reasons[tasks[2][0]]
    assert "only the query is judged" in reasons[tasks[3][0]]
    assert "no extent within the image" in reasons[tasks[4][0]]
    assert "isn't one of this question's" in reasons[tasks[5][0]]
    assert reasons[copy.id] == "the task is a copy"
    assert reasons[foreign.id] == "the task isn't one that this workbench sent"


def test_a_mended_annotation_leaves_quarantine_as_a_verdict(case: Case, studio_server: Studio) -> None:
    (task_id, _), *_ = sent(case)
    sdk = studio_server.sdk()
    annotation = sdk.annotations.create(id=task_id, result=[choice("verdict", "Perhaps")])
    assert pull(case.store, case.connection, actor=ANN).quarantined == 1
    sdk.annotations.update(id=annotation.id, result=result("Correct"))
    assert pull(case.store, case.connection, actor=ANN).verdicts == 1


@pytest.mark.parametrize("fate", ["deleted", "skipped", "its task deleted", "mended, then deleted"])
def test_what_was_put_aside_and_is_gone_from_the_server_is_counted_no_more(
    case: Case, studio_server: Studio, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    (task_id, _), (other_id, _), *_ = sent(case)
    sdk = studio_server.sdk()
    bad = sdk.annotations.create(id=task_id, result=[choice("verdict", "Perhaps")])
    sdk.annotations.create(id=other_id, result=[choice("verdict", "Perhaps")])
    assert pull(case.store, case.connection, actor=ANN).quarantined == 2
    if fate.startswith("mended"):
        sdk.annotations.update(id=bad.id, result=result("Correct"))
        assert pull(case.store, case.connection, actor=ANN).verdicts == 1
    if fate == "skipped":
        sdk.annotations.update(id=bad.id, was_cancelled=True)
    elif fate == "its task deleted":
        sdk.tasks.delete(str(task_id))
    else:
        sdk.annotations.delete(bad.id)

    pull(case.store, case.connection, actor=ANN)
    assert verdicts(case) == []
    assert case.reviews.quarantined()["task_id"].to_list() == [other_id]

    def listed(*_: object) -> None:
        raise AssertionError("every task is listed again")

    monkeypatch.setattr(LabelStudio, "annotated", listed)
    pull(case.store, case.connection, actor=ANN)


def test_a_skipped_task_is_no_verdict(case: Case, studio_server: Studio) -> None:
    (task_id, _), *_ = sent(case)
    studio_server.sdk().annotations.create(id=task_id, result=[], was_cancelled=True)
    done = pull(case.store, case.connection, actor=ANN)
    assert (done.verdicts, done.quarantined, done.skipped) == (0, 0, 1)


def test_two_reviewers_are_blind_to_each_other_and_a_conflict_gets_a_third_look(
    case: Case, studio_server: Studio
) -> None:
    queue = case.reviews.queue()
    with_two = queue.filter(queue["subtask"] == "Anomaly Detection").head(1)["dispute_id"][0]
    with (
        case.reviews._database._transaction() as con
    ):  # the share of two reviewers is drawn by name; here it is this one
        con.execute("UPDATE disputes SET slots = 2 WHERE dispute_id = ?", [with_two])
        con.execute("UPDATE dispute_reasons SET weight = 9 WHERE dispute_id = ?", [with_two])
    push.push(case.store, case.connection, limit=2, audit_share=0.0, actor=ANN)
    tasks = {task.slot: task for task in case.reviews.tasks()}
    assert sorted(tasks) == [1, 2]
    assert tasks[1].project_key != tasks[2].project_key

    studio_server.judge(tasks[1].task_id, "Correct", by="anna")
    studio_server.judge(tasks[2].task_id, "Wrong", by="ben")
    pull(case.store, case.connection, actor=ANN)
    assert case.reviews.queue().filter(dispute_id=with_two)["state"].to_list() == ["conflict"]
    assert case.reviews.overrides().is_empty()

    push.push(case.store, case.connection, limit=1, audit_share=0.0, actor=ANN)
    (third,) = [task for task in case.reviews.tasks() if task.slot == 3]
    studio_server.judge(third.task_id, "Correct", by="cleo")
    pull(case.store, case.connection, actor=ANN)

    (settled,) = case.reviews.overrides().iter_rows(named=True)
    assert (settled["dispute_id"], settled["decision"], settled["basis"]) == (with_two, "correct", "majority")
    found = agreement.agreement(case.reviews.verdicts())
    assert (found.pairs, found.same) == (1, 0)


def test_one_persons_second_verdict_is_no_agreement(case: Case, studio_server: Studio) -> None:
    chosen = case.reviews.queue()["dispute_id"][0]
    with case.reviews._database._transaction() as con:
        con.execute("UPDATE disputes SET slots = 2 WHERE dispute_id = ?", [chosen])
    push.push(case.store, case.connection, limit=2, audit_share=0.0, actor=ANN)
    for task in case.reviews.tasks():
        studio_server.judge(task.task_id, "Correct", by="anna")
    pull(case.store, case.connection, actor=ANN)

    assert case.reviews.overrides().is_empty()
    push.push(case.store, case.connection, limit=1, audit_share=0.0, actor=ANN)
    (third,) = [task for task in case.reviews.tasks() if task.slot == 3]
    studio_server.judge(third.task_id, "Correct", by="ben")
    pull(case.store, case.connection, actor=ANN)
    (settled,) = case.reviews.overrides().iter_rows(named=True)
    assert (settled["basis"], settled["author"]) == ("agreed", "anna@workbench.test, ben@workbench.test")
