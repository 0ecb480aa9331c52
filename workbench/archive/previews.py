"""Pictures made small, and where a stored path may lead: for pages, and for files that stand alone.

A path in the warehouse is a claim, not a permission. It is resolved, links and all, and must then lie below an allowed
folder; anything else is not opened. Nor is a file shown as a picture that was scored when it holds another one by now.
"""

from __future__ import annotations

import base64
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from workbench.archive import image_paths
from workbench.archive.image_decoding import open_image
from workbench.archive.view import View
from workbench.errors import UnreadableImage

SIDE = 160  # pixels of a thumbnail's longest side, in a file that stands alone


class AllowedFolders:
    """Folders below which files may be shown, for as long as one page or report is made.

    Links are followed once for each folder that files lie in, and looked for again at each file.

    Args:
        folders: as stored.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = tuple(folders)
        self._resolved: dict[Path, Path] = {}  # folder to where it really is

    def locate(self, path: str, root: str) -> Path | None:
        """Where a stored path leads, or None when that is outside every allowed folder.

        Args:
            path: as stored: relative to `root`, or absolute.
            root: the archive's root.
        """
        try:
            found = self._followed(Path(root) / path)
            allowed = [image_paths.link_folder(self._real(Path(folder))) for folder in self._folders]
        except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte
            return None
        return found if any(found.is_relative_to(folder) for folder in allowed) else None

    def _followed(self, path: Path) -> Path:
        if path.name in ("", ".."):
            return path.resolve()
        found = self._real(path.parent) / path.name
        return found.resolve() if stat.S_ISLNK(_mode(found)) else found

    def _real(self, folder: Path) -> Path:
        if folder not in self._resolved:
            self._resolved[folder] = folder.resolve()
        return self._resolved[folder]


def _mode(path: Path) -> int:
    """A file's mode, links not followed; 0 where there is none."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0


def locate(path: str, root: str, allowed: Sequence[str]) -> Path | None:
    """`AllowedFolders.locate` of one path."""
    return AllowedFolders(allowed).locate(path, root)


def jpeg(path: Path, view: View) -> bytes | None:
    """What a view shows, made small; None where the picture is gone, can't be read or is another one by now."""
    try:
        image = open_image(path, view)
    except (OSError, UnreadableImage):
        return None
    return encoded(image, SIDE, 80)


def encoded(image: Image.Image, side: int, quality: int, comment: bytes = b"") -> bytes:
    """The picture as JPEG, its longest side at most `side` pixels."""
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, comment=comment)
    return file.getvalue()


def data_uri(data: bytes) -> str:
    """A JPEG as the address that holds all of it."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
