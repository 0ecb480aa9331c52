"""The glossary: one sentence for each term that the pages use, in the document, on the page and in the sidebar."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.pages.screen import opened, words
from workbench.pages.ui import components

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
# The words that were agreed on, with what they are called in the table where that differs.
AGREED = (
    "actor", "alarm", "archive", "audit lane", "baseline", "blast radius", "block", "budget", "camera", "case", "claim",
    "content", "defect", "description", "digest", "dispute", "draft", "entropy", "escape", "evaluator", "evidence",
    "experiment", "flip", "gate", "golden samples", "image", "iteration", "judgement", "label", "ledger", "lift",
    "line", "mask", "night", "option", "outcome", "overkill", "part", "patch", "plan", "prediction", "product",
    "question", "reference", "reviewer", "reward", "run", "schedule", "settlement", "slice", "spool", "stress test",
    "subtask", "think tokens", "trace", "truth", "verdict", "zero-shot",
)  # fmt: skip


def glossary() -> dict[str, str]:
    rows = LINE.findall((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
    return dict(rows[2:])


def test_every_agreed_term_that_the_pages_use_is_explained() -> None:
    shown = "\n".join(
        node.value
        for file in (ROOT / "workbench/pages").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ).lower()
    used = [term for term in AGREED if re.search(rf"\b{term}", shown)]
    assert len(used) > 40
    assert not set(used) - set(glossary())


def test_each_term_stands_once_in_order_and_has_one_sentence() -> None:
    rows = [term for term, _ in LINE.findall((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))[2:]]
    assert rows == sorted(set(rows), key=str.lower)
    for term, sentence in glossary().items():
        assert re.fullmatch(r"[A-Z][^.]*\.", sentence), term


def test_readme_and_the_sidebar_lead_to_it(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "(docs/glossary.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    document = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    assert (components.ASSETS / "glossary.md").read_text(encoding="utf-8") == document  # a wheel has no docs/
    text = words(opened(components.GLOSSARY))
    for term, sentence in glossary().items():
        assert f"<b>{term}</b>" in text
        assert sentence.split("'")[0] in text
