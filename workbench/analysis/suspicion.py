"""What comparing with normal pictures says, in words: where a score stands among normals, where it comes from."""

from __future__ import annotations

from warehouse.records.comparisons import RankedArchive
from warehouse.records.scoring import Region
from workbench import wording
from workbench.question_sets import REGION_NAMES

SHOWN = 12  # pictures that a summary names
FEW = 0.3  # of the pictures defective: up to so many an archive without normals is ranked well
# By benchmarks/comparison.py on photographs; see docs/comparison.md.
MEASURED = (
    "on real photographs its AUROC was 0.92 to 0.94 with about 10 % defective, 0.88 to 0.93 with about 30 %, "
    "and 0.78 to 0.88 with 56 to 66 %"
)


def standing(rank: int | None, normals: int) -> str:
    """Where a score stands among those of normal pictures, such as `above 22 of 24 normal pieces`.

    Args:
        rank: how many normal pieces score at least as high; None: there is no threshold to say what is normal.
        normals: how many normal pieces could be compared with each other.
    """
    if rank is None or not normals:
        return "no threshold" if normals else "too few normals"
    pieces = wording.counted(normals, "normal piece")
    return f"above all {pieces}" if rank == 0 else f"above {normals - rank:,} of {pieces}"


def ranking_warning(ranked: RankedArchive) -> str | None:
    """What to say of an archive that is ranked against itself: that many of its pictures are defective, or that nothing
    bounds how many are; None where at most FEW of them can be.

    A picture without a label may be either.
    """
    unlabelled = ranked.pictures - ranked.labelled
    if ranked.defective + unlabelled <= FEW * ranked.pictures:
        return None
    if ranked.defective > FEW * ranked.pictures:
        least = "at least " if unlabelled else ""
        share = wording.percent(ranked.defective / ranked.pictures)
        known = f"{least}{share} of the {wording.counted(ranked.pictures, 'picture is', 'pictures are')} defective"
    else:
        labels = f"{ranked.labelled:,} of {wording.counted(ranked.pictures, 'picture')}"
        known = f"nothing bounds how many pictures are defective ({labels} have a label)"
    return f"ranked against each other, and {known}: this order is good while few are; {MEASURED}"


def place(area: Region, marked: Region | None) -> str | None:
    """The ninth of the picture in which the middle of what is marked lies, such as `top left`; None: nothing is."""
    width, height = area.x1 - area.x0, area.y1 - area.y0
    if marked is None or width <= 0 or height <= 0:
        return None
    across = ((marked.x0 + marked.x1) / 2 - area.x0) / width
    down = ((marked.y0 + marked.y1) / 2 - area.y0) / height
    column, row = (min(2, max(0, int(3 * share))) for share in (across, down))
    return REGION_NAMES[3 * row + column].rstrip(".").lower()
