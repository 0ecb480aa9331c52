"""What the kill tests and `make chaos` share: many disputes, judged ones, and what must hold afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.pages import seed
from tests.people import ANN
from tests.review.conftest import Studio, result
from warehouse import schema
from warehouse.queries.audit import Audit
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import Verdict
from warehouse.records.scoring import Archive
from warehouse.store import Store
from workbench.analysis.metrics import Key
from workbench.review import disputes
from workbench.review.rules import Suspicion

PUSH = ("before-send", "after-send", "before-record", "after-record")
PULL = ("after-fetch", "before-verdicts", "after-verdicts", "before-settle", "after-settle")


def many(data: Path, count: int) -> Reviews:
    """A warehouse with a run of so many cases over eight pictures, each disputed and asked of one person."""
    store = Store(data)
    entries = seed.draw_archive(data / "archive", 8)
    archive = Archive(entries[0].archive_id, str((data / "archive").resolve()), "plates", seed.STARTED)
    store.register_archive(archive)
    store.upsert_entries(archive.archive_id, entries)
    run = seed.a_run(archive.archive_id, count, knowledge_version=None)
    predictions = []
    for number in range(count):
        prediction, _ = seed.a_case(run.run_id, entries[number % 8], number // 8 % 4)
        predictions.append(seed.renamed(prediction, f"{prediction.question_id}-{number}"))
    seed.store_run(store, run, predictions, [])
    reviews = Reviews(data)
    cases = reviews.cases(run.run_id).iter_rows(named=True)
    made = [disputes._dispute(row, run.run_id, None, 0.0, seed.STARTED) for row in cases]
    raised = [Suspicion(Key(one.image_id, one.question_id), "uncertain", 0.5, "made up") for one in made]
    reviews.open(made, [disputes._reason(one, "rules", seed.STARTED) for one in raised], actor=ANN)
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
    actions = Counter(row.action for row in Audit(reviews.data).rows())
    if (actions["judge"], actions["settle"]) != (len(judged), len(judged)):
        found.append(f"the audit log has {actions} for {len(judged)} verdicts")
    return found
