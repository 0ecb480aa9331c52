"""The shape of normals: good pictures that others are compared with, and how each came to where it stands.

As in `curation.py`: the tables are derived from these classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from warehouse.records.scoring import Tile

NormalState = Literal["proposed", "published", "retired"]
NormalOrigin = Literal["normal folder", "sidecar reference", "references folder", "verdict"]


@dataclass(frozen=True, slots=True)
class Normal:
    """A good picture. Rows are only added, and only `state` changes; at most one row of a content is published."""

    number: int  # from 1, in the order they came; what a knowledge version names it by
    content: str  # SHA-256 of the file's bytes, hex; a tile's as an entry's; its identity
    dataset: str
    product: str
    piece: str  # what it is evidence about: see `identity.cluster_id`
    archive_id: str  # the registered archive that it was found in
    path: str  # relative to the archive's root, with forward slashes; absolute if it lies outside
    state: NormalState
    origin: NormalOrigin
    judgement_id: str | None  # the settlement that says it is good, where one does
    author: str
    reason: str
    created_at: datetime
    tile: Tile | None = None  # None: all of its file
    camera: str | None = None  # by which its view is chosen, as an entry's

    @property
    def file_content(self) -> str:
        """SHA-256 of the file's bytes, hex."""
        return self.tile.content if self.tile else self.content


@dataclass(frozen=True, slots=True)
class NormalChange:
    """One step of one normal; rows are only added."""

    number: int  # from 1, in the order of the changes
    normal: int  # its number
    state: NormalState  # what it became
    version: str | None  # the published set that the change made; None where that stayed
    author: str
    reason: str
    changed_at: datetime
