"""What is merely noted: something outside that was left out, with the reason, while the rest was used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Problem:
    """Something outside that was left out, and why."""

    path: str  # relative to the archive's root, or the file and the place in it
    reason: str
    kind: str = ""  # equal for problems that are told together; the reason itself, if that is the same for all of them

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", printable(self.path))
        object.__setattr__(self, "reason", printable(self.reason))


def in_groups(problems: Iterable[Problem], limit: int = 12) -> str:
    """The problems in one line: of each kind the first one and how many more there are, however many there are.

    Args:
        problems: in the order they were met.
        limit: so many kinds are told in words, the rest in numbers.
    """
    kinds = by_kind(problems)
    said = [_first(found) for found in kinds[:limit]]
    rest = sum(map(len, kinds[limit:]))
    return "; ".join([*said, f"and {rest:,} of {len(kinds) - limit:,} other kinds"] if rest else said)


def one_of_each(problems: Iterable[Problem]) -> list[str]:
    """Of each kind the first one and how many more there are, in the order they were met."""
    return [_first(found) for found in by_kind(problems)]


def by_kind(problems: Iterable[Problem]) -> list[list[Problem]]:
    """The problems of each kind together, in the order they were met."""
    kinds: dict[str, list[Problem]] = {}
    for each in problems:
        kinds.setdefault(each.kind or each.reason, []).append(each)
    return list(kinds.values())


def _first(found: list[Problem]) -> str:
    first, *more = found
    return f"{first.path}: {first.reason}{f', and {len(more):,} more like it' if more else ''}"


def is_text(outside: str) -> bool:
    """Whether a name or text from outside can be written as UTF-8: stored, printed, shown."""
    return outside.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in outside)


def printable(outside: str) -> str:
    """The text with what isn't UTF-8 in it written out: `caf\\udce9.png`."""
    return outside.encode(errors="backslashreplace").decode()


def because(error: Exception) -> str:
    """Pydantic's findings as one line, `label: Input should be a valid string; path: Field required`; else its text."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    findings = ((".".join(map(str, found["loc"])), found["msg"]) for found in error.errors(include_url=False))
    return "; ".join(f"{place}: {message}" if place else message for place, message in findings)
