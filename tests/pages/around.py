"""What stands around the story: two nights' reports, disputes with verdicts, a tested draft with its lift, experiments.

With it no page of the dashboard is empty.
"""

from __future__ import annotations

from tests.curation.test_knowledge_page import judged
from tests.pages import story
from tests.pages.story import Story
from tests.pages.test_night_pages import DUE, keep, morning
from tests.people import ANN
from tests.warehouse.judging import stored
from tests.warehouse.test_reviews import verdict
from warehouse import schema
from warehouse.queries.curation import Curation
from warehouse.queries.experiments import Experiments
from warehouse.queries.reviews import Reviews
from warehouse.records.curation import Lift
from warehouse.records.experiments import Arm
from warehouse.records.reviews import Dispute
from workbench.curation import edit
from workbench.review import agreement, disputes
from workbench.review.rules import Rules

TEXT = f"Drawn/{story.PRODUCT}/good"


def surround(told: Story) -> Story:
    """The same story, with all of that stored beside it."""
    store, run_id = told.store, told.last_night.run_id
    keep(store.data, morning(), morning(due_at=DUE.replace(day=18), images=3100, changes=()))
    disputes.open_run(store, run_id, Rules(budget=20, blind_share=0.0), actor=ANN)
    reviews = Reviews(store.data)
    for dispute in schema.records(Dispute, reviews.queue())[:5]:
        reviews.judge(stored([verdict(dispute, run_id=dispute.run_id)]), actor=ANN)
    agreement.settle_due(reviews)
    draft = edit.edit(store, TEXT, "A drug capsule without a defect is smooth.", "shorter", actor=ANN).draft
    judged(store.data, draft.revision, text=TEXT)
    Curation(store.data).add_lifts([Lift(TEXT, 1, run_id, 12, 0, 12, 40, 6, 2, 0.1, 0.02, 0.18, (), story.LAST_NIGHT)])
    for place, (name, run) in enumerate((("plain", told.before), ("knowledge", told.last_night))):
        base = "plain" if place else None
        arm = Arm("e" * 16, "ablation", run.archive_id, place, name, "main", None, base, run.run_id, run.started_at)
        Experiments(store.data).keep(arm)
    undisturbed = "undisturbed 0, full"
    stressed = ((undisturbed, 0.0, told.before), ("blur 1, full", 1.0, told.last_night))
    for place, (name, level, run) in enumerate(stressed):
        base, condition = undisturbed if place else None, name.partition(" ")[0]
        arm = Arm("d" * 16, "stress", run.archive_id, place, name, condition, level, base, run.run_id, run.started_at)
        Experiments(store.data).keep(arm)
    return told
