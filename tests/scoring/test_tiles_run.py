"""Three tiles' worth of one line scan, from the folder to the pages: everything lies on the whole picture."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests import scored
from tests.pages.screen import case_links, opened, words
from warehouse import schema
from warehouse.queries.groundings import Groundings
from warehouse.records.scoring import Entry
from warehouse.store import Store
from workbench.archive.run_views import of_run
from workbench.archive.view import Window
from workbench.review import boxes, disputes, pictures
from workbench.review.pictures import Folder
from workbench.scoring.run import Outcome
from workbench.settings import Support

WIDTH, HEIGHT = 3000, 1000
DEFECT = (2500, 400, 2620, 520)  # in the last tile alone
LAST = Window(1978, 0, 3000, 1000)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A belt with a hole, its mask, and a normal belt."""
    folder = tmp_path_factory.mktemp("belts")
    pixels = np.random.default_rng(5).integers(120, 150, (HEIGHT, WIDTH)).astype(np.uint8)
    for path in ("train/good/normal.png", "test/hole/scan.png"):
        (folder / "belt" / path).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(folder / "belt" / path, compress_level=1)
        pixels[DEFECT[1] : DEFECT[3], DEFECT[0] : DEFECT[2]] = 10
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[DEFECT[1] : DEFECT[3], DEFECT[0] : DEFECT[2]] = 255
    (folder / "belt/ground_truth/hole").mkdir(parents=True)
    Image.fromarray(mask).save(folder / "belt/ground_truth/hole/scan_mask.png")
    return folder


@pytest.fixture(scope="module")
def outcome(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Outcome]:
    data = tmp_path_factory.mktemp("tiles") / "data"
    settings = scored.quick(data, Support(knowledge="none"), tiled_above=1_000_000)
    return Store(data), scored.score(root, settings)


def entries(store: Store, run: Outcome) -> list[Entry]:
    found = schema.records(Entry, store.entries(run.run.archive_id))
    return [entry for entry in found if entry.path == "belt/test/hole/scan.png"]


def test_each_tile_is_scored_as_one_picture_of_one_piece(outcome: tuple[Store, Outcome]) -> None:
    store, run = outcome
    assert (run.images, run.run.failed) == (3, 0)
    stored = store.predictions(run.run.run_id)
    assert stored["image_id"].n_unique() == 3
    assert stored["cluster_id"].n_unique() == 1
    labels = dict(stored.select("image_id", "label").iter_rows())
    assert [labels[entry.image_id] for entry in entries(store, run)] == ["good", "good", "defective"]
    assert stored["reference_path"].unique().to_list() == ["belt/train/good/normal.png"]
    assert stored["evidence_id"].n_unique() == 3  # each beside the normal tile at its place
    assert any("in 3 tiles" in note for note in run.notes)


def test_patches_lie_on_the_whole_picture_and_are_held_against_the_mask_there(outcome: tuple[Store, Outcome]) -> None:
    store, run = outcome
    patches = store.patches(run.run.run_id)
    for entry in entries(store, run):
        own, tile = patches.filter(image_id=entry.image_id), entry.tile
        assert tile is not None
        assert own.height
        assert (
            own.select(
                (pl.col("x0") >= tile.x0)
                & (pl.col("y0") >= tile.y0)
                & (pl.col("x1") <= tile.x1)
                & (pl.col("y1") <= tile.y1)
            )
            .to_series()
            .all()
        )
    measured = Groundings(store.data).of_runs([run.run.run_id])
    assert measured.height
    on_defect = patches.filter(
        "accepted", (pl.col("x1") > DEFECT[0]) & (pl.col("x0") < DEFECT[2]),
        (pl.col("y1") > DEFECT[1]) & (pl.col("y0") < DEFECT[3]),
    )  # fmt: skip
    assert measured["patches_hit"].any() == bool(on_defect.height)


def test_case_shows_defects_in_tile_and_whole_coordinates(
    outcome: tuple[Store, Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = outcome
    monkeypatch.setenv("WORKBENCH_DATA", str(store.data))
    last = entries(store, run)[-1]
    page = opened("workbench/pages/case/case.py", run=run.run.run_id, image=last.image_id)
    said = words(page)
    assert "This tile is x 1,978 to 3,000, y 0 to 1,000 of a picture of 3,000 × 1,000 pixels." in said
    assert "left:65.93%;top:0.00%;width:34.07%;height:100.00%" in said
    masked = re.search(r"<td>mask</td><td[^>]*>x ([\d,]+) to ([\d,]+), y (\d+) to (\d+)</td><td[^>]*>(.*?)</td>", said)
    assert masked is not None
    in_tile, whole = [int(edge.replace(",", "")) for edge in masked.groups()[:4]], masked[5]
    assert in_tile == pytest.approx([DEFECT[0] - LAST.x0, DEFECT[2] - LAST.x0, DEFECT[1], DEFECT[3]], abs=3)
    edges = [int(edge) for edge in re.findall(r"\d+", whole.replace(",", "").replace("x", "").replace("y", ""))]
    assert edges == pytest.approx([DEFECT[0], DEFECT[2], DEFECT[1], DEFECT[3]], abs=3)
    assert "injected patch 1" in said
    assert "no longer" not in said

    first = opened("workbench/pages/case/case.py", run=run.run.run_id, image=entries(store, run)[0].image_id)
    assert "This tile is x 0 to 1,022" in words(first)


def test_gallery_shows_each_tile(outcome: tuple[Store, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = outcome
    monkeypatch.setenv("WORKBENCH_DATA", str(store.data))
    page = opened("workbench/pages/gallery.py", run=run.run.run_id)
    assert {link["image"] for link in case_links(page)} <= {entry.image_id for entry in entries(store, run)}
    assert words(page).count("data:image/jpeg") >= 3
    kept = list((store.data / "thumbnails").rglob("*.jpg"))
    assert len({file.read_bytes() for file in kept}) >= 3


def test_a_reviewer_is_shown_the_tile_and_a_box_comes_back_to_the_whole(
    outcome: tuple[Store, Outcome], root: Path, tmp_path: Path
) -> None:
    store, run = outcome
    last = entries(store, run)[-1]
    view = of_run(run.run).of(last).for_display
    folder = Folder(tmp_path / "served", "/files")
    folder.path.mkdir()
    shown = folder.publish(root / last.path, last.path, view)
    with Image.open(folder.path / shown.url.rpartition("/")[2]) as copy:
        dark = np.asarray(copy.convert("L")) < 60
        assert copy.size == LAST.size
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    high, wide = dark.shape
    percent = boxes.PercentBox(
        100 * columns[0] / wide, 100 * rows[0] / high,
        100 * (columns[-1] + 1 - columns[0]) / wide, 100 * (rows[-1] + 1 - rows[0]) / high,
    )  # fmt: skip
    box = boxes.to_pixels(percent, shown.window)
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx(DEFECT, abs=2)
    assert pictures.window_of(root / last.path, view) == disputes.inspected_by(store, run.run.run_id)(last.image_id)


def test_exports_carry_the_tile(outcome: tuple[Store, Outcome], tmp_path: Path) -> None:
    store, run = outcome
    store.export("predictions", run.run.run_id, tmp_path / "predictions.csv")
    found = pl.read_csv(tmp_path / "predictions.csv").select("tile_x0", "tile_y0", "tile_x1", "tile_y1").unique()
    assert set(found.iter_rows()) == {(0, 0, 1022, 1000), (989, 0, 2011, 1000), LAST.box}


def test_the_same_tiles_resume_and_another_size_is_another_plan(outcome: tuple[Store, Outcome], root: Path) -> None:
    store, run = outcome
    settings = scored.quick(store.data, Support(knowledge="none"), tiled_above=1_000_000)
    assert scored.score(root, settings, again=False).run.run_id == run.run.run_id
