"""One call of every function that changes something for somebody: what the audit log's tests walk through.

    python -m tests.warehouse.changes DATA FUNCTION

makes that change after what it needs, and is killed in it where WORKBENCH_DIE_AT says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tests.curation.night_bets import NIGHT_TEST, night_bet
from tests.curation.test_knowledge_base import TRIAL, attempt, result
from tests.curation.test_normals import normal
from tests.nights.calendars import schedule
from tests.people import ANN
from tests.warehouse import rows
from tests.warehouse.judging import stored
from tests.warehouse.rows import NOW, RUN
from tests.warehouse.test_reviews import dispute, reason, verdict
from warehouse.queries.curation import Curation
from warehouse.queries.night_charts import NightCharts
from warehouse.queries.night_tests import NightTests
from warehouse.queries.nights import Nights
from warehouse.queries.normals import Normals
from warehouse.queries.questions import QuestionSets
from warehouse.queries.reviews import Reviews
from warehouse.queries.run_notes import NoteChange, RunNotes
from warehouse.queries.thresholds import Thresholds
from warehouse.records.judgements import Pulled
from warehouse.records.night_charts import ChartAcknowledgement, NightReference
from warehouse.records.nights import Backup, Night
from warehouse.records.questions import RegisteredSet
from warehouse.records.reviews import AuditCase, AuditDraw, ReviewProject, ReviewTask
from warehouse.records.thresholds import Threshold
from warehouse.store import Store
from warehouse.upkeep import Upkeep

TEXT = "D/plate/rust"
CASE = dispute(1)
PROJECT = ReviewProject("p", "http://127.0.0.1:9", 1, "v1", 12, None, None, NOW)
PULLED = stored([verdict(CASE)], "Label Studio")
THRESHOLD = Threshold("plate", "", "claim", 0, 1.0, "cost", None, "{}", RUN, "", "first", NOW)
REFERENCE = NightReference(schedule().name, 1, NOW, NOW, 30, ANN.name, "as it should be", NOW)
NOTE = ChartAcknowledgement(schedule().name, 1, "overkill", NOW, ANN.name, "a new lamp", NOW)
TASK = ReviewTask("t", CASE.dispute_id, 1, "p", 7, 64, 48, NOW)


def prepare(data: Path) -> None:
    """A warehouse in which every one of the changes below can be made."""
    store, curation, reviews, nights = Store(data), Curation(data), Reviews(data), Nights(data)
    store.open_run(rows.run())
    curation.take({("D", "plate", "rust"): "Brown spots."}, "first", actor=ANN)
    curation.draft(("D", "plate", "rust"), "Red spots.", "clearer", actor=ANN)
    Normals(data).take([normal("a"), normal("b")], "first", actor=ANN)
    Normals(data).take([normal("c")], "confirmed good", publish=False, actor=ANN)
    reviews.open([CASE], [reason(CASE)], actor=ANN)
    reviews.plan_project(PROJECT, actor=ANN)
    Thresholds(data).save(THRESHOLD, actor=ANN)
    nights.keep_schedule(schedule(), actor=ANN)
    nights.keep_night(Night(schedule().name, NOW, NOW, 1, "finished", NOW, NOW, 1, 1, None))


def _close_attempt(data: Path) -> None:
    Curation(data).open_attempt(attempt(), TRIAL, actor=ANN)
    Curation(data).close_attempt(result(), actor=ANN)


def _place(data: Path) -> None:
    if not NightTests(data).all():
        NightTests(data).open(NIGHT_TEST, actor=ANN)
    NightTests(data).place(night_bet(), actor=ANN)


def _rollback(data: Path) -> None:
    before, _ = Curation(data).published()
    assert before is not None
    Curation(data).publish(TEXT, 2, "better", actor=ANN)
    Curation(data).rollback(before.version, "worse", actor=ANN)


# Each leaves one audit row by its last call.
CHANGES: Mapping[str, Callable[[Path], object]] = {
    "Curation.draft": lambda data: Curation(data).draft(("D", "plate", "rust"), "Orange.", "why", actor=ANN),
    "Curation.take": lambda data: Curation(data).take({("D", "plate", "good"): "Grey."}, "more", actor=ANN),
    "Curation.publish": lambda data: Curation(data).publish(TEXT, 2, "better", actor=ANN),
    "Curation.retire": lambda data: Curation(data).retire(TEXT, 1, "gone", actor=ANN),
    "Curation.rollback": _rollback,
    "Curation.await_test": lambda data: Curation(data).await_test(TEXT, 2, "tonight", actor=ANN),
    "Curation.open_attempt": lambda data: Curation(data).open_attempt(attempt(), TRIAL, actor=ANN),
    "Curation.close_attempt": _close_attempt,
    "NightTests.open": lambda data: NightTests(data).open(NIGHT_TEST, actor=ANN),
    "NightTests.place": _place,
    "Normals.take": lambda data: Normals(data).take([normal("d")], "more", actor=ANN),
    "Normals.publish": lambda data: Normals(data).publish([3], "confirmed good", actor=ANN),
    "Normals.adopt": lambda data: Normals(data).adopt([replace(normal("d"), state="published")], "file", actor=ANN),
    "Normals.retire": lambda data: Normals(data).retire([1], "scratched", actor=ANN),
    "Nights.keep_schedule": lambda data: Nights(data).keep_schedule(schedule(name="line-9"), actor=ANN),
    "Nights.remove_schedule": lambda data: Nights(data).remove_schedule(schedule().name, actor=ANN),
    "Nights.pause": lambda data: Nights(data).pause(schedule().name, True, actor=ANN),
    "Nights.trust_golden": lambda data: Nights(data).trust_golden(schedule().name, RUN, actor=ANN),
    "Nights.void_nights": lambda data: Nights(data).void_nights(schedule().name, NOW.replace(year=2000), actor=ANN),
    "Nights.keep_backup": lambda data: Nights(data).keep_backup(Backup(NOW, "copy.duckdb"), actor=ANN),
    "NightCharts.accept": lambda data: NightCharts(data).accept(REFERENCE, actor=ANN),
    "NightCharts.acknowledge": lambda data: NightCharts(data).acknowledge([NOTE], actor=ANN),
    "Reviews.open": lambda data: Reviews(data).open([dispute(2)], [reason(dispute(2))], actor=ANN),
    "Reviews.draw_audit": lambda data: Reviews(data).draw_audit(
        AuditDraw(RUN, 9, 1, (AuditCase("image-3", "question"),), NOW), [dispute(3)], [reason(dispute(3))], actor=ANN
    ),
    "Reviews.plan_project": lambda data: Reviews(data).plan_project(
        ReviewProject("q", "http://127.0.0.1:9", 2, "v1", None, None, None, NOW), actor=ANN
    ),
    "Reviews.give_up_project": lambda data: Reviews(data).give_up_project("p", NOW, actor=ANN),
    "Reviews.record_tasks": lambda data: Reviews(data).record_tasks([TASK], actor=ANN),
    "Reviews.store_pulled": lambda data: Reviews(data).store_pulled("p", Pulled(PULLED, (), NOW), actor=ANN),
    "Reviews.judge": lambda data: Reviews(data).judge(stored([verdict(CASE)]), actor=ANN),
    "QuestionSets.add": lambda data: QuestionSets(data).add(RegisteredSet("glass", "v1", "", "ann", NOW), actor=ANN),
    "Thresholds.save": lambda data: Thresholds(data).save(THRESHOLD, actor=ANN),
    "Thresholds.rollback": lambda data: Thresholds(data).rollback("claim", "plate", "", 0, "too dear", actor=ANN),
    "RunNotes.change": lambda data: RunNotes(data).change(RUN, NoteChange(name="baseline"), actor=ANN),
    "Upkeep.drop_traces": lambda data: Upkeep(data).drop_traces([RUN], actor=ANN),
    "Upkeep.note_dropping": lambda data: Upkeep(data).note_dropping("vectors", 3, actor=ANN),
}

# Made again, these find it done: nothing changes, so no row is written.
DONE_ALREADY = (
    "NightTests.place", "RunNotes.change",
    "Curation.take", "Curation.publish", "Normals.take", "Normals.adopt", "Normals.publish", "Nights.void_nights",
    "Reviews.open", "Reviews.draw_audit",
    "QuestionSets.add", "Reviews.record_tasks", "Reviews.store_pulled", "Reviews.judge",
)  # fmt: skip


if __name__ == "__main__":
    CHANGES[sys.argv[2]](Path(sys.argv[1]))
