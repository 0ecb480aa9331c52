"""Nine named regions of a picture: a mask goes in, the option of the inspection protocol comes out.

Each connected part of the mask is where its centre of mass lies; marks nearer to each other than a sixty-fourth of the
picture are one part. The region that most of the marked area speaks for is the answer. Where the parts lie in several
regions with no clear majority, such as two scratches in opposite corners, there is no right answer, nor where a part
lies around its own centre, as a ring does: the question is unlabelled, which is better than "Center." where nothing is.
"""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from workbench.analysis.patches import Mask
from workbench.archive import masks
from workbench.archive.view import View

CELLS = 64  # along the longer side: what is closer is one part
MAJORITY = 2 / 3  # of the marked area


def letter_of(mask: Path, picture: Path | None = None, view: View | None = None) -> str | None:
    """The letter of the region that the marked pixels lie in; None without a clear one, see `masks.read`.

    Args:
        mask: its file.
        picture: the file of the picture it belongs to.
        view: what of the picture is asked about; None is all of it.
    """
    found = masks.read(mask, picture) if view is None or picture is None else masks.of_view(mask, picture, view)
    region = None if found is None else region_of(found)
    return None if region is None else ascii_uppercase[region]


def region_of(mask: Mask) -> int | None:
    """The ninth, row by row from 0, of a mask with something marked; None where no region has a clear majority."""
    from scipy import ndimage

    high, wide = mask.shape
    cell = max(1, -(-max(mask.shape) // CELLS))
    coarse = np.logical_or.reduceat(np.logical_or.reduceat(mask, range(0, high, cell), 0), range(0, wide, cell), 1)
    labels, count = ndimage.label(coarse, structure=np.ones((3, 3), dtype=np.int8))
    # Of each part: pixels, the sums of their rows and columns, and how many lie in each region.
    sums: NDArray[np.float64] = np.zeros((3, count + 1))
    inside: NDArray[np.int64] = np.zeros((count + 1) * 9, np.int64)
    columns = np.arange(wide)
    third_across = (3 * (columns + 0.5) / wide).astype(np.int64)
    of_column = labels.repeat(cell, axis=1)[:, :wide]
    for row in range(high):
        at = np.flatnonzero(mask[row])
        part = of_column[row // cell, at]
        pixels = np.bincount(part, minlength=count + 1)
        sums += [pixels, pixels * row, np.bincount(part, columns[at], minlength=count + 1)]
        third = 3 * int(3 * (row + 0.5) / high) + third_across[at]
        inside += np.bincount(part * 9 + third, minlength=len(inside))
    votes: NDArray[np.float64] = np.zeros(9)
    for part, (area, rows, across) in enumerate(sums.T):
        if area:
            region = 3 * int(3 * (rows / area + 0.5) / high) + int(3 * (across / area + 0.5) / wide)
            of_part = inside[9 * part : 9 * part + 9]
            if 2 * of_part[region] >= of_part.max():
                votes[region] += area
    best = int(votes.argmax())
    return best if votes[best] >= MAJORITY * sums[0].sum() else None
