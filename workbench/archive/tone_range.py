"""The tone range of a camera: which numbers of its deep pictures are shown black and white.

Choices that bite:
- A range is one of a camera's (10, 12, 14 or 16 bit; of floats 0..1 too), the smallest that holds what is bright, never
  a picture's own minimum and maximum: those would show a clean plate as noise, and a picture and its reference
  unlike each other. The file's 16 bits would show a 12-bit camera as black.
- Bright is what the brightest thousandth of a picture reaches in squares of 2 x 2 pixels: a hot pixel, a hot line and
  noise are in none. What lies above the range is white.
- A run has one range for each product and camera, from a sample of the archive's pictures, or from the settings
  `integer_range` and `float_range`. It is stored with the run and is in its digest; a reference is seen with the range
  of the picture that it is compared with.
- A picture opened outside a run has no neighbours to ask and gets the range that fits it alone. Given up: when it uses
  less than a quarter of its camera's range it is seen brighter than its neighbours.
- Of a product's 64 pictures drawn by their content, none of which is deep, no range is known; a deep one among
  the others is seen as one outside a run is.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warehouse.records.scoring import Entry, Run
from workbench.archive.high_bit_depth import DEPTHS, Deep, Kind

LOOKED_AT, MEASURED = 64, 16  # pictures of a product and camera: whose heads are read, and that are decoded if deep
_BRIGHT = 0.999  # of a picture's 2 x 2 squares, by their darkest pixel
_FEW = 64  # pixels of which none is told to be hot
_USUAL = 0.9  # of the sample's pictures: one gone wrong doesn't make all others dark
_SAMPLES = 2**21  # numbers that a picture is measured by, about


@dataclass(frozen=True, slots=True)
class Tone:
    """The numbers shown as white, where they are known; black is 0."""

    integer: float | None = None  # 1023, 4095, 16383, 65535
    floating: float | None = None

    def of(self, kind: Kind) -> float | None:
        """White of integers or of floats."""
        return self.integer if kind == "integer" else self.floating


ALONE = Tone()  # nothing is known: a picture's range follows from the picture


@dataclass(frozen=True, slots=True)
class CameraTone:
    """The tone of one product's pictures from one camera."""

    dataset: str
    product: str
    camera: str | None
    tone: Tone


@dataclass(frozen=True, slots=True)
class Tones:
    """The tones of a run."""

    others: Tone = ALONE  # of every product and camera that isn't named
    cameras: tuple[CameraTone, ...] = ()

    def of(self, dataset: str, product: str, camera: str | None) -> Tone:
        """The tone that pictures of this product and camera, and their references, are seen with."""
        for each in self.cameras:
            if (each.dataset, each.product, each.camera) == (dataset, product, camera):
                return each.tone
        return self.others

    def stated(self) -> Mapping[str, Any] | None:
        """As a run's record keeps them; None where nothing is known, as of an archive of 8-bit pictures."""
        return None if self == Tones() else asdict(self)

    def in_words(self) -> str:
        """For people."""
        said: dict[Tone, list[str]] = {}
        for each in self.cameras:
            camera = f" ({each.camera})" if each.camera else ""
            said.setdefault(each.tone, []).append(f"{each.product}{camera}")
        if self.others != ALONE:
            said.setdefault(self.others, []).append("all others" if said else "all")
        return "; ".join(f"{_range(tone)}: {', '.join(_few(names))}" for tone, names in said.items())


def of_run(run: Run | None) -> Tones:
    """The tones a run saw its pictures with, from its record; none for an imported or an older run."""
    return Tones() if run is None else from_record((json.loads(run.settings).get("facts") or {}).get("tones"))


def from_record(stated: Mapping[str, Any] | None) -> Tones:
    """What `Tones.stated` gave."""
    if not stated:
        return Tones()
    cameras = (CameraTone(**{**each, "tone": Tone(**each["tone"])}) for each in stated["cameras"])
    return Tones(Tone(**stated["others"]), tuple(cameras))


def choose(
    entries: Iterable[Entry], measure: Callable[[Entry], tuple[Kind, float] | None], integer: float | None = None,
    floating: float | None = None, camera_range_of: Callable[[str, str | None], Tone] | None = None,
) -> Tones:  # fmt: skip
    """The tones of an archive.

    Args:
        entries: its pictures, references among them; which are looked at follows from their contents alone.
        measure: whether a picture holds integers or floats and how bright it is; None if it isn't deep or can't be
            read. Is called until so many are measured.
        integer: the range of integers, where it is given.
        floating: the range of floats, where it is given.
        camera_range_of: the ranges of a product's camera, where they are given.
    """
    groups: dict[tuple[str, str, str | None], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.dataset, entry.product, entry.camera), []).append(entry)
    cameras = []
    for (dataset, product, camera), group in sorted(groups.items(), key=lambda item: str(item[0])):
        own = camera_range_of(product, camera) if camera_range_of else ALONE
        own = Tone(own.integer or integer, own.floating or floating)
        sample = heapq.nsmallest(LOOKED_AT, group, key=lambda entry: (entry.content, entry.path))
        bright: dict[Kind, list[float]] = {"integer": [], "floating": []}
        for entry in sample if None in (own.integer, own.floating) else ():
            if sum(map(len, bright.values())) == MEASURED:
                break
            if (measured := measure(entry)) is not None:
                bright[measured[0]].append(measured[1])
        tone = Tone(
            own.integer or _range_of(bright["integer"], "integer"),
            own.floating or _range_of(bright["floating"], "floating"),
        )
        if tone != Tone(integer, floating):
            cameras.append(CameraTone(dataset, product, camera, tone))
    return Tones(Tone(integer, floating), tuple(cameras))


def _range_of(bright: Sequence[float], kind: Kind) -> float | None:
    return camera_range(float(np.quantile(bright, _USUAL, method="nearest")), kind) if bright else None


def camera_range(bright: float, kind: Kind) -> float:
    """The smallest range of a camera that holds this value; floats may lie a hair above, having been rounded."""
    ranges, room = ((1.0, *DEPTHS), 1.01) if kind == "floating" else (DEPTHS, 1.0)
    return next((full for full in ranges if bright <= full * room), bright)


def brightness(deep: Deep) -> float:
    """How bright a picture is, and at least what its file says: see the module's opening lines."""
    height, width, channels = deep.height, deep.width, deep.channels
    if height * width < _FEW:
        values = np.nan_to_num(deep.rows(0, height)[..., :channels].astype(np.float32), posinf=0.0, neginf=0.0)
        return max(float(values.max()), deep.declared)
    across = max(1, width * height * channels // _SAMPLES)  # of so many pairs of rows one
    found: list[NDArray[np.float32]] = []
    for top in range(0, max(1, height - 1), 2 * across):
        pair = deep.rows(top, min(height, top + 2))[..., :channels]
        values = np.nan_to_num(pair.astype(np.float32), posinf=0.0, neginf=0.0)
        darkest = values.min(0)  # (width, channels)
        if width > 1:
            darkest = np.minimum(darkest[0 : width - width % 2 : 2], darkest[1::2])
        found.append(darkest.ravel())
    return max(float(np.quantile(np.concatenate(found), _BRIGHT, method="higher")), deep.declared)


def _range(tone: Tone) -> str:
    named = ((tone.integer, ""), (tone.floating, " (floats)"))
    return " and ".join(f"0 to {full:g}{of}" for full, of in named if full is not None)


def _few(names: Sequence[str]) -> list[str]:
    return [*names[:3], f"{len(names) - 3} more"] if len(names) > 4 else list(names)
