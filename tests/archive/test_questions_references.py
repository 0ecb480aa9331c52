"""Which normal picture an image is compared with, in the documented order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scoring.drawn import bottle, picture, scanned
from workbench.archive import references
from workbench.archive import scan as archive
from workbench.errors import ArchiveError


def test_a_sidecars_reference_comes_before_the_products(tmp_path: Path) -> None:
    bottle(tmp_path)
    (tmp_path / "images.csv").write_text(
        "path,reference\nDATA/bottle/test/good/000.png,DATA/bottle/test/scratch/000.png"
    )
    scan = scanned(tmp_path)
    good = next(entry for entry in scan.registered if entry.path.endswith("test/good/000.png"))
    chosen = references.gather(scan).choose(good)
    assert chosen is not None
    assert chosen.path == "DATA/bottle/test/scratch/000.png"
    assert chosen.content == archive.content_of(tmp_path / chosen.path)


def test_one_seeded_normal_picture_serves_a_whole_product(tmp_path: Path) -> None:
    for number in range(20):
        picture(tmp_path / f"DATA/nut/train/good/{number}.png", number)
        picture(tmp_path / f"DATA/nut/test/good/{number}.png", 100 + number)
    scan = scanned(tmp_path)

    def chosen(seed: int) -> set[str]:
        gathered = references.gather(scan, seed=seed)
        return {found.path for entry in scan.entries if (found := gathered.choose(entry))}

    assert len(chosen(0)) == 1
    assert chosen(0) == chosen(0)
    assert len(set().union(*(chosen(seed) for seed in range(5)))) > 1


def test_a_folder_of_references_serves_products_that_have_none(tmp_path: Path) -> None:
    bottle(tmp_path / "archive")
    for product in ("nut", "gear"):
        picture(tmp_path / f"archive/{product}/a.png", 1)
    folder = tmp_path / "normal"
    own = picture(folder / "nut/x.png", 50)
    common = picture(folder / "any.png", 60)
    scan = scanned(tmp_path / "archive")
    gathered = references.gather(scan, folder)
    found = {entry.product: gathered.choose(entry) for entry in scan.entries}
    assert {product: reference and reference.path for product, reference in found.items() if product != "bottle"} == {
        "nut": str(own),
        "gear": str(common),
    }
    assert found["bottle"] is not None
    assert found["bottle"].path.startswith("DATA/bottle/train/good/")


def test_with_nothing_to_compare_with_there_is_no_reference(tmp_path: Path) -> None:
    picture(tmp_path / "archive/nut/a.png")
    (tmp_path / "empty").mkdir()
    scan = scanned(tmp_path / "archive")
    assert references.gather(scan).choose(scan.entries[0]) is None
    assert references.gather(scan, tmp_path / "empty").choose(scan.entries[0]) is None


def test_a_products_name_is_not_a_way_out_of_the_references_folder(tmp_path: Path) -> None:
    picture(tmp_path / "archive/a.png")
    picture(tmp_path / "private/secret.png")
    (tmp_path / "normal").mkdir()
    (tmp_path / "archive/images.csv").write_text("path,product\na.png,../private\n")
    scan = scanned(tmp_path / "archive")
    assert scan.entries[0].product == "../private"
    assert references.gather(scan, tmp_path / "normal").choose(scan.entries[0]) is None


def test_a_references_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "archive/nut/a.png")
    with pytest.raises(ArchiveError, match=r"references in .*absent can't be read"):
        references.gather(scanned(tmp_path / "archive"), tmp_path / "absent")
