"""Pages of a TIFF behind the first are counted without decoding any."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workbench.archive import tiff_pages


def tiff(pages: int, big: bool = False, **options: object) -> bytes:
    images = [Image.fromarray(np.full((8, 8), number, np.uint8)) for number in range(pages)]
    file = io.BytesIO()
    images[0].save(file, "TIFF", save_all=True, append_images=images[1:], big_tiff=big, **options)
    return file.getvalue()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pages", [1, 2, 7])
def test_the_pages_behind_the_first_are_counted(pages: int, big: bool) -> None:
    assert tiff_pages.further_pages(io.BytesIO(tiff(pages, big))) == pages - 1


def test_a_reduced_copy_is_no_page_of_its_own() -> None:
    whole = tiff(2, tiffinfo={254: 1})
    assert tiff_pages.further_pages(io.BytesIO(whole)) == 0


def test_what_is_no_tiff_or_goes_in_a_circle_ends() -> None:
    circle = bytearray(tiff(1))
    (first,) = struct.unpack_from("<I", circle, 4)
    (tags,) = struct.unpack_from("<H", circle, first)
    struct.pack_into("<I", circle, first + 2 + 12 * tags, first)
    for content in (b"", b"II*\0", b"\x89PNG\r\n", bytes(circle)):
        assert tiff_pages.further_pages(io.BytesIO(content)) == 0


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_damaged_bytes_are_counted_or_not_and_nothing_else(junk: bytes, at: int, value: int) -> None:
    damaged = bytearray(tiff(3))
    damaged[at % len(damaged)] = value
    for content in (bytes(damaged), b"II*\0" + junk, b"MM\0+" + junk):
        assert 0 <= tiff_pages.further_pages(io.BytesIO(content)) < 10_000
