"""What can go wrong in this room, and what is merely noted.

    InspectionError
    ├── ArchiveError      the folder or its sidecar can't be used at all
    ├── NothingNew        the asked part of an archive has nothing to score
    ├── QuestionsError    the question file can't be used at all
    ├── AnswersError      the answer file can't be used at all
    ├── KnowledgeError    the knowledge file can't be used
    ├── EncoderError      retrieval's encoder can't be loaded
    ├── AlreadyRunning    another process coordinates this very run
    ├── DeviceLost        the GPU stopped answering: the run ends, what is stored is safe
    └── UnreadableImage   one image can't be opened: a stored failure, the rest goes on
        ├── ReplacedImage the file holds other bytes than those that were scanned
        └── PoisonImage   processes died over it

A `Problem` is not an exception: something outside was left out, with the reason, and the rest was used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from warehouse.failures import QUARANTINED, REPLACED

MOST_DEATHS = 2  # of processes over one image: it isn't tried again


class InspectionError(Exception):
    """The root of this room's errors."""


class ArchiveError(InspectionError):
    """The archive folder or its sidecar can't be used at all."""


class NothingNew(InspectionError):
    """The asked part of an archive has nothing to score; nothing is wrong."""

    exit_code = 0

    def __init__(self, text: str, waiting: int = 0) -> None:
        """`waiting` files may still be being written."""
        super().__init__(text)
        self.waiting = waiting


class QuestionsError(InspectionError):
    """The question file can't be used at all."""


class AnswersError(InspectionError):
    """The answer file can't be used at all."""


class KnowledgeError(InspectionError):
    """The knowledge file can't be used; the message says where it is wrong."""


class EncoderError(InspectionError):
    """Retrieval's encoder can't be loaded; the message says what else could be used."""


class AlreadyRunning(InspectionError):
    """Another process coordinates a run of this digest and plan."""

    exit_code = 75  # EX_TEMPFAIL: later is fine


class DeviceLost(InspectionError):
    """The GPU stopped answering; the run can only go on in a new process."""


class UnreadableImage(InspectionError):
    """One image can't be opened. Its text is the reason, without the path, so equal reasons can be counted."""


class ReplacedImage(UnreadableImage):
    """The file holds other bytes than those that were scanned: another picture, scored by another night."""

    def __init__(self) -> None:
        super().__init__(f"{REPLACED}: the file holds another picture now")

    def __reduce__(self) -> tuple[type[ReplacedImage], tuple[()]]:
        return type(self), ()  # it crosses processes, and its text isn't an argument


class PoisonImage(UnreadableImage):
    """Processes died over it, opening or answering it, and it is passed over."""

    def __init__(self) -> None:
        super().__init__(f"{QUARANTINED}: {MOST_DEATHS} processes died over it")

    def __reduce__(self) -> tuple[type[PoisonImage], tuple[()]]:
        return type(self), ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something outside that was left out, and why."""

    path: str  # relative to the archive's root, or the file and the place in it
    reason: str
    kind: str = ""  # equal for problems that are told together; the reason itself, if that is the same for all of them

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", printable(self.path))
        object.__setattr__(self, "reason", printable(self.reason))


def in_groups(problems: Iterable[Problem], shown: int = 12) -> str:
    """The problems in one line: of each kind the first one and how many more there are, however many there are.

    Args:
        problems: in the order they were met.
        shown: so many kinds are told in words, the rest in numbers.
    """
    kinds: dict[str, list[Problem]] = {}
    for each in problems:
        kinds.setdefault(each.kind or each.reason, []).append(each)
    said = [
        f"{first.path}: {first.reason}{f', and {len(more):,} more like it' if more else ''}"
        for first, *more in list(kinds.values())[:shown]
    ]
    rest = sum(map(len, list(kinds.values())[shown:]))
    return "; ".join([*said, f"and {rest:,} of {len(kinds) - shown:,} other kinds"] if rest else said)


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
