"""Gallery, Traces and Map of a run over pictures without a label: how many are called defective, and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.jobs import surfaces
from tests.pages import seed
from tests.pages.screen import opened, words
from tests.warehouse import rows
from warehouse import spool
from warehouse.ingest import ingest
from warehouse.store import Store

PAGES = ("gallery", "traces", "map")
CAMERAS = {"A1": (2, 8), "A2": (6, 7), "B1": (1, 1)}  # called defective, of all


def score(data: Path, cameras: Mapping[str, tuple[int, int]] = CAMERAS) -> None:
    """A run over pictures of several cameras and one line."""
    store = Store(data)
    store.open_run(rows.run("run-1"))
    predictions = [
        rows.prediction(
            0, 0, "run-1", image_id=f"{camera}-{number}", image_path=f"{camera}/{number}.png", label=None,
            correct_answer=None, answer="A" if number < defective else "B", claims=("defective", "good"),
            product="pcb", camera=camera, line="line-a",
        )
        for camera, (defective, images) in cameras.items()
        for number in range(images)
    ]  # fmt: skip
    spool.write_part(data, "run-1", 0, predictions)
    ingest(store)
    store.close_run("run-1", "finished")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_the_alarms_by_product_line_and_camera_the_largest_share_first(
    data_folder: Path, name: str
) -> None:
    score(data_folder)
    page = opened(f"workbench/pages/{name}.py")
    text = surfaces.plain(words(page))
    assert "9 of 16 pictures without a label were called defective" in text
    said = ("product pcb 9 of 16 56 % ", "line-a 9 of 16 56 % ", "camera B1 1 of 1 100 % ")
    assert all(group in text for group in said)
    assert text.index("camera B1 1 of 1") < text.index("camera A2 6 of 7 86 %") < text.index("camera A1 2 of 8 25 %")


@pytest.mark.parametrize("name", PAGES)
def test_choosing_a_camera_filters_the_page_and_no_outcome_changes_the_shares(data_folder: Path, name: str) -> None:
    score(data_folder)
    page = opened(f"workbench/pages/{name}.py", outcome="pass")
    assert "9 of 16 pictures without a label were called defective" in surfaces.plain(words(page))
    page.selectbox(key="called.camera").select("A2").run()
    assert not page.exception
    assert page.query_params["camera"] == "A2"
    text = surfaces.plain(words(page))
    assert "6 of 7 pictures without a label were called defective" in text
    assert "camera A2 6 of 7 86 %" in text
    assert "camera A1" not in text


def test_of_many_cameras_those_with_most_called_defective_are_shown_and_their_number_is_said(
    data_folder: Path,
) -> None:
    score(data_folder, {f"C{number:02}": (number, 10) for number in range(1, 11)})
    text = surfaces.plain(words(opened("workbench/pages/gallery.py")))
    assert "camera C10 10 of 10" in text
    assert "camera C02" not in text
    assert "showing 8 of 10, those with most pictures called defective" in text


def test_the_list_of_runs_says_how_many_each_calls_defective_and_nothing_of_a_labelled_one(data_folder: Path) -> None:
    score(data_folder)
    seed.seed(data_folder, images=4)
    listed = [
        block for block in words(opened("workbench/pages/runs/runs.py")).split("\n") if "row note number" in block
    ]
    told = [surfaces.plain(block) for block in listed if " questions" in block]
    assert sum("9 of 16 called defective" in text for text in told) == 1
    assert sum("called defective" in text for text in told) == 1
    assert len(told) > 1


@pytest.mark.parametrize("name", PAGES)
def test_a_labelled_run_has_no_such_table(data_folder: Path, name: str) -> None:
    seed.seed(data_folder, images=4)
    page = opened(f"workbench/pages/{name}.py")
    assert "alled defective" not in words(page)
    assert not page.expander
