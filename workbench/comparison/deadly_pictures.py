"""Pictures that kill the process that sees them: found by what dead processes left behind, and then passed over.

    a picture's name -> `DeadlyPictures.guard` around seeing it, or the reason why it isn't seen any more

While a process sees a picture, a file of that name is there and locked. A lock goes with its process, so a file without
one says that a process died over the picture: whether by a decoder or by a kill can't be told apart. An exception is no
death. Removing the folder has all pictures tried again.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.failures import POISON
from workbench.errors import UnreadableImage

MOST = 2  # deaths of processes over one picture: it isn't tried again; `failures.POISON` says so


class DeadlyPictures:
    """Deaths over pictures, below a folder that others may use too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """Around whatever may kill this process.

        Args:
            name: of the picture, as a name of a file.

        Raises:
            UnreadableImage: MOST processes died over it.
        """
        if self.deaths(name) >= MOST:
            raise UnreadableImage.of(POISON)
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, file = tempfile.mkstemp(dir=self._folder, prefix=f"{name}.")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            Path(file).unlink(missing_ok=True)
            os.close(handle)

    def deaths(self, name: str) -> int:
        """How many processes died over a picture."""
        try:
            left = [file for file in self._folder.iterdir() if file.name.rpartition(".")[0] == name]
        except FileNotFoundError:
            return 0
        return sum(not _is_held(file) for file in left)


def _is_held(file: Path) -> bool:
    """Whether the process that made the file is at it, or has finished meanwhile."""
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True
    return False
