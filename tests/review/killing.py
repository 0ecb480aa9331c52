"""What the kill tests and `make chaos` share: many disputes, judged ones, and what must hold afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.pages import seed
from tests.review.conftest import Studio, result
from warehouse import schema
from warehouse.review_records import Dispute, Verdict
from warehouse.reviews import Reviews
from workbench.analysis.metrics import Key
from workbench.review import disputes, rules
from workbench.review.rules import Suspicion

PUSH = ("before-send", "after-send", "before-record", "after-record")
PULL = ("after-fetch", "before-verdicts", "after-verdicts", "before-settle", "after-settle")


def many(data: Path, count: int) -> Reviews:
    """A warehouse with so many open disputes, each asked of one person, over a few pictures."""
    seeded = seed.seed(data, images=8)
    reviews = Reviews(data)
    first = {row["image_id"]: row for row in rules.disputable(reviews.cases(seeded.run.run_id)).iter_rows(named=True)}
    base = list(first.values())
    now = seeded.run.started_at
    made: list[Dispute] = []
    for number in range(count):
        row = base[number % len(base)]
        plain = disputes._dispute(row, seeded.run.run_id, None, 0.0, now)
        question = f"{row['question_id']}-{number}"
        name = f"{number:024x}"
        made.append(replace(plain, dispute_id=name, question_id=question))
    raised = [Suspicion(Key(one.image_id, one.question_id), "uncertain", 0.5, "made up") for one in made]
    named = {Key(one.image_id, one.question_id): one.dispute_id for one in made}
    reasons = [replace(disputes._reason(one, "rules", now), dispute_id=named[one.key]) for one in raised]
    reviews.open(made, reasons)
    return reviews


def remote_keys(studio: Studio, reviews: Reviews) -> Counter[str]:
    """How often each of our keys is on the server."""
    found: Counter[str] = Counter()
    for project in reviews.projects():
        tasks = studio.sdk().tasks.list(
            project=project.project_id, page_size=500, fields="task_only", include=["id", "data"]
        )
        found.update(str(task.data["key"]) for task in tasks)
    return found


def judge_all(studio: Studio, reviews: Reviews, tasks: Sequence[int]) -> None:
    """Every task judged, each with its own comment."""
    for task_id in tasks:
        studio.sdk().annotations.create(id=task_id, result=result("Correct", comment=f"seen {task_id}"), lead_time=1.0)


def problems_after_pull(reviews: Reviews, judged: Sequence[int]) -> list[str]:
    """What isn't as it must be: every verdict once, on its own case."""
    tasks = {task.task_id: task for task in reviews.tasks()}
    stored = schema.records(Verdict, reviews.verdicts(history=True))
    found: list[str] = []
    if len(stored) != len(judged):
        found.append(f"{len(stored)} verdicts for {len(judged)} annotations")
    for verdict in stored:
        task_id = int((verdict.comment or "seen 0").removeprefix("seen "))
        if tasks[task_id].dispute_id != verdict.dispute_id:
            found.append(f"the verdict on task {task_id} lies on another case")
    settled = reviews.settlements()
    if settled.height != len(judged) or settled["dispute_id"].n_unique() != len(judged):
        found.append(f"{settled.height} settlements for {len(judged)} verdicts")
    return found
