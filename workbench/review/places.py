"""Where an option's words say that the defect lies."""

from __future__ import annotations

import re

_ROWS = {"top": 1 / 6, "upper": 1 / 6, "bottom": 5 / 6, "lower": 5 / 6}
_COLUMNS = {"left": 1 / 6, "right": 5 / 6}
_MIDDLE = frozenset({"center", "centre", "middle", "central"})


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
