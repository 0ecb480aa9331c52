"""How many pictures lie in a TIFF beside its first: a file goes in, a count comes out; nothing is decoded.

Reduced copies of a page, as microscopes and viewers keep them, and transparency masks are no pictures of their own.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_MOST = 10_000  # pages that are counted; a damaged file may point anywhere
_SUBFILE_TYPE = 254
_REDUCED_OR_MASK = 1 | 4


def further_pages(file: BinaryIO) -> int:
    """Pages behind the first; 0 of what is no TIFF, or is damaged."""
    try:
        return max(0, _count(file) - 1)
    except (OSError, struct.error, ValueError, OverflowError):
        return 0


def _count(file: BinaryIO) -> int:
    head = file.read(8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return 0
    version, short = struct.unpack(f"{order}H", head[2:4])[0], struct.unpack(f"{order}I", head[4:8])[0]
    if version not in (42, 43):
        return 0
    big = version == 43
    place = struct.unpack(f"{order}Q", file.read(8))[0] if big else short
    many, entry, pointer = (f"{order}Q", 20, f"{order}Q") if big else (f"{order}H", 12, f"{order}I")
    pages, visited = 0, set[int]()
    while place and place not in visited and len(visited) < _MOST:
        visited.add(place)
        file.seek(place)
        tags = struct.unpack(many, file.read(struct.calcsize(many)))[0]
        table = file.read(tags * entry) if tags < _MOST else b""
        following = file.read(struct.calcsize(pointer))
        pages += not _kind(table, order, entry) & _REDUCED_OR_MASK
        place = struct.unpack(pointer, following)[0] if len(following) == struct.calcsize(pointer) else 0
    return pages


def _kind(table: bytes, order: str, entry: int) -> int:
    """What a page says it is."""
    for at in range(0, len(table) - entry + 1, entry):
        tag, form = struct.unpack_from(f"{order}HH", table, at)
        if tag == _SUBFILE_TYPE:
            value = at + (12 if entry == 20 else 8)
            return int(struct.unpack_from(f"{order}{'H' if form == 3 else 'I'}", table, value)[0])
    return 0
