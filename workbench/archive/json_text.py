"""JSON that others wrote: text goes in; its value and every name that stands twice in one of its objects come out.

Python's reader keeps the last of two equal keys without a word, so a product whose name stands twice loses the texts
of the first. Here the first one counts and the second is told, for the reader to refuse the file or to note a problem.
Names that differ only by blanks at their ends or by Unicode's composed and decomposed letters are one name to a person,
and to every reader that trims them; they fall together here already.

Knows nothing of what the JSON means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from warehouse.bounded import same_name

TWICE = "a name stands twice; the first one counts"  # the kind of these problems, however they are worded
Place: TypeAlias = tuple[str | int, ...]  # names and positions from the outermost value inwards


@dataclass(frozen=True, slots=True)
class DoubledName:
    """A name of an object that had come already."""

    place: Place  # the object's own place in the value; () for the outermost
    name: str  # as it is written
    first: str  # as the one is written that counts

    @property
    def where(self) -> str:
        """The place in words: `MVTec / bottle`."""
        return " / ".join(map(str, self.place)) or "the outermost object"

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        if self.name == self.first:
            return f"{self.name!r} stands there twice; the first one counts"
        return f"{self.name!r} and {self.first!r} are one name; the first one counts"


@dataclass(frozen=True, slots=True)
class Document:
    """What a text holds."""

    value: JsonValue
    doubled: tuple[DoubledName, ...]  # in the order of the text's objects; empty for all but broken files


def load(content: bytes | str, same: Callable[[str], str] = same_name) -> Document:
    """The value of a JSON text, of doubled names the first.

    Args:
        content: UTF-8, -16 or -32 as bytes, with or without a byte order mark; or text.
        same: two names of one object are doubled where this says the same of them.

    Raises:
        ValueError: it isn't JSON, isn't Unicode, or is nested too deeply to be read.
    """
    by_object: dict[int, tuple[object, list[tuple[str, str]]]] = {}  # the objects are kept, so that no id comes again

    def first_of_each(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        if len({same(name) for name, _ in pairs}) == len(pairs):
            return dict(pairs)
        names: dict[str, str] = {}
        found: dict[str, JsonValue] = {}
        doubled: list[tuple[str, str]] = []
        for name, value in pairs:
            first = names.setdefault(same(name), name)
            if first in found:
                doubled.append((name, first))
            else:
                found[name] = value
        by_object[id(found)] = (found, doubled)
        return found

    try:
        text = content.removeprefix("\ufeff") if isinstance(content, str) else content
        value: JsonValue = json.loads(text, object_pairs_hook=first_of_each)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not by_object:
        return Document(value, ())
    doubled = [
        DoubledName(place, name, first)
        for place, found in _objects(value)
        for name, first in by_object.get(id(found), (found, []))[1]
    ]
    return Document(value, tuple(doubled))


def _objects(value: JsonValue) -> Iterator[tuple[Place, dict[str, JsonValue]]]:
    """Every object with its place, outer ones first; by a list of its own, for JSON nests deeper than Python calls."""
    ahead: list[tuple[Place, JsonValue]] = [((), value)]
    while ahead:
        place, found = ahead.pop()
        if isinstance(found, dict):
            yield place, found
            ahead += [((*place, name), inner) for name, inner in reversed(found.items())]
        elif isinstance(found, list):
            ahead += [((*place, number), inner) for number, inner in reversed(list(enumerate(found)))]
