"""The Knowledge page shows a product's normals: where each stands, where it comes from, which look out of place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.comparison.pretended import PretendedTower
from tests.curation.test_normal_checks import RED, plate
from tests.pages.screen import opened, words
from tests.people import by
from warehouse.queries.audit import Audit
from warehouse.queries.normals import Normals
from warehouse.store import Store
from workbench.curation import normals
from workbench.curation.normal_checks import Checks
from workbench.settings import Settings, Work

PAGE = "workbench/pages/knowledge/knowledge.py"
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def data(data_folder: Path, tmp_path: Path) -> Path:
    """Ten published normals, one of them rusty."""
    for number in range(9):
        plate(tmp_path / "plates" / "plate" / "train" / "good" / f"{number:02d}.png", number)
    plate(tmp_path / "plates" / "plate" / "train" / "good" / "rusty.png", 99, RED)
    store = Store(data_folder)
    settings = Settings(work=Work(data=data_folder))
    normals.import_archive(store, tmp_path / "plates", settings, actor=by(NASTY))
    return data_folder


def test_a_product_with_normals_alone_has_its_card(data: Path) -> None:
    page = opened(PAGE, product="plates/plate")
    shown = words(page)
    assert "It has normals and no text yet." in shown
    assert "10 published" in shown
    assert "<script>" not in shown
    assert "normal folder; &lt;script&gt;" in shown
    assert "suspect" not in shown  # nothing was compared yet


def test_a_suspect_stands_first_with_its_reason_and_is_retired_by_a_person(data: Path) -> None:
    [suspect] = Checks(Store(data), PretendedTower()).suspects()
    page = opened(PAGE, product="plates/plate")
    shown = words(page)
    assert "10 published, 1 suspect" in shown
    assert shown.index("suspect<br>it differs from the others") < shown.index("published<br>")
    assert page.selectbox(key="knowledge.normals.chosen").value == suspect.normal.number

    page.text_input(key="knowledge.normals.reason").input("rust")
    page.button(key="knowledge.normals.retire").click().run()

    assert not page.exception
    assert "It is retired; no run is compared with it any more." in words(page)
    assert "9 published, 1 retired" in words(page)
    [retired] = Normals(data).in_state("retired")
    assert retired.path.endswith("rusty.png")
    row = Audit(data).rows()[0]
    assert (row.action, row.channel) == ("retire normals", "dashboard")

    page.text_input(key="knowledge.normals.reason").input("")
    page.button(key="knowledge.normals.publish").click().run()
    assert "was not checked; say why it is published" in words(page)
