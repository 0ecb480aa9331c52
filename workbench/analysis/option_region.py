"""The region of a picture that an option's words name.

One side alone ("top") is the third along it; a corner or the middle is a ninth. Two opposite words ("top and bottom")
name no region.
"""

from __future__ import annotations

import re

from workbench.analysis.patches import Box

_ROWS = {"top": 0, "upper": 0, "bottom": 2, "lower": 2}
_COLUMNS = {"left": 0, "right": 2}
_MIDDLE = frozenset({"center", "centre", "middle", "central"})


def region(text: str) -> Box | None:
    """What an option names, as shares of the image's width and height; None if it names no region."""
    words = set(re.findall(r"[a-z]+", text.casefold()))
    rows = {_ROWS[word] for word in words & _ROWS.keys()}
    columns = {_COLUMNS[word] for word in words & _COLUMNS.keys()}
    is_middle = bool(words & _MIDDLE)
    if len(rows) > 1 or len(columns) > 1 or not (rows or columns or is_middle):
        return None
    whole = None if (rows or columns) and not is_middle else 1
    x0, x1 = _thirds(next(iter(columns), whole))
    y0, y1 = _thirds(next(iter(rows), whole))
    return x0, y0, x1, y1


def ninth(number: int) -> Box:
    """A ninth, row by row from 0, as shares of the image's width and height."""
    row, column = divmod(number, 3)
    return column / 3, row / 3, (column + 1) / 3, (row + 1) / 3


def of_option(scorer: str, number: int, text: str) -> Box | None:
    """What an option of a question where the defect is names: by its place among nine that stand row by row, or its
    words.

    Args:
        scorer: of the question's subtask; "mask" has the nine.
        number: the option's place, from 0.
        text: its words.
    """
    return ninth(number) if scorer == "mask" else region(text)


def middle(box: Box) -> tuple[float, float]:
    """The middle of a region."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _thirds(third: int | None) -> tuple[float, float]:
    return (0.0, 1.0) if third is None else (third / 3, (third + 1) / 3)
