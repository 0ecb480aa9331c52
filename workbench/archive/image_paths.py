"""Images' paths as other people's files write them: `\\`, `./`, drives and absolute prefixes in, one spelling out.

What a question or answer file calls an image starts at its data root: `DATASET/product/.../file`. Scripts also write
the path as it was on their machine. `plain` evens out the writing; `below_data_root` also finds where the data root
ends: by a path that is known, by a published data set's name (in a relative path too), or by the folders a data set has
(`DATASET/product/test/...`).
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from pathlib import Path

DATA_SETS = frozenset(
    {
        "ds-mvtec", "mvtec", "mvtec-ad", "mvtec_ad", "mvtec_anomaly_detection", "mvtec-loco", "mvtec_loco",
        "mvtec_loco_anomaly_detection", "mvtec_ad_2", "mvtec-ad-2", "visa", "goodsad", "mpdd", "btad", "real-iad",
        "real_iad",
    }
)  # fmt: skip
"""Published data sets' folders, in small letters."""
SPLITS = frozenset({"test", "image", "train", "validation"})  # folders right below a product's
_DRIVE = re.compile(r"(?:file:/*)?[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*:/+")  # of an address too: s3://, https://


def plain(path: str) -> str:
    """The path with forward slashes, without `.`, empty parts and what `..` takes back; a root or drive stays."""
    head, parts = _parts(path)
    return head + "/".join(parts)


def is_rooted(path: str) -> bool:
    """Whether the path starts at a root, a drive or above the place it was written at."""
    return bool(_parts(path)[0])


def below_data_root(path: str, known_paths: Container[str] = ()) -> str | None:
    """The path from its data root on; None where it starts at a root or drive and nobody can tell where that ends.

    Args:
        path: as somebody's script wrote it.
        known_paths: paths from the data root that there are; the longest that the path ends with is taken.
    """
    if path in known_paths:
        return path
    head, parts = _parts(path)
    for at in range(len(parts)):
        if (end := "/".join(parts[at:])) in known_paths:
            return end
    found = _published(parts)
    if not head:
        return "/".join(parts[found or 0 :])
    found = _data_set(parts) if found is None else found
    return None if found is None else "/".join(parts[found:])


def _published(parts: Sequence[str]) -> int | None:
    """Where a published data set's folder stands, which has a product's folder and a file below it."""
    places = (at for at in range(len(parts) - 3, -1, -1) if parts[at].casefold() in DATA_SETS)
    return next(places, None)


def _data_set(parts: Sequence[str]) -> int | None:
    """Where any data set's folder stands, by the split below its product."""
    for at in range(len(parts) - 2, 1, -1):
        if parts[at].casefold() in SPLITS:
            return at - 2
    return None


def _parts(path: str) -> tuple[str, list[str]]:
    """What the path starts at (a root, a drive, folders above, or nothing), and its names."""
    text = path.replace("\\", "/")
    drive = _DRIVE.match(text)
    head = drive[0] if drive else ""
    text = text[len(head) :]
    head += "/" if text.startswith("/") else ""
    names: list[str] = []
    for name in text.split("/"):
        if name == ".." and names:
            names.pop()
        elif name == "..":
            head += "../"
        elif name not in ("", "."):
            names.append(name)
    return head, names


def link_folder(root: Path) -> Path:
    """The folder that links below an archive may lead into: itself; of a snapshot in a Hugging Face cache, where every
    file is a link into `blobs`, the repository.

    Args:
        root: the archive's resolved root.
    """
    for folder in (root, *root.parents):
        if folder.name == "snapshots" and (folder.parent / "blobs").is_dir():
            return folder.parent
    return root
