"""The layouts of public data sets, built small as their publishers say, with other names for roots and products."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.scoring.drawn import NOTHING_KNOWN, mask, picture, reasons, scanned
from workbench.archive import layout_table
from workbench.archive import scan as archive
from workbench.archive.scan import Scan
from workbench.errors import SettingsError
from workbench.experiments import archive_copies

BOX, NOTHING = (0, 0, 9, 9), (0, 0, 0, 0)


@dataclass(frozen=True)
class Published:
    """A small copy: files by path, and what must be said of each picture."""

    layout: str
    scored: dict[str, tuple[str | None, str | None, str | None]]  # path -> (label, defect, mask)
    normals: tuple[str, ...] = ()
    empty_masks: tuple[str, ...] = ()  # masks that mark nothing
    beside: tuple[str, ...] = ()  # pictures that are known, counted and not scored
    product: str = ""  # the folder's name, where it isn't the first of the path

    def build(self, root: Path) -> None:
        masks = {each for _, _, each in self.scored.values() if each} - set(self.empty_masks)
        for number, path in enumerate((*self.scored, *self.normals, *self.beside)):
            picture(root / path, number, (90, 60))
        for path in masks:
            mask(root / path, BOX)
        for path in self.empty_masks:
            mask(root / path, NOTHING)


GOOD = ("good", None, None)
MVTEC = Published(
    "MVTec AD",
    {
        "Teil-A/test/good/000.png": GOOD,
        "Teil-A/test/large crack/000.png": ("defective", "large crack", "Teil-A/ground_truth/large crack/000_mask.png"),
    },
    ("Teil-A/train/good/000.png",),
)
BTAD = Published(
    "MVTec AD",
    {"7/test/ok/0000.bmp": GOOD, "7/test/ko/0000.bmp": ("defective", None, "7/ground_truth/ko/0000.png")},
    ("7/train/ok/0000.bmp",),
)
LOCO = Published(
    "MVTec AD",
    {
        "Teil-A/test/good/000.png": GOOD,
        "Teil-A/test/logical_anomalies/000.png": (
            "defective", "logical_anomalies", "Teil-A/ground_truth/logical_anomalies/000/000.png"
        ),
    },
    ("Teil-A/train/good/000.png", "Teil-A/validation/good/000.png"),
)  # fmt: skip
MMAD = Published(
    "MVTec AD",
    {
        "Satz/Teil-A/image/good/000.png": GOOD,
        "Satz/Teil-A/image/bent/003.png": ("defective", "bent", "Satz/Teil-A/mask/bent/003.png"),
    },
    beside=("Satz/Teil-A/rgb_mask/bent/003.png",),
    product="Teil-A",
)
AD_2 = Published(
    "MVTec AD 2",
    {
        "Teil-A/test_public/good/000_regular.png": GOOD,
        "Teil-A/test_public/bad/000_regular.png": (
            "defective", None, "Teil-A/test_public/ground_truth/bad/000_regular_mask.png"
        ),
        "Teil-A/test_private/000_regular.png": (None, None, None),
        "Teil-A/test_private_mixed/000_mixed.png": (None, None, None),
    },
    ("Teil-A/train/good/000_regular.png", "Teil-A/validation/good/000_regular.png"),
)  # fmt: skip
AD_3D = Published(
    "MVTec 3D-AD",
    {
        "Teil-A/test/good/rgb/000.png": GOOD,
        "Teil-A/test/hole/rgb/000.png": ("defective", "hole", "Teil-A/test/hole/gt/000.png"),
    },
    ("Teil-A/train/good/rgb/000.png", "Teil-A/validation/good/rgb/000.png"),
    empty_masks=("Teil-A/test/good/gt/000.png",),
    beside=("Teil-A/test/hole/xyz/000.tiff", "Teil-A/train/good/xyz/000.tiff"),
)
VISA = Published(
    "VisA as published",
    {
        "Teil-A/Data/Images/Normal/0000.JPG": GOOD,
        "Teil-A/Data/Images/Anomaly/000.JPG": ("defective", None, "Teil-A/Data/Masks/Anomaly/000.png"),
    },
)
REAL_IAD = Published(
    "Real-IAD",
    {
        "Teil-A/OK/S0001/Teil-A_0001_OK_C1_20231021113433.jpg": GOOD,
        "Teil-A/OK/S0001/Teil-A_0001_OK_C2_20231021113433.jpg": GOOD,
        "Teil-A/NG/AK/S0001/Teil-A_0001_NG_AK_C1_20231021113500.jpg": (
            "defective", "AK", "Teil-A/NG/AK/S0001/Teil-A_0001_NG_AK_C1_20231021113500.png"
        ),
    },
)  # fmt: skip
KOLEKTOR = Published(
    "KolektorSDD",
    {
        "Teil-A/kos01/Part0.jpg": ("good", None, "Teil-A/kos01/Part0_label.bmp"),
        "Teil-A/kos01/Part5.jpg": ("defective", None, "Teil-A/kos01/Part5_label.bmp"),
    },
    empty_masks=("Teil-A/kos01/Part0_label.bmp",),
)
KOLEKTOR_2 = Published(
    "KolektorSDD2",
    {
        "Teil-A/test/20000.png": ("good", None, "Teil-A/test/20000_GT.png"),
        "Teil-A/test/20003.png": ("defective", None, "Teil-A/test/20003_GT.png"),
        "Teil-A/train/10002.png": ("defective", None, "Teil-A/train/10002_GT.png"),
    },
    ("Teil-A/train/10000.png",),
    empty_masks=("Teil-A/test/20000_GT.png", "Teil-A/train/10000_GT.png"),
)
DAGM = Published(
    "DAGM",
    {
        "Teil-A/Test/0001.PNG": GOOD,
        "Teil-A/Test/0002.PNG": ("defective", None, "Teil-A/Test/Label/0002_label.PNG"),
        "Teil-A/Train/0576.PNG": ("defective", None, "Teil-A/Train/Label/0576_label.PNG"),
    },
    ("Teil-A/Train/0002.PNG",),
)
TILES = Published(
    "Magnetic tiles",
    {
        "Teil-A/MT_Free/Imgs/exp1_num_1.jpg": GOOD,
        "Teil-A/MT_Blowhole/Imgs/exp1_num_2.jpg": (
            "defective", "Blowhole", "Teil-A/MT_Blowhole/Imgs/exp1_num_2.png"
        ),
    },
    empty_masks=("Teil-A/MT_Free/Imgs/exp1_num_1.png",),
)  # fmt: skip
ANOMALIB = Published(
    "anomalib's folders",
    {"Teil-A/good/00.png": GOOD, "Teil-A/crack/01.png": ("defective", "crack", "Teil-A/mask/crack/01.png")},
)
TWO_FOLDERS = Published(
    "pictures and masks in two folders",
    {"Teil-A/images/00.png": (None, None, "Teil-A/labels/00.png")},
)
BESIDE = Published("plain folders", {"Teil-A/a.jpg": (None, None, "Teil-A/a_mask.png"), "Teil-A/b.jpg": (None,) * 3})
ALL = {
    "MVTec AD, GoodsAD, MPDD, VisA 1cls": MVTEC, "BTAD": BTAD, "MVTec LOCO": LOCO, "MMAD": MMAD, "MVTec AD 2": AD_2,
    "MVTec 3D-AD": AD_3D, "VisA": VISA, "Real-IAD": REAL_IAD, "KolektorSDD": KOLEKTOR, "KolektorSDD2": KOLEKTOR_2,
    "DAGM": DAGM, "magnetic tiles": TILES, "anomalib": ANOMALIB, "two folders": TWO_FOLDERS, "beside": BESIDE,
}  # fmt: skip


def seen(scan: Scan, below: str = "") -> dict[str, tuple[str | None, str | None, str | None]]:
    """Label, defect and mask of what is scored, by path below a folder."""
    size = len(below)
    return {
        entry.path[size:]: (entry.label, entry.defect, entry.mask_path and entry.mask_path[size:])
        for entry in scan.entries
        if entry.path.startswith(below)
    }


@pytest.mark.parametrize("name", ALL)
def test_a_published_layout_is_read_as_its_publisher_means_it(tmp_path: Path, name: str) -> None:
    published = ALL[name]
    published.build(tmp_path / "Werk 7")
    scan = scanned(tmp_path / "Werk 7")
    assert seen(scan) == published.scored
    assert [entry.path for entry in scan.references] == sorted(published.normals)
    product = published.product or next(iter(published.scored)).split("/")[0]
    assert {entry.product for entry in scan.registered} == {product}
    assert scan.layouts == {published.layout: len(scan.registered)}
    assert {each.reason for each in scan.problems} <= {f"the layout {published.layout} doesn't need it"}
    assert sum(each.count for each in scan.problems) == len(published.beside)


def test_a_copy_of_an_archive_whose_masks_say_the_labels_has_them_too(tmp_path: Path) -> None:
    KOLEKTOR.build(tmp_path / "whole")
    found = scanned(tmp_path / "whole")
    archive_copies.make(found, tmp_path / "copy", found.entries, lambda _, image: image)
    assert seen(scanned(tmp_path / "copy")) == KOLEKTOR.scored


def test_many_layouts_lie_below_one_root(tmp_path: Path) -> None:
    for name, published in ALL.items():
        published.build(tmp_path / name)
    scan = scanned(tmp_path)
    for name, published in ALL.items():
        if name != "beside":  # a plain folder's product is the first below the root
            assert seen(scan, f"{name}/") == published.scored, name
    assert {entry.path for entry in scan.references} == {
        f"{name}/{path}" for name, each in ALL.items() for path in each.normals
    }
    assert set(scan.layouts) == {each.layout for each in ALL.values()}
    assert sum(each.count for each in scan.problems) == sum(len(each.beside) for each in ALL.values())


def test_real_iads_file_names_say_camera_piece_and_time(tmp_path: Path) -> None:
    REAL_IAD.build(tmp_path)
    first, *_ = sorted(scanned(tmp_path).entries, key=lambda entry: entry.path, reverse=True)
    assert (first.camera, first.serial) == ("C2", "S0001")
    assert first.captured_at == datetime(2023, 10, 21, 11, 34, 33, tzinfo=UTC)


def test_a_mask_of_no_picture_is_told_and_not_scored(tmp_path: Path) -> None:
    MVTEC.build(tmp_path)
    mask(tmp_path / "Teil-A/ground_truth/bent/009_mask.png", BOX)
    scan = scanned(tmp_path)
    assert seen(scan) == MVTEC.scored
    assert reasons(scan) == {"Teil-A/ground_truth/bent/009_mask.png": "a mask of no picture"}


@pytest.mark.parametrize("folder", ["pictures/", "2026-11-28/line 3/", ""])
def test_what_lies_beside_train_good_alone_is_scored_unlabelled_with_these_as_its_normals(
    tmp_path: Path, folder: str
) -> None:
    MVTEC.build(tmp_path / "other")  # beside a public one
    own = tmp_path / "own"
    picture(own / "Flansch/train/good/1.png", 1)
    picture(own / f"Flansch/{folder}2.png", 2)
    picture(own / f"Flansch/{folder}3.png", 3)
    mask(own / f"Flansch/{folder}3_mask.png", BOX)
    scan = scanned(tmp_path)
    assert seen(scan, "other/") == MVTEC.scored
    assert seen(scan, "own/") == {
        f"Flansch/{folder}2.png": (None, None, None),
        f"Flansch/{folder}3.png": (None, None, f"Flansch/{folder}3_mask.png"),
    }
    assert {(each.dataset, each.product) for each in scan.registered if "Flansch" in each.path} == {("own", "Flansch")}
    assert [each.path for each in scan.references if "own" in each.path] == ["own/Flansch/train/good/1.png"]
    assert reasons(scan) == {}


def test_what_lies_below_another_product_is_not_scored_as_the_outer_ones(tmp_path: Path) -> None:
    picture(tmp_path / "train/good/1.png", 1)
    picture(tmp_path / "nut/train/good/2.png", 2)
    picture(tmp_path / "nut/new/3.png", 3)
    assert scanned(tmp_path).entries == []


def test_labels_as_a_products_name_are_pictures_like_others(tmp_path: Path) -> None:
    for number, name in enumerate(("images/1.png", "images/2.png", "labels/3.png", "labels/4.png")):
        picture(tmp_path / name, number)
    assert len(scanned(tmp_path).entries) == 4


def test_ones_own_layout_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "workbench.toml"
    file.write_text(
        'model = "embedded"\n[[layout]]\nname = "line 4"\ntells = ["io|nio/{line}"]\n'
        'pictures = ["{kind:io|nio}/{line}/{camera:cam\\\\d}_{time}_{picture}"]\n',
        encoding="utf-8",
    )
    (own,) = layout_table.from_settings(file)
    picture(tmp_path / "A/W12/io/L4/cam1_20240229-235959_7.png", 1)
    picture(tmp_path / "A/W12/nio/L4/cam2_20240230-000000_8.png", 2)
    scan = archive.scan(tmp_path / "A", NOTHING_KNOWN, layouts=(own,))
    assert scan.layouts == {"line 4": 2}
    assert [(each.product, each.label, each.line, each.camera, each.captured_at) for each in scan.entries] == [
        ("W12", "good", "L4", "cam1", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("W12", "defective", "L4", "cam2", None),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('name = "x"\ntells = ["a"]\npictures = ["a/b"]', "must have {picture} in it"),
        ('name = "x"\ntells = ["{colour}"]\npictures = ["{picture}"]', "{colour} is no field"),
        ('name = "x"\ntells = ["{camera:(}"]\npictures = ["{picture}"]', "unterminated"),
        ('name = "x"\ntells = []\npictures = ["{picture}"]', "tells"),
        ('name = "x"\ntells = ["a"]\npictures = ["{picture}"]\ncolour = 1', "colour"),
        ("name = ", "not valid TOML"),
    ],
)
def test_a_row_that_is_no_layout_is_refused_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    file = tmp_path / "layouts.toml"
    file.write_text(f"[[layout]]\n{row}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        layout_table.from_settings(file)
    assert reason in str(refused.value)
