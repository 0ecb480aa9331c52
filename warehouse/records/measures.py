"""What is measured of a picture without a model, one row per content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measures:
    """How a picture looks, from its samples as they lie in its file; definitions in `workbench/archive/measures.py`.

    Shares are of the range 0 to `white`. Everything but the content is None for a picture that can't be decoded; so is
    a measure that this picture has not.
    """

    content: str  # SHA-256 of the file's bytes, hex
    width: int | None = None  # pixels, upright
    height: int | None = None
    white: float | None = None  # the number that counts as 1: the file format's greatest, or the file's own word
    brightness: float | None = None  # 0..1, mean grey
    contrast: float | None = None  # 0..0.5, standard deviation of grey
    sharpness: float | None = None  # difference of neighbouring pixels over contrast; None without contrast
    clipped_bright: float | None = None  # 0..1, share of pixels with a channel at the top
    clipped_dark: float | None = None  # 0..1, share of pixels with all channels at 0
    colour: float | None = None  # 0..1, mean distance of a pixel's channels; 0 is grey
    red: float | None = None  # 0..1, mean of the channel; of a grey picture its brightness, as are the next two
    green: float | None = None
    blue: float | None = None
    fill: float | None = None  # 0..1, share of the picture that the object takes; None without a plain background
    centre_x: float | None = None  # 0..1 from the left, where the object's middle lies
    centre_y: float | None = None  # 0..1 from the top
