"""Five invented plants, each with the mess of a real one."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests.archive import workbooks


def plate(file: Path, scratched: bool = False, deep: bool = False, pages: int = 1) -> Path:
    """A grey plate with two holes, and a scratch on it if it is bad."""
    file.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(zlib.crc32(str(file.name + file.parent.name).encode()))
    image = Image.new("L", (160, 120), 40)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((14, 12, 146, 108), 10, fill=150)
    for x in (40, 120):
        draw.ellipse((x - 9, 51, x + 9, 69), fill=55)
    if scratched:
        draw.line((50, 85, 108, 34), fill=235, width=3)
    values = np.clip(np.asarray(image, dtype=np.float32) + noise.normal(0, 4, (120, 160)), 0, 255)
    if deep:
        drawn = Image.fromarray((values * 16).astype(np.uint16))
    else:
        drawn = Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if pages > 1:
        drawn.save(file, save_all=True, append_images=[drawn] * (pages - 1))
    else:
        drawn.save(file)
    return file


def scratch_mask(file: Path) -> Path:
    """Where the scratch is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("L", (160, 120))
    ImageDraw.Draw(mask).line((50, 85, 108, 34), fill=255, width=5)
    mask.save(file)
    return file


def german(root: Path) -> Path:
    """i.O. and n.i.O. by day, a workbook from the shift office, notes and a shortcut."""
    for day in ("2026-11-27", "2026-11-28"):
        for number in range(4):
            plate(root / f"Gehäuse/{day}/i.O/Bild_{number:03}.bmp")
        plate(root / f"Gehäuse/{day}/n.i.O/Bild_100.bmp", scratched=True)
        scratch_mask(root / f"Gehäuse/{day}/n.i.O/Bild_100_mask.png")
    plate(root / "Gehäuse/2026-11-28/unklar/Bild_200.bmp")
    (root / "Gehäuse/Hinweise.docx").write_bytes(b"PK")
    (root / "Gehäuse/Kamera.lnk").write_bytes(b"L")
    workbooks.write(
        root / "images.xlsx",
        Schicht=[("path", "line", "captured_at", "Prüfer"),
                 ("Geha\u0308use\\2026-11-28\\i.O\\Bild_000.bmp ", 3, "28.11.2026 06:10", "K. Ott"),
                 ("Gehäuse/2026-11-28/i.O/Bild_001.bmp", 3, "gestern", "K. Ott")],
        Legende=[("i.O.", "in Ordnung")],
    )  # fmt: skip
    return root


def plc(root: Path) -> Path:
    """A flat export with a table in Windows-1252, semicolons, days first; a row too many and a shifted one."""
    rows = ["Path;Label;Product;Line;Camera;Captured_at;Serial;Schrauber;Moment"]
    for number in range(6):
        bad = number in (2, 5)
        plate(root / f"export/{number:05}.jpg", scratched=bad)
        word = ("Kratzer" if number == 2 else "nicht in Ordnung") if bad else "in Ordnung"
        moment, serial = f"{number + 1}.11.2026 22:0{number}", f"T{number // 2}"
        moment, serial = f"{number + 1}.11.2026 22:0{number}", f"T{number // 2}"
        rows.append(f"export\\{number:05}.jpg;{word};Deckel groß;L2;oben;{moment};{serial};S1;8,5")
    rows += ["export\\99999.jpg;in Ordnung;Deckel groß;L2;oben;1.11.2026 22:00;T9;S1;8,5", "export\\00000.jpg;zu;wenig"]
    (root / "images.csv").write_bytes("\r\n".join(rows).encode("cp1252"))
    (root / "export/log.txt").write_text("ok")
    return root


def network_share(root: Path) -> Path:
    """A file server's share: 16-bit TIFFs, one of three pages, masks as BMP, housekeeping everywhere."""
    for number in range(3):
        plate(root / f"Flansch/OK/{number:04}.tif", deep=True, pages=3 if number == 1 else 1)
        plate(root / f"Flansch/OK/@eaDir/{number:04}.tif/SYNOPHOTO_THUMB_M.jpg")
    plate(root / "Flansch/NOK/0100.tif", scratched=True, deep=True)
    scratch_mask(root / "Flansch/NOK/0100_mask.bmp")
    scratch_mask(root / "Flansch/NOK/0777_mask.bmp")
    plate(root / "#recycle/0003.tif", deep=True)
    for name in ("Thumbs.db", "Flansch/OK/Thumbs.db", "Flansch/desktop.ini", "Flansch/NOK/film.avi"):
        (root / name).write_bytes(b"\0")
    (root / "Flansch/alt").symlink_to(root / "Flansch/OK")
    return root


def serials(root: Path) -> Path:
    """A folder for each piece with three views, one of them retaken; a piece without its number."""
    for serial in ("SN004711", "SN004712", "SN004713"):
        for view in ("top", "left", "right"):
            plate(root / f"Station 4/{serial}/{view}.png", scratched=serial == "SN004713" and view == "left")
    plate(root / "Station 4/SN004711/top_retake.png")
    plate(root / "Station 4/lost/top.png")
    (root / "Station 4/SN004711/result.xml").write_text("<r/>")
    return root


def snapshot(root: Path) -> Path:
    """A snapshot of a Hugging Face cache with two layouts; the root is the snapshot."""
    repository = root / "datasets--werk--teile"
    inside = repository / "snapshots/3f2a"
    pictures = {
        "mvtec_like/Clip/train/good/000.png": False, "mvtec_like/Clip/test/good/000.png": False,
        "mvtec_like/Clip/test/bent/000.png": True, "paired/images/0.png": False, "paired/images/1.png": True,
    }  # fmt: skip
    masks = ("mvtec_like/Clip/ground_truth/bent/000_mask.png", "paired/masks/1.png")
    for number, (path, scratched) in enumerate(pictures.items()):
        blob = plate(repository / f"blobs/{number:08}.png", scratched).rename(repository / f"blobs/{number:08}")
        link(inside / path, blob)
    for number, path in enumerate(masks):
        blob = scratch_mask(repository / f"blobs/m{number:07}.png").rename(repository / f"blobs/m{number:07}")
        link(inside / path, blob)
    (inside / "README.md").write_text("# Teile")
    (inside / ".gitattributes").write_text("*")
    (inside / "train.parquet").write_bytes(b"PAR1")
    link(inside / "mvtec_like/Clip/test/good/001.png", Path("/etc/hostname"))
    return inside


def link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
