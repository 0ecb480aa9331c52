"""Pictures for the reviewers' browser: a copy of just those that are disputed, or their address on a server.

A browser can't show every file an archive may hold (deep grey, TIFF), and Label Studio must be able to serve what it
shows. So each picture is copied, named by its content, into one folder that Label Studio serves: nothing else of the
archive is within its reach, and no file name from outside becomes part of an address. A file that any browser shows as
it lies there is copied as it is; any other is opened as the model saw it, upright and with 8 bits, and written anew.
A file that holds another picture by now than the one that was scored is shown to nobody.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageDraw

from warehouse.errors import full_disk_named
from workbench.inspection.errors import UnreadableImage
from workbench.inspection.images import FORMATS, decode, read

_AS_IT_IS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
_MODES = {"L", "RGB", "P"}
_LARGEST = 16_000_000  # pixels of a picture a browser is bothered with; above, a reduced copy is made
_SIDE = 4000  # of the reduced copy
_TURNED = {5, 6, 7, 8}  # EXIF orientations that swap width and height
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Published:
    """A picture as Label Studio gets it."""

    url: str
    width: int  # of the upright original, in pixels
    height: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that Label Studio serves, by a storage registered on it."""

    path: Path  # below the server's document root
    address: str  # of the folder as the server sees it: /data/local-files/?d=disputes

    def publish(self, source: Path, path: str, content: str | None = None) -> Published:  # noqa: ARG002 - as `Web`'s
        """Put a copy there, unless it is there already.

        Args:
            source: the file.
            path: within the archive.
            content: the SHA-256 of the picture that was scored; None takes whatever lies there.

        Raises:
            ReplacedImage: the file holds another picture.
            UnreadableImage: the picture can't be shown to anybody.
            DiskFull: there is no room for the copy.
        """
        data = read(source, content)
        width, height, suffix = _look(io.BytesIO(data), source.name)
        target = self.path / f"{hashlib.sha256(data).hexdigest()[:40]}{suffix or '.jpg'}"
        if not target.exists():
            draft = target.with_name(f".{target.name}.{os.getpid()}")
            with full_disk_named(self.path):
                if suffix:
                    draft.write_bytes(data)
                else:
                    picture = decode(data)
                    picture.thumbnail((_SIDE, _SIDE))
                    picture.save(draft, "JPEG", quality=92)
                draft.chmod(_mode(self.path))
                draft.replace(target)
        return Published(f"{self.address}/{target.name}", width, height)

    def nothing(self) -> str:
        """The address of a picture that says there is no reference."""
        target = self.path / "no-reference.png"
        if not target.exists():
            draft = target.with_name(f".{target.name}.{os.getpid()}")
            draft.write_bytes(_blank())
            draft.chmod(_mode(self.path))
            draft.replace(target)
        return f"{self.address}/{target.name}"


@dataclass(frozen=True, slots=True)
class Web:
    """The archive as an http(s) server or an object store already serves it: addresses only, nothing is copied."""

    base: str  # https://images.example/line-a or s3://bucket/line-a; what follows is the path within the archive

    def publish(self, source: Path, path: str, content: str | None = None) -> Published:
        """Its address there; the local file still says how large it is, and stands for what the server has.

        Raises:
            ReplacedImage: the file holds another picture than `content` names.
            UnreadableImage: the picture can't be shown to anybody.
        """
        width, height, _ = _look(io.BytesIO(read(source, content)), source.name)
        return Published(f"{self.base.rstrip('/')}/{quote(path)}", width, height)

    def nothing(self) -> str:
        """A picture that says there is no reference, within its address."""
        return f"data:image/png;base64,{base64.b64encode(_blank()).decode()}"


def _mode(folder: Path) -> int:
    """A picture may be read by whom its folder lets in: nobody else's where the server is one's own."""
    return 0o600 | (folder.stat().st_mode & 0o044)


def _blank() -> bytes:
    blank, file = Image.new("RGB", (320, 200), "#eef0f3"), io.BytesIO()
    ImageDraw.Draw(blank).text((96, 92), "no normal reference", fill="#5f6b7a")
    blank.save(file, "PNG")
    return file.getvalue()


def size_of(source: Path) -> tuple[int, int] | None:
    """Width and height of the upright picture in pixels, from the file's head; None if it can't be read."""
    try:
        width, height, _ = _look(source, source.name)
    except UnreadableImage:
        return None
    return width, height


def _look(source: Path | io.BytesIO, name: str) -> tuple[int, int, str]:
    """Width and height of the upright picture, and the suffix under which browsers show the file as it is, or ""."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=FORMATS) as image:
                turned = image.getexif().get(_ORIENTATION, 1)
                width, height = image.size
                plain = image.mode in _MODES and width * height <= _LARGEST and turned == 1
                suffix = _AS_IT_IS.get(image.format or "", "") if plain else ""
    except Exception as error:  # decoders meet damaged bytes with every kind of exception
        raise UnreadableImage(f"{name}: {error}") from error
    return (height, width, suffix) if turned in _TURNED else (width, height, suffix)
