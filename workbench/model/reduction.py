"""Pictures that are too large for an image processor, which copies one several times: reduced before it sees them.

Given up: of a picture above LARGEST the processor averages what was averaged before; at the sizes a model takes, the
difference is less than a grey level nearly everywhere. Patches still lie in the whole picture's pixels.
"""

from __future__ import annotations

import math

from PIL import Image

LARGEST = 48_000_000  # pixels; a processor's copies of them take half a gigabyte


def moderate(image: Image.Image) -> Image.Image:
    """The picture, or above LARGEST one with a half, a third, ... of its width and height."""
    factor = math.ceil(math.sqrt(image.width * image.height / LARGEST))
    return image if factor <= 1 else image.reduce(factor)
