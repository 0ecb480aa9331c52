"""What the README and docs/ tell people to do can be done: commands parse, targets and paths exist."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest

from tests.commands import commands

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
TREE = ("workbench/", "warehouse/", "jobs/", "tests/", "benchmarks/", "docs/", "deploy/", ".ci/")


def _commands(text: str) -> list[list[str]]:
    """The words of each line in the ```sh blocks, without comments, a continued line joined."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def _everything_named() -> list[list[str]]:
    return [words for page in PAGES for words in _commands(page.read_text())]


def _parse(words: list[str]) -> None:
    """Parse a `workbench` command line as it would be, without running it; wrong use raises."""
    length = next(length for length in (4, 3, 2) if " ".join(words[:length]) in commands())
    commands()[" ".join(words[:length])].make_context(" ".join(words), words[length:])


def _examples() -> list[list[str]]:
    helps = [inspect.cleandoc(command.help or "") for command in commands().values()]
    lines = [line.strip() for text in helps for line in text.splitlines()]
    return [shlex.split(line.removeprefix("Example:")) for line in lines if line.startswith("Example:")]


@pytest.mark.parametrize("words", [words for words in _everything_named() if words[0] == "workbench"], ids=" ".join)
def test_a_command_in_the_docs_exists_and_accepts_its_flags(words: list[str]) -> None:
    _parse(words)


@pytest.mark.parametrize("words", _examples(), ids=" ".join)
def test_an_example_in_the_help_can_be_pasted(words: list[str]) -> None:
    _parse(words)


def test_every_command_has_an_example_and_a_line_in_the_readme() -> None:
    shown = {" ".join(words[:length]) for words in _examples() for length in (2, 3, 4)}

    assert commands().keys() - shown == set()
    assert {command for command in commands() if command not in README} == set()


def test_every_make_target_in_the_docs_exists_and_every_one_there_is_is_in_the_readme() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
    named = {word for words in _everything_named() if words[0] == "make" for word in words[1:] if "=" not in word}
    variables = {
        word.split("=")[0] for words in _everything_named() if words[0] == "make" for word in words[1:] if "=" in word
    }

    assert named <= targets
    assert variables <= set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, flags=re.MULTILINE))
    assert {target for target in targets - {"help", "browser"} if f"make {target}" not in README} == set()


def test_the_docs_use_no_other_programs_than_these() -> None:
    assert {words[0] for words in _everything_named()} <= {"make", "workbench", "git", "cd", "pip", "."}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_link_in_the_docs_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    links = [page.parent / link.split("#")[0] for link in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text)]
    named = [ROOT / name for name in re.findall(r"`([\w./-]+)`", text) if name.startswith(TREE)]

    assert [path for path in (*links, *named) if not path.exists()] == []


def test_ci_runs_exactly_the_readmes_test_command() -> None:
    ran = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]

    assert ran == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert ["make", "test"] in _commands(README)
