"""The map of a comparison over its picture: where it lies, how strong it is, what is said of it."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

from PIL import Image

from tests.warehouse import rows
from warehouse.records.scoring import Region
from workbench.archive.view import Window
from workbench.pages.case import heat_map

SOURCE = "data:image/jpeg;base64,AAAA"


def drawn(**values: Any) -> str:
    return str(heat_map.overlay(SOURCE, Window(0, 0, 200, 100), rows.comparison(0, 0, **values), 40))


def test_map_and_region_lie_where_they_lie_in_the_whole_picture() -> None:
    said = drawn(area=Region(100, 0, 200, 100), marked=Region(150, 50, 200, 100))

    assert "left:50.00%;top:0.00%;width:50.00%;height:100.00%;opacity:0.40" in said
    assert "left:75.00%;top:50.00%;width:25.00%;height:50.00%" in said
    assert "<i " not in drawn(marked=None)


def test_the_map_is_invisible_at_its_median_and_strongest_at_its_peak() -> None:
    [encoded] = re.findall(r"data:image/png;base64,([^\"]+)", drawn(values=(0.1, 0.9, 0.1, 0.1)))
    alpha = Image.open(io.BytesIO(base64.b64decode(encoded))).getchannel("A")

    width, height = alpha.size
    assert alpha.getpixel((width - 1, 0)) == 255
    assert alpha.getpixel((0, height - 1)) == 0


def test_the_sentence_says_score_standing_and_place() -> None:
    found = rows.comparison(0, 0, area=Region(0, 0, 90, 90), marked=Region(60, 0, 90, 30), rank=0)

    assert heat_map.sentence(found) == "Score 0.250, above all 24 normal pieces, most at the top right."
    assert "&lt;b&gt;" in heat_map.table(rows.comparison(0, 0, claim="cannot say", why="<b>"))
