"""Loops over what reviewers and curators gave, each with an item that raises; `tests/test_loops.py` lists them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.curation.test_names import says
from tests.pages import seed
from tests.people import ANN, by
from tests.planted import Nth, raising
from tests.scored import Quiet
from tests.warehouse.judging import stored
from warehouse.queries.curation import Curation
from warehouse.queries.reviews import Reviews
from warehouse.records.reviews import Dispute, ReviewProject, ReviewTask
from warehouse.schema import records
from workbench.analysis.metrics import Key
from workbench.curation import edit as review_curation
from workbench.curation import proposals, trial
from workbench.review import disputes
from workbench.review.labelstudio import pull, push, task
from workbench.review.labelstudio.client import Address, LabelStudio
from workbench.review.labelstudio.configuration import Connection
from workbench.review.labelstudio.remote_records import RemoteTask
from workbench.review.pictures import Folder
from workbench.review.sending import Wanted

NOW = datetime(2026, 1, 20, 6, 0, tzinfo=UTC)


def drafts_that_wait_for_their_test(data: Path, patch: pytest.MonkeyPatch) -> object:
    seeded, curation = seed.seed(data, images=2), Curation(data)
    for name in ("good", "scratch", "stain"):
        draft = review_curation.edit(
            seeded.store, f"drawn/plate/{name}", f"Another {name} text.", "why", actor=ANN
        ).draft
        curation.await_test(draft.description_id, draft.revision, "tonight", actor=ANN)
    open_test = raising(lambda _, draft, **__: draft, lambda _, draft, **__: draft.entry == "scratch")
    patch.setattr(trial, "open_test", open_test)
    patch.setattr(trial, "run_test", lambda _, draft, *__, **___: draft.entry)
    done = trial.test_waiting(seeded.store, Quiet(), actor=ANN)
    return sorted(map(str, done.results)), done.refused, done.left


def disputes_pushed(data: Path, patch: pytest.MonkeyPatch) -> object:
    seeded = seed.seed(data, images=4)
    for entry in seeded.entries[:3]:
        disputes.open_by(seeded.store, seeded.run.run_id, Key(entry.image_id, seed.question_id(0)), actor=by("anna"))
    found = records(Dispute, Reviews(data).queue())
    connection = Connection(LabelStudio(Address("http://127.0.0.1:9", "x")), Folder(data, "/files"))
    shown = push._Pictures(seeded.store, connection)
    assert all(map(shown.show, found))
    material = push._read(seeded.store, found, frozenset())
    patch.setattr(push, "_outlines", raising(push._outlines, Nth(1)))
    ready, broken = push._prepare(connection, [Wanted(one, 1) for one in found], material, shown)
    return len(ready), len(broken)


def annotations_of_a_task(data: Path, patch: pytest.MonkeyPatch) -> object:
    """Of one task; `tests/review/test_malformed.py` plants them in a real server."""
    seeded = seed.seed(data, images=2)
    disputes.open_by(
        seeded.store, seeded.run.run_id, Key(seeded.entries[0].image_id, seed.question_id(0)), actor=by("anna")
    )
    (one,) = records(Dispute, Reviews(data).queue())
    project = ReviewProject("p", "http://127.0.0.1:9", 1, "v", 1, None, None, NOW)
    sent = ReviewTask("key", one.dispute_id, 1, "p", 7, 96, 96, NOW)
    known = pull._Known(project, {7: sent}, {one.dispute_id: one}, {}, {}, set(), {})
    patch.setattr(pull, "judgement", raising(task.judgement, Nth(2)))
    said = [{"from_name": "verdict", "to_name": "query", "type": "choices", "value": {"choices": ["Correct"]}}]
    told: list[dict[str, object]] = [
        {"id": number, "updated_at": NOW.isoformat(), "result": said} for number in (1, 2, 3)
    ]
    verdicts, aside = pull._read(known, RemoteTask(7, "key", NOW, tuple(told)))
    return [each.judgement_id for each in verdicts], [(each.annotation_id, each.reason) for each in aside]


def proposals_of_reviewers(data: Path, patch: pytest.MonkeyPatch) -> object:
    seeded = seed.seed(data, images=8)
    scratched = [each for each in seeded.entries if each.defect == "scratch"]
    odd = [replace(each, product=name) for each, name in zip(scratched, "abc", strict=False)]
    seeded.store.upsert_entries(seeded.archive.archive_id, odd)
    Reviews(data).judge(stored([says(each.image_id, at) for at, each in enumerate(odd)]), actor=ANN)
    patch.setattr(
        proposals, "propose", raising(proposals.propose, lambda place, *_: place == ("drawn", "b", "scratch"))
    )
    found = proposals.waiting(seeded.store)
    return [each.description_id for each in found.proposals], found.problems
