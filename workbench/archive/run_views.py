"""How a run sees the pictures of each product and camera: the `[[view]]` rows of the settings go in, Views come out.

A row names a product, a camera, both or neither; the first that fits and says something of the region of interest or
of a range counts, so what is special stands before what is general. What came of the rows is stored with the run and is
in its digest, so that pages, reviewers and replays see each picture as the run did.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from warehouse.records.scoring import Run, Tile
from workbench.archive import tone_range
from workbench.archive.problems import because
from workbench.archive.tone_range import Tone, Tones
from workbench.archive.view import ORIENTATION_RULE, RegionOfInterest, View, Window
from workbench.errors import SettingsError


class Taken(Protocol):
    """A picture by who took it of what."""

    @property
    def dataset(self) -> str:
        """The data set it belongs to."""

    @property
    def product(self) -> str:
        """What it shows."""

    @property
    def camera(self) -> str | None:
        """What took it."""


class Part(Protocol):
    """A picture, or a tile of one, by where its pixels are."""

    @property
    def file_content(self) -> str:
        """The SHA-256 of its file's bytes."""

    @property
    def tile(self) -> Tile | None:
        """The part of a large picture that it is."""


class Located(Taken, Part, Protocol):
    """Both."""


class ViewRow(BaseModel):
    """A `[[view]]` row as a settings file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    product: str | None = Field(None, min_length=1, max_length=200)  # None: all
    camera: str | None = Field(None, min_length=1, max_length=200)
    region_of_interest: tuple[float, float, float, float] | None = None  # left, top, right, bottom in percent
    integer_range: float | None = Field(None, ge=1, le=2**32)
    float_range: float | None = Field(None, ge=1e-6, le=2**32)

    @field_validator("region_of_interest")
    @classmethod
    def _is_within(cls, edges: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if edges is not None:
            RegionOfInterest(*edges)
        return edges

    def fits(self, product: str, camera: str | None) -> bool:
        """Whether it speaks of this product's camera."""
        return self.product in (None, product) and self.camera in (None, camera)


@dataclass(frozen=True, slots=True)
class CameraRegion:
    """The region of interest of the cameras that a row speaks of."""

    product: str | None  # None: of every product
    camera: str | None
    region: RegionOfInterest


@dataclass(frozen=True, slots=True)
class ViewTable:
    """The rows of a settings file, in their order."""

    rows: tuple[ViewRow, ...] = ()

    def tone(self, product: str, camera: str | None) -> Tone:
        """The ranges given for a product's camera."""
        ours = [row for row in self.rows if row.fits(product, camera)]
        integer = next((row.integer_range for row in ours if row.integer_range is not None), None)
        return Tone(integer, next((row.float_range for row in ours if row.float_range is not None), None))

    def region(self, product: str, camera: str | None) -> RegionOfInterest | None:
        """The region of interest given for a product's camera."""
        return region_of(self.regions, product, camera)

    @property
    def regions(self) -> tuple[CameraRegion, ...]:
        """The regions of interest, of which the first that fits counts."""
        return tuple(
            CameraRegion(row.product, row.camera, RegionOfInterest(*row.region_of_interest))
            for row in self.rows
            if row.region_of_interest is not None
        )


def from_settings(file: Path | None) -> ViewTable:
    """The `[[view]]` rows of a TOML file; none without a file.

    Raises:
        SettingsError: the file can't be read, or a row isn't one, with the reason.
    """
    if file is None:
        return ViewTable()
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8")).get("view", [])
        return ViewTable(tuple(ViewRow.model_validate(row) for row in (rows if isinstance(rows, list) else [rows])))
    except OSError as error:
        raise SettingsError(f"cannot read the views in {file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"{file}, [[view]]: {because(error)}; docs/archives.md tells how one is written") from error


def region_of(regions: Iterable[CameraRegion], product: str, camera: str | None) -> RegionOfInterest | None:
    """The first region that fits a product's camera; None where the whole picture is inspected."""
    fits = (each for each in regions if each.product in (None, product) and each.camera in (None, camera))
    return next((each.region for each in fits), None)


@dataclass(frozen=True, slots=True)
class RunViews:
    """The views of a run: the ranges and the regions of interest of its cameras."""

    tones: Tones = field(default_factory=Tones)
    regions: tuple[CameraRegion, ...] = ()
    tiling_rule: int | None = None  # of runs over pictures in tiles

    def of(self, picture: Located) -> View:
        """What the model sees of a picture."""
        return self._view(picture, picture.file_content, picture.tile)

    def of_file(self, picture: Taken, content: str) -> View:
        """What it would see of a whole file that was taken like a picture."""
        return self._view(picture, content, None)

    def of_reference(self, reference: Part, picture: Taken) -> View:
        """What the model sees of a reference beside a picture: the same part, in the same range."""
        return self._view(picture, reference.file_content, reference.tile)

    def _view(self, picture: Taken, content: str, tile: Tile | None) -> View:
        return View(
            content,
            self.tones.of(picture.dataset, picture.product, picture.camera),
            region_of(self.regions, picture.product, picture.camera),
            None if tile is None else Window(tile.x0, tile.y0, tile.x1, tile.y1),
        )

    def stated(self) -> Mapping[str, Any] | None:
        """As a run's record keeps them, with their hash; None where whole pictures are seen by today's rule."""
        if not self.regions and self.tiling_rule is None and ORIENTATION_RULE == 1:
            return None
        said = {
            "regions": [asdict(each) for each in self.regions],
            "orientation_rule": ORIENTATION_RULE,
            "tiling_rule": self.tiling_rule,
        }
        hashed = json.dumps([said, self.tones.stated()], sort_keys=True)
        return said | {"hash": hashlib.sha256(hashed.encode()).hexdigest()[:16]}


def of_run(run: Run | None) -> RunViews:
    """The views a run saw its pictures with, from its record; whole pictures for an imported or an older run."""
    return RunViews() if run is None else from_facts(json.loads(run.settings).get("facts") or {})


def from_facts(facts: Mapping[str, Any]) -> RunViews:
    """The views among the facts of a run's record."""
    stated = facts.get("views") or {}
    regions = tuple(_region(each) for each in stated.get("regions") or ())
    return RunViews(tone_range.from_record(facts.get("tones")), regions, stated.get("tiling_rule"))


def in_words(stated: Mapping[str, Any] | None) -> str:
    """What `RunViews.stated` gave, for people."""
    return "; ".join(_said(_region(each)) for each in (stated or {}).get("regions") or ())


def _said(each: CameraRegion) -> str:
    edges = " to ".join(
        f"{across:g} %, {down:g} %"
        for across, down in ((each.region.left, each.region.top), (each.region.right, each.region.bottom))
    )
    whose = " ".join(filter(None, (each.product, each.camera and f"({each.camera})"))) or "all"
    return f"{whose}: {edges}"


def _region(stated: Mapping[str, Any]) -> CameraRegion:
    return CameraRegion(stated["product"], stated["camera"], RegionOfInterest(**stated["region"]))
