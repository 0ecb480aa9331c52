"""A text is the option it names however it is dressed, or none: generated texts, answer files and keys alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model import tiny
from workbench.model import answer, option_reader

YES_NO = (("A", "Yes."), ("B", "No."))
B = [
    "B", "B.", "(B)", "b", "B)", "b)", " B ", "[B]", '"B"', "**B**", "__B__",
    "\uff22", "\uff08B\uff09", "B:", "B: No.", "B. No.", "B.No.",
    "B) No.", "(B) No.", "B - No.", "B No.", "Option B", "Option B: No.", "Answer: B", "ANSWER: B", "answer: b",
    "Answer - B", "answer=B", "Answer:\nB", "Answer: No.", "Answer: B. No.", "the answer is: no", "The answer is B.",
    "Final answer: (B)", "The correct answer is option B.", "My choice: B", "I would say B.", "A or B? I would say B.",
    "答案\uff1aB", "Antwort: B", "<answer>B</answer>", "<answer> (B) No. </answer>", "\\boxed{B}",
    "$\\boxed{\\text{B}}$",
    "No.", "no", "NO", "It is B", "It's B", "Definitely B", "I think (B)", "It must be B!",
    "No defect, so B.", "B is right", "B because it is intact", "B, because it is intact.",
    "B\n\nThe rim is bright.", "Answer: B\nReason: the rim is bright.", "The surface is smooth.\nB",
    "The surface is smooth, so the answer is (B).", "### Answer\n**B**", "<think>A or B? A.</think>B",
    "The image shows A crack. Answer: B", "Option A is wrong. Option B is right.", "I would say A.</think>\nB",
]  # fmt: skip
NONE = [
    "", "  \n", "?", "C", "C. Maybe", "Answer: C", "I", "i", "I think so", "I can't tell", "I'd rather not", "AB", "BA",
    "A or B", "A,B", "A, B", "A/B", "A & B", "A and B", "A vs B", "A or b", "b or a", "(A)(B)", "(A) or (B)", "A\nB",
    "Either A or B.", "Both A and B are right", "Answer: A or B", "Answer: A, B", "Answer A or maybe B",
    "Options A and B",
    "Answer: A. Answer: B.", "A. Yes.\nB. No.", "A. Yes. B. No.", "B: Yes.", "Answer: B. Yes.", "Is it A?  B?",
    "not B", "neither A", "B, not A", "It isn't B", "The answer is not B", "a scratch", "A scratch is visible",
    "The answer is A scratch", "I will answer a question", "yes, there is", "X-ray", "Type B capsule",
    "Rule out B", "Vitamin B", "All but B", "Everything except B.", "It shows a hepatitis B", "Eliminate B",
    "vitamin B-12 is there", "grade B steel shows rust", "Answer: A\nAnswer: B", "The answer cannot be B",
    "Do not choose A", "I would not say B", "B is wrong.", "B isn't right", "Option B is incorrect", "Wrong answer: A",
    "<think>I would say A", "<think>The answer is B\nor A",
]  # fmt: skip
FOUR = [
    ("C.", "C"),
    ("scratch", "A"),
    ("A scratch.", "A"),  # its letter and its text
    ("Answer: A Scratch", "A"),
    ("A because it's long", "A"),
    ("stain.", "C"),
    ("None of these", "D"),
    ("It is a dent", None),  # more than an option's text: nothing is guessed
    ("E", None),
    ("A, no, E", None),
    ("Is it A? No: B", None),
]


@pytest.mark.parametrize("text", B)
def test_a_letter_is_read_however_it_is_dressed(text: str) -> None:
    assert option_reader.read(text, YES_NO) == "B"


@pytest.mark.parametrize("text", NONE)
def test_where_two_or_none_are_named_none_is_read(text: str) -> None:
    assert option_reader.read(text, YES_NO) is None


@pytest.mark.parametrize(("text", "expected"), FOUR)
def test_an_option_s_whole_text_counts_and_an_article_is_no_letter(text: str, expected: str | None) -> None:
    assert option_reader.read(text, tiny.FOUR) == expected


def test_letters_that_are_other_options_texts_stay_letters() -> None:
    assert option_reader.read("B", (("A", "B"), ("B", "A"))) == "B"


def test_without_known_options_every_letter_counts() -> None:
    assert option_reader.lettered([]) == option_reader.ANY
    assert [option_reader.read(text, option_reader.ANY) for text in ("E: Dark glass bottle", "b.", "Z", "No.")] == [
        "E", "B", "Z", None,
    ]  # fmt: skip
    assert option_reader.read("C: None of the listed choices", option_reader.ANY) == "C"


def test_a_question_with_more_options_than_mmads_five_is_read_whole() -> None:
    assert option_reader.read("G", option_reader.lettered(f"Option {letter}." for letter in "ABCDEFG")) == "G"


@given(st.text() | st.text(st.sampled_from("AB Iior,.:()no\n")), st.integers(0, 7))
def test_only_an_option_or_nothing_is_read(text: str, count: int) -> None:
    options = option_reader.lettered(f"Choice {letter * 2}." for letter in "ABCDEFG"[:count])
    assert option_reader.read(text, options) in [None, *(letter for letter, _ in options)]


@given(
    st.sampled_from(tiny.FOUR),
    st.sampled_from(["{}", "{}.", "Answer: {}", "({})", "**{}**", "It must be this: {}", "{}) because it shines"]),
    st.sampled_from([str, str.strip, lambda text: f"\n{text}\n", lambda text: f"<answer>{text}</answer>"]),
)
def test_a_rendered_letter_is_read_back(option: tuple[str, str], frame: str, dressed: Callable[[str], str]) -> None:
    assert option_reader.read(dressed(frame.format(option[0])), tiny.FOUR) == option[0]


@given(st.sampled_from(tiny.FOUR), st.sampled_from([str, str.lower, str.upper, lambda text: text.strip(".")]))
def test_an_options_own_text_is_read_back(option: tuple[str, str], written: Callable[[str], str]) -> None:
    assert option_reader.read(written(option[1]), tiny.FOUR) == option[0]


@given(st.lists(st.floats(-60, 0), min_size=1, max_size=6))
def test_probabilities_are_shares_in_the_order_of_the_letters(log_p: list[float]) -> None:
    names = "ABCDEF"[: len(log_p)]
    chances = answer.probabilities(names, torch.tensor(log_p))
    assert "".join(chances) == names
    assert sum(chances.values()) == pytest.approx(1)
    assert chances[names[log_p.index(max(log_p))]] == max(chances.values())
