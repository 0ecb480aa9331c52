"""Where in a picture something is, in nine words: a mask goes in, the option of the inspection protocol comes out."""

from __future__ import annotations

from pathlib import Path
from string import ascii_uppercase

import numpy as np

from workbench.inspection.errors import UnreadableImage
from workbench.inspection.images import open_image

NAMES = (
    "Top left.", "Top.", "Top right.",
    "Left.", "Center.", "Right.",
    "Bottom left.", "Bottom.", "Bottom right.",
)  # fmt: skip


def letter_of(mask: Path) -> str | None:
    """The letter of the region that the marked pixels' centre of mass lies in; None if nothing is marked or readable.

    A pixel is marked from half of the mask's brightest value on: masks come as 0/255, as class numbers, and as JPEG
    with noise around its edges.
    """
    try:
        values = np.asarray(open_image(mask).convert("L"), dtype=np.int32)
    except UnreadableImage:
        return None
    if not values.any():
        return None
    marked = np.argwhere(2 * values >= values.max())  # (n, 2) rows and columns
    row, column = (int(3 * (mean + 0.5) / side) for mean, side in zip(marked.mean(0), values.shape, strict=True))
    return ascii_uppercase[3 * row + column]
