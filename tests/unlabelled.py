"""An archive without a label: pictures as a line leaves them, and an images.csv that names their line and camera."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

CAMERAS = ("A1", "A2", "B1")
LINES = {"A1": "line-a", "A2": "line-a", "B1": "line-b"}


def archive(folder: Path, pictures: list[Path]) -> Path:
    """Copies of pictures under names that tell nothing, by the folder that says their product."""
    listed = []
    for place, picture in enumerate(pictures):
        camera = CAMERAS[place % len(CAMERAS)]
        name = f"{picture.parents[2].name}/{place:02}{picture.suffix}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, folder / name)
        listed.append({"path": name, "line": LINES[camera], "camera": camera})
    with (folder / "images.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, ["path", "line", "camera"])
        rows.writeheader()
        rows.writerows(listed)
    return folder


def some(source: Path, count: int) -> list[Path]:
    """Test pictures from all over an archive of `<product>/test/<defect>/<picture>`; masks are none."""
    found = sorted(path for path in source.glob("**/test/*/*") if path.suffix in (".png", ".jpg"))
    count = min(count, len(found))
    return [found[place * len(found) // count] for place in range(count)]
