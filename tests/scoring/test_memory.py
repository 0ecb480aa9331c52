"""A huge picture in a small file is answered or failed; it takes neither its neighbours nor the run with it."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import scored
from tests.archive.test_deep import chunk, pnm, tiff
from warehouse.failures import OUT_OF_MEMORY
from warehouse.store import Store
from workbench.archive import picture_memory
from workbench.archive.image_decoding import open_image
from workbench.archive.picture_memory import PIXEL_LIMIT
from workbench.errors import UnreadableImage

SIDE = 13_377  # squared, all but the largest allowed picture
SPACE = 5 * 2**30  # bytes of addresses, PyTorch's among them


def huge(file: Path, bits: int, colour: int, side: int = SIDE) -> Path:
    """A PNG of one shade, a few hundred kilobytes of it."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    packer = zlib.compressobj(1)
    rows = (b"\0" + b"\x80" * (side * samples * bits // 8)) * 16
    body = b"".join(packer.compress(rows) for _ in range(side // 16))
    body += packer.compress(rows[: len(rows) // 16 * (side % 16)]) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return file


def test_what_a_picture_takes_is_worked_out_from_its_head(tmp_path: Path) -> None:
    """Heads alone, with nothing behind them: who decodes one finds it truncated."""
    some = np.zeros((8, 8, 3), np.uint16)
    narrow, wide = (tuple(struct.pack("<HHII", tag, 4, 1, side) for tag in (322, 323)) for side in (16, 2**18))
    files = {
        "tile.tiff": tiff(some, tile=16).replace(narrow[0], wide[0]).replace(narrow[1], wide[1]),
        "floats.tiff": tiff(np.zeros((8, 8, 4), np.float64)).replace(
            struct.pack("<HHII", 256, 4, 1, 8), struct.pack("<HHII", 256, 4, 1, 10_000_000)
        ),
        "letters.ppm": pnm(some, plain=True).replace(b"8 8", b"9000 9000"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UnreadableImage, match=r"^too large: opening it takes [\d,]+ MiB of memory, more than the "):
            open_image(tmp_path / name)
    for name, data in (("more.ppm", pnm(some)), ("more.tiff", tiff(some))):
        too_wide = data.replace(b"8 8", b"90000000 8").replace(
            struct.pack("<HHII", 256, 4, 1, 8), struct.pack("<HHII", 256, 4, 1, 90_000_000)
        )
        (tmp_path / name).write_bytes(too_wide)
        with pytest.raises(UnreadableImage, match=f"^too large: more than {PIXEL_LIMIT:,} pixels"):
            open_image(tmp_path / name)
    assert picture_memory.limit() <= picture_memory.MEMORY_LIMIT


def test_without_memory_a_picture_is_unreadable_and_the_next_one_opens(tmp_path: Path) -> None:
    Image.new("L", (9, 9), 80).save(tmp_path / "small.png")
    Image.new("1", (12_000, 12_000), 1).save(tmp_path / "large.png")
    script = """
        import resource, sys
        from pathlib import Path
        from workbench.archive import image_decoding, picture_memory
        from workbench.errors import UnreadableImage
        picture_memory.limit()
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + 400 * 2**20,) * 2)
        try:
            image_decoding.open_image(Path(sys.argv[1]) / "large.png")
        except UnreadableImage as error:
            print(error)
        print(image_decoding.open_image(Path(sys.argv[1]) / "small.png").size)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path],
        env=scored.environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [OUT_OF_MEMORY.text, "(9, 9)"]


@pytest.mark.slow
def test_the_largest_pictures_are_answered_or_failed_and_their_neighbours_answered(tmp_path: Path) -> None:
    archive, data = tmp_path / "archive", tmp_path / "data"
    archive.mkdir()
    for number in range(3):
        shade = np.random.default_rng(number).integers(60, 220, (90, 90, 3), np.uint8)
        Image.fromarray(shade).save(archive / f"{number}.png")
    huge(archive / "1-colour.png", 8, 2)
    huge(archive / "1-alpha.png", 8, 6)
    huge(archive / "1-deep.png", 16, 6, 3_000)
    done = subprocess.run(
        scored.command("score", archive, "--knowledge", "none", "--think-tokens", "0", "--json", "--data", data),
        env=scored.environment(data, {"WORKBENCH_BLOCK_IMAGES": "8"}),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "finished", done.stderr
    rows = Store(data).predictions(told["run_id"])
    by_image = {path: set(statuses) for path, statuses in rows.group_by("image_path").agg("status").iter_rows()}
    ordinary = ("0.png", "1.png", "2.png", "1-deep.png")
    assert [by_image[path] for path in ordinary] == [{"answered"}] * len(ordinary)
    reasons = set(rows.filter(status="failed")["error"])
    assert all(reason.startswith(("too large: ", "out of memory: ")) for reason in reasons), reasons
    assert "odd pictures, one colour: " in " ".join(told["notes"])
