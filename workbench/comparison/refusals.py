"""When comparing allows no claim: a picture or its normals, as numbers, go in; the reason in one sentence comes out.

    binarised       a scan of black and white: towers that were trained on photographs say nothing of it
    unlike          a picture of another kind than any normal: even its most ordinary patches are far from them
    copies          normals that differ by no more than rounding: how good pictures differ is not known
    scattered       normals that differ among each other as widely as from everything else

All rules are relative to what the normals themselves do; none knows a product or a data set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NO_NORMAL = "there is no normal picture to compare with"
NOTHING_ELSE = "the picture is the only normal piece there is, and can't be compared with itself"
BINARISED = (
    "the picture is binarised and no normal picture is its template, and the tower's features say little of black and "
    "white scans"
)
NORMALS_BINARISED = "the most alike normal pictures are binarised, and the tower's features say little of such scans"
TEMPLATE_ALONE = (
    "the picture is ranked by its difference to its template; no two normal pieces have one layout, so there is no "
    "threshold"
)
UNLIKE = "the picture is not of the kind of any normal picture"
COPIES = "most normal pictures are copies of each other, which says nothing of how good ones differ"
SCATTERED = "the normal pictures differ among each other as widely as from pictures of other products"

_NEAR = 32  # grey levels of 255 from black or white
_BINARISED = 0.95  # share of pixels that are so near
_OF_EACH = 0.02  # at least, of black and of white
_ORDINARY = 25  # percentile of a map: how far its most ordinary patches are
_TIMES = 4.0  # as far as the normals' own ordinary patches: nothing of the picture is as in a normal
_LESS_ALIKE = 0.03  # of a cosine, below what nine of ten normals reach
_FARTHER = 1.5  # times as far as normals are from each other
_AS_WIDE = 0.6  # of the distance to other products, from which on normals are scattered


def is_binarised(image: Image.Image) -> bool:
    """Whether nearly all pixels are black or white, and some of each."""
    grey = np.asarray(image.convert("L"))
    black, white = float((grey <= _NEAR).mean()), float((grey >= 255 - _NEAR).mean())
    return black + white >= _BINARISED and min(black, white) >= _OF_EACH


def ordinary_distance(distances: NDArray[np.float32]) -> float:
    """How far the most ordinary quarter of a map's patches is from the normals."""
    return float(np.percentile(distances, _ORDINARY))


def is_unlike(likeness: float, ordinary: float, likenesses: Sequence[float], ordinaries: Sequence[float]) -> bool:
    """Whether a picture is of another kind than its nearest normals: as a whole, and in nearly all of its patches.

    Args:
        likeness: cosine with the most alike normal.
        ordinary: the picture's `ordinary_distance`.
        likenesses: those of the normals among each other.
        ordinaries: the same.
    """
    # An odd one among the normals must not make every picture look ordinary.
    least, middle = float(np.percentile(likenesses, 10)), float(np.median(likenesses))
    usual = float(np.percentile(ordinaries, 90))
    return likeness < least - max(_LESS_ALIKE, middle - least) and ordinary > _TIMES * usual


def of_another_kind(likenesses: Sequence[float]) -> float:
    """The cosine below which a product is of another kind, and not a variant that looks alike.

    Args:
        likenesses: of the normals with their most alike others.
    """
    return 1 - _FARTHER * (1 - float(np.median(likenesses))) if likenesses else -1.0


def are_scattered(scores: Sequence[float], foreign_scores: Sequence[float]) -> bool:
    """Whether normals are as far from each other as from normals of other products.

    Args:
        scores: of normals, compared with their own product.
        foreign_scores: of some of them, compared with products of another kind; empty where there are none.
    """
    return len(foreign_scores) > 0 and float(np.median(scores)) > _AS_WIDE * float(np.median(foreign_scores))
