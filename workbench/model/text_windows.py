"""A text cut into windows that an encoder reads whole: at seams of sentences, then of clauses, then of words.

    text, a count of tokens, the most an encoder reads -> its windows, in order

A text that fits is one window, unchanged. Of a longer one nothing is left out but the space at the seams. There are no
more windows than are needed, and they are of about one size: a short rest at the end would be a sentence or two on its
own, which is near to any picture and to none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Count = Callable[[str], int]
Span = tuple[int, int]  # of characters, first and behind the last

_SEAMS = (
    re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\s*\n\s*"),  # full-width, as Chinese and Japanese write
    re.compile(r"(?<=[,;:])\s+|(?<=[，；：、])\s*"),
    re.compile(r"\s+"),
)


def split(text: str, count: Count, most: int) -> tuple[str, ...]:
    """The windows of a text, at least one; together they hold every word of it.

    Args:
        text: of any length.
        count: tokens of a text as the encoder would read it, its own marks included.
        most: tokens of a window.
    """
    if count(text) <= most:
        return (text,)
    pieces = list(_pieces(text, (0, len(text)), count, most, 0))
    windows = _filled(text, pieces, count, most)
    # The smallest window size that needs no more windows: halving, as `_filled` takes fewer the larger they may be.
    low, high = -(-count(text) // max(1, len(windows))), most
    while low < high:
        middle = (low + high) // 2
        tried = _filled(text, pieces, count, middle)
        if len(tried) <= len(windows):
            windows, high = tried, middle
        else:
            low = middle + 1
    return tuple(text[start:end] for start, end in windows) or ("",)


def _pieces(text: str, span: Span, count: Count, most: int, depth: int) -> Iterator[Span]:
    """Stretches that fit, cut at the coarsest seams that make them so; stretches of space are left out."""
    if depth == len(_SEAMS):
        yield from _letters(text, span, count, most)
        return
    start, end = span
    bounds = [start]
    for seam in _SEAMS[depth].finditer(text, start, end):
        bounds += seam.span()
    bounds.append(end)
    for first, last in zip(bounds[::2], bounds[1::2], strict=True):
        piece = text[first:last]
        if not piece.strip():
            continue
        own = (first + len(piece) - len(piece.lstrip()), last - len(piece) + len(piece.rstrip()))
        if count(text[slice(*own)]) <= most:
            yield own
        else:
            yield from _pieces(text, own, count, most, depth + 1)


def _letters(text: str, span: Span, count: Count, most: int) -> Iterator[Span]:
    """A word that doesn't fit, cut where it must be."""
    start, end = span
    while start < end:
        fits, beyond = 1, end - start + 1
        while beyond - fits > 1:
            middle = (fits + beyond) // 2
            if count(text[start : start + middle]) <= most:
                fits = middle
            else:
                beyond = middle
        yield start, start + fits
        start += fits


def _filled(text: str, pieces: list[Span], count: Count, most: int) -> list[Span]:
    """Windows of as many neighbouring pieces as fit; one that doesn't fit stands alone."""
    windows: list[Span] = []
    for start, end in pieces:
        if windows and count(text[windows[-1][0] : end]) <= most:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows
