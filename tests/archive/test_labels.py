"""Words of the table mean what they say, however they are spelled; any other word is a defect type."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.archive import labels
from workbench.archive.labels import Label

TABLE = [
    (word.strip(), meaning)
    for meaning, words in labels._WORDS.items()
    for word in re.split(r"[,|]", words)
    if word.strip()
]


def test_no_word_of_the_table_means_two_things() -> None:
    meanings: dict[str, set[str]] = {}
    for word, meaning in TABLE:
        meanings.setdefault(labels._key(word), set()).add(meaning)
    assert [word for word, found in meanings.items() if len(found) > 1 or word != labels._key(word)] == []


@given(
    st.sampled_from(TABLE),
    st.sampled_from([str.upper, str.lower, str.title, str.casefold]),
    st.sampled_from(["NFC", "NFD"]),
    st.sampled_from([" ", "_", "-", "  ", ". "]),
    st.sampled_from(["", " ", "\t", "\u00a0"]),
)
def test_a_word_means_the_same_however_it_is_spelled(
    entry: tuple[str, str], case: object, form: str, gap: str, blank: str
) -> None:
    word, meaning = entry
    assert callable(case)
    spelled = unicodedata.normalize(form, case(word).replace(" ", gap))  # type: ignore[arg-type]
    assert labels.read(blank + spelled + blank) == Label(meaning)  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12))
def test_every_word_has_one_meaning_and_a_type_keeps_its_spelling(word: str) -> None:
    said = labels.read(word)
    assert (said.label is None) == (said.meaning in ("unlabelled", "unclear"))
    if said.meaning == "type" and not word.strip().isdigit():
        assert said.defect == " ".join(unicodedata.normalize("NFC", word).split())
    assert labels.read(f" {word} ") == said


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (
            ("0", "0.0", "ok", "O.K.", "none", "No defect", "PASSED", "i.O.", "iO", "\u00a0good", "w porz\u0105dku"),
            "good",
        ),
        (("1", "1.0", "NOK", "n.i.O.", "Not OK", "d\u00e9faut", "na\u0303o conforme", "k.o.", "wadliwy"), "defective"),
        (("scratch", "2", "12 mm", "broken", "no_label_print", "01", "1a", "good scratch", "nokia"), "defective"),
        (("unknown", "n/a", "#N/A", "NaN", "", " ", "-", "?", "null", "k.A.", "brak danych", "tbd"), None),
        (("yes", "No", "TRUE", "negative", "brak", "ok?", "!ok", "OK/NOK", "-1", "0.73", "+"), None),
    ],
)
def test_what_plants_write(words: tuple[str, ...], label: str | None) -> None:
    assert {word: labels.read(word).label for word in words} == dict.fromkeys(words, label)


def test_numbers_are_types_where_one_is_above_one_and_untold_where_one_is_below_nought() -> None:
    assert labels.read_column(["0", "1", "scratch"])["1"] == Label("defective")
    assert labels.read_column(["0", "1", "2"]) == {"0": Label("good"), "1": Label("type", "1"), "2": Label("type", "2")}
    assert {said.meaning for said in labels.read_column(["-1", "1", "0"]).values()} == {"unclear"}


def test_the_count_names_the_words_so_that_a_misreading_is_seen() -> None:
    words = {"OK": 200, "0": 12, "1": 3100, "2": 5, "n/a": 2, "yes": 1, "bent": 4}
    assert labels.counts(words, labels.read_column(words), types=2) == (
        "212 good (OK, 0), 0 defective, 3,100 of type 1, 5 of type 2, 4 of 1 other type, "
        "2 without a label (n/a), 1 unclear and without a label (yes)"
    )
