"""One tree of errors: everything of ours that is raised descends from its root, and a command ends with its code."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobs.__main__
from warehouse.errors import FAILED, TRY_LATER, WRONG_USE, WorkbenchError
from workbench import errors
from workbench.errors import ReplacedImage, UnreadableImage

ROOT = Path(__file__).parent.parent
OURS = ("warehouse", "workbench", "jobs", "training")


def modules_with_exceptions() -> Iterator[str]:
    """By reading, because importing a page draws it: the modules in which a class might be an exception."""
    ends = ("Error", "Exception", "Interrupt", "Exit", "Warning")
    known = {name for name, of in vars(errors).items() if inspect.isclass(of)}
    for package in OURS:
        for file in sorted((ROOT / package).rglob("*.py")):
            heads = re.findall(r"^ *class \w+\(([^)]*)\)", file.read_text(encoding="utf-8"), re.MULTILINE)
            bases = [base.strip() for head in heads for base in head.split(",")]
            if any(base.rpartition(".")[2].endswith(ends) or base in known for base in bases):
                yield ".".join(file.relative_to(ROOT).with_suffix("").parts)


def exceptions() -> list[type[BaseException]]:
    found = {
        of
        for name in modules_with_exceptions()
        for of in vars(importlib.import_module(name)).values()
        if inspect.isclass(of) and issubclass(of, BaseException) and of.__module__.partition(".")[0] in OURS
    }
    return sorted(found, key=lambda of: of.__name__)


EXCEPTIONS = exceptions()


def test_every_exception_of_ours_descends_from_one_root_and_stands_in_the_drawn_tree() -> None:
    assert len(EXCEPTIONS) > 30
    assert [of.__name__ for of in EXCEPTIONS if not issubclass(of, WorkbenchError)] == []
    drawn = {line.partition("── ")[2].split(" ")[0] for line in (errors.__doc__ or "").splitlines() if "── " in line}
    public = {of.__name__ for of in EXCEPTIONS if not of.__name__.startswith("_")} - {"WorkbenchError"}
    assert drawn == public


@pytest.mark.parametrize("of", EXCEPTIONS, ids=lambda of: of.__name__)
def test_a_command_that_ends_with_an_error_exits_with_its_code(
    of: type[WorkbenchError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        if of is ReplacedImage:
            raise ReplacedImage
        raise UnreadableImage("damaged", "what to do") if of is UnreadableImage else of("what to do")

    monkeypatch.setattr(jobs.__main__, "app", app)
    with pytest.raises(SystemExit) as ended:
        jobs.__main__.main()
    assert ended.value.code == of.exit_code
    assert of.exit_code in (0, FAILED, WRONG_USE, TRY_LATER)
    assert capsys.readouterr().err.startswith("workbench: ")


def test_the_drawn_codes_are_the_classes_codes() -> None:
    """A line names its code where it differs from the line above it in the tree."""
    for line in (errors.__doc__ or "").splitlines():
        _, drawn, rest = line.partition("── ")
        if not drawn:
            continue
        name, _, said = rest.partition(" ")
        of = getattr(errors, name, None) or getattr(importlib.import_module("warehouse.errors"), name)
        code = said.strip().partition(":")[0]
        above = getattr(inspect.getmro(of)[1], "exit_code", WRONG_USE)
        assert of.exit_code == (int(code) if code.isdigit() else above), name


def test_no_command_turns_an_error_into_another_exit_code() -> None:
    """A command may catch an error to go on; it doesn't exit on it."""
    for file in sorted((ROOT / "jobs").glob("*.py")):
        if file.name == "__main__.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert "Exit" not in ast.unparse(node), f"{file.name}:{node.lineno}"
