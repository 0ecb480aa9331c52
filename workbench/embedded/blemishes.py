"""The fourteen kinds of defect as pixels, drawn onto a scene.

In: a scene, and how large and how plain the defect is to be. Out: its mask and the adjective that is true of it.
Lengths are in model pixels times `U`, as in `scenes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from workbench.embedded.drawn_world import LOOKS
from workbench.embedded.scenes import SIDE, Field, Pixels, Scene, Seat, U, chip, shade, smooth_noise


@dataclass(frozen=True, slots=True)
class Severity:
    """How a defect is to be drawn."""

    large: bool
    extent: float  # factor on its length or radius: about 0.3 tiny, 0.55 small, 1 large
    contrast: float  # 0.3 faint .. 1 plain
    tone: str  # dark or bright, for defects that come in both


@dataclass(frozen=True, slots=True)
class Blemish:
    """A drawn defect."""

    mask: Pixels  # (SIDE, SIDE) 255 where the product was changed
    large: bool
    adjective: str


def blemish(rng: np.random.Generator, scene: Scene, defect: str, severity: Severity) -> Blemish:
    """Draw the defect onto the scene's image; parts that are missing or turned have the size of their seat."""
    look = LOOKS[defect]
    mask, large = _DRAW[defect](rng, scene, severity)
    return Blemish(mask, severity.large if large is None else large, severity.tone if look.toned else look.adjective)


_Drawn = tuple[Pixels, bool | None]  # mask, and the size where the seat decides it


def _place(rng: np.random.Generator, scene: Scene, margin: float) -> tuple[float, float]:
    """A point on the body, `margin` model pixels away from its edge where there is such a point."""
    small = cv2.resize(scene.body, (84, 84), interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small[1:-1, 1:-1], 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform((small > 250).astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero(depth >= min(margin / 2, float(depth.max())))
    chosen = rng.integers(len(rows))
    return (float(columns[chosen]) + 0.5) * SIDE / 84, (float(rows[chosen]) + 0.5) * SIDE / 84


def _path(rng: np.random.Generator, center: tuple[float, float], length: float, jag: float, steps: int) -> Field:
    """A broken line around a centre; `jag` is the spread of its direction in radians."""
    heading = rng.uniform(0, 2 * math.pi) + rng.normal(0, jag, steps)
    points = np.concatenate([[[0, 0]], np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0)]) * length / steps
    return np.asarray(points - points.mean(0) + center, np.float32)


def _stroke(path: Field, thickness: float) -> Field:
    """(SIDE, SIDE) coverage of a polyline; widths below one pixel thin out instead of vanishing."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    shifted = np.round(path * 8).astype(np.int32)
    cv2.polylines(canvas, [shifted], False, 255, max(1, round(thickness)), cv2.LINE_AA, shift=3)
    return canvas.astype(np.float32) * np.float32(min(1.0, thickness) / 255)


def _blend(scene: Scene, alpha: Field, target: tuple[float, float, float]) -> None:
    """Mix the target colour into the image, on the product only."""
    rows, columns = np.nonzero(alpha > 0)
    if len(rows) == 0:
        return
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    weight = (alpha[window] * (scene.body[window] > 0))[..., None]
    mixed = scene.image[window] * (1 - weight) + np.array(target, np.float32) * weight
    scene.image[window] = np.clip(mixed, 0, 255).astype(np.uint8)


def _covered(scene: Scene, alpha: Field, threshold: float = 0.2, grow: int = 0) -> Pixels:
    mask = ((alpha > threshold) & (scene.body > 0)).astype(np.uint8) * 255
    if grow:
        mask = np.asarray(cv2.dilate(mask, np.ones((grow, grow), np.uint8)), np.uint8) & scene.body
    return mask


def _tone(severity: Severity, scene: Scene) -> tuple[float, float, float]:
    return shade(scene.color, 0.18) if severity.tone == "dark" else (250.0, 250.0, 246.0)


def _scratch(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    center = _place(rng, scene, 9)
    path = _path(rng, center, (66 * severity.extent + 6) * U, 0.07, 6)
    width = (1.1 + 0.9 * min(severity.extent, 1)) * U
    alpha = _stroke(path, width) * np.float32(0.5 + 0.5 * severity.contrast)
    _blend(scene, alpha, _tone(severity, scene))
    return _covered(scene, alpha, 0.12, grow=5), None


def _crack(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    center = _place(rng, scene, 9)
    trunk = _path(rng, center, (82 * severity.extent + 8) * U, 0.85, 8)
    width = (1.0 + 1.1 * min(severity.extent, 1)) * U
    alpha = _stroke(trunk, width)
    for _ in range(2 if severity.large else 1):
        root = trunk[rng.integers(2, 7)]
        branch = _path(rng, (0.0, 0.0), 30 * severity.extent * U, 0.8, 4)
        alpha = np.maximum(alpha, _stroke(branch - branch[0] + root, max(1.0, width * 0.6)))
    lip = np.roll(alpha, (U // 2 + 1, U // 2 + 1), (0, 1))
    _blend(scene, lip * np.float32(0.5 * severity.contrast), (244.0, 244.0, 240.0))
    alpha *= np.float32(0.55 + 0.45 * severity.contrast)
    _blend(scene, alpha, (14.0, 13.0, 14.0))
    return _covered(scene, alpha, 0.15, grow=5), None


def _cut(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    center = _place(rng, scene, 12)
    path = _path(rng, center, (50 * severity.extent + 6) * U, 0.0, 2)
    width = (2.0 + 2.6 * min(severity.extent, 1)) * U
    lips = _stroke(path, width + 3 * U)
    _blend(scene, lips * np.float32(0.4), shade(scene.color, 1.45))
    alpha = _stroke(path, width) * np.float32(0.6 + 0.4 * severity.contrast)
    _blend(scene, alpha, scene.background)
    return _covered(scene, lips, 0.2), None


def _snag(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    x, y = _place(rng, scene, 16)
    length = (100 * severity.extent + 12) * U
    bow = np.sin(np.linspace(0, math.pi, 9)) * rng.normal(0, 2) * U
    along = np.linspace(-length / 2, length / 2, 9)
    path = np.stack([x + along, y + bow], 1) if rng.random() < 0.5 else np.stack([x + bow, y + along], 1)
    alpha = _stroke(path.astype(np.float32), max(scene.detail * 1.25, 4.5) * U) * np.float32(
        0.35 + 0.5 * severity.contrast
    )
    target = shade(scene.color, 0.3) if severity.tone == "dark" else (246.0, 244.0, 236.0)
    _blend(scene, alpha, target)
    return _covered(scene, alpha, 0.1), None


def _distance(rng: np.random.Generator, center: tuple[float, float], radius: float, wobble: float) -> Field:
    """(SIDE, SIDE) distance from the centre in units of the radius, stretched at random, with an uneven rim."""
    at = np.arange(SIDE, dtype=np.float32)
    stretch = np.float32(rng.uniform(0.75, 1.3))
    dx, dy = (at - np.float32(center[0]))[None] / stretch, (at - np.float32(center[1]))[:, None] * stretch
    rings: Field = np.sqrt(dx * dx + dy * dy) / np.float32(radius)
    return rings + smooth_noise(rng, 2) * np.float32(wobble)


def _stain(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    distance = _distance(rng, _place(rng, scene, 12), (21 * severity.extent + 3) * U, 0.2)
    alpha = np.clip(1.7 - 1.4 * distance, 0, 1) * np.float32(0.35 + 0.5 * severity.contrast)
    rim = np.clip(1 - np.abs(distance - 1) * 6, 0, 1) * np.float32(0.15)  # a drying edge
    _blend(
        scene,
        np.minimum(alpha + rim * (alpha > 0), 1),
        (58.0, 44.0, 30.0) if severity.tone == "dark" else (246.0, 244.0, 228.0),
    )
    return _covered(scene, alpha, 0.15), None


def _burn(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    distance = _distance(rng, _place(rng, scene, 12), (21 * severity.extent + 3) * U, 0.16)
    halo = np.clip(1.9 - 1.3 * distance, 0, 1) * np.float32(0.3 + 0.3 * severity.contrast)
    _blend(scene, halo, (92.0, 58.0, 26.0))
    core = np.clip(1.3 - 1.6 * distance, 0, 1) * np.float32(0.5 + 0.5 * severity.contrast)
    _blend(scene, core, (12.0, 10.0, 9.0))
    return _covered(scene, halo, 0.15), None


def _rust(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    distance = _distance(rng, _place(rng, scene, 9), (22 * severity.extent + 4) * U, 0.3)
    grain = 0.75 + 0.25 * np.clip(smooth_noise(rng, 0), -2, 1)
    alpha = np.clip(1.8 - 1.5 * distance, 0, 1) * np.float32(0.45 + 0.45 * severity.contrast)
    _blend(scene, alpha * np.clip(grain, 0.2, 1), (172.0, 84.0, 28.0))
    return _covered(scene, alpha, 0.15), None


def _hole(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    center = _place(rng, scene, 12)
    distance = _distance(rng, center, (18 * severity.extent + 3) * U, 0.1)
    _blend(scene, np.clip((1.25 - distance) * 3, 0, 1) * np.float32(0.45), shade(scene.color, 1.5))  # frayed rim
    alpha = np.clip((1 - distance) * 8, 0, 1)
    _blend(scene, alpha * np.float32(0.7 + 0.3 * severity.contrast), scene.background)
    for _ in range(int(5 + 6 * severity.extent)):
        heading = rng.uniform(0, 2 * math.pi)
        rim = (18 * severity.extent + 3) * U
        tip = np.array(center) + np.array([math.cos(heading), math.sin(heading)]) * rim * rng.uniform(0.45, 0.7)
        foot = np.array(center) + np.array([math.cos(heading), math.sin(heading)]) * rim * 1.1
        _blend(scene, _stroke(np.stack([foot, tip]), 0.6 * U) * np.float32(0.8), shade(scene.color, 1.2))
    return _covered(scene, np.clip((1.2 - distance) * 8, 0, 1), 0.2), None


def _dent(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    center = _place(rng, scene, 12)
    radius = (21 * severity.extent + 4) * U
    distance = _distance(rng, center, radius, 0.03)
    at = np.arange(SIDE, dtype=np.float32)
    heading = rng.uniform(0, 2 * math.pi)
    slope = (
        (at - center[0])[None] * np.float32(math.cos(heading))
        + (at - center[1])[:, None] * np.float32(math.sin(heading))
    ) / np.float32(radius)
    relief = (slope * 150 - 34) * np.exp(-((distance * 1.25) ** 2)) * np.float32(0.35 + 0.65 * severity.contrast)
    on = scene.body > 0
    scene.image[on] = np.clip(scene.image[on] + relief[on][:, None], 0, 255).astype(np.uint8)
    return _covered(scene, np.clip((1.35 - distance) * 8, 0, 1), 0.2), None


def _notch(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    outline, _ = cv2.findContours((scene.body > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = max(outline, key=len)[:, 0].astype(np.float32)
    center = rim[rng.integers(len(rim))]
    radius = (21 * severity.extent + 4) * U
    angles = np.arange(11) * 2 * math.pi / 11
    corners = center + np.stack([np.cos(angles), np.sin(angles)], 1) * (radius * rng.uniform(0.65, 1.1, 11))[:, None]
    bite = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(bite, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    mask = bite & (scene.body > 127).astype(np.uint8) * 255
    broken = np.asarray(cv2.dilate(bite, np.ones((2 * U + 1, 2 * U + 1), np.uint8)), np.uint8) & scene.body
    scene.image[broken > 0] = np.clip(
        scene.image[broken > 0] * 0.4 + np.array(shade(scene.color, 1.5), np.float32) * 0.6, 0, 255
    ).astype(np.uint8)
    scene.image[mask > 0] = np.array(scene.background).astype(np.uint8)
    return broken, None


def _blockage(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    seat = scene.seats[rng.integers(len(scene.seats))]
    center = (round(seat.center[0]), round(seat.center[1]))
    radius = int(seat.width / 2)
    cv2.circle(scene.image, center, radius, shade(scene.color, 0.8 + 0.16 * (1 - severity.contrast)), -1, cv2.LINE_AA)
    for _ in range(7):  # swarf that was never blown out
        x, y = np.array(center) + rng.normal(0, radius / 3, 2)
        cv2.circle(
            scene.image,
            (int(x), int(y)),
            int(radius * rng.uniform(0.1, 0.25)),
            shade(scene.color, float(rng.uniform(0.6, 1.15))),
            -1,
            cv2.LINE_AA,
        )
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, center, radius, 255, -1)
    return mask, seat.large


def _omission(rng: np.random.Generator, scene: Scene, _severity: Severity) -> _Drawn:
    seat = scene.seats[rng.integers(len(scene.seats))]
    _empty(rng, scene, seat)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    corners = cv2.boxPoints((seat.center, (seat.width, seat.height), 0.0))
    cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
    return mask, seat.large


def _empty(rng: np.random.Generator, scene: Scene, seat: Seat) -> None:
    """Take the part out of its seat: bare board and the pads' inner ends."""
    (x, y), w, h = seat.center, seat.width + 4, seat.height + 4
    box = np.s_[round(y - h / 2) : round(y + h / 2) + 1, round(x - w / 2) : round(x + w / 2) + 1]
    flux = smooth_noise(rng, 1)[box][..., None] * np.float32(4)
    scene.image[box] = np.clip(np.array(shade(scene.color, 1.12), np.float32) + flux, 0, 255).astype(np.uint8)
    for step in np.arange(-w / 2 + 3 * U, w / 2 - U, 6 * U).tolist():
        for side in (-1, 1):
            edge = y + side * (h / 2 - 3 * U)
            cv2.rectangle(
                scene.image,
                (round(x + step - U), round(edge - 3 * U)),
                (round(x + step + U), round(edge + 3 * U)),
                (212, 204, 160),
                -1,
            )


def _tilt(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    seat = scene.seats[rng.integers(len(scene.seats))]
    _empty(rng, scene, seat)
    angle = float(rng.uniform(16, 26) + 18 * severity.contrast) * (1 if rng.random() < 0.5 else -1)
    chip(scene.image, seat, angle, scene.line)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for turn in (0.0, angle):
        corners = cv2.boxPoints((seat.center, (seat.width, seat.height), turn))
        cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
    return mask & scene.body, seat.large


def _misprint(rng: np.random.Generator, scene: Scene, severity: Severity) -> _Drawn:
    seat = scene.seats[0]
    (x, y), w, h = seat.center, seat.width, seat.height
    wide = w + 6 * U if severity.large else w / 2 + U
    first = x - w / 2 - 3 * U if severity.large else x - w / 2 + (w / 2) * rng.integers(2) - U / 2
    box = np.s_[round(y - h / 2 - 4 * U) : round(y + h / 2 + 4 * U), round(first) : round(first + wide)]
    before = scene.image[box].copy()
    drag = int((3 + 7 * severity.contrast) * U)
    smear = cv2.blur(before, (drag, drag // 2 + 1)).astype(np.float32)
    ghost = before.astype(np.float32)
    ghost[:, drag // 2 :] = np.minimum(ghost[:, drag // 2 :], before[:, : -(drag // 2)] * 1.15)
    scene.image[box] = np.clip(smear * 0.65 + ghost * 0.35, 0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[box] = 255
    return mask & scene.body, None


_DRAW: dict[str, Callable[[np.random.Generator, Scene, Severity], _Drawn]] = {
    "scratch": _scratch,
    "stain": _stain,
    "snag": _snag,
    "dent": _dent,
    "crack": _crack,
    "cut": _cut,
    "hole": _hole,
    "notch": _notch,
    "rust": _rust,
    "burn": _burn,
    "blockage": _blockage,
    "omission": _omission,
    "tilt": _tilt,
    "misprint": _misprint,
}
