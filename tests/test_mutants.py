"""Every fault that `make mutants` plants still has its place in the code and a test of README's test command."""

from __future__ import annotations

import ast

import pytest

from benchmarks import mutants
from benchmarks.mutants import MUTANTS
from benchmarks.planted_faults import Mutant

pytestmark = pytest.mark.slow

NAMES = [each.name for each in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=NAMES)
def test_a_fault_has_its_place_and_the_named_test_is_there(mutant: Mutant) -> None:
    text = (mutants.ROOT / mutant.file).read_text(encoding="utf-8")
    faulty = mutants.planted(mutant, text)
    assert faulty != text
    ast.parse(faulty)
    file, _, name = mutant.test.partition("::")
    tests = ast.parse((mutants.ROOT / file).read_text(encoding="utf-8")).body
    (found,) = [each for each in tests if isinstance(each, ast.FunctionDef) and each.name == name]
    assert not any("gpu" in ast.unparse(mark) for mark in found.decorator_list)


def test_a_fault_whose_code_moved_is_said_with_its_file() -> None:
    mutant = MUTANTS[0]
    for text in ("", 2 * f"{mutant.old}\n"):
        with pytest.raises(mutants.Moved, match=r"times in workbench/analysis/calibration.py"):
            mutants.planted(mutant, text)
