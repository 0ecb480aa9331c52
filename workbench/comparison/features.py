"""What a vision tower sees in a picture, as unit vectors: one for the whole and one for each patch.

    picture -> `Tower.features` -> `Features`

Vectors of towers with different names are never compared. Knows nothing of where weights come from
(`vision_towers.py`) and what vectors are used for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from warehouse.failures import Failure
from workbench.errors import UnreadableImage

NOT_FINITE = Failure("not finite", "the numbers of the tower that compares are not finite; --compare names another")

Vector = NDArray[np.float32]  # (d,) of unit norm
Patches = NDArray[np.float16]  # (rows, cols, D), each of unit norm


@dataclass(frozen=True, slots=True)
class Features:
    """One picture's vectors.

    Raises:
        UnreadableImage: some of their numbers are not finite; one such normal would be nearest to every picture.
    """

    class_vector: Vector  # (d,) of the picture as a whole: what normals are searched by
    patches: Patches  # (rows, cols, D): row by row from the top left; D is d times the number of layers

    def __post_init__(self) -> None:
        if not (np.isfinite(self.class_vector).all() and np.isfinite(self.patches).all()):
            raise UnreadableImage.of(NOT_FINITE)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.patches.shape[0], self.patches.shape[1]


class Tower(Protocol):
    """A frozen vision tower with all that decides its numbers: weights, side, layers."""

    @property
    def name(self) -> str:
        """Equal names mean equal features: the weights' revision, the side in pixels and the layers."""

    def features(self, image: Image.Image) -> Features:
        """The vectors of one RGB picture; they never depend on pictures before or beside it."""
