"""A generated text is read by MMAD's rule: the last letter standing alone, else the most similar option."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model import tiny
from workbench.model import answer

EXAMPLES = [
    ("A", "A"),
    ("B.", "B"),
    ("The answer is C", "C"),
    ("(D) None of these.", "D"),
    ("A or B? I would say B.", "B"),  # the last one counts
    ("Answer: B\nReason: the rim is bright.", "B"),
    ("scratch", "A"),  # no letter: the most similar option's
    ("It is a dent", "B"),
    ("stain.", "C"),
    ("E", None),  # MMAD reads A..E; this question has no E
    ("A, no, E", None),
    ("", None),
    ("  \n", None),
]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_texts_are_read_by_mmads_rule(text: str, expected: str | None) -> None:
    assert answer.parse(text, tiny.FOUR) == expected


def test_letters_inside_words_do_not_count() -> None:
    options = (("A", "Black."), ("B", "White."))
    assert answer.parse("Bright Abrasive White", options) == "B"


def test_a_question_with_more_options_than_mmads_five_is_read_whole() -> None:
    options = tuple((letter, f"Option {letter}.") for letter in "ABCDEFG")
    assert answer.parse("G", options) == "G"


@given(st.text(), st.integers(1, 7))
def test_only_an_option_or_nothing_is_read(text: str, count: int) -> None:
    options = tuple((letter, f"Choice {letter * 2}.") for letter in "ABCDEFG"[:count])
    assert answer.parse(text, options) in [None, *(letter for letter, _ in options)]


@given(st.sampled_from(tiny.FOUR), st.sampled_from(["{}", "{}.", "Answer: {}", "({})", "**{}**", "Is it A? No: {}"]))
def test_a_rendered_letter_is_read_back(option: tuple[str, str], frame: str) -> None:
    assert answer.parse(frame.format(option[0]), tiny.FOUR) == option[0]


@given(st.sampled_from(tiny.FOUR), st.sampled_from([str, str.lower, lambda text: text.strip(".")]))
def test_an_options_own_text_is_read_back(option: tuple[str, str], written: Callable[[str], str]) -> None:
    assert answer.parse(written(option[1]), tiny.FOUR) == option[0]


@given(st.lists(st.floats(-60, 0), min_size=1, max_size=6))
def test_probabilities_are_shares_in_the_order_of_the_letters(log_p: list[float]) -> None:
    letters = "ABCDEF"[: len(log_p)]
    chances = answer.probabilities(letters, torch.tensor(log_p))
    assert "".join(chances) == letters
    assert sum(chances.values()) == pytest.approx(1)
    assert chances[letters[log_p.index(max(log_p))]] == max(chances.values())
