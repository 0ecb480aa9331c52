"""Names say what they are of."""

from __future__ import annotations

import ast
from pathlib import Path

from tests import bare_names


def test_there_are_no_more_bare_names_than_the_bound() -> None:
    places = bare_names.bare()
    assert len(places) <= bare_names.BOUND, "\n".join(places)


def test_functions_parameters_and_attributes_are_counted_and_private_ones_are_not(tmp_path: Path) -> None:
    source = "class A:\n    found: int\n    def told(self, each: int, *, text: str) -> None:\n        said = 1\n"
    source += "def _held(known: int) -> int: ...\nclass _B:\n    kept: int\n"
    assert [name for _, name in bare_names.names(ast.parse(source)) if name in bare_names.BARE] == [
        "found", "told", "each",
    ]  # fmt: skip
    for room in bare_names.ROOMS:
        (tmp_path / room).mkdir()
    (tmp_path / "jobs/a.py").write_text(source, encoding="utf-8")
    assert bare_names.bare(tmp_path) == ["jobs/a.py:2 found", "jobs/a.py:3 told", "jobs/a.py:3 each"]
