"""What a comparison with normal pictures says of each picture of a run, as it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from warehouse.records.scoring import Region, Vector

ComparisonClaim = Literal["defective", "good", "cannot say"]


@dataclass(frozen=True, slots=True)
class StoredComparison:
    """One picture of a run beside its nearest normal pictures: map, score and what the score means."""

    run_id: str
    block: int
    image_id: str
    score: float  # larger is farther from what is normal; of one scale within a run
    rank: int | None  # how many of the normals that stand for the threshold score at least as high; None: none stand
    normals: int  # how many of them there are; mutual: the archive's other pictures
    threshold: float | None  # scores above it claim a defect; None: there are too few normals
    claim: ComparisonClaim
    why: str | None  # of "cannot say", in words
    rows: int  # of the map
    columns: int
    area: Region  # what the map covers, in pixels of the whole upright picture
    marked: Region | None  # where the score comes from, likewise; None: nowhere in particular
    values: Vector  # of the map, row by row, rounded to half precision; empty once traces were dropped
    nearest: tuple[str, ...]  # contents of the normals that it was compared with, nearest first


@dataclass(frozen=True, slots=True)
class RankedArchive:
    """What is known of the pictures of a run that were ranked against each other, without a normal picture."""

    pictures: int
    labelled: int  # good or defective, by the truth that was asked for
    defective: int


@dataclass(frozen=True, slots=True)
class RankedPicture:
    """A picture of a run by how suspicious it is; columns as in `StoredComparison`."""

    image_id: str
    image_path: str
    dataset: str
    product: str
    line: str | None
    camera: str | None
    label: str | None
    score: float
    rank: int | None
    normals: int
    threshold: float | None
    claim: ComparisonClaim
    why: str | None
    area: Region
    marked: Region | None
