"""The name of a knowledge text, `dataset/product/entry`, put together and taken apart: here and nowhere else.

A product or a defect may have a slash in its own name, as part numbers do (`4711/02`); within a text's name it is
written `%2F`, so that there are always three parts. A name without a slash is its own text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_SLASH = "%2F"


def join(parts: Iterable[str]) -> str:
    """The parts as one name, between slashes."""
    return "/".join(part.replace("/", _SLASH) for part in parts)


def split(name: str) -> tuple[str, ...]:
    """The parts of a name, as they were before `join`."""
    return tuple(part.replace(_SLASH, "/") for part in name.split("/"))


def problem(parts: Iterable[str]) -> str | None:
    """Why these parts can't be a name; None where they can."""
    for part in parts:
        if not part.strip() or part in (".", "..") or _SLASH in part or any(map(_is_control, part)):
            return f"{part!r} can't be a part of a description's name"
    return None


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc"  # a line's end, a tab, a nought


def readable(parts: Iterable[str]) -> str:
    """Parts as a page shows them."""
    return " / ".join(parts).replace("_", " ")
