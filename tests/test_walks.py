"""The walks of docs/architecture.md lead through functions and types that exist, and few names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks import folder_names

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
WALKS = TEXT[TEXT.index("## Three walks") : TEXT.index("## The rooms of the workbench")]
STEPS = re.findall(r"`([\w/]+\.py)` `(\w+)`", WALKS)


@pytest.mark.parametrize(("file", "function"), STEPS)
def test_each_step_of_a_walk_is_a_function_of_its_file(file: str, function: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_types_of_the_walks_exist() -> None:
    classes = {
        node.name
        for room in ("workbench", "warehouse")
        for file in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    named = set(re.findall(r"`([A-Z]\w+)`", WALKS))
    assert len(named) > 20
    assert not named - classes


def test_every_file_of_the_seventeen_steps_is_there() -> None:
    table = TEXT[TEXT.index("## The way of the data") : TEXT.index("## Three walks")]
    assert list(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == [str(n) for n in range(1, 18)]
    assert all((ROOT / path).exists() for path in re.findall(r"`([\w/]+(?:\.py|/))`", table))


def test_a_folder_goes_by_at_most_forty_names_on_its_way_to_the_row() -> None:
    names = set().union(*folder_names.by_module().values())
    assert len(names) <= 40, sorted(names)
