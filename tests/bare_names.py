"""Counts bare participles and pronouns as names of public functions, parameters and attributes.

A name like `found` or `each` says that there is something, and not what: the reader has to look it up. The bound below
is what is left of them; it may only fall. `python -m tests.bare_names` lists them and fails above the bound.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

BOUND = 44  # lower it when you rename some; nothing ever raises it

ROOT = Path(__file__).parents[1]
ROOMS = ("jobs", "training", "warehouse", "workbench")
BARE = frozenset(
    [
        *("asked", "chosen", "done", "drawn", "found", "given", "held", "judged", "kept", "known", "looked", "made"),
        *("said", "seen", "shown", "taken", "told", "written"),
        *("each", "her", "him", "it", "its", "mine", "one", "other", "others", "own", "some", "them", "these", "they"),
        *("this", "those", "what", "which", "who", "whose"),
    ]
)


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each public function, its parameters, and each attribute that a class declares."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.lineno, node.name
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                yield argument.lineno, argument.arg
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield statement.lineno, statement.target.id


def bare(root: Path = ROOT) -> list[str]:
    """Every bare name with its place, "file:line name"."""
    return [
        f"{file.relative_to(root)}:{line} {name}"
        for room in ROOMS
        for file in sorted((root / room).rglob("*.py"))
        for line, name in names(ast.parse(file.read_text(encoding="utf-8")))
        if name in BARE
    ]


def main() -> int:
    """Print what is over the bound, or that it can fall."""
    places = bare()
    if len(places) > BOUND:
        print("\n".join(places))
        print(f"{len(places)} bare participles and pronouns as public names, more than {BOUND}: name what they are")
        return 1
    if len(places) < BOUND:
        print(f"bare names: {len(places)}; lower BOUND in tests/bare_names.py from {BOUND}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
