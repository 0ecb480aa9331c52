"""What comparing with normal pictures says, in words: where a score stands among normals, where it comes from."""

from __future__ import annotations

from warehouse.records.scoring import Region
from workbench import wording
from workbench.question_sets import REGION_NAMES

SHOWN = 12  # pictures that a summary names


def standing(rank: int | None, normals: int) -> str:
    """Where a score stands among those of normal pictures, such as `above 22 of 24 normal pieces`.

    Args:
        rank: how many normal pieces score at least as high; None: nothing stands for what is normal.
        normals: how many normal pieces there are.
    """
    if rank is None or not normals:
        return "no normal stands beside it"
    pieces = wording.counted(normals, "normal piece")
    return f"above all {pieces}" if rank == 0 else f"above {normals - rank:,} of {pieces}"


def place(area: Region, marked: Region | None) -> str | None:
    """The ninth of the picture in which the middle of what is marked lies, such as `top left`; None: nothing is."""
    width, height = area.x1 - area.x0, area.y1 - area.y0
    if marked is None or width <= 0 or height <= 0:
        return None
    across = ((marked.x0 + marked.x1) / 2 - area.x0) / width
    down = ((marked.y0 + marked.y1) / 2 - area.y0) / height
    column, row = (min(2, max(0, int(3 * share))) for share in (across, down))
    return REGION_NAMES[3 * row + column].rstrip(".").lower()
