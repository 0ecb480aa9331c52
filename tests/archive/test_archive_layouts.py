"""What an image is follows from where it lies: product folders, as data sets have them, and plain folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scoring.drawn import bottle, mask, picture, reasons, scanned
from warehouse.records.scoring import Entry


def seen(entry: Entry) -> tuple[str, str, str, str | None, str | None]:
    return entry.path, entry.dataset, entry.product, entry.label, entry.defect


@pytest.mark.parametrize("above", [2, 1, 0], ids=["data root", "data set", "product"])
def test_a_product_folder_is_the_same_from_any_root_above_it(tmp_path: Path, above: int) -> None:
    folder = bottle(tmp_path)
    prefix = ("", "bottle/", "DATA/bottle/")[above]
    scan = scanned((folder, *folder.parents)[above])
    assert [seen(entry) for entry in scan.entries] == [
        (f"{prefix}test/good/000.png", "DATA", "bottle", "good", None),
        (f"{prefix}test/scratch/000.png", "DATA", "bottle", "defective", "scratch"),
    ]
    assert [entry.path for entry in scan.references] == [f"{prefix}train/good/{name}.png" for name in ("000", "001")]
    assert [entry.mask_path for entry in scan.entries] == [None, f"{prefix}ground_truth/scratch/000_mask.png"]
    assert scan.problems == []


def test_defect_spectrum_says_image_and_mask(tmp_path: Path) -> None:
    picture(tmp_path / "DS/nut/image/good/000.png", 1)
    picture(tmp_path / "DS/nut/image/bent/003.png", 2)
    mask(tmp_path / "DS/nut/mask/bent/003.png", (0, 0, 9, 9))
    mask(tmp_path / "DS/nut/rbg_mask/bent/003.png", (0, 0, 9, 9))
    scan = scanned(tmp_path)
    assert [seen(entry) for entry in scan.entries] == [
        ("DS/nut/image/bent/003.png", "DS", "nut", "defective", "bent"),
        ("DS/nut/image/good/000.png", "DS", "nut", "good", None),
    ]
    assert scan.entries[0].mask_path == "DS/nut/mask/bent/003.png"
    assert reasons(scan) == {"DS/nut/rbg_mask/bent": "the layout MVTec AD doesn't need it"}


def test_loco_keeps_an_images_masks_in_a_folder_and_more_than_one_is_none(tmp_path: Path) -> None:
    picture(tmp_path / "LOCO/box/validation/good/000.png", 1)
    for number in ("000", "001"):
        picture(tmp_path / f"LOCO/box/test/logical_anomalies/{number}.png", 2)
    mask(tmp_path / "LOCO/box/ground_truth/logical_anomalies/000/000.png", (0, 0, 9, 9))
    mask(tmp_path / "LOCO/box/ground_truth/logical_anomalies/001/000.png", (0, 0, 9, 9))
    mask(tmp_path / "LOCO/box/ground_truth/logical_anomalies/001/001.png", (0, 0, 9, 9))
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.references] == ["LOCO/box/validation/good/000.png"]
    assert [entry.mask_path for entry in scan.entries] == [
        "LOCO/box/ground_truth/logical_anomalies/000/000.png",
        None,
    ]


def test_visa_knows_only_good_and_bad_and_a_mask_of_another_type(tmp_path: Path) -> None:
    picture(tmp_path / "VisA/candle/test/good/0001.JPG", 1)
    picture(tmp_path / "VisA/candle/test/bad/000.JPG", 2)
    mask(tmp_path / "VisA/candle/ground_truth/bad/000.png", (0, 0, 9, 9))
    bad, good = scanned(tmp_path).entries
    assert (bad.label, bad.defect, bad.mask_path) == ("defective", None, "VisA/candle/ground_truth/bad/000.png")
    assert (good.label, good.defect, good.mask_path) == ("good", None, None)


def test_mvtec_ad_2_has_a_public_test_set_with_masks_and_private_ones_without_labels(tmp_path: Path) -> None:
    for number, place in enumerate(("train/good", "validation/good", "test_public/good", "test_public/bad")):
        picture(tmp_path / f"AD2/can/{place}/000_regular.png", number)
    mask(tmp_path / "AD2/can/test_public/ground_truth/bad/000_regular_mask.png", (0, 0, 9, 9))
    picture(tmp_path / "AD2/can/test_private/000_regular.png", 5)
    picture(tmp_path / "AD2/can/test_private_mixed/000_mixed.png", 6)
    for root, prefix in ((tmp_path, "AD2/can/"), (tmp_path / "AD2/can", "")):
        scan = scanned(root)
        assert [seen(entry) for entry in scan.entries] == [
            (f"{prefix}test_private/000_regular.png", "AD2", "can", None, None),
            (f"{prefix}test_private_mixed/000_mixed.png", "AD2", "can", None, None),
            (f"{prefix}test_public/bad/000_regular.png", "AD2", "can", "defective", None),
            (f"{prefix}test_public/good/000_regular.png", "AD2", "can", "good", None),
        ]
        assert [entry.mask_path for entry in scan.entries if entry.mask_path] == [
            f"{prefix}test_public/ground_truth/bad/000_regular_mask.png"
        ]
        assert [entry.path for entry in scan.references] == [
            f"{prefix}{split}/good/000_regular.png" for split in ("train", "validation")
        ]
        assert scan.problems == []


@pytest.mark.parametrize("good", ["Good", "OK", "i.O.", "bon", "PASS"])
@pytest.mark.parametrize("truth", ["Ground_Truth", "ground truth", "GroundTruth"])
def test_folders_are_what_they_say_in_any_case_form_and_language(tmp_path: Path, good: str, truth: str) -> None:
    picture(tmp_path / f"D/w/Train/{good}/0.png", 1)
    picture(tmp_path / f"D/w/TEST/{good}/1.png", 2)
    picture(tmp_path / "D/w/TEST/Scha\u0308den/2.png", 3)
    mask(tmp_path / f"D/w/{truth}/sch\u00e4den/2_Mask.png", (0, 0, 9, 9))
    scan = scanned(tmp_path)
    assert {(entry.label, entry.defect, entry.mask_path) for entry in scan.entries} == {
        ("good", None, None),
        ("defective", "Sch\u00e4den", f"D/w/{truth}/sch\u00e4den/2_Mask.png"),
    }
    assert [entry.path for entry in scan.references] == [f"D/w/Train/{good}/0.png"]


def test_a_product_is_one_name_in_either_unicode_form_and_with_blanks(tmp_path: Path) -> None:
    picture(tmp_path / "Geha\u0308use /a.png")
    (entry,) = scanned(tmp_path).entries
    assert (entry.path, entry.product) == ("Geha\u0308use /a.png", "Geh\u00e4use")


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        (["test/good", "test/0", "test/1"], {"test/good": "good", "test/0": "0", "test/1": "1"}),
        (["ground_truth/1", "test/0", "test/1"], {"test/0": "good", "test/1": None}),
        (["test/good", "test/unknown", "test/yes"], {"test/good": "good", "test/unknown": None, "test/yes": None}),
        (["test/0", "test/1"], {"test/0": None, "test/1": None}),
    ],
    ids=["numbers of types", "nought and one", "words that say nothing", "lots"],
)
def test_a_number_or_a_silent_word_as_a_folder(
    tmp_path: Path, folders: list[str], labels: dict[str, str | None]
) -> None:
    for number, folder in enumerate(folders):
        picture(tmp_path / f"D/nut/{folder}/a.png", number)
    found = {entry.path[6:-6]: entry for entry in scanned(tmp_path).entries}
    assert {path: "good" if entry.label == "good" else entry.defect for path, entry in found.items()} == labels


def test_a_plain_folder_is_scored_whole_and_knows_no_labels(tmp_path: Path) -> None:
    root = tmp_path / "night"
    picture(root / "loose.png", 1)
    picture(root / "gears/line 2/good/a.png", 2)
    scan = scanned(root)
    assert [seen(entry) for entry in scan.entries] == [
        ("gears/line 2/good/a.png", "night", "gears", None, None),
        ("loose.png", "night", "unknown", None, None),
    ]
    assert scan.references == []


def test_a_folder_that_happens_to_be_called_test_is_not_a_label(tmp_path: Path) -> None:
    picture(tmp_path / "gears/test/lot7/a.png")
    (entry,) = scanned(tmp_path).entries
    assert (entry.product, entry.label, entry.defect) == ("gears", None, None)


def test_pictures_beside_a_product_folders_own_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = bottle(tmp_path)
    picture(folder / "overview.png")
    picture(folder / "extra/a.png")
    picture(folder / "extra/b.png")
    scan = scanned(tmp_path)
    assert len(scan.entries) == 2
    why = (
        "the layout MVTec AD has no place for it; to have it scored, move it to test/good or test/DEFECT of its "
        "product, or out of the product's folder"
    )
    assert [(each.path, each.count, each.reason) for each in scan.problems] == [
        ("DATA/bottle", 1, why), ("DATA/bottle/extra", 2, why)
    ]  # fmt: skip


def test_hidden_pictures_and_folders_are_passed_over_and_counted(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / ".thumbnails/a.png")
    picture(tmp_path / "._a.png")
    (tmp_path / "notes.txt").write_text("not an image")
    scan = scanned(tmp_path)
    assert [entry.path for entry in scan.entries] == ["a.png"]
    assert reasons(scan) == {
        ".thumbnails": "hidden: 1 .thumbnails",
        "._a.png": "hidden",
        "notes.txt": "no picture by its name: 1 .txt",
    }


def test_an_entrys_identity_is_archive_path_and_content(tmp_path: Path) -> None:
    picture(tmp_path / "one/a.png", 1)
    picture(tmp_path / "one/b.png", 1)
    first = scanned(tmp_path / "one")
    a, b = first.entries
    assert a.content == b.content
    assert a.image_id != b.image_id
    assert scanned(tmp_path / "one").entries[0].image_id == a.image_id

    (tmp_path / "one").rename(tmp_path / "two")
    moved = scanned(tmp_path / "two")
    assert moved.archive.archive_id != first.archive.archive_id
    assert moved.entries[0].content == a.content
    assert moved.entries[0].image_id != a.image_id


def test_one_image_under_two_labels_is_two_entries_of_one_content(tmp_path: Path) -> None:
    picture(tmp_path / "DATA/nut/test/good/000.png", 7)
    picture(tmp_path / "DATA/nut/test/bent/000.png", 7)
    bent, good = scanned(tmp_path).entries
    assert bent.content == good.content
    assert (bent.label, good.label) == ("defective", "good")
    assert bent.image_id != good.image_id


@pytest.mark.real_images
def test_the_real_photographs_are_found_with_their_labels_and_masks(inspection_pack: Path) -> None:
    scan = scanned(inspection_pack)
    assert (len(scan.entries), len(scan.references)) == (211, 88)
    assert {each.reason.partition(":")[0] for each in scan.problems} <= {
        "no picture by its name", "the layout MVTec AD doesn't need it"
    }  # fmt: skip
    assert {entry.product for entry in scan.entries} == {"cookie", "ball_screw", "pcb"}
    assert sum(entry.label == "good" for entry in scan.entries) == 77
    assert {entry.defect for entry in scan.entries if entry.path.startswith("AWS-Cookie")} == {None, "cracked"}
    assert all(entry.mask_path for entry in scan.entries if entry.defect)
