"""Drawn inspection images with masks: product, defect, pose, light, camera.

`draw` gives one image of 504 x 504 pixels, three times what the model sees, so that leaning closer can find what
resizing lost. All of it follows from the generator that is passed in. Line "B" is the same products from another
maker under another camera; `Shift` moves single conditions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import cv2
import numpy as np

from workbench.embedded.blemishes import Severity, blemish
from workbench.embedded.drawn_world import PRODUCTS, REGIONS, SIZES, TONES
from workbench.embedded.questions import Facets
from workbench.embedded.scenes import SIDE, Pixels, scene

Line = Literal["A", "B"]
TINY, FAINT = 0.4, 0.45  # below this extent or contrast a defect is reported apart
_LEAST_CHANGE = 9.0  # mean grey levels by which a defect must change the pixels of its mask
_TRIES = 12


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the conditions have moved from the usual, each from 0 (not at all) to 1 (severely)."""

    lighting: float = 0.0  # darker and more uneven
    blur: float = 0.0  # out of focus
    noise: float = 0.0  # a noisy sensor
    scale: float = 0.0  # camera further away
    rotation: float = 0.0  # pieces laid down carelessly
    color: float = 0.0  # warm white balance

    def __post_init__(self) -> None:
        for condition in fields(self):
            if not 0 <= getattr(self, condition.name) <= 1:
                raise ValueError(f"shift {condition.name} is {getattr(self, condition.name)}; it must lie in 0..1")


NO_SHIFT = Shift()


@dataclass(frozen=True, slots=True)
class Drawing:
    """An image, its defect's mask (empty for a good piece), and what is true of it."""

    image: Pixels  # (SIDE, SIDE, 3) RGB
    mask: Pixels  # (SIDE, SIDE) 0 or 255
    facets: Facets
    tiny: bool
    faint: bool


def draw(
    rng: np.random.Generator,
    product: str | None = None,
    defect: str | None = None,
    *,
    good: bool | None = None,
    line: Line = "A",
    shift: Shift = NO_SHIFT,
) -> Drawing:
    """One image; what isn't given is drawn at random.

    Args:
        defect: a defect of the product; None with `good=False` draws one.
        good: no defect; None is even odds leaning to defects (0.62), as questions about them are the harder ones.
    """
    name = product or tuple(PRODUCTS)[rng.integers(len(PRODUCTS))]
    if defect is None and not (good if good is not None else rng.random() < 0.38):
        defect = PRODUCTS[name].defects[rng.integers(4)]
    for _ in range(_TRIES):
        drawing = _attempt(rng, name, defect, line, shift)
        if drawing is not None:
            return drawing
    raise RuntimeError(f"no visible {defect} on a {name} in {_TRIES} tries")


def _attempt(rng: np.random.Generator, name: str, defect: str | None, line: Line, shift: Shift) -> Drawing | None:
    """One try; None when the defect came out invisible or left the image."""
    product = PRODUCTS[name]
    color = tuple(product.colors)[rng.integers(len(product.colors))]
    parts = int(rng.integers(2, 5)) if name == "circuit board" else 0
    piece = scene(rng, name, color, parts, line)
    facets = Facets(name, color, parts)
    mask: Pixels = np.zeros((SIDE, SIDE), np.uint8)
    severity = _severity(rng)
    if defect is not None:
        before = piece.image.copy()
        drawn = blemish(rng, piece, defect, severity)
        mask = drawn.mask
        change = cv2.absdiff(before, piece.image)[mask > 0]
        if change.size == 0 or change.mean() < _LEAST_CHANGE:
            return None
        facets = replace(facets, defect=defect, size=SIZES[drawn.large], adjective=drawn.adjective)
    image, mask = _pose(rng, piece.image, mask, name, line, shift)
    image = _photograph(rng, image, line, shift)
    if defect is not None:
        rows, columns = np.nonzero(mask)
        if len(rows) < 12:
            return None
        region = min(2, int(rows.mean() * 3 / SIDE)) * 3 + min(2, int(columns.mean() * 3 / SIDE))
        facets = replace(facets, region=REGIONS[region])
    seated = defect in ("blockage", "omission", "tilt", "misprint")
    tiny = defect is not None and not seated and severity.extent < TINY
    return Drawing(image, mask, facets, tiny, defect is not None and severity.contrast < FAINT)


def _severity(rng: np.random.Generator) -> Severity:
    large = bool(rng.random() < 0.5)
    if large:
        extent = rng.uniform(0.9, 1.25)
    else:
        extent = rng.uniform(0.28, TINY) if rng.random() < 0.2 else rng.uniform(TINY, 0.62)
    return Severity(large, float(extent), float(rng.uniform(0.3, 1.0)), TONES[rng.integers(2)])


def _pose(
    rng: np.random.Generator, image: Pixels, mask: Pixels, product: str, line: Line, shift: Shift
) -> tuple[Pixels, Pixels]:
    """Turn, move and scale the piece under the camera."""
    turn = 12 + 25 * shift.rotation
    near, far = ((0.9, 1.02) if line == "A" else (0.74, 0.86)) if product != "woven fabric" else (1.0, 1.12)
    scale = rng.uniform(near, far) * (1 - 0.35 * shift.scale)
    turned = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.uniform(-turn, turn)), float(scale))
    move = np.asarray(turned, np.float64)
    move[:, 2] += rng.uniform(-0.04, 0.04, 2) * SIDE
    border = cv2.BORDER_REFLECT_101 if product == "woven fabric" else cv2.BORDER_REPLICATE
    posed = cv2.warpAffine(image, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=border)
    where = cv2.warpAffine(mask, move, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
    return np.asarray(posed, np.uint8), np.asarray(where, np.uint8)


def _photograph(rng: np.random.Generator, image: Pixels, line: Line, shift: Shift) -> Pixels:
    """Uneven light, white balance, focus and sensor noise."""
    at = np.linspace(-1, 1, SIDE, dtype=np.float32)
    uneven = 0.14 + 0.5 * shift.lighting
    slope_x, slope_y = rng.uniform(-uneven, uneven, 2)
    level = rng.uniform(0.84, 1.14) * (1 - 0.5 * shift.lighting)
    falloff = rng.uniform(0, 0.1 if line == "A" else 0.25)
    light = level + slope_x * at[None] + slope_y * at[:, None] - falloff * (at[None] ** 2 + at[:, None] ** 2)
    balance = 1 + rng.normal(0, 0.02 if line == "A" else 0.06, 3) + shift.color * np.array([0.25, 0.0, -0.3])
    focus = (0.0 if line == "A" else 0.8) + 5 * shift.blur
    if focus > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), focus), np.uint8)
    gain = light.astype(np.float32)[..., None] * balance.astype(np.float32)
    noisy = np.asarray(cv2.multiply(image.astype(np.float32), gain), np.float32)
    deviation = rng.uniform(1.5, 6) + 25 * shift.noise
    grain = np.empty((SIDE, SIDE), np.float32)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(grain, 0, float(deviation))  # type: ignore[call-overload]
    noisy += grain[..., None]
    return np.clip(noisy, 0, 255).astype(np.uint8)
