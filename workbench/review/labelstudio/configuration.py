"""Where the reviewers' Label Studio is: its address, its token, and how pictures get there.

The environment names one, else the data folder's own, which `workbench labelstudio up` starts:

    WORKBENCH_LABELSTUDIO_URL     http://127.0.0.1:8080
    WORKBENCH_LABELSTUDIO_TOKEN   a legacy or a personal access token
    WORKBENCH_LABELSTUDIO_ROOT    the server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, when it sees the same disk
    WORKBENCH_LABELSTUDIO_IMAGES  instead: https://... or s3://... that serves the archives' pictures

The token stands in the environment or in a file that only its owner may read; never in the settings, the database or
a log.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ServerRefused
from workbench.review.labelstudio.client import PATIENCE, Address, LabelStudio
from workbench.review.pictures import Folder, Web

FOLDER = "labelstudio"  # in the data folder: the local server, its files and its token
PICTURES = "disputes"  # below the document root: the only folder a storage is registered on
PREFIX = "WORKBENCH_LABELSTUDIO_"


@dataclass(frozen=True, slots=True)
class Connection:
    """A Label Studio, and the pictures it can show."""

    studio: LabelStudio
    pictures: Folder | Web

    @property
    def served(self) -> str | None:
        """The folder that a storage must be registered on; None when pictures come from elsewhere."""
        return str(self.pictures.path) if isinstance(self.pictures, Folder) else None


def address_of(data: Path) -> Address | None:
    """Address and token of Label Studio, from the environment or the data folder; None where none is known.

    Raises:
        ServerRefused: the environment names a server without a token, an address is none, or a file can't be read.
    """
    url = os.environ.get(f"{PREFIX}URL")
    if url:
        token = os.environ.get(f"{PREFIX}TOKEN")
        if not token:
            raise ServerRefused(
                f"{PREFIX}URL names a Label Studio but {PREFIX}TOKEN is not set: copy a token from Account & "
                "Settings there"
            )
        return Address(url, token)
    state, token_file = data / FOLDER / "desk.json", data / FOLDER / "token"
    if not state.is_file() or not token_file.is_file():
        return None
    try:
        url = str(json.loads(state.read_text(encoding="utf-8"))["url"])
        token = token_file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServerRefused(
            f"cannot read where Label Studio is from {state.parent} ({error!r}): `workbench labelstudio up` writes it "
            "anew; one that still runs from there has to be ended before"
        ) from None
    return Address(url, token)


def connect(data: Path, patience: float = PATIENCE) -> Connection:
    """The connection to a data folder's Label Studio. Nothing is asked of the server yet.

    Raises:
        ServerRefused: there is none; the message says how to get one.
    """
    address = address_of(data)
    if address is None:
        raise ServerRefused(
            "no Label Studio is known: start one with `workbench labelstudio up`, or name yours with "
            f"{PREFIX}URL and {PREFIX}TOKEN"
        )
    return Connection(LabelStudio(address, patience), _pictures(data))


def _pictures(data: Path) -> Folder | Web:
    base = os.environ.get(f"{PREFIX}IMAGES")
    if base:
        return Web(base)
    named = os.environ.get(f"{PREFIX}ROOT")
    root = Path(named or data / FOLDER / "files").resolve()
    folder = root / PICTURES
    try:
        for own in () if named else (root.parent, root):  # another's server may be another user, and must see its own
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o777 if named else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServerRefused(
            f"cannot make {folder} for the disputed pictures ({error.strerror}): name the server's document root with "
            f"{PREFIX}ROOT, or where the archive's pictures are served with {PREFIX}IMAGES"
        ) from None
    return Folder(folder, f"/data/local-files/?d={PICTURES}")
