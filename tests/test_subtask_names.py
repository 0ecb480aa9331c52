"""No module knows what a question set calls its subtasks: the sets declare their names, and runs keep them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from workbench.question_sets import BUILT_IN, built_in

ROOT = Path(__file__).parents[1]
STEPS = ROOT / "warehouse" / "migration_steps"  # what a published step read stays written out in it
READS_WORDS = {"warehouse/claims.py"}  # the one home of what a file's options say: `claim_words.py` is for it alone


def modules() -> Iterator[Path]:
    yield ROOT / "streamlit_app.py"
    for folder in ("workbench", "warehouse", "jobs"):
        yield from (file for file in (ROOT / folder).rglob("*.py") if STEPS not in file.parents)


def texts(file: Path) -> Iterator[str]:
    """Every text of a module but its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    docstrings = {id(node.value) for node in documented}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_module_holds_the_name_of_a_subtask() -> None:
    names = {name.casefold() for each in BUILT_IN for name in (*built_in(each).names, *built_in(each).renamed)}
    assert len(names) == 9
    found = {
        f"{file.relative_to(ROOT)}: {text[:60]!r}"
        for file in modules()
        for text in texts(file)
        for name in names
        if name in text.casefold()
    }
    assert found == set()


def test_the_words_of_options_are_read_in_one_module() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and node.module and "claim_words" in f"{node.module}.{node.names[0].name}")
        or (isinstance(node, ast.Import) and any("claim_words" in each.name for each in node.names))
    }
    assert readers == READS_WORDS
