"""What differs between two runs is said by the names that people set."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.pages import seed
from warehouse.records.scoring import Run
from workbench.analysis import run_differences
from workbench.settings import Settings


def a_run(**values: Any) -> Run:
    """A run that stores all its settings, these instead of the defaults."""
    facts = {"weights": "0123456789abcdef", "dtype": "float32", "prompt": "1", "encoder": None}
    stored = {**json.loads(Settings().as_json()), **values, "facts": facts}
    return seed.a_run("archive", 0, settings=json.dumps(stored))


def named(old: Run, new: Run) -> dict[str, tuple[str, str]]:
    return {one.name: (one.old, one.new) for one in run_differences.between(old, new)}


def test_a_setting_that_changes_answers_is_named_with_both_values() -> None:
    assert named(a_run(), a_run(think_tokens=0, device="cuda:0")) == {"think_tokens": ("4", "0")}


def test_model_archive_question_set_and_knowledge_are_named() -> None:
    other = replace(
        a_run(), model="Qwen/Qwen3-VL-4B", archive_id="nuts", question_set="incoming", knowledge_version=None
    )
    assert named(a_run(), other) == {
        "model": ("embedded", "Qwen/Qwen3-VL-4B"), "archive": ("archive", "nuts"),
        "question set": ("mmad", "incoming"), "knowledge version": ("k-drawn", "none"),
    }  # fmt: skip


def test_other_weights_under_one_name_are_named() -> None:
    facts = {**json.loads(a_run().settings)["facts"], "weights": "fedcba9876543210"}
    assert named(a_run(), a_run(facts=None)) == {}
    changed = replace(a_run(), settings=json.dumps({**json.loads(a_run().settings), "facts": facts}))
    assert named(a_run(), changed) == {"model weights": ("01234567", "fedcba98")}


def test_an_imported_run_stores_no_settings_and_says_so() -> None:
    imported = replace(a_run(), settings=json.dumps({"imported": "answer file"}), evaluator="answer file")
    found = named(a_run(), imported)
    assert found["settings"] == ("stored", "not stored")
    assert "think_tokens" not in found


def test_equal_settings_with_another_digest_are_no_equal_runs() -> None:
    assert "same settings" in run_differences.sentence([], same_digest=True)
    assert "their digests do" in run_differences.sentence([], same_digest=False)
