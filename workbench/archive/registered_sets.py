"""Question sets by name: the built-in ones, and those that somebody registered in the data folder."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from warehouse.queries.questions import QuestionSets
from warehouse.records.audit import Actor
from warehouse.records.questions import RegisteredSet
from warehouse.store import Store
from workbench import question_sets
from workbench.errors import QuestionsError
from workbench.question_sets import BUILT_IN, QuestionSet, built_in, parse


@dataclass(frozen=True, slots=True)
class Added:
    """A set that was given."""

    declared: QuestionSet
    is_new: bool  # False: this very version was the newest already


def add(store: Store, file: Path, *, actor: Actor) -> Added:
    """Register the question set of a TOML file, or a new version of it.

    Args:
        file: see `question_sets.py`.
        actor: who registers it.

    Raises:
        QuestionsError: the file can't be read or used, or has the name of a built-in set.
    """
    text = _text(file)
    declared = parse(text, str(file))
    if declared.name in BUILT_IN:
        raise QuestionsError(f"{declared.name} is a built-in question set; give {file} another name")
    row = RegisteredSet(declared.name, declared.version, text, actor.name, datetime.now(UTC))
    return Added(declared, QuestionSets(store.data).add(row, actor=actor))


def find(data: Path, name: str) -> QuestionSet | None:
    """The question set of this name, built in or registered; None where there is none."""
    if name in BUILT_IN:
        return built_in(name)
    registered = QuestionSets(data).named(name)
    return parse(registered.text, name) if registered else None


def set_or_file(data: Path, named: str) -> QuestionSet | None:
    """The question set of this name; None for a file.

    Raises:
        QuestionsError: there is neither, or the file declares a set that is not registered.
    """
    declared = find(data, named)
    if declared is None and not Path(named).exists():
        raise QuestionsError(f"{named} is neither a question set nor a file; `workbench questions list` names the sets")
    if declared is None and Path(named).suffix.lower() == ".toml":
        name = parse(_text(Path(named)), named).name
        raise QuestionsError(
            f"{named} declares the question set {name}; register it with "
            f"`workbench questions add {shlex.quote(named)}`, then ask it with `--questions {name}`"
        )
    return declared


def every(data: Path) -> list[QuestionSet]:
    """The built-in sets, then the newest version of every registered one."""
    return [*map(built_in, BUILT_IN), *(parse(each.text, each.name) for each in QuestionSets(data).newest())]


def text_of(data: Path, name: str) -> str:
    """The TOML of a set.

    Raises:
        QuestionsError: there is no such set.
    """
    if name in BUILT_IN:
        return question_sets.text_of(name)
    registered = QuestionSets(data).named(name)
    if registered is None:
        raise QuestionsError(f"there is no question set {name}; `workbench questions list` names them")
    return registered.text


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsError(f"the question set {file} can't be read: {error}") from error
