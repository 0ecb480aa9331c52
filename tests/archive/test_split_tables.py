"""Published splits in a table of their own: normal pictures of the training part are references, the rest is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.archive.test_public_layouts import BOX, seen
from tests.scoring.drawn import mask, picture, reasons, scanned

ROW = {"category": "Teil-A", "anomaly_class": "OK", "mask_path": None}


def visa(root: Path) -> None:
    """Two products as VisA publishes them, with its split."""
    rows = ["object,split,label,image,mask"]
    for number, product in enumerate(("Teil-A", "Teil-B")):
        for name, split in (("0000", "train"), ("0001", "test")):
            picture(root / f"{product}/Data/Images/Normal/{name}.JPG", 10 * number + int(name))
            rows.append(f"{product},{split},normal,{product}/Data/Images/Normal/{name}.JPG,")
        picture(root / f"{product}/Data/Images/Anomaly/000.JPG", 10 * number + 7)
        mask(root / f"{product}/Data/Masks/Anomaly/000.png", BOX)
        rows.append(
            f"{product},test,anomaly,{product}/Data/Images/Anomaly/000.JPG,{product}/Data/Masks/Anomaly/000.png"
        )
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join(rows) + "\n")
    (root / "split_csv/2cls_fewshot.csv").write_text("\n".join(rows) + "\n")


def test_visas_split_makes_its_training_pictures_references(tmp_path: Path) -> None:
    visa(tmp_path / "Werk 7/VisA_neu")
    scan = scanned(tmp_path / "Werk 7")
    assert [entry.path for entry in scan.references] == [
        f"VisA_neu/{product}/Data/Images/Normal/0000.JPG" for product in ("Teil-A", "Teil-B")
    ]
    assert seen(scan, "VisA_neu/Teil-A/") == {
        "Data/Images/Anomaly/000.JPG": ("defective", None, "Data/Masks/Anomaly/000.png"),
        "Data/Images/Normal/0001.JPG": ("good", None, None),
    }
    assert scan.notes[0] == "VisA's split in VisA_neu/split_csv/1cls.csv: 2 references, 4 pictures to score"
    assert reasons(scan) == {
        "VisA_neu/split_csv/2cls_fewshot.csv": "not read: VisA's split is read from VisA_neu/split_csv/1cls.csv"
    }


def real_iad(root: Path, size: str) -> None:
    for name, number in (("OK/S0001/a_C1", 1), ("OK/S0002/b_C1", 2), ("NG/AK/S0003/c_C1", 3)):
        picture(root / f"{size}/Teil-A/{name}.jpg", number)
    mask(root / f"{size}/Teil-A/NG/AK/S0003/c_C1.png", BOX)


def test_real_iads_split_is_found_beside_the_pictures_of_every_size(tmp_path: Path) -> None:
    for size in ("realiad_256", "realiad_1024"):
        real_iad(tmp_path, size)
    document = {
        "meta": {"normal_class": "OK", "prefix": "Teil-A/"},
        "train": [{**ROW, "image_path": "OK/S0001/a_C1.jpg"}],
        "test": [
            {**ROW, "image_path": "OK/S0002/b_C1.jpg"},
            {**ROW, "image_path": "NG/AK/S0003/c_C1.jpg", "anomaly_class": "AK", "mask_path": "NG/AK/S0003/c_C1.png"},
            {**ROW, "image_path": "OK/S0009/gone_C1.jpg"},
        ],
    }
    for name in ("realiad_jsons", "realiad_jsons_sv"):
        (tmp_path / "realiad_jsons" / name).mkdir(parents=True)
        (tmp_path / "realiad_jsons" / name / "Teil-A.json").write_text(json.dumps(document))
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.references] == [
        f"{size}/Teil-A/OK/S0001/a_C1.jpg" for size in ("realiad_1024", "realiad_256")
    ]
    assert seen(scan, "realiad_256/") == {
        "Teil-A/OK/S0002/b_C1.jpg": ("good", None, None),
        "Teil-A/NG/AK/S0003/c_C1.jpg": ("defective", "AK", "Teil-A/NG/AK/S0003/c_C1.png"),
    }
    assert {entry.product for entry in scan.registered} == {"Teil-A"}
    table = "realiad_jsons/realiad_jsons/Teil-A.json"
    assert reasons(scan) == {
        f"{table} row 3": "Real-IAD's split names it, but the archive has no such image",
        "realiad_jsons/realiad_jsons_sv/Teil-A.json": f"not read: Real-IAD's split is read from {table}",
    }


def test_anomalibs_table_says_label_mask_and_split_of_any_folder(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"bilder/{number}.png", number)
    mask(tmp_path / "masken/2.png", BOX)
    (tmp_path / "samples.csv").write_text(
        "image_path,label,label_index,mask_path,split\nbilder/0.png,normal,0,,train\nbilder/1.png,normal,0,,test\n"
        "bilder/2.png,crack,1,masken/2.png,test\n/home/ann/data/bilder/3.png,,1,,train\n"
    )
    (tmp_path / "shifts.csv").write_text("day,shift\n1,early\n")
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.references] == ["bilder/0.png"]
    assert seen(scan) == {
        "bilder/1.png": ("good", None, None),
        "bilder/2.png": ("defective", "crack", "masken/2.png"),
        "bilder/3.png": ("defective", None, None),
    }
    assert reasons(scan) == {"shifts.csv": "no picture by its name: 1 .csv"}


ROWS = [
    {"image_path": "0.png", "label_index": 0, "mask_path": None, "split": "train"},
    {"image_path": "1.png", "label_index": 1, "mask_path": "masken/1.png", "split": "test"},
    {"image_path": "2.png", "label_index": 0, "mask_path": "", "split": "test"},
]
FORMS: dict[str, tuple[str, str]] = {
    "rows": ("samples.json", json.dumps(ROWS)),
    "columns": ("t.json", json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]})),
    "CSV": (
        "samples.csv",
        "image_path;label_index;mask_path;split\n0.png;0;;train\n1.png;1;masken/1.png;test\n2.png;0;;test\n",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("folder", ["", "werk/bolzen/"])
def test_anomalibs_table_may_be_json_and_lie_beside_its_pictures_at_any_depth(
    tmp_path: Path, folder: str, form: str
) -> None:
    at, (name, text) = tmp_path / folder, FORMS[form]
    for number in range(3):
        picture(at / f"{number}.png", number)
    mask(at / "masken/1.png", BOX)
    (at / name).write_text(text)
    (at / "log.csv").write_bytes(b'"day;\xff\n' * 9)
    (at / "coco.json").write_text(json.dumps({"images": [], "annotations": []}))
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.references] == [f"{folder}0.png"]
    assert {entry.path: (entry.label, entry.mask_path) for entry in scan.entries} == {
        f"{folder}1.png": ("defective", f"{folder}masken/1.png"),
        f"{folder}2.png": ("good", None),
    }
    assert reasons(scan) == {f"{folder}coco.json": "no picture by its name: 1 .json, 1 .csv"}


def test_of_two_tables_in_a_folder_csv_counts_and_a_file_for_each_picture_is_no_table(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path / f"{number}.png", number)
        picture(tmp_path / f"other/{number}.png", number)
        (tmp_path / f"other/{number}.csv").write_text("image_path,label_index,split\n0.png,1,test\n")
    for form in ("rows", "CSV"):
        name, text = FORMS[form]
        (tmp_path / name).write_text(text.replace("masken/1.png", "39.png"))
    scan = scanned(tmp_path)
    assert {entry.path for entry in scan.registered if entry.label is not None} == {"0.png", "1.png", "2.png"}
    assert reasons(scan) == {
        "samples.json": "not read: anomalib's tabular module is read from samples.csv",
        "other/0.csv": "no picture by its name: 40 .csv",
    }


def test_a_split_that_cannot_be_read_is_told_and_the_folders_count(tmp_path: Path) -> None:
    visa(tmp_path)
    (tmp_path / "split_csv/2cls_fewshot.csv").unlink()
    (tmp_path / "split_csv/1cls.csv").write_bytes(b"object,split,label,image,mask\nTeil-A,train,\xff\xc3\xa9\n")
    scan = scanned(tmp_path)
    assert (len(scan.entries), scan.references) == (6, [])
    assert reasons(scan)["split_csv/1cls.csv"].startswith("VisA's split can't be read from it: ")


def test_the_archives_own_sidecar_has_the_last_word(tmp_path: Path) -> None:
    visa(tmp_path)
    (tmp_path / "images.csv").write_text("path,label\nTeil-A/Data/Images/Normal/0001.JPG,dent\n")
    defects = {entry.path: entry.defect for entry in scanned(tmp_path).entries}
    assert defects["Teil-A/Data/Images/Normal/0001.JPG"] == "dent"
