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
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from PIL import Image, ImageDraw

from warehouse.errors import full_disk_named
from workbench.archive.high_bit_depth import is_deep
from workbench.archive.image_decoding import FORMATS, WHOLE, decode, frame_in, frame_of, inspect_image, read
from workbench.archive.tone_range import ALONE, Tone
from workbench.archive.view import Frame, View, Window
from workbench.errors import UnreadableImage

_AS_IT_IS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
_MODES = {"L", "RGB", "P"}
_LARGEST = 16_000_000  # pixels of a picture a browser is bothered with; above, a reduced copy is made
_SIDE = 4000  # of the reduced copy


@dataclass(frozen=True, slots=True)
class Published:
    """A picture as Label Studio gets it."""

    url: str
    window: Window  # what it shows of the upright original


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that Label Studio serves, by a storage registered on it."""

    path: Path  # below the server's document root
    address: str  # of the folder as the server sees it: /data/local-files/?d=disputes

    def publish(self, source: Path, path: str, view: View = WHOLE) -> Published:  # noqa: ARG002 - as `Web`'s
        """Put a copy there, unless it is there already.

        Args:
            source: the file.
            path: within the archive.
            view: whose tile is shown, or all of the picture; without a content, of whatever lies there.

        Raises:
            ReplacedImage: the file holds another picture.
            UnreadableImage: the picture can't be shown to anybody.
            DiskFull: there is no room for the copy.
        """
        if view.tile is not None:
            return self._publish_tile(source, view)
        data = read(source, view.content)
        frame, suffix = _look(io.BytesIO(data), source.name)
        seen = "" if suffix or view.tone == ALONE else f"-{_hash(view.tone)}"
        target = self.path / f"{hashlib.sha256(data).hexdigest()[:40]}{seen}{suffix or '.jpg'}"
        if not target.exists():
            self._write(target, data if suffix else decode(data, view.for_display))
        return Published(f"{self.address}/{target.name}", Window(0, 0, *frame.upright))

    def _publish_tile(self, source: Path, view: View) -> Published:
        opened = inspect_image(source, view)
        target = self.path / f"{view.identity[:40]}{'' if view.tone == ALONE else f'-{_hash(view.tone)}'}.jpg"
        if not target.exists():
            self._write(target, opened.image)
        return Published(f"{self.address}/{target.name}", opened.placed.window)

    def _write(self, target: Path, picture: bytes | Image.Image) -> None:
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        with full_disk_named(self.path):
            if isinstance(picture, bytes):
                draft.write_bytes(picture)
            else:
                picture.thumbnail((_SIDE, _SIDE))
                picture.save(draft, "JPEG", quality=92)
            draft.chmod(_mode(self.path))
            draft.replace(target)

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

    def publish(self, source: Path, path: str, view: View = WHOLE) -> Published:
        """Its address there; the local file still says how large it is, and stands for what the server has.

        Raises:
            ReplacedImage: the file holds another picture than `content` names.
            UnreadableImage: the picture can't be shown to anybody.
        """
        frame, _ = _look(io.BytesIO(read(source, view.content)), source.name)
        return Published(f"{self.base.rstrip('/')}/{quote(path)}", Window(0, 0, *frame.upright))

    def nothing(self) -> str:
        """A picture that says there is no reference, within its address."""
        return f"data:image/png;base64,{base64.b64encode(_blank()).decode()}"


def _hash(tone: Tone) -> str:
    return hashlib.sha256(repr(tone).encode()).hexdigest()[:8]


def _mode(folder: Path) -> int:
    """A picture may be read by whom its folder lets in: nobody else's where the server is one's own."""
    return 0o600 | (folder.stat().st_mode & 0o044)


def _blank() -> bytes:
    blank, file = Image.new("RGB", (320, 200), "#eef0f3"), io.BytesIO()
    ImageDraw.Draw(blank).text((96, 92), "no normal reference", fill="#5f6b7a")
    blank.save(file, "PNG")
    return file.getvalue()


def window_of(source: Path, view: View) -> Window | None:
    """What a view shows of a picture, from the file's head; None if it can't be read."""
    try:
        return view.placed(frame_of(source)).window
    except UnreadableImage:
        return None


def inside(root: Path, path: str) -> Path:
    """A file of an archive, to be shown to others.

    Raises:
        UnreadableImage: it lies elsewhere, as a link may since the archive was scanned.
    """
    found = (root / path).resolve()
    if not found.is_relative_to(root.resolve()):
        raise UnreadableImage("vanished", "it lies outside its archive")
    return found


def _look(file: BinaryIO, name: str) -> tuple[Frame, str]:
    """How the picture lies in its file, and the suffix under which browsers show the file as it is, or ""."""
    frame = frame_in(file)
    (width, height), suffix = frame.upright, ""
    try:
        file.seek(0)
        if frame.orientation == 1 and width * height <= _LARGEST and not is_deep(file):
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                suffix = _AS_IT_IS.get(image.format or "", "") if image.mode in _MODES else ""
    except Exception as error:  # decoders meet damaged bytes with every kind of exception
        raise UnreadableImage("damaged", f"{name}: {error}") from error
    return frame, suffix
