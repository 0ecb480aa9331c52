"""What `workbench archive` understands of five invented plants, and what it says that it passed over."""

from __future__ import annotations

from pathlib import Path

from tests.archive import plants
from workbench.archive import overview, sidecar
from workbench.archive.overview import Overview

Kinds = dict[tuple[str, str], tuple[int, int]]


def kinds(found: Overview) -> Kinds:
    """Pictures and masks by product and label."""
    return {(kind.product, kind.label): (kind.pictures, kind.masks) for kind in found.kinds}


def passed_over(found: Overview) -> set[tuple[str, int, str]]:
    """Unit, count and the reason up to its first stop."""
    return {(each.unit, each.count, each.reason.partition(":")[0]) for each in found.passed_over}


def test_days_are_no_products_and_words_in_german_are_labels(tmp_path: Path) -> None:
    found = overview.of_folder(plants.german(tmp_path / "Werk 7"), times=sidecar.Times(day_first=True))
    assert found.layouts == {"good and bad folders": 10, "plain folders": 1}
    assert kinds(found) == {
        ("Gehäuse", "good"): (8, 0), ("Gehäuse", "defective"): (2, 2), ("Gehäuse", "without a label"): (1, 0)
    }  # fmt: skip
    assert (found.lines, found.timed, found.orphan_masks) == ({"3": 2}, 1, 0)
    assert passed_over(found) == {
        ("sheet", 1, "not read"), ("column", 1, "not read"), ("field", 1, "captured_at"),
        ("file", 2, "no picture by its name"),
    }  # fmt: skip


def test_a_plcs_table_is_read_with_its_semicolons_umlauts_and_days_first(tmp_path: Path) -> None:
    found = overview.of_folder(plants.plc(tmp_path / "plc"), times=sidecar.Times(True, "Europe/Berlin"))
    assert kinds(found) == {
        ("Deckel groß", "good"): (4, 0), ("Deckel groß", "Kratzer"): (1, 0), ("Deckel groß", "defective"): (1, 0)
    }  # fmt: skip
    assert (found.lines, found.cameras, found.pieces, found.timed) == ({"L2": 6}, {"oben": 6}, 3, 6)
    assert passed_over(found) == {
        ("row", 1, "images.csv names it, but the archive has no such image"),
        ("row", 1, "3 cells where the header has 9"),
        ("column", 2, "not read"),
        ("file", 1, "no picture by its name"),
        ("remark", 1, "it isn't UTF-8 and was read as Windows-1252; save it as UTF-8 if letters look wrong"),
    }


def test_a_network_shares_own_files_are_counted_and_masks_in_another_format_are_found(tmp_path: Path) -> None:
    found = overview.of_folder(plants.network_share(tmp_path / "share"))
    assert kinds(found) == {("Flansch", "good"): (3, 0), ("Flansch", "defective"): (1, 1)}
    assert passed_over(found) == {
        ("mask", 1, "a mask of no picture"),
        ("folder", 2, "a file server's or system's own"),
        ("file", 3, "no picture by its name"),
        ("file", 1, "of a kind that isn't read"),
        ("file", 1, "pages behind the first aren't looked at"),
        ("link", 1, "a link to a folder isn't followed"),
    }


def test_folders_of_pieces_are_pieces_and_their_files_cameras(tmp_path: Path) -> None:
    found = overview.of_folder(plants.serials(tmp_path / "Werk 7"))
    assert kinds(found) == {("Station 4", "without a label"): (11, 0)}
    assert (found.pieces, found.cameras) == (3, {"top": 4, "left": 3, "right": 3})
    assert passed_over(found) == {("file", 1, "no picture by its name")}


def test_a_snapshot_with_two_layouts_is_read_through_its_links(tmp_path: Path) -> None:
    found = overview.of_folder(plants.snapshot(tmp_path))
    assert found.layouts == {"MVTec AD": 3, "pictures and masks in two folders": 2}
    assert kinds(found) == {
        ("Clip", "bent"): (1, 1), ("Clip", "good"): (1, 0), ("Clip", "reference"): (1, 0),
        ("paired", "without a label"): (2, 1),
    }  # fmt: skip
    assert passed_over(found) == {
        ("link", 1, "a link that leaves the archive isn't followed; copy its file here"),
        ("file", 1, "of a kind that isn't read"),
        ("file", 1, "no picture by its name"),
    }
