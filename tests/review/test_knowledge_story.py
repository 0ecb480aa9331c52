"""The whole loop with a real Label Studio: a lie, its harm, a reviewer's text, the gate, and the next run is back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.curation import plates
from tests.curation.plates import TEXT, TRUE
from tests.people import by
from tests.review.conftest import Studio
from tests.review.knowledge_story import Told
from warehouse.queries.curation import Curation
from workbench.curation import edit, proposals

pytestmark = [pytest.mark.labelstudio, pytest.mark.slow]


def test_a_reviewers_text_brings_a_spoiled_product_back(tmp_path: Path, studio_server: Studio) -> None:
    # 1. a text lies; the run is wrong about what it describes, the leaderboard and the disputes say so
    told = Told.begin(tmp_path, studio_server)
    told.lie()
    first = told.night()
    assert plates.analysed(told.store, first.run_id) < 0.2
    harm = told.measured(first)
    assert (harm.helped, harm.harmed) == (0, 6)  # the model guesses what a text doesn't tell: right once in four
    assert harm.low < 0 == harm.high  # six images that all lost are just not evidence
    assert [each.subtask for each in harm.subtasks if each.harmed > each.helped] == ["Defect Analysis"]
    seen = told.dispute(first)[:2]
    assert len(seen) == 2

    # 2. a reviewer judges two of them in Label Studio, and writes what the text should say
    assert told.judge(studio_server, seen) == len(seen)

    # 3. the verdicts become a proposal, a person accepts it, the gate tests it on images nobody looked at
    [proposal] = proposals.waiting(told.store).proposals
    assert (proposal.description_id, proposal.text, len(proposal.verdicts)) == (TEXT, TRUE, len(seen))
    draft = told.draft()
    sources = Curation(told.store.data).sentences(TEXT, draft.revision)
    assert {each.image_id for each in sources} == {each.image_id for each in seen}
    result = told.test(draft)
    attempt = Curation(told.store.data).attempt(TEXT, draft.revision)
    assert attempt is not None
    assert not {each.image_id for each in seen} & {*attempt.affected, *attempt.elsewhere}
    assert result.verdict == "better", result

    # 4. published, the next run is back
    version = edit.publish(told.store, TEXT, draft.revision, actor=by("curator"))
    second = told.night()
    assert second.knowledge_version == version.version
    assert plates.analysed(told.store, second.run_id) > 0.9
    help_ = told.measured(second)
    assert help_.harmed < help_.helped
    assert help_.low > 0
