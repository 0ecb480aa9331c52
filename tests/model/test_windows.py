"""A long text in windows: everything is in one of them, each fits, seams are those of sentences where they can be."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from workbench.model import text_windows


def words(text: str) -> int:
    return len(text.split())


def test_a_text_that_fits_is_one_window_to_the_last_space() -> None:
    for text in ("", " a scratch. \n", "One. Two! Three?"):
        assert text_windows.split(text, words, 3) == (text,)


def test_seams_are_those_of_sentences_and_windows_of_about_one_size() -> None:
    text = "A scratch is thin. It is bright.\n- Rust is red, and wide. Oil shines. Dents are round. Ink is blue."
    assert text_windows.split(text, words, 12) == (
        "A scratch is thin. It is bright.",
        "- Rust is red, and wide. Oil shines.",
        "Dents are round. Ink is blue.",
    )
    assert text_windows.split("a b c. d e f. g h i. j k l. m n o.", words, 9) == (
        "a b c. d e f. g h i.",
        "j k l. m n o.",
    )
    assert text_windows.split("a b c d. e f. g h. i j.", words, 8) == ("a b c d. e f.", "g h. i j.")


def test_a_long_sentence_is_cut_at_its_clauses_then_words_then_letters() -> None:
    assert text_windows.split("a b c, d e f; g h i", words, 3) == ("a b c,", "d e f;", "g h i")
    assert text_windows.split("a b c d e f", words, 3) == ("a b c", "d e f")
    assert text_windows.split("abcdefgh", len, 3) == ("abc", "def", "gh")
    assert text_windows.split("零件有划痕。表面有锈。", len, 6) == ("零件有划痕。", "表面有锈。")


@given(st.text("ab .,\n!。é", max_size=120), st.integers(1, 9), st.sampled_from([words, len]))
def test_nothing_is_lost_and_every_window_fits(text: str, most: int, count: text_windows.Count) -> None:
    found = text_windows.split(text, count, most)
    assert re.sub(r"\s", "", "".join(found)) == re.sub(r"\s", "", text)
    assert found == (text,) or all(0 < count(window) <= most for window in found if text.strip())
