"""The whole loop with a real Label Studio: a lie, its harm, a reviewer's text, the gate, and the next run is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import scored
from tests.curation import plates
from tests.curation.plates import TEXT, TRUE
from tests.review.conftest import Studio
from warehouse import schema
from warehouse.curation import Curation
from warehouse.review_records import Dispute
from warehouse.reviews import Reviews
from workbench.review import agreement, curation, disputes, lift, pictures, proposals, push, trial
from workbench.review.desk import Desk
from workbench.review.pull import pull
from workbench.review.rules import Rules

pytestmark = [pytest.mark.labelstudio, pytest.mark.slow]


def test_a_reviewers_text_brings_a_spoiled_product_back(tmp_path: Path, studio_server: Studio) -> None:
    # 1. a text lies; the run is wrong about what it describes, the leaderboard and the disputes say so
    archive = plates.draw(tmp_path / "archive", scratched=24)
    store = plates.knowing(tmp_path / "data", archive)
    first = plates.score(store, archive).run
    assert plates.analysed(store, first.run_id) < 0.5
    [harm] = lift.measure(store, scored.Quiet(), first.run_id, TEXT)
    assert harm.high < 0
    assert [each.subtask for each in harm.subtasks if each.harmed > each.helped] == ["Defect Analysis"]
    disputes.open_for(
        store, first.run_id, lambda path: pictures.size_of(archive / path), Rules(budget=60, blind_share=0.0)
    )
    reviews = Reviews(store.data)
    disputed = schema.records(Dispute, reviews.queue())
    about = [each for each in disputed if "metal_plate/test/scratch" in each.image_path]
    lied = [each for each in about if each.subtask == "Defect Analysis" and each.answer != each.correct_answer]
    assert lied

    # 2. a reviewer judges two of them in Label Studio, and writes what the text should say
    desk = Desk(studio_server.client(), studio_server.folder())
    push.push(store, desk, limit=len(disputed), audit_share=0.0)
    tasks = {task.dispute_id: task.task_id for task in reviews.tasks()}
    seen = [each for each in lied if each.dispute_id in tasks][:2]
    for each in seen:
        right = next(option for option in each.options if option.letter == each.correct_answer)
        studio_server.judge(
            tasks[each.dispute_id], "Wrong", right_option=f"{right.letter}: {right.text}", explanation="Misleads",
            better=TRUE,
        )  # fmt: skip
    assert pull(store, desk).verdicts == len(seen)
    agreement.settle_due(reviews)

    # 3. the verdicts become a proposal, a person accepts it, the gate tests it on images nobody looked at
    [proposal] = proposals.waiting(store)
    assert (proposal.description_id, proposal.text, len(proposal.verdicts)) == (TEXT, TRUE, len(seen))
    draft = proposals.accept(store, TEXT, "curator").draft
    sources = Curation(store.data).sentences(TEXT, draft.revision)
    assert {each.image_id for each in sources} == {each.image_id for each in seen}
    attempt = trial.open_test(store, draft, "curator")
    assert not {each.image_id for each in seen} & {*attempt.affected, *attempt.elsewhere}
    result = trial.run_test(store, attempt, scored.Quiet())
    assert result is not None
    assert result.verdict == "better", result

    # 4. published, the next run is back
    version = curation.publish(store, TEXT, draft.revision, "curator")
    second = plates.score(store, archive).run
    assert second.knowledge_version == version.version
    assert plates.analysed(store, second.run_id) > 0.9
    [help_] = lift.measure(store, scored.Quiet(), second.run_id, TEXT)
    assert help_.harmed < help_.helped
    assert help_.low > 0
