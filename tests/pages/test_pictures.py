"""What may be shown, and how: found below allowed folders only, upright, small, and fresh when the file changes."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.archive import previews
from workbench.archive.scan import content_of
from workbench.archive.view import View
from workbench.pages.ui import pictures


def decoded(shown: pictures.Shown) -> Image.Image:
    assert shown.source is not None
    return Image.open(io.BytesIO(base64.b64decode(shown.source.split(",", 1)[1])))


def test_a_path_below_an_allowed_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert previews.locate("a/x.png", str(tmp_path), [str(tmp_path)]) == tmp_path.resolve() / "a" / "x.png"


def test_no_way_leads_out_of_the_allowed_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "archive", tmp_path / "archive-2"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "loop").symlink_to(inside / "loop")
    for path in ("../archive-2/x.png", str(outside / "x.png"), "link/x.png", "a\0b", "loop/x.png", "/etc/passwd", ".."):
        assert previews.locate(path, str(inside), [str(inside)]) is None, path


def test_a_file_that_becomes_a_link_out_of_the_archive_is_not_shown_though_its_folder_is_known(tmp_path: Path) -> None:
    """Folders are followed once, files each time."""
    inside, outside = tmp_path / "archive", tmp_path / "secret.png"
    (inside / "a").mkdir(parents=True)
    for path in (inside / "a" / "x.png", inside / "a" / "y.png", outside):
        path.write_bytes(b"x")
    folders = previews.AllowedFolders([str(inside)])
    assert folders.locate("a/x.png", str(inside)) == inside.resolve() / "a" / "x.png"
    (inside / "a" / "y.png").unlink()
    (inside / "a" / "y.png").symlink_to(outside)
    assert folders.locate("a/y.png", str(inside)) is None
    (inside / "a" / "y.png").unlink()
    (inside / "a" / "y.png").symlink_to("x.png")
    assert folders.locate("a/y.png", str(inside)) == inside.resolve() / "a" / "x.png"
    for stored in ("a/../../secret.png", "a/..", "..", "a/x\0.png", str(outside)):
        assert folders.locate(stored, str(inside)) in (None, inside.resolve()), stored


def test_a_photograph_is_shown_upright_and_small_and_its_size_is_known(tmp_path: Path) -> None:
    photo = Image.new("RGB", (1600, 1200), "grey")
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    photo.save(tmp_path / "photo.jpg", exif=exif)
    shown = pictures.large(tmp_path / "photo.jpg", View(content_of(tmp_path / "photo.jpg")))
    assert shown.window.size == (1200, 1600)
    assert decoded(shown).size == (768, 1024)
    assert max(decoded(pictures.small(str(tmp_path / "data"), tmp_path / "photo.jpg")).size) == 112


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "plate.png"
    Image.new("RGB", (8, 8), "black").save(path)
    data = str(tmp_path / "data")
    before = pictures.small(data, path)
    Image.new("RGB", (8, 8), "white").save(path)
    os.utime(path, ns=(1, 1))
    assert pictures.small(data, path).source != before.source


def test_a_replaced_file_is_text_and_no_picture_even_where_a_thumbnail_is_kept(tmp_path: Path) -> None:
    path, data = tmp_path / "plate.png", str(tmp_path / "data")
    Image.new("RGB", (8, 8), "black").save(path)
    content = content_of(path)
    before = pictures.small(data, path, view=View(content))
    assert before.source is not None
    Image.new("RGB", (8, 8), "white").save(path)
    assert pictures.small(data, path).source is not None  # one of the new bytes is kept
    for shown in (pictures.small(data, path, view=View(content)), pictures.large(path, View(content))):
        assert shown == pictures.Shown.nothing("no longer the picture that was scored")
    Image.new("RGB", (8, 8), "black").save(path)
    assert pictures.small(data, path, view=View(content)) == before


def test_what_can_t_be_shown_says_why(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("hello")
    assert pictures.small(str(tmp_path), None).problem == pictures.UNREGISTERED
    assert "vanished" in (pictures.small(str(tmp_path), tmp_path / "gone.png").problem or "")
    assert "not an image" in (pictures.small(str(tmp_path), text).problem or "")


def test_a_hairline_of_a_large_mask_does_not_vanish(tmp_path: Path) -> None:
    mask = np.zeros((2000, 1000), dtype=np.uint8)
    mask[777, 100:900] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.new("L", (1000, 2000)).save(tmp_path / "plate.png")
    reduced = pictures.mask(tmp_path / "mask.png", tmp_path / "plate.png", View())
    assert reduced is not None
    assert max(reduced.shape) <= 400
    assert reduced.any(axis=1).sum() == 1


def test_a_mask_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert pictures.mask(None, tmp_path / "plate.png", View()) is None
    assert pictures.mask(tmp_path / "gone.png", tmp_path / "plate.png", View()) is None


def test_a_thumbnail_is_made_once_and_kept_as_a_file(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "plate.png")
    mask = np.zeros((200, 300), dtype=np.uint8)
    mask[60:140, 100:200] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    data = tmp_path / "data"
    plain = pictures.small(str(data), tmp_path / "plate.png")
    contour = pictures.small(str(data), tmp_path / "plate.png", tmp_path / "mask.png")
    kept = sorted(data.rglob("*.jpg"))
    assert len(kept) == 2
    assert plain.window.size == contour.window.size == (300, 200)
    assert {file.read_bytes() for file in kept} == {
        base64.b64decode((shown.source or "").split(",")[1]) for shown in (plain, contour)
    }
    red = np.asarray(decoded(contour)).astype(int)
    assert (red[..., 0] - red[..., 2]).max() > 80  # the contour's colour
    assert (np.asarray(decoded(plain)).astype(int)[..., 0] - np.asarray(decoded(plain)).astype(int)[..., 2]).max() < 20


def test_a_data_folder_that_can_t_be_written_shows_thumbnails_all_the_same(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), "grey").save(tmp_path / "plate.png")
    (tmp_path / "data").write_text("a file where the folder should be")
    assert pictures.small(str(tmp_path / "data"), tmp_path / "plate.png").source is not None
