"""Pictures that are too large for an image processor, which copies one several times: reduced before it sees them.

Given up: of a picture above LARGEST the processor averages what was averaged before; at the sizes a model takes, the
difference is less than a grey level nearly everywhere. Patches still lie in the whole picture's pixels; a zoomed one
is cut from the reduced picture, which alone is kept.
"""

from __future__ import annotations

import math

from PIL import Image

LARGEST = 48_000_000  # pixels; a processor's copies of them take half a gigabyte
ENOUGH = 12_000_000  # pixels that are left of a larger one; a model takes a tenth of them


def moderate(image: Image.Image) -> Image.Image:
    """The picture, or above LARGEST one with a third, a quarter, ... of its width and height."""
    pixels = image.width * image.height
    return image if pixels <= LARGEST else image.reduce(math.ceil(math.sqrt(pixels / ENOUGH)))
