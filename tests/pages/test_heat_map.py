"""The map of a comparison over its picture: where it lies, how strong it is, what is said of it."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

from PIL import Image

from tests.pages.screen import opened, words
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.records.scoring import Region
from warehouse.store import Store
from workbench.archive.scan import content_of
from workbench.archive.view import Window
from workbench.pages.ui import heat_map

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


def test_gallery_draws_maps_as_strong_as_asked_and_case_shows_the_normals_beside(
    data_folder: Path, tmp_path: Path
) -> None:
    for name, colour in (("plate", "grey"), ("normal", "white")):
        Image.new("RGB", (64, 48), colour).save(tmp_path / f"{name}.png")
    picture, normal = ({"content": content_of(tmp_path / f"{name}.png")} for name in ("plate", "normal"))
    store = Store(data_folder)
    store.register_archive(rows.archive(root=str(tmp_path)))
    entries = [rows.entry(0, path="plate.png", **picture), rows.entry(1, path="<normal>.png", **normal)]
    (tmp_path / "normal.png").rename(tmp_path / "<normal>.png")
    store.upsert_entries("archive", entries)
    beside = rows.comparison(0, 0, "compared", nearest=(normal["content"], "of no archive"))
    for name, compared in (("plain", []), ("compared", [beside])):
        store.open_run(rows.run(name))
        asked = rows.prediction(0, 0, name, image_path="plate.png", **picture)
        spool.write_part(data_folder, name, 0, [asked], comparisons=compared)
    ingest(store)
    gallery = "workbench/pages/gallery.py"

    page = opened(gallery, run="compared")
    assert "data:image/jpeg" in words(page)
    assert "data:image/png" not in words(page)
    page.button(key="gallery.map").click().run()
    middle = "left:-16.67%;top:0.00%;width:133.33%;height:100.00%"  # the thumbnail shows 48 of 64 columns
    assert f"{middle};opacity:0.60" in words(page)
    page.slider(key="gallery.opacity.60").set_value(80).run()
    assert f"{middle};opacity:0.80" in words(page)
    page.button(key="gallery.map").click().run()
    assert "data:image/png" not in words(page)

    case = opened("workbench/pages/case/case.py", run="compared", image=asked.image_id, question=asked.question_id)
    said = words(case)
    assert said.count('alt="&lt;normal&gt;.png"') == 1
    assert "the most alike normal pictures" in said

    assert "data:image/png" not in words(opened(gallery, run="plain", map="60"))
    assert "gallery.map" not in {button.key for button in opened(gallery, run="plain").button}
