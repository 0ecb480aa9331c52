"""Do the tests notice? Each fault of a list is planted into a copy of the tree, and one named test must fail for it.

    python -m benchmarks.mutants --output benchmarks/results/mutants.json

The faults are those that no page would show: a wrong sign within a variance, an interval at another level, a unit that
is a little off. Each named test is one of README's test command, and first passes on the untouched copy. A fault's old
text must stand in its file exactly once, so that code that moved is said and no fault is planted into nothing. Exit 1
when a fault goes unnoticed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine, planted_comparison_faults, planted_faults
from benchmarks.planted_faults import Mutant

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = (*planted_faults.MUTANTS, *planted_comparison_faults.MUTANTS)
_COPIED = (
    *("benchmarks", "jobs", "tests", "training", "warehouse", "workbench", "docs"),
    *("pyproject.toml", "README.md", "Makefile"),
)


class Moved(Exception):
    """A fault's old text doesn't stand in its file exactly once."""


def planted(mutant: Mutant, text: str) -> str:
    """The file's text with the fault in it.

    Raises:
        Moved: the old text isn't there exactly once.
    """
    found = text.count(mutant.old)
    if found != 1:
        raise Moved(f"{mutant.name}: its old text stands {found} times in {mutant.file}; see where the code went")
    return text.replace(mutant.old, mutant.new)


def copy(target: Path) -> Path:
    """The tree, as far as the tests need it."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy(source, target / name)
    return target


def passes(tree: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Whether the tests pass in this tree, and what pytest said at its end.

    Raises:
        Moved: pytest didn't come to run them, as for a test that isn't there.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode not in (0, 1):
        raise Moved(f"pytest ended with {done.returncode}: {lines[-1]}{done.stderr[-500:]}")
    return done.returncode == 0, lines[-1]


def main() -> int:
    """Plant them all; 1 when one goes unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--in", dest="within", default="", help="only faults in files whose path begins with this")
    args = parser.parse_args()
    output, mutants = args.output, [mutant for mutant in MUTANTS if mutant.file.startswith(args.within)]
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        tree = copy(Path(folder))
        untouched, said = passes(tree, sorted({mutant.test for mutant in mutants}))
        if not untouched:
            raise Moved(f"a named test fails on the untouched copy: {said}")
        for mutant in mutants:
            file = tree / mutant.file
            before = file.read_text(encoding="utf-8")
            file.write_text(planted(mutant, before), encoding="utf-8")
            passed, said = passes(tree, [mutant.test])
            file.write_text(before, encoding="utf-8")
            results.append({**asdict(mutant), "noticed": not passed, "pytest": said})
            sys.stderr.write(f"{'UNNOTICED' if passed else 'noticed  '} {mutant.name}\n")
    unnoticed = [str(each["name"]) for each in results if not each["noticed"]]
    machine.report({"planted": len(results), "unnoticed": unnoticed, "mutants": results}, output)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
