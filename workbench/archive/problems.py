"""What is merely noted: something outside that was left out, with the reason, while the rest was used.

`account` counts it by kind. That account is what commands print, runs store, and Runs and the morning report show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from warehouse.records.scoring import PassedOver, Unit
from workbench import wording


@dataclass(frozen=True, slots=True)
class Problem:
    """Something outside that was left out, and why."""

    path: str  # relative to the archive's root, or the file and the place in it
    reason: str
    kind: str = ""  # equal for problems that are told together; the reason itself, if that is the same for all of them
    unit: Unit = "file"  # what was left out; a remark tells of something that was used
    count: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", printable(self.path))
        object.__setattr__(self, "reason", printable(self.reason))


def account(problems: Iterable[Problem]) -> tuple[PassedOver, ...]:
    """The problems counted by kind, what was used all the same last, each at the first of its kind."""
    kinds: dict[tuple[Unit, str], list[Problem]] = {}
    for each in problems:
        kinds.setdefault((each.unit, each.kind or each.reason), []).append(each)
    counted = [
        PassedOver(unit, sum(each.count for each in alike), alike[0].reason, alike[0].path)
        for (unit, _), alike in kinds.items()
    ]
    return tuple(sorted(counted, key=lambda each: each.unit == "remark"))


def in_words(kind: PassedOver) -> str:
    """`12 files, such as lot/a.jp2: why`; of a remark the path and the reason."""
    if kind.unit == "remark":
        more = f", and {kind.count - 1:,} more like it" if kind.count > 1 else ""
        return f"{kind.example}: {kind.reason}{more}"
    example = f"such as {kind.example}" if kind.count > 1 else kind.example
    return f"{wording.counted(kind.count, kind.unit)}, {example}: {kind.reason}"


def rows(kinds: Iterable[PassedOver]) -> list[tuple[str, str, str]]:
    """For tables: how many of what, the path of the first, why."""
    return [(wording.counted(each.count, each.unit), each.example, each.reason) for each in kinds]


def in_sentence(kinds: Sequence[PassedOver], limit: int = 12) -> str:
    """An account in one line, however long it is.

    Args:
        kinds: what `account` gives.
        limit: so many kinds are told in words, the rest in numbers.
    """
    said, rest = [in_words(each) for each in kinds[:limit]], kinds[limit:]
    more = [f"and {sum(each.count for each in rest):,} of {len(rest):,} other kinds"] if rest else []
    return "; ".join([*said, *more])


def printable(outside: str) -> str:
    """The text with what isn't UTF-8 in it written out: `caf\\udce9.png`."""
    return outside.encode(errors="backslashreplace").decode()


def because(error: Exception) -> str:
    """Pydantic's findings as one line, `label: Input should be a valid string; path: Field required`; else its text."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    findings = (
        (".".join(map(str, found["loc"])), found["msg"].removeprefix("Value error, "))
        for found in error.errors(include_url=False)
    )
    return "; ".join(f"{place}: {message}" if place else message for place, message in findings)
