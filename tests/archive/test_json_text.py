"""JSON from outside: a name that stands twice is told and never taken silently."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.archive import json_text
from workbench.archive.json_text import DoubledName

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_a_text_without_doubled_names_is_what_json_says(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value).encode(), b"\xef\xbb\xbf" + json.dumps(value).encode()):
        found = json_text.load(text, same=str)
        assert (found.value, found.doubled) == (value, ())


@given(values, values, st.lists(st.sampled_from(["a", "b", 0]), max_size=3), st.sampled_from(["", " ", "\t"]))
def test_a_doubled_name_is_told_with_its_place_wherever_it_stands(
    first: object, second: object, place: list[str | int], blank: str
) -> None:
    text = f'{{"n": {json.dumps(first)}, {json.dumps("n" + blank)}: {json.dumps(second)}}}'
    for step in reversed(place):
        text = f"[{text}]" if step == 0 else f'{{"{step}": {text}}}'
    found = json_text.load(text)
    value: object = found.value
    for step in place:
        value = value[step]  # type: ignore[index]
    assert isinstance(value, dict)
    assert list(value) == ["n"]
    assert found.doubled[0] == DoubledName(tuple(place), "n" + blank, "n")


def test_names_that_a_person_cannot_tell_apart_are_one_name() -> None:
    found = json_text.load('{"x": {"Geh\u00e4use": 1, "Geha\u0308use": 2, "b": 3, "b": 3, "B": 4}}')
    assert found.value == {"x": {"Geh\u00e4use": 1, "b": 3, "B": 4}}
    assert [(each.where, each.reason) for each in found.doubled] == [
        ("x", "'Geha\u0308use' and 'Geh\u00e4use' are one name; the first one counts"),
        ("x", "'b' stands there twice; the first one counts"),
    ]


@pytest.mark.parametrize("content", ["", "{", "[1,]", b"\xff", "[" * 100_000, '{"a": 1} x'])
def test_what_is_no_json_is_a_value_error(content: bytes | str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_text.load(content)
