"""`workbench archive` says what a folder of pictures was understood as, before any model is loaded."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.__main__ import app
from tests.archive.test_public_layouts import BOX, DAGM, MVTEC, REAL_IAD
from tests.scoring.drawn import mask, picture
from workbench.archive import overview


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """Three layouts below one root, a plain folder, and what is passed over of each kind."""
    root = tmp_path / "Werk 7"
    MVTEC.build(root / "a")
    DAGM.build(root / "b")
    REAL_IAD.build(root / "c")
    picture(root / "loose/1.png", 7)
    picture(root / "a/Teil-A/overview.png", 8)
    mask(root / "a/Teil-A/ground_truth/bent/009_mask.png", BOX)
    (root / "films").mkdir()
    (root / "films/1.mp4").write_bytes(b"film")
    (root / "images.csv").write_text("path,line,captured_at\nloose/1.png,L4,2026-11-29T22:05\nloose/2.png,L4,\n")
    return root


def test_a_plants_archive_is_understood_without_a_picture_being_read(plant: Path) -> None:
    found = overview.of_folder(plant)
    assert (found.pictures, found.references, found.orphan_masks) == (9, 2, 1)
    assert found.layouts == {"MVTec AD": 3, "DAGM": 4, "Real-IAD": 3, "plain folders": 1}
    assert {(kind.dataset, kind.label): (kind.pictures, kind.masks) for kind in found.kinds} == {
        ("a", "large crack"): (1, 1), ("a", "good"): (1, 0), ("a", "reference"): (1, 0),
        ("b", "defective"): (2, 2), ("b", "good"): (1, 0), ("b", "reference"): (1, 0),
        ("c", "AK"): (1, 1), ("c", "good"): (2, 0), ("Werk 7", "without a label"): (1, 0),
    }  # fmt: skip
    assert (found.lines, found.cameras, found.pieces, found.timed) == ({"L4": 1}, {"C1": 2, "C2": 1}, 1, 4)
    assert {(each.unit, each.count, each.example): each.reason for each in found.passed_over} == {
        ("mask", 1, "a/Teil-A/ground_truth/bent/009_mask.png"): "a mask of no picture",
        ("file", 1, "a/Teil-A"): "the layout MVTec AD has no place for it; to have it scored, move it to test/good or "
        "test/DEFECT of its product, or out of the product's folder",
        ("file", 1, "films/1.mp4"): "of a kind that isn't read: 1 .mp4",
        ("row", 1, "loose/2.png"): "images.csv names it, but the archive has no such image",
    }


def test_the_command_prints_the_same_as_text_json_and_page(plant: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    told = CliRunner().invoke(app, ["archive", str(plant), "-o", str(sheet)])
    assert told.exit_code == 0, told.output
    passed_over = "passed over: 1 file, films/1.mp4: of a kind that isn't read: 1 .mp4"
    for words in ("large crack", "Layout DAGM: 4 pictures.", "1 mask of no picture.", passed_over):
        assert words in told.stdout
    machine = json.loads(CliRunner().invoke(app, ["archive", str(plant), "--json"]).stdout)
    assert (machine["pictures"], machine["references"], machine["layouts"]["Real-IAD"]) == (9, 2, 3)
    page = sheet.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == sum(len(kind["examples"]) for kind in machine["kinds"])
    assert "large crack: 000.png" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("command", ["score", "archive", "ablate", "stress"])
def test_a_wrong_path_fails_before_pytorch_is_imported(tmp_path: Path, command: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = (
        "import sys; sys.argv = ['workbench', *sys.argv[1:]]\n"
        "import atexit; atexit.register(lambda: print('torch' in sys.modules))\n"
        "from jobs.__main__ import main; main()"
    )
    asked = [sys.executable, "-c", code, command, str(tmp_path / "nowhere")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert "nowhere can't be listed: No such file or directory" in done.stderr
    print(f"{after.ru_utime - before.ru_utime:.2f} s of a core")
