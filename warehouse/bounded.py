"""What may come in by any door: names, texts, paths, numbers and moments from outside, each within its bounds.

Sidecars, knowledge files, question sets, layouts, settings, review results and manifests are written by others; all of
them are held to these. A value goes in, and what is stored of it comes out; else a ValueError says what is wrong.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime

LONGEST_NAME = 200  # characters
LONGEST_PATH = 4096
LONGEST_TEXT = 1_000_000  # of a knowledge text, in characters
FIRST_YEAR = 1980  # of a digital camera's clock; what is before it is a clock that was never set

# Control characters, of which no page or file makes anything, and lone surrogates, which no file can hold.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNPRINTABLE_IN_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")


def same_name(name: str) -> str:
    """The name as it is compared: composed letters, no blanks at the ends."""
    return name.strip() if name.isascii() else unicodedata.normalize("NFC", name).strip()


def is_text(outside: str) -> bool:
    """Whether a name or text from outside can be written as UTF-8: stored, printed, shown."""
    return outside.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in outside)


def line(outside: str) -> str:
    """A text on one line.

    Raises:
        ValueError: it isn't Unicode, or has a control character.
    """
    if _UNPRINTABLE_IN_A_LINE.search(outside):
        raise ValueError("it has a control character, or isn't Unicode")
    return outside


def name(outside: str) -> str:
    """A name as it is compared: 1 to 200 characters on one line.

    Raises:
        ValueError: it is none.
    """
    trimmed = same_name(line(outside))
    if not trimmed:
        raise ValueError("it is empty")
    if len(trimmed) > LONGEST_NAME:
        raise ValueError(f"it has {len(trimmed):,} characters; a name has at most {LONGEST_NAME}")
    return trimmed


def text(outside: str, longest: int = LONGEST_TEXT) -> str:
    """A text of several lines without blanks at its ends.

    Raises:
        ValueError: it is empty, too long, isn't Unicode, or has a control character other than a tab or a line's end.
    """
    trimmed = outside.strip()
    if not trimmed:
        raise ValueError("it is empty")
    if len(trimmed) > longest:
        raise ValueError(f"it has {len(trimmed):,} characters; {longest:,} are taken")
    if UNPRINTABLE.search(trimmed):
        raise ValueError("it has a control character, or isn't Unicode")
    return trimmed


def path(outside: str) -> str:
    """A path below a folder, as it is written.

    Raises:
        ValueError: it starts at a root or drive, leaves the folder, or is no line of 1 to 4,096 characters.
    """
    if not 0 < len(line(outside)) <= LONGEST_PATH:
        raise ValueError(f"it has {len(outside):,} characters; a path has 1 to {LONGEST_PATH:,}")
    if _ABSOLUTE.match(outside) or ".." in outside.replace("\\", "/").split("/"):
        raise ValueError(f"{outside} must be relative to the archive and stay inside it")
    return outside


def number(outside: float, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number within its bounds.

    Raises:
        ValueError: it isn't.
    """
    if not math.isfinite(outside):
        raise ValueError(f"it is {outside}, no finite number")
    if not low <= outside <= high:
        raise ValueError(f"it is {outside}, and must lie from {low:g} to {high:g}")
    return outside


def moment(outside: datetime) -> datetime:
    """When a picture can have been taken, in UTC.

    Raises:
        ValueError: it has no zone, or lies before digital cameras or after next year.
    """
    if outside.tzinfo is None:
        raise ValueError(f"{outside} has no time zone")
    if not FIRST_YEAR <= outside.year <= datetime.now(UTC).year + 1:
        raise ValueError(f"{outside} lies outside the years {FIRST_YEAR} to next year: is the camera's clock set?")
    return outside.astimezone(UTC)
