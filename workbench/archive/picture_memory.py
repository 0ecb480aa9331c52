"""What opening a picture takes of memory, worked out from its header, and what it may take here."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import Image

from warehouse.failures import Failure
from workbench.archive import high_bit_depth
from workbench.errors import UnreadableImage

PIXEL_LIMIT = 178_956_970  # half a gigabyte as RGB; the size at which Pillow itself gives up
LARGEST = 2**29  # pixels; of a picture with more no tile is opened either
MEMORY_LIMIT = 2 * 2**30  # bytes that opening one picture may take, its file included


def make_sure_of(width: int, height: int, needed: int, most: int) -> None:
    """That a picture has at most so many pixels, and that there is memory for it.

    Args:
        width: in pixels.
        height: in pixels.
        needed: bytes that opening it takes.
        most: pixels.

    Raises:
        UnreadableImage: too large.
    """
    if width * height > most:
        raise UnreadableImage("too large", f"too large: more than {most:,} pixels")
    if needed > limit():
        raise UnreadableImage.of(too_much(needed))


def too_much(needed: int) -> Failure:
    """Why a picture that takes so many bytes is not opened."""
    return Failure(
        "too large",
        f"too large: opening it takes {needed / 2**20:,.0f} MiB of memory, more than the {limit() / 2**20:,.0f} "
        "MiB that one picture may take here",
    )


def working_bytes(image: Image.Image, file_bytes: int, rgb: bool) -> int:
    """What decoding takes at its height: the file, the picture as it lies there, and as RGB where it becomes that."""
    pixels, bands = image.width * image.height, len(image.getbands())
    of_pixel = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
    if rgb and (image.mode != "RGB" or high_bit_depth.orientation(image) != 1):
        of_pixel += 4
    if image.info.get("progressive") or image.format == "WEBP":
        of_pixel += 2 * bands  # coefficients of the whole picture; libwebp's own copy
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and rgb:
        file_bytes *= 2
        of_pixel += bands  # libtiff's strip may be all of it
    elif image.format == "TIFF" and tags.get(259, 1) != 1:  # a strip is unpacked before it is copied
        file_bytes += min(int(tags.get(278, image.height)), image.height) * image.width * bands
    tile = int(tags.get(322, 0)) * int(tags.get(323, 0)) * 4 * bands
    return file_bytes + tile + pixels * of_pixel


@cache
def limit() -> int:
    """Bytes that opening one picture may take: half of what this process may have, at most MEMORY_LIMIT."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    limits += _of_cgroups()
    return min(MEMORY_LIMIT, min(limits) // 2)


def _of_cgroups() -> Iterator[int]:
    """The memory limits of the groups this process is in, of either version."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii").split()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "memory":
            home, name = Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
        elif controllers == "":
            home, name = Path("/sys/fs/cgroup"), "memory.max"
        else:
            continue
        at = home / group.lstrip("/")
        for folder in (at, *at.parents):
            try:
                yield int((folder / name).read_text(encoding="ascii"))
            except (OSError, ValueError):  # no such file; "max"
                continue
