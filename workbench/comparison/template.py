"""A scan of black and white beside its template: the pixels that differ when one lies on the other.

    a binarised picture -> `scan_of` -> a query's and normals' scans -> `beside_template` -> a map and a score, or None

A template is a normal of the same layout: shifted by at most one part in REACH of the side, it has AGREEMENT of the
query's pixels in common. Pixels differ where black, or white, has none of its own colour within the tolerance in the
other, either way round, so that edges may lie a little elsewhere. The score is n / (n + the tolerance's square) of the
n pixels of the largest connected difference: 0 where nothing differs, 1/2 at the smallest thing that the tolerance lets
be told. A picture without a template gets none of it.

Source: referential inspection of printed circuit boards (Moganti et al., "Automatic PCB inspection algorithms: a
survey", 1996); the constants are this module's own, set by looking at one kind of scans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from workbench.comparison.refusals import is_binarised

Scan = NDArray[np.bool_]  # (rows, cols): True is white

MOST_SIDE = 640  # pixels of the longer side that a scan is kept with
CANDIDATES = 8  # normals that are tried, the most alike to the tower
REACH = 32  # of the shorter side one part in so many: how far a template may be shifted
AGREEMENT = 0.9  # of a template's pixels that are as the query's
LEAST_TOLD = 1 / 3  # the score of half the smallest thing that the tolerance lets be told
_TOLERANCE = 160  # of the longer side one part in so many: how far an edge may lie elsewhere
_WHITE = 128  # grey level from which a pixel is white


@dataclass(frozen=True, slots=True)
class TemplateDifference:
    """How a scan differs from its template."""

    template: int  # which of those that were tried
    map: NDArray[np.float32]  # on the grid asked for: as the score, of the pixels that differ in each cell
    score: float  # 0..1


def scan_of(image: Image.Image) -> Scan | None:
    """The pixels of a picture that is a scan of black and white; None of any other."""
    if not is_binarised(image):
        return None
    grey, longer = image.convert("L"), max(image.size)
    if longer > MOST_SIDE:
        sides = (max(1, round(side * MOST_SIDE / longer)) for side in image.size)
        grey = grey.resize(tuple(sides))  # type: ignore[arg-type]
    scan: Scan = np.asarray(grey) >= _WHITE
    return scan


def beside_template(query: Scan, normals: Sequence[Scan], grid: tuple[int, int]) -> TemplateDifference | None:
    """The difference to the normal that agrees best; None where none is a template.

    Args:
        query: the picture.
        normals: those to try; of another size none is a template.
        grid: rows and columns of the map.
    """
    found: list[tuple[float, int, int, int]] = []
    spectrum = fft.rfft2(_signed(query))
    reach = max(1, min(query.shape) // REACH)
    for place, normal in enumerate(normals):
        if normal.shape == query.shape:
            products = fft.irfft2(spectrum * np.conj(fft.rfft2(_signed(normal))), s=query.shape) / query.size
            near = np.roll(products, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
            row, col = divmod(int(near.argmax()), near.shape[1])
            found.append((float(near.max()), -place, row - reach, col - reach))
    if not found:
        return None
    product, place, down, across = max(found)
    # At the end of the reach the best shift lies beyond it.
    if (1 + product) / 2 < AGREEMENT or max(abs(down), abs(across)) == reach:
        return None
    differing = _differing(query, normals[-place], down, across)
    unit = (2 * _tolerance(query) + 1) ** 2
    labels, count = ndimage.label(differing, np.ones((3, 3)))
    largest = int(np.bincount(labels.ravel())[1:].max()) if count else 0
    return TemplateDifference(-place, _cells(differing, grid, unit), largest / (largest + unit))


def _signed(scan: Scan) -> NDArray[np.float32]:
    return scan.astype(np.float32) * 2 - 1


def _tolerance(scan: Scan) -> int:
    return max(1, round(max(scan.shape) / _TOLERANCE))


def _differing(query: Scan, template: Scan, down: int, across: int) -> Scan:
    """Where the two differ, at the shift next to this one where they differ least."""
    side = 2 * _tolerance(query) + 1
    near = [ndimage.maximum_filter(each, side) for each in (query, ~query, template, ~template)]
    tried: list[Scan] = []
    for row in (down - 1, down, down + 1):
        for col in (across - 1, across, across + 1):
            here = (slice(max(0, row), query.shape[0] + min(0, row)), slice(max(0, col), query.shape[1] + min(0, col)))
            there = (
                slice(max(0, -row), query.shape[0] + min(0, -row)),
                slice(max(0, -col), query.shape[1] + min(0, -col)),
            )
            white, other = query[here], template[there]
            whole = np.zeros(query.shape, bool)
            whole[here] = (white & ~near[2][there]) | (~white & ~near[3][there])
            whole[here] |= (other & ~near[0][here]) | (~other & ~near[1][here])
            tried.append(whole)
    return min(tried, key=lambda each: int(each.sum()))


def _cells(differing: Scan, grid: tuple[int, int], unit: int) -> NDArray[np.float32]:
    """n / (n + unit) of the n pixels that differ in each cell of a grid."""
    rows, cols = (
        np.linspace(0, size, count, endpoint=False).astype(int)
        for size, count in zip(differing.shape, grid, strict=True)
    )
    counts = np.add.reduceat(np.add.reduceat(differing.astype(np.float32), rows, axis=0), cols, axis=1)
    return np.asarray(counts / (counts + unit), np.float32)
