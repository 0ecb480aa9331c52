"""The drawn archive on disk: MMAD's layout, questions whose answers the folders confirm."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from workbench.embedded.archive import draw_archive
from workbench.embedded.draw import Shift


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "archive"
    draw_archive(folder, images=18, seed=4)
    return folder


def _records(root: Path) -> dict[str, dict[str, Any]]:
    records: dict[str, dict[str, Any]] = json.loads((root / "mmad.json").read_text())
    return records


def _pixels(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.slow
def test_every_product_has_normal_references_and_every_question_file_image_exists(root: Path) -> None:
    records = _records(root)
    assert len(records) == 18
    for path, record in records.items():
        assert (root / path).is_file()
        assert record["random_templates"]
        for template in record["random_templates"]:
            assert "/train/good/" in template
            assert (root / template).is_file()


def test_answers_agree_with_the_folder_an_image_lies_in(root: Path) -> None:
    for path, record in _records(root).items():
        product, label = path.split("/")[1].replace("_", " "), path.split("/")[3]
        right = {c["type"]: c["Options"][c["Answer"]].rstrip(".") for c in record["conversation"]}
        assert right["Anomaly Detection"] == ("No" if label == "good" else "Yes")
        assert right["Object Classification"] == product
        assert right.get("Defect Classification", "good") == label


def test_a_defective_image_has_a_mask_of_its_size_and_a_good_one_has_none(root: Path) -> None:
    for path, record in _records(root).items():
        if "/good/" in path:
            assert record["mask_path"] == ""
            continue
        mask = _pixels(root / "/".join(path.split("/")[:2]) / record["mask_path"])
        assert mask.shape == _pixels(root / path).shape[:2]
        assert mask.any()


def test_the_sidecar_lists_every_image_and_knowledge_names_the_same_products(root: Path) -> None:
    with (root / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {
        str(p.relative_to(root)) for p in root.rglob("*.png") if "truth" not in str(p)
    }
    assert {row["label"] for row in rows if "/train/" in row["path"]} == {"good"}
    assert all((root / row["reference"]).is_file() for row in rows if "/test/" in row["path"])
    knowledge = json.loads((root / "domain_knowledge.json").read_text())["Drawn"]
    assert set(knowledge) == {row["product"] for row in rows}
    assert all("good" in entries and len(entries) == 5 for entries in knowledge.values())


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes_and_a_shift_others(root: Path, tmp_path: Path) -> None:
    draw_archive(tmp_path / "again", images=2, seed=4)
    draw_archive(tmp_path / "dark", images=2, seed=4, shift=Shift(lighting=0.5))
    first = "Drawn/metal_plate/test/scratch/000.png"

    def digest(folder: Path) -> str:
        return hashlib.sha256((folder / first).read_bytes()).hexdigest()

    assert digest(root) == digest(tmp_path / "again") != digest(tmp_path / "dark")
