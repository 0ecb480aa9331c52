"""An archive without normals against itself: pictures that differ from most of their kind come first. Ranking only.

    pictures of an archive -> `MutualComparer.compare` -> a map and a score; the claim is always "cannot say"

A patch's distance to its nearest patch is taken in each of the most alike other pictures, and averaged over the share
of them where it is smallest. What most pictures show is near to something in many of them; a defect is not. That holds
while few pictures are defective: where most are, the score says nothing. Labels and folder names decide nothing.

Source: MuSc (arXiv 2401.16753), mutual scoring with interval averages; its multi-scale aggregation and its second
scoring by class tokens are left out.
"""

from __future__ import annotations

import hashlib
import time

import numpy as np

from workbench.comparison.comparison import Comparison, Seconds, patch_distances, picture_score
from workbench.comparison.features import Features, Tower
from workbench.comparison.normal_bank import Normal, NormalBank
from workbench.comparison.regions import quarter, region
from workbench.lru_cache import LRUCache
from workbench.model.case import Picture

SHARE = 0.2  # of the other pictures, those where a patch is nearest
TOP = 50  # the score is the mean of one in so many patches: distances to single pictures scatter more
MOST_ALIKE = 16  # other pictures that one is compared with
RANKING_ONLY = (
    "no normal picture is known, so pictures are ranked against each other: a score orders them and claims nothing, "
    "and says little where many are defective"
)
ALONE = "no normal picture is known, and no picture of another piece to compare with"
_MOST_KEPT = 256


class MutualComparer:
    """Compares each picture of an archive with the others; see the module's opening lines."""

    def __init__(self, tower: Tower, bank: NormalBank):
        """Of a bank that holds the archive's own pictures, good and defective alike."""
        self.bank, self.tower = bank, tower
        self._comparisons: LRUCache[str, Comparison] = LRUCache(_MOST_KEPT)
        self.seconds = Seconds()

    @property
    def identity(self) -> str:
        """A hash of all that decides a comparison."""
        parts = (self.tower.name, self.bank.identity, "mutual", SHARE, MOST_ALIKE)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def compare(self, picture: Picture) -> Comparison:
        """What comparing the picture with the others comes to.

        Raises:
            OSError: features of the others are gone from the disk.
        """
        found = self._comparisons.get(picture.key)
        if found is None:
            began = time.perf_counter()
            itself = self.bank.by_content(picture.content)
            stored = self.bank.features(itself) if itself else self.tower.features(picture.image)
            seen = time.perf_counter()
            found = self.compare_features(stored, itself, picture.image.size)
            self.seconds.tower += seen - began
            self.seconds.comparing += time.perf_counter() - seen
            self._comparisons.put(picture.key, found)
        return found

    def compare_features(
        self, features: Features, itself: Normal | None = None, size: tuple[int, int] = (1, 1)
    ) -> Comparison:
        """The same of features; `itself` is left out with all pictures of its piece."""
        others = self.bank.nearest(features.class_vector, MOST_ALIKE, itself)
        distances = np.zeros(features.grid, np.float32)
        if others:
            each = np.stack([patch_distances(features.patches, self.bank.patches(other.normal)) for other in others])
            count = max(1, int(SHARE * len(others)))
            distances = np.partition(each, count - 1, axis=0)[:count].mean(axis=0)  # (rows, cols)
        score = picture_score(distances, TOP)
        # Others' labels are no answer: what they are of isn't given on.
        box, why = (region(distances, size), RANKING_ONLY) if others else (None, ALONE)
        return Comparison(distances, score, (), None, 0, None, "cannot say", why, box, quarter(distances))
