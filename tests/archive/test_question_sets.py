"""Question sets: what a file may declare, and what is said of one that can't be asked."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.people import ANN
from warehouse.queries.questions import QuestionSets
from warehouse.records.questions import RegisteredSet
from workbench import question_sets
from workbench.errors import QuestionsError
from workbench.question_sets import BUILT_IN, INSPECTION, MMAD, built_in, parse
from workbench.scoring import prepare_run

YES_NO = 'options = [{ text = "Ja", claims = "defective" }, { text = "Nein", claims = "good" }]'
LETTERS = [f'"{letter}"' for letter in "ABCDEFGHIJKLMNOPQR"]


def one(*lines: str) -> str:
    """A set with one subtask."""
    return "\n".join(('name = "mine"', "[[subtasks]]", 'name = "Fehler"', *lines))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "isn't TOML"),
        ('name = "mine"', "subtasks: Field required"),
        (one('kind = "open"', 'question = "?"').replace("mine", "prüfung"), "the name 'prüfung': write a to z"),
        (one('kind = "open"', 'question = "?"').replace("mine", "a/b"), "the name 'a/b': write a to z"),
        (one('kind = "choice"', 'question = "?"', 'options = ["{defect}", "None."]'), "replaces the option {defect}"),
        (one('kind = "maybe"', 'question = "?"'), "subtasks.0.kind: Input should be"),
        (one('kind = "yes/no"', YES_NO), "Fehler: it has no question"),
        (one('kind = "open"', 'question = "?"', YES_NO), "an open question has no options"),
        (one('kind = "choice"', 'question = "?"', 'options = ["A", "a"]'), "two of its options say the same"),
        (one('kind = "choice"', 'question = "?"', 'options = ["A"]'), "at least two of them"),
        (one('kind = "yes/no"', 'question = "?"', 'options = ["Ja", "Nein"]', "detects = true"), "written beside it"),
        (
            one('kind = "yes/no"', 'question = "?"', 'options = ["Ja", "Nein"]', 'scorer = "label"'),
            'claims "defective"',
        ),
        (
            one('kind = "yes/no"', 'question = "?"', 'options = ["Ja", { text = "Nein", claims = "good" }]'),
            "every option says what it claims",
        ),
        (one('kind = "choice"', 'question = "?"', 'options = ["A", "B"]', 'scorer = "mask"'), 'kind = "region"'),
        (one('kind = "choice"', 'question = "?"', 'options = ["A", "B"]', 'scorer = "key"'), 'source = "file"'),
        (one('kind = "yes/no"', 'question = "?"', "colour = 3"), "subtasks.0.colour: Extra inputs"),
        (one('kind = "open"', 'question = "?"').replace("Fehler", "Fehler "), "the subtask 'Fehler ': write printable"),
        (one('kind = "choice"', 'question = "?"', 'options = ["A", " "]'), "one of its options is blank"),
        (one('kind = "open"').replace("[[", 'source = "file"\n[[', 1), "a file's questions have options"),
        (
            one('kind = "region"', 'question = "?"', f'options = ["{{regions}}", {", ".join(map(str, LETTERS))}]'),
            "at most 26 options have a letter",
        ),
    ],
)
def test_a_set_that_cannot_be_asked_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(QuestionsError) as raised:
        parse(text, "mine.toml")
    assert "mine.toml" in str(raised.value)
    assert told in str(raised.value)


def test_a_version_is_what_is_declared_and_not_how_it_is_written() -> None:
    plain = one('kind = "yes/no"', 'question = "Fehler?"', YES_NO)
    assert parse(plain, "a").version == parse(f"# mine\n\n{plain}\n", "b").version
    assert parse(plain, "a").version != parse(plain.replace("Fehler?", "Ein Fehler?"), "a").version


def test_a_run_of_another_version_of_a_set_is_another_run_though_the_file_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "mmad.json"
    file.write_text("{}")
    plain = one('kind = "choice"', 'scorer = "key"').replace("[[", 'source = "file"\n[[', 1)
    sets = [built_in(MMAD), parse(plain, "a"), parse(f"{plain}\ndetects = true", "b")]
    asked_from = [prepare_run._asked_from(declared, file) for declared in sets]
    assert asked_from[0] == hashlib.sha256(b"{}").hexdigest()[:16]  # as older releases named it
    assert len(set(asked_from)) == 3
    assert prepare_run._asked_from(built_in(INSPECTION), None) == prepare_run.PROTOCOL
    assert prepare_run._asked_from(sets[1], None) == sets[1].version


def test_the_version_registered_last_counts_though_a_clock_was_set_back(data_folder: Path) -> None:
    sets, now = QuestionSets(data_folder), datetime(2025, 1, 3, tzinfo=UTC)
    added = [
        sets.add(RegisteredSet("mine", version, "", "ann", now - timedelta(days=days)), actor=ANN)
        for days, version in enumerate(("first", "second", "second", "first"))
    ]
    newest = sets.named("mine")
    assert (added, newest and newest.version) == ([True, True, False, True], "first")


def test_built_in_sets_are_what_stored_runs_rely_on() -> None:
    """Raise `prepare_run.PROTOCOL` with the inspection protocol, or runs of two protocols have one digest."""
    assert {name: built_in(name).version for name in BUILT_IN} == {
        INSPECTION: "b7fefd7efd49ebb7", MMAD: "d2b533bb5fa8a175",
    }  # fmt: skip
    assert question_sets.parse(question_sets.text_of(MMAD), "mmad").canonical("Object Details") == "Object Analysis"
