"""Pictures for the browser: found only below registered archives, read upright, made small, kept by content.

What is opened lies below a registered archive's root or below the folder of references its own run was given, see
`workbench/archive/previews.py`. A file is not shown as a picture that was scored when it holds another one by now: its
bytes are checked before they are drawn.
Pictures travel inside the page as data URIs: no file is served by address, so there is no address to guess. Thumbnails
are made once and kept as files below the data folder's `thumbnails/`; deleting that folder loses nothing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from warehouse.identity import was_shown
from warehouse.records.scoring import Prediction
from workbench.analysis.charts import theme
from workbench.analysis.patches import Mask
from workbench.archive import masks, previews, scan
from workbench.archive.image_decoding import WHOLE, inspect_image
from workbench.archive.view import View, Window
from workbench.errors import ReplacedImage, UnreadableImage

UNREGISTERED = "not in a registered archive"
NO_LONGER = "no longer the picture that was scored"
_LARGE, _SMALL, _MASK = 1024, 112, 384  # longest side in pixels: for a case, a thumbnail, a mask


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the browser gets it, with where it lies in the original; or why there is none."""

    source: str | None  # data URI
    window: Window  # what it shows of the upright original
    problem: str | None = None

    @staticmethod
    def nothing(problem: str | None) -> Shown:
        """No picture, for a reason."""
        return Shown(None, Window(0, 0, 1, 1), problem)


def large(path: Path | None, view: View) -> Shown:
    """The picture for a case in its run's range, if the file still holds it."""
    return _shown(path, view, _LARGE, 88)


def reference(path: Path | None, prediction: Prediction, view: View) -> Shown:
    """The normal picture a question was asked with, if the file still holds it.

    Args:
        path: its file.
        prediction: the question.
        view: of the reference; without a content where no archive knows it, and whatever lies there has to be the one.
    """
    content = None if path is None else content_of(path)
    if content is not None and (content != view.content if view.content else not was_shown(prediction, content)):
        return Shown.nothing("no longer the reference that was shown")
    return large(path, replace(view, content=content or ""))


def content_of(path: Path) -> str | None:
    """The SHA-256 of a file's bytes, read once as long as the file stays what it is; None where it can't be read."""
    try:
        return _content(str(path), _stamp(path))
    except OSError:
        return None


def small(data: str, path: Path | None, mask_path: Path | None = None, view: View = WHOLE) -> Shown:
    """The picture for a list, from its file below the data folder, which is made when there is none.

    Args:
        data: the data folder.
        path: the image; a changed file gets a thumbnail of its own.
        mask_path: its mask, whose contour is then drawn on it.
        view: of the picture that was scored, in its run's range; without a content, of whatever lies there.
    """
    if path is None:
        return Shown.nothing(UNREGISTERED)
    try:
        stamp = f"{path}|{view}|{_stamp(path)}|{_SMALL}|window"
        if mask_path is not None and mask_path.is_file():
            stamp += f"|{mask_path}|{_stamp(mask_path)}"
        else:
            mask_path = None
        return _thumbnail(data, str(path), str(mask_path) if mask_path else None, stamp, view)
    except ReplacedImage:
        return Shown.nothing(NO_LONGER)
    except FileNotFoundError:
        return Shown.nothing("vanished: the file is no longer there")
    except (OSError, UnreadableImage) as error:
        return Shown.nothing(str(error))


def mask(path: Path | None, image: Path, view: View) -> Mask | None:
    """What a view of the image shows of its mask, True on the defect, reduced; None where there is none, it can't be
    read, or `masks.read` is in doubt.

    A reduced pixel is True when any of its originals is, so a hairline doesn't vanish.
    """
    if path is None:
        return None
    try:
        return _mask(str(path), path.stat().st_mtime_ns, str(image), view)
    except (OSError, UnreadableImage):
        return None


def _shown(path: Path | None, view: View, side: int, quality: int) -> Shown:
    if path is None:
        return Shown.nothing(UNREGISTERED)
    try:
        return _encoded(str(path), _stamp(path), view, side, quality)
    except ReplacedImage:
        return Shown.nothing(NO_LONGER)
    except FileNotFoundError:
        return Shown.nothing("vanished: the file is no longer there")
    except (OSError, UnreadableImage) as error:
        return Shown.nothing(str(error))


def _stamp(path: Path) -> str:
    """What changes when a file does, so that nothing made from it is taken from a cache then."""
    found = path.stat()
    return f"{found.st_size}|{found.st_mtime_ns}|{found.st_ctime_ns}"


@functools.lru_cache(600)
def _content(path: str, stamp: str) -> str:  # noqa: ARG001 - a cache key
    return scan.content_of(Path(path))


@functools.lru_cache(600)
def _encoded(path: str, stamp: str, view: View, side: int, quality: int) -> Shown:  # noqa: ARG001 - a key
    opened = inspect_image(Path(path), view)
    return Shown(previews.data_uri(previews.encoded(opened.image, side, quality)), opened.placed.window)


@functools.lru_cache(600)
def _thumbnail(data: str, path: str, mask_path: str | None, stamp: str, view: View) -> Shown:
    name = hashlib.sha256(stamp.encode()).hexdigest()[:32]
    kept = Path(data) / "thumbnails" / name[:2] / f"{name}.jpg"
    try:
        encoded = kept.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        encoded = _drawn_small(Path(path), Path(mask_path) if mask_path else None, view)
        with contextlib.suppress(OSError):  # a full or read-only disk: it is made anew the next time
            kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = kept.with_name(f"{name}.tmp-{os.getpid()}")
            unfinished.write_bytes(encoded)
            unfinished.replace(kept)
    with Image.open(io.BytesIO(encoded)) as image:
        window = Window(*(int(edge) for edge in bytes(image.info["comment"]).split(b",")))
    return Shown(previews.data_uri(encoded), window)


def _drawn_small(path: Path, mask_path: Path | None, view: View) -> bytes:
    """The thumbnail as JPEG; what it shows of the original is in its comment, because patches are placed by it."""
    opened = inspect_image(path, view)
    image, window = opened.image, opened.placed.window
    image.thumbnail((_SMALL, _SMALL), Image.Resampling.BICUBIC, reducing_gap=2.0)
    found = mask(mask_path, path, view)
    if found is not None:
        whole = Image.fromarray(found).convert("L").resize(image.size, Image.Resampling.BOX)
        whole = whole.point(lambda value: 255 if value else 0)
        wide, wider = whole.filter(ImageFilter.MaxFilter(3)), whole.filter(ImageFilter.MaxFilter(5))
        for colour, outer, inner in (("#FFFFFF", wider, wide), (theme.LIGHT.escape, wide, whole)):
            ring = np.asarray(outer) > np.asarray(inner)
            image.paste(colour, mask=Image.fromarray(ring))
    return previews.encoded(image, _SMALL, 80, f"{window.x0},{window.y0},{window.x1},{window.y1}".encode())


@functools.lru_cache(64)
def _mask(path: str, mtime_ns: int, image: str, view: View) -> Mask | None:  # noqa: ARG001 - a cache key
    on = masks.of_view(Path(path), Path(image), view)
    if on is None:
        return None
    step = -(-max(on.shape) // _MASK)
    rows, columns = (-(-length // step) for length in on.shape)
    padded = np.pad(on, ((0, rows * step - on.shape[0]), (0, columns * step - on.shape[1])))
    reduced: Mask = np.logical_or.reduce(padded.reshape(rows, step, columns, step), axis=(1, 3))
    reduced.setflags(write=False)  # whoever asks again gets the same
    return reduced
