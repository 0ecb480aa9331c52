"""What an option's words say about a defect: that there is none, that there is one, or where it lies."""

from __future__ import annotations

import re

_ROWS = {"top": 1 / 6, "upper": 1 / 6, "bottom": 5 / 6, "lower": 5 / 6}
_COLUMNS = {"left": 1 / 6, "right": 5 / 6}
_MIDDLE = frozenset({"center", "centre", "middle", "central"})
_NONE = re.compile(r"^(no|none|nowhere|nothing|there (is|are) no|no (visible |obvious )?(defects?|anomal(y|ies))\b.*)$")


def place(text: str) -> tuple[float, float] | None:
    """The middle of the place that an option names, as shares of the image's width and height; None if it names none.

    Two opposite words ("top and bottom") name no place.
    """
    words = set(re.findall(r"[a-z]+", text.casefold()))
    rows = {_ROWS[word] for word in words & _ROWS.keys()}
    columns = {_COLUMNS[word] for word in words & _COLUMNS.keys()}
    if len(rows) > 1 or len(columns) > 1 or not (rows or columns or words & _MIDDLE):
        return None
    return (columns or {0.5}).pop(), (rows or {0.5}).pop()


def denies(text: str) -> bool:
    """Whether an option says that there is no defect."""
    plain = text.casefold().strip().rstrip(".!")
    return bool(_NONE.match(plain)) or plain.startswith(("there is no ", "there are no "))


def finds_defect(text: str | None) -> bool | None:
    """Whether a detection answer says that there is a defect; None when it says neither."""
    plain = (text or "").casefold().strip().rstrip(".!")
    if plain.startswith("yes"):
        return True
    if plain.startswith("no") or denies(plain):
        return False
    return None
