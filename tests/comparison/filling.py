"""Fill a folder of features in a process of one's own, writing down what was seen."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from PIL import Image

from tests.comparison.pretended import PretendedTower
from workbench.comparison import Features, Normal, NormalBank

SECONDS = 0.01  # that one picture takes


class NotingTower(PretendedTower):
    """Writes down each picture it sees, as its grey level."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def features(self, image: Image.Image) -> Features:
        time.sleep(SECONDS)
        with self._log.open("a") as log:
            log.write(f"{os.getpid()} {image.getpixel((0, 0))}\n")
        return super().features(image)


def fill(folder: Path, log: Path, count: int, processes: int) -> None:
    """Fill the folder with so many normals, once all the processes are there."""
    log.with_name(f"ready-{os.getpid()}").touch()
    while len(list(log.parent.glob("ready-*"))) < processes:
        time.sleep(SECONDS)
    normals = [Normal(f"{number:064x}", "D", "plate") for number in range(count)]
    NormalBank.open(folder, NotingTower(log), normals, lambda each: Image.new("L", (8, 8), int(each.content, 16)))


def fill_past(folder: Path, deadly: int, count: int, left_out: Path) -> None:
    """Fill the folder with so many normals, of which one kills its process; what is left out is written down."""

    def opened(normal: Normal) -> Image.Image:
        number = int(normal.content, 16)
        if number == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return Image.new("L", (8, 8), number)

    normals = [Normal(f"{number:064x}", "D", "plate") for number in range(count)]
    bank = NormalBank.open(folder, PretendedTower(), normals, opened)
    left_out.write_text("".join(f"{int(content, 16)} {why}\n" for content, why in bank.left_out.items()))
