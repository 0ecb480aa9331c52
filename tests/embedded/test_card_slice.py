"""The card's figures are of this checkpoint: the answers kept beside it come out again."""

from __future__ import annotations

import json

import pytest

from training import card, full_method
from workbench import embedded
from workbench.model.method import Method

NEAR = 0.02  # a letter this near to another may differ on another processor


@pytest.mark.slow
def test_the_committed_checkpoint_gives_the_cards_first_answers_again() -> None:
    kept = json.loads((embedded.CHECKPOINT / card.SLICE_FILE).read_text())
    found = full_method.run(embedded.CHECKPOINT, kept["images"], kept["seed"], Method())
    expected = [full_method.Told(**each) for each in kept["told"]]
    assert [(told.image, told.subtask) for told in found.told] == [(told.image, told.subtask) for told in expected]
    differing = [
        (mine, theirs)
        for mine, theirs in zip(found.told, expected, strict=True)
        if mine.answer != theirs.answer and theirs.probability > 0.5 + NEAR
    ]
    assert differing == []
    assert [told.probability for told in found.told] == pytest.approx([told.probability for told in expected], abs=NEAR)
    right = sum(told.right for told in expected)
    text = (embedded.CHECKPOINT / "README.md").read_text()
    assert f"about the first {kept['images']} images {right} of {len(expected)} are right" in " ".join(text.split())
