"""The six products as pixels: each drawn square on, 504 x 504, before pose and light.

In: a random generator, the product and its colour. Out: a `Scene` on which `blemishes` draws a defect. All lengths
are given in model pixels (168 a side) and scaled by `U`, so a number here says how much of it the model will see.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from workbench.embedded.drawn_world import PRODUCTS

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Color = tuple[float, float, float]

SIDE = 504
U = SIDE // 168


@dataclass(frozen=True, slots=True)
class Seat:
    """A place where a part, a drill point or a code belongs."""

    center: tuple[float, float]
    width: float
    height: float
    large: bool


@dataclass(slots=True)
class Scene:
    """A product without pose and light."""

    image: Pixels  # (SIDE, SIDE, 3) RGB
    body: Pixels  # (SIDE, SIDE) 255 where the product is
    background: Color
    color: Color
    seats: list[Seat] = field(default_factory=list)
    detail: float = 1.0  # line thickness or texture period of this piece, in model pixels
    line: str = "A"


@lru_cache(maxsize=1)
def _noise_bank() -> Field:
    """A large field of smooth noise with unit deviation, cut at random instead of drawn anew: ten times faster."""
    rng = np.random.default_rng(7)
    layers = []
    for blur in (2.0, 6.0, 18.0):
        layer = cv2.GaussianBlur(rng.standard_normal((1200, 1200), dtype=np.float32), (0, 0), blur)
        layers.append(layer / layer.std())
    return np.stack(layers)


def smooth_noise(rng: np.random.Generator, grain: int, side: int = SIDE) -> Field:
    """(side, side) noise of unit deviation; grain 0 fine, 1 middle, 2 coarse."""
    bank = _noise_bank()[grain]
    y, x = rng.integers(0, bank.shape[0] - side, 2)
    patch: Field = bank[y : y + side, x : x + side]
    return patch


def shade(color: Color, gain: float) -> Color:
    """The colour, lighter or darker."""
    return (min(color[0] * gain, 255.0), min(color[1] * gain, 255.0), min(color[2] * gain, 255.0))


def scene(rng: np.random.Generator, product: str, color: str, parts: int, line: str) -> Scene:
    """A good piece of the product; line "B" is another maker's: other texture and ground."""
    base = np.array(PRODUCTS[product].colors[color], np.float64)
    tint = rng.normal(0, 4 if line == "A" else 9, 3) + rng.normal(0, 6)
    tone = np.clip(base + tint, 8, 247)
    built = _DRAW[product](rng, (float(tone[0]), float(tone[1]), float(tone[2])), parts, line)
    built.line = line
    return built


def _ground(rng: np.random.Generator, color: Color, grain: int, strength: float) -> Pixels:
    """A background of one colour with a little texture."""
    texture = smooth_noise(rng, grain)[..., None] * np.float32(strength)
    return np.clip(np.array(color, np.float32) + texture, 0, 255).astype(np.uint8)


def _cast_shadow(image: Pixels, body: Pixels, shift: float, depth: float) -> None:
    small = cv2.resize(body, (SIDE // 4, SIDE // 4), interpolation=cv2.INTER_AREA)
    moved = cv2.warpAffine(small, np.array([[1, 0, shift], [0, 1, shift]], np.float64), (SIDE // 4, SIDE // 4))
    soft = cv2.resize(cv2.GaussianBlur(moved, (0, 0), 4), (SIDE, SIDE)).astype(np.float32)
    image[:] = (image * (1 - soft[..., None] * np.float32(depth / 255))).astype(np.uint8)


def _paste(image: Pixels, body: Pixels, surface: Field) -> None:
    """Put the surface where the body is, with soft edges."""
    alpha = body.astype(np.float32)[..., None] / 255
    image[:] = np.clip(image * (1 - alpha) + surface * alpha, 0, 255).astype(np.uint8)


def _metal_plate(rng: np.random.Generator, color: Color, _parts: int, line: str) -> Scene:
    background = (58.0, 61.0, 66.0) if line == "A" else (120.0, 112.0, 100.0)
    image = _ground(rng, background, 1, 3)
    body = np.zeros((SIDE, SIDE), np.uint8)
    a, b, r = 14 * U, 154 * U, (8 if line == "A" else 20) * U
    cv2.rectangle(body, (a + r, a), (b - r, b), 255, -1)
    cv2.rectangle(body, (a, a + r), (b, b - r), 255, -1)
    for x, y in ((a + r, a + r), (b - r, a + r), (a + r, b - r), (b - r, b - r)):
        cv2.circle(body, (x, y), r, 255, -1, cv2.LINE_AA)
    _cast_shadow(image, body, 4, 0.5)
    # Brushed: fine noise drawn out along one direction.
    streaks = cv2.blur(smooth_noise(rng, 0), (121, 1) if line == "A" else (31, 31))
    sheen = np.linspace(1.08, 0.92, SIDE, dtype=np.float32)[:, None, None]
    surface = np.array(color, np.float32) * sheen + streaks[..., None] * np.float32(rng.uniform(14, 26))
    _paste(image, body, surface)
    bevel = cv2.morphologyEx(body, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    light = np.linspace(1.25, 0.7, SIDE, dtype=np.float32)
    edge = bevel > 0
    image[edge] = np.clip(image[edge] * (light[:, None] * np.ones((1, SIDE), np.float32))[edge][:, None], 0, 255)
    large = bool(rng.random() < 0.5)
    radius = (12.5 if large else 8.0) * U
    seats = []
    for x, y in ((38, 38), (130, 38), (38, 130), (130, 130)):
        center = (x * U + rng.normal(0, U), y * U + rng.normal(0, U))
        seats.append(Seat(center, 2 * radius, 2 * radius, large))
        drill_point(image, center, radius, color, background)
        cv2.circle(body, _at(center), int(radius + U), 0, -1)
    return Scene(image, body, background, color, seats)


def drill_point(image: Pixels, center: tuple[float, float], radius: float, color: Color, inside: Color) -> None:
    """An open hole with a countersunk rim."""
    cv2.circle(image, _at(center), int(radius + 1.6 * U), shade(color, 0.72), -1, cv2.LINE_AA)
    cv2.ellipse(image, _at(center), _size(radius + U, radius + U), 0, 20, 160, shade(color, 1.3), U, cv2.LINE_AA)
    cv2.circle(image, _at(center), int(radius), shade(inside, 0.5), -1, cv2.LINE_AA)


def _woven_fabric(rng: np.random.Generator, color: Color, _parts: int, line: str) -> Scene:
    period = float(rng.uniform(3.4, 5.6) if line == "A" else rng.uniform(6.5, 8.5)) * U
    at = np.arange(SIDE, dtype=np.float32)
    # One array per direction: threads bulge across, run over and under along; colour wavers from thread to thread.
    bulge_x, bulge_y = np.abs(np.sin(math.pi * at / period)), np.abs(np.sin(math.pi * at / period))
    thread = np.floor(at / period).astype(np.int64)
    over = ((thread[:, None] + thread[None]) % 2).astype(bool)
    waver = rng.normal(1, 0.05, (2, int(thread.max()) + 1)).astype(np.float32)
    warp = (bulge_x * waver[0][thread])[None] * (0.82 + 0.18 * bulge_y[:, None])
    weft = (bulge_y * waver[1][thread])[:, None] * (0.82 + 0.18 * bulge_x[None]) * np.float32(0.88)
    lit = np.where(over, warp, weft) * np.float32(0.62) + np.float32(0.5)
    lit += smooth_noise(rng, 2) * np.float32(0.03)
    image = np.clip(np.array(color, np.float32) * lit[..., None], 0, 255).astype(np.uint8)
    return Scene(image, np.full((SIDE, SIDE), 255, np.uint8), (22.0, 20.0, 20.0), color, detail=period / U)


def _glass_bottle(rng: np.random.Generator, color: Color, _parts: int, line: str) -> Scene:
    background = (226.0, 227.0, 225.0) if line == "A" else (92.0, 98.0, 104.0)
    image = _ground(rng, background, 2, 2)
    body = np.zeros((SIDE, SIDE), np.uint8)
    middle = (SIDE / 2, SIDE / 2)
    outer = 70 * U
    cv2.circle(body, _at(middle), outer, 255, -1, cv2.LINE_AA)
    _cast_shadow(image, body, 3, 0.25)
    spread = float(rng.uniform(-2, 2))
    rings = [
        (70, 0.85),
        (66, 1.05),
        (59 + spread, 0.78),
        (50 + spread, 1.18),
        (44 + spread, 0.95),
        (31, 0.62),
        (27, 0.4),
    ]
    for radius, gain in rings:
        cv2.circle(image, _at(middle), int(radius * U), shade(color, gain), -1, cv2.LINE_AA)
    for radius, width, gain in ((62, 2.2, 1.55), (47, 1.4, 1.45), (33, 1.0, 1.25)):
        start = float(rng.uniform(0, 360))
        span = float(rng.uniform(25, 70))
        for turn in (0, 180):
            size = _size(radius * U, radius * U)
            glint = shade(color, gain if turn == 0 else 0.5 + gain / 2)
            cv2.ellipse(
                image, _at(middle), size, 0, start + turn, start + turn + span, glint, int(width * U), cv2.LINE_AA
            )
    if line == "B":
        for angle in np.arange(0, 2 * math.pi, math.pi / 18):
            tip = (middle[0] + outer * math.cos(angle), middle[1] + outer * math.sin(angle))
            foot = (middle[0] + (outer - 5 * U) * math.cos(angle), middle[1] + (outer - 5 * U) * math.sin(angle))
            cv2.line(image, _at(tip), _at(foot), shade(color, 0.6), U, cv2.LINE_AA)
    return Scene(image, body, background, color)


_QUARTERS = ((50, 52), (118, 52), (50, 118), (118, 118))


def _circuit_board(rng: np.random.Generator, color: Color, parts: int, line: str) -> Scene:
    background = (204.0, 204.0, 199.0) if line == "A" else (70.0, 72.0, 84.0)
    image = _ground(rng, background, 1, 3)
    body = np.zeros((SIDE, SIDE), np.uint8)
    cv2.rectangle(body, (8 * U, 8 * U), (160 * U, 160 * U), 255, -1)
    _cast_shadow(image, body, 3, 0.4)
    surface = np.array(color, np.float32) + smooth_noise(rng, 0)[..., None] * np.float32(2.5)
    _paste(image, body, surface)
    copper = shade(color, 1.38 if line == "A" else 0.7)
    for _ in range(11):
        x, y = rng.integers(14, 150, 2) * U
        bend = int(rng.integers(8, 22) * U)
        end = int(rng.integers(20, 120)) * U
        path = np.array([[x, y], [x + bend, y + bend], [x + bend + end, y + bend]])
        path = path if rng.random() < 0.5 else path[:, ::-1]
        cv2.polylines(image, [np.clip(path, 10 * U, 158 * U).astype(np.int32)], False, copper, U, cv2.LINE_AA)
        cv2.circle(image, _at((float(path[0][0]), float(path[0][1]))), int(1.8 * U), (196, 178, 120), -1, cv2.LINE_AA)
    for x, y in ((14, 14), (154, 14), (14, 154), (154, 154)):
        cv2.circle(image, (x * U, y * U), int(3.4 * U), (190, 172, 110), -1, cv2.LINE_AA)
        cv2.circle(image, (x * U, y * U), int(1.9 * U), shade(background, 0.8), -1, cv2.LINE_AA)
    built = Scene(image, body, background, color)
    for index in rng.permutation(4)[:parts]:
        large = bool(rng.random() < 0.5)
        long, short = (46, 33) if large else (27, 19)
        width, height = (long, short) if rng.random() < 0.5 else (short, long)
        x, y = _QUARTERS[index]
        center = ((x + rng.uniform(-5, 5)) * U, (y + rng.uniform(-5, 5)) * U)
        built.seats.append(Seat(center, width * U, height * U, large))
    for seat in built.seats:
        pads(image, seat)
        chip(image, seat, 0.0, line)
    return built


def pads(image: Pixels, seat: Seat) -> None:
    """The soldering pads of a seat, and its printed outline."""
    (x, y), w, h = seat.center, seat.width, seat.height
    cv2.rectangle(
        image,
        _at((x - w / 2 - 5 * U, y - h / 2 - 5 * U)),
        _at((x + w / 2 + 5 * U, y + h / 2 + 5 * U)),
        (214, 214, 206),
        1,
    )
    for step in np.arange(-w / 2 + 3 * U, w / 2 - U, 6 * U).tolist():
        for side in (-1, 1):
            top = y + side * (h / 2 + U)
            cv2.rectangle(
                image, _at((x + step - U, top - 2 * U)), _at((x + step + U, top + 2 * U)), (206, 196, 150), -1
            )


def chip(image: Pixels, seat: Seat, angle: float, line: str = "A") -> None:
    """A packaged part in its seat, turned by `angle` degrees."""
    corners = cv2.boxPoints((seat.center, (seat.width, seat.height), angle))
    package = (40, 40, 44) if line == "A" else (84, 80, 76)
    cv2.fillPoly(image, [corners.astype(np.int32)], package, cv2.LINE_AA)
    cv2.polylines(image, [corners.astype(np.int32)], True, (72, 72, 78), 2, cv2.LINE_AA)
    middle = corners.mean(0)
    dot = corners[1] * 0.76 + middle * 0.24
    cv2.circle(image, _at((float(dot[0]), float(dot[1]))), int(1.5 * U), (150, 150, 150), -1, cv2.LINE_AA)
    for row in (-0.12, 0.12):
        left = (
            middle + (corners[1] - corners[2]) * row + (corners[0] - corners[3]) * 0 - (corners[2] - corners[1]) * 0.28
        )
        right = left + (corners[2] - corners[1]) * 0.5
        cv2.line(
            image,
            _at((float(left[0]), float(left[1]))),
            _at((float(right[0]), float(right[1]))),
            (112, 112, 116),
            2,
            cv2.LINE_AA,
        )


def _hex_nut(rng: np.random.Generator, color: Color, _parts: int, line: str) -> Scene:
    background = (122.0, 126.0, 122.0) if line == "A" else (196.0, 186.0, 168.0)
    image = _ground(rng, background, 1, 4)
    body = np.zeros((SIDE, SIDE), np.uint8)
    middle = (SIDE / 2, SIDE / 2)
    turn = float(rng.uniform(0, math.pi / 3))
    angles = np.arange(6) * math.pi / 3 + turn
    corners = np.stack([SIDE / 2 + 69 * U * np.cos(angles), SIDE / 2 + 69 * U * np.sin(angles)], 1)
    cv2.fillPoly(body, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    _cast_shadow(image, body, 4, 0.45)
    texture = smooth_noise(rng, 0) * np.float32(3.5) + smooth_noise(rng, 1) * np.float32(3.0)
    _paste(image, body, np.array(color, np.float32) + texture[..., None])
    for k in range(6):  # the chamfered corners catch the light one by one
        wedge = np.array([corners[k], corners[(k + 1) % 6], middle])
        gain = 0.85 + 0.22 * math.cos(angles[k] + 2.2)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(mask, [wedge.astype(np.int32)], 255)
        cv2.circle(mask, _at(middle), 57 * U, 0, -1)
        chosen = mask > 0
        image[chosen] = np.clip(image[chosen] * np.float32(gain), 0, 255)
    cv2.circle(image, _at(middle), 57 * U, shade(color, 1.22), 2, cv2.LINE_AA)
    bore = 33 if line == "A" else 26
    for radius, gain in ((bore + 4, 0.62), (bore + 2, 0.9), (bore, 0.5), (bore - 2, 0.75), (bore - 4, 0.35)):
        cv2.circle(image, _at(middle), radius * U, shade(color, gain), -1, cv2.LINE_AA)
    cv2.circle(image, _at(middle), (bore - 5) * U, shade(background, 0.35), -1, cv2.LINE_AA)
    cv2.circle(body, _at(middle), (bore + 4) * U, 0, -1)
    return Scene(image, body, background, color)


def _drug_capsule(rng: np.random.Generator, color: Color, _parts: int, line: str) -> Scene:
    background = (233.0, 235.0, 237.0) if line == "A" else (150.0, 164.0, 172.0)
    image = _ground(rng, background, 2, 2)
    body = np.zeros((SIDE, SIDE), np.uint8)
    left, right, half = 46 * U, 122 * U, 31 * U
    cv2.rectangle(body, (left, SIDE // 2 - half), (right, SIDE // 2 + half), 255, -1)
    for x in (left, right):
        cv2.circle(body, (x, SIDE // 2), half, 255, -1, cv2.LINE_AA)
    _cast_shadow(image, body, 5, 0.4)
    other = (230.0, 220.0, 198.0) if line == "A" else (176.0, 178.0, 184.0)
    across = (np.arange(SIDE, dtype=np.float32) - (SIDE / 2 - 9 * U)) / (40 * U)
    round_off = np.clip(1.13 - 0.42 * across**2, 0.35, 1.2).astype(np.float32)[:, None, None]
    surface = np.empty((SIDE, SIDE, 3), np.float32)
    surface[:, : SIDE // 2], surface[:, SIDE // 2 :] = color, other
    _paste(image, body, surface * round_off)
    cv2.line(image, (SIDE // 2, SIDE // 2 - half), (SIDE // 2, SIDE // 2 + half), shade(color, 0.62), U, cv2.LINE_AA)
    y = SIDE // 2 - 17 * U
    glint = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(glint, (left, y), (right, y), 255, 4 * U, cv2.LINE_AA)
    soft = cv2.GaussianBlur(cv2.resize(glint, (168, 168)), (0, 0), 2)
    _paste(image, (cv2.resize(soft, (SIDE, SIDE)) // 2).astype(np.uint8), np.full((1, 1, 3), 255, np.float32))
    code = ("RX", "M5", "K7", "B2")[rng.integers(4)]
    built = Scene(image, body, background, color, [Seat((104 * U, 84 * U), 34 * U, 22 * U, True)])
    print_code(image, built.seats[0], code)
    return built


def print_code(image: Pixels, seat: Seat, code: str, gap: float = 0.0) -> None:
    """The printed code in its seat."""
    x, y = seat.center[0] - seat.width / 2, seat.center[1] + seat.height / 2 - 2 * U
    for index, letter in enumerate(code):
        at = (x + index * (seat.width / 2 + gap), y)
        cv2.putText(image, letter, _at(at), cv2.FONT_HERSHEY_SIMPLEX, 0.75 * U, (54, 50, 60), 2 * U, cv2.LINE_AA)


def _at(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])


def _size(width: float, height: float) -> tuple[int, int]:
    return round(width), round(height)


_DRAW: dict[str, Callable[[np.random.Generator, Color, int, str], Scene]] = {
    "metal plate": _metal_plate,
    "woven fabric": _woven_fabric,
    "glass bottle": _glass_bottle,
    "circuit board": _circuit_board,
    "hex nut": _hex_nut,
    "drug capsule": _drug_capsule,
}
