"""A run's comparison with normal pictures: from its settings and resources to one comparer, and from it to rows.

The tower is loaded, features of normals that aren't stored yet are computed, and then a picture is compared when it is
its turn. The evidence source, the evaluator and whoever stores rows hold one `RunComparer`: a picture is compared once.

Without any normal the archive's own pictures are compared with each other: that ranks them and claims nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from warehouse import kill_points
from warehouse.records.comparisons import StoredComparison
from warehouse.records.scoring import Region
from workbench import wording
from workbench.archive.image_decoding import inspect_image
from workbench.archive.view import Affine
from workbench.comparison.comparison import DEFAULT_NEAREST, Comparer, Comparison, PictureComparer
from workbench.comparison.features import Tower
from workbench.comparison.mutual import MutualComparer
from workbench.comparison.normal_bank import Normal, NormalBank
from workbench.comparison.vision_towers import DEFAULT_SIDE, load_tower
from workbench.errors import BackboneError
from workbench.model.case import Picture
from workbench.scoring.run_resources import PictureFile, RunResources
from workbench.settings import OWN_TOWER, Settings, Support

FEATURES = "features"  # below the data folder
_EVERY = 8  # normals between two words of progress
SHOWN = 3  # products, and pictures that are left out


@dataclass(frozen=True, slots=True)
class RunComparer:
    """Compares the pictures of one run."""

    comparer: PictureComparer
    version: str  # says what decides a comparison: the tower, the normals, how they are compared
    notes: tuple[str, ...] = ()  # what a person should know
    contents: Mapping[str, str] = field(
        default_factory=dict
    )  # of the pictures compared with, by what the bank calls them
    keys: Mapping[str, str] = field(default_factory=dict)  # what the bank calls them, by `Picture.content`

    def compare(self, picture: Picture) -> Comparison:
        """What comparing the picture comes to; one that is among those compared with is known by the bank's name."""
        key = self.keys.get(picture.content, picture.content)
        return self.comparer.compare(picture if key == picture.content else replace(picture, content=key))

    def row(self, run_id: str, block: int, image_id: str, picture: Picture) -> StoredComparison:
        """The same as it is stored, in pixels of the whole upright picture."""
        found = self.compare(picture)
        to_whole, (width, height) = to_whole_picture(picture), picture.image.size
        rows, columns = found.map.shape
        values = found.map.astype(np.float16).astype(np.float32).ravel()
        return StoredComparison(
            run_id=run_id,
            block=block,
            image_id=image_id,
            score=found.score,
            rank=found.rank,
            normals=found.normals,
            threshold=found.threshold.value if found.threshold else None,
            claim=found.claim,
            why=found.why,
            rows=rows,
            columns=columns,
            area=Region(*to_whole.box((0, 0, width, height))),
            marked=Region(*to_whole.box(found.box)) if found.box else None,
            values=tuple(values.tolist()),
            nearest=tuple(self.contents.get(each.normal.content, each.normal.content) for each in found.nearest),
        )


def to_whole_picture(picture: Picture) -> Affine:
    """From the pixels of a picture as it was opened to those of the whole upright picture."""
    across, down = picture.scale
    return Affine.scaling(1 / across, 1 / down).then(Affine.shift(*picture.origin))


def load(
    settings: Settings, resources: RunResources, step: Callable[[str], None], own_tower: Tower | None = None
) -> RunComparer:
    """The comparer of a run, its tower loaded and its normals' features stored.

    Args:
        settings: settled ones, of one device.
        resources: the normals; the archive's own pictures where there are none.
        step: is told what is being done.
        own_tower: the answering model's tower, where the settings name that.

    Raises:
        BackboneError: the tower can't be had.
    """
    if settings.support.compare == OWN_TOWER and own_tower is None:
        raise BackboneError("--compare own is the tower of the model that answers; give a language model with --model")
    tower = own_tower or load_named_tower(settings)
    files = {file.normal.content: file for file in resources.normals or resources.pictures}
    bank = open_bank(settings, tower, files, step)
    keys = {file.view.identity: content for content, file in sorted(files.items())}
    if not resources.normals:
        alone = MutualComparer(tower, bank)
        version = f"{tower.name}, ranked among {wording.counted(len(bank), 'picture')} {bank.identity}"
        note = "no normal picture is known, so nothing is claimed: name a folder of them with --references DIR"
        return RunComparer(alone, version, (note,), keys=keys)
    support, comparer = settings.support, comparer_among(settings, tower, bank)
    nearest = support.compare_nearest or DEFAULT_NEAREST
    said = [f"{tower.name}, {nearest} nearest of {wording.counted(len(bank), 'normal')} {bank.identity}"]
    if support.compare_tolerance is not None:
        said.append(f"at most {support.compare_tolerance} patches away")
    if bank.has_scans:
        said.append("scans beside their templates")
    return RunComparer(
        comparer,
        ", ".join(said),
        tuple(_notes(tower, comparer, files)),
        {content: file.content for content, file in files.items()},
        keys,
    )


def load_named_tower(settings: Settings) -> Tower:
    """The tower that the settings name, other than the answering model's own.

    Raises:
        BackboneError: it can't be had.
    """
    support, machine = settings.support, settings.machine
    side = support.compare_side or DEFAULT_SIDE
    return load_tower(support.compare, side, layers_of(support), machine.device, machine.threads)


def open_bank(
    settings: Settings, tower: Tower, files: Mapping[str, PictureFile], step: Callable[[str], None]
) -> NormalBank:
    """The features of these pictures, by what the bank calls them; computed where they aren't stored.

    Args:
        settings: that name the data folder.
        tower: what sees the pictures.
        files: the pictures, by `Normal.content`.
        step: is told how far it is.
    """

    def opened(normal: Normal) -> Image.Image:
        return inspect_image(files[normal.content].path, files[normal.content].view).image

    def progress(ready: int) -> None:
        kill_points.at("after-normal")
        if ready % _EVERY == 0:
            step(f"looking at pictures to compare with: {ready:,} of {len(files):,}")

    normals = [file.normal for file in files.values()]
    return NormalBank.open(settings.work.data / FEATURES, tower, normals, opened, progress)


def comparer_among(settings: Settings, tower: Tower, bank: NormalBank) -> Comparer:
    """What compares pictures with the normals of a bank, as the settings have it."""
    support = settings.support
    return Comparer(tower, bank, support.compare_nearest or DEFAULT_NEAREST, support.compare_tolerance)


def layers_of(support: Support) -> Sequence[int] | None:
    """The layers that the settings name."""
    return None if support.compare_layers is None else [int(each) for each in support.compare_layers.split(",")]


def _notes(tower: Tower, comparer: Comparer, files: Mapping[str, PictureFile]) -> list[str]:
    bank = comparer.bank
    products = Counter((each.dataset, each.product) for each in bank.normals)
    said = [
        f"compared with {wording.counted(len(bank), 'normal picture')} of "
        f"{wording.counted(len(products), 'product')}, as {tower.name} sees them"
    ]
    if bank.left_out:
        named = sorted(f"{files[content].path}: {why}" for content, why in bank.left_out.items())
        more = f"; and {len(named) - SHOWN:,} more" if len(named) > SHOWN else ""
        shown = "; ".join(named[:SHOWN])
        said.append(f"normal pictures that can't be opened, left out: {len(named):,} ({shown}{more})")
    for dataset, product in sorted(products)[:SHOWN]:
        found = comparer.calibration(dataset, product)
        words = found.threshold.words if found.threshold else found.why
        said.append(f"threshold of {product}: {words}")
        if found.threshold and found.why:
            said.append(f"{product}: {found.why}")
    if len(products) > SHOWN:
        said.append(f"and thresholds of {wording.counted(len(products) - SHOWN, 'more product')}")
    return said
