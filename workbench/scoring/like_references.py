"""The normal reference of each picture by likeness: a plan goes in, the same with other references comes out.

    planned questions, the run's normals, the tower that compares -> class vectors -> for each picture the medoid of the
    cluster of its product's normals that it belongs to (`comparison/likeness.py`)

What somebody named stays: a template of mmad.json, a sidecar's reference. So does the tile of a picture in tiles, which
shows the same place. In their stead come a seeded picture, and none at all where normals are published of a product
that its archive has none of. A picture never is its own reference, nor another picture of its piece.

Chosen while the run is planned, because blocks are ordered by their references and seeds follow from them: the plan's
identity and each prediction's `evidence_id` hold the choice. The class vectors of pictures are kept in the data folder,
so that a run that was cut is planned again alike, and soon. The price is a second look at each picture by the tower, as
its patches, which comparing needs, aren't kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from warehouse.records.scoring import Entry
from workbench import wording
from workbench.archive.image_decoding import inspect_image
from workbench.archive.questions import Asked
from workbench.archive.references import Reference
from workbench.archive.run_views import RunViews
from workbench.archive.scan import content_of
from workbench.comparison import likeness
from workbench.comparison.comparison import Comparer
from workbench.comparison.features import Tower, Vector
from workbench.comparison.normal_bank import Normal
from workbench.errors import UnreadableImage
from workbench.scoring import models, plan, run_comparer, run_resources
from workbench.scoring.plan import Plan
from workbench.scoring.run_resources import PictureFile, Product, RunResources
from workbench.settings import Settings

_EVERY = 8  # pictures between two words of progress


@dataclass(frozen=True, slots=True)
class LikePlan:
    """A plan whose references were chosen by likeness."""

    plan: Plan
    notes: tuple[str, ...] = ()  # what a person should know


def replan(
    planned: Plan,
    settings: Settings,
    resources: RunResources,
    root: Path,
    views: RunViews,
    step: Callable[[str], None],
    load_tower: Callable[[Settings], Tower] = run_comparer.load_named_tower,
) -> LikePlan:
    """The plan with references by likeness where nobody named one; the same where there are no normals.

    Args:
        planned: with references as the archive has them.
        settings: settled ones.
        resources: the normals.
        root: the archive's.
        views: how the run sees pictures.
        step: is told what is being done.
        load_tower: gives the tower that compares, on the first of the run's devices; called where there is a choice.

    Raises:
        BackboneError: the tower can't be had.
    """
    items = [asked for block in planned.blocks for asked in block.asked]
    files = _candidates(resources.normals)
    products = {(file.normal.dataset, file.normal.product) for file in files.values()}
    entries = {each.entry.image_id: each.entry for each in items if _is_open(each) and _product(each.entry) in products}
    if not entries:
        return LikePlan(planned)
    settings = replace(settings, machine=models.alone(settings.machine))
    tower = load_tower(settings)
    every = {file.normal.content: file for file in resources.normals}
    bank = run_comparer.open_bank(settings, tower, every, step)
    choice = _Choice(run_comparer.comparer_among(settings, tower, bank), files, root)
    chosen = dict[str, Reference]()
    pictures = run_resources.pictures_of(entries.values(), root, views)
    for number, (image_id, picture) in enumerate(zip(entries, pictures, strict=True), start=1):
        try:
            vector = bank.store.vector_of(picture.normal.content, lambda each=picture: _opened(each))  # type: ignore[misc]
        except UnreadableImage:
            continue  # told when it is its turn
        if reference := choice.of(picture, vector):
            chosen[image_id] = reference
        if number % _EVERY == 0:
            step(f"looking at pictures to find normal ones like them: {number:,} of {len(entries):,}")
    again = [
        replace(each, reference=chosen.get(each.entry.image_id, each.reference)) if _is_open(each) else each
        for each in items
    ]
    together = settings.work.block_images or plan.IMAGES_PER_BLOCK
    said = (
        f"normal references chosen by likeness for {wording.counted(len(chosen), 'image')}: "
        f"{wording.counted(len(set(chosen.values())), 'picture')} of {wording.counted(len(bank), 'normal')}"
    )
    return LikePlan(plan.make(again, images_per_block=together), (said,))


@dataclass(slots=True)
class _Choice:
    """Of each product's normals the ones that may be shown, worked out once."""

    comparer: Comparer
    files: Mapping[str, PictureFile]  # by what the bank calls them
    root: Path  # the archive's
    shown: dict[Product, Sequence[Normal]] = field(default_factory=dict)

    def of(self, picture: PictureFile, vector: Vector) -> Reference | None:
        """The reference of a picture; None where no normal of its product can be shown."""
        key = (picture.normal.dataset, picture.normal.product)
        if key not in self.shown:
            found = likeness.representatives(self.comparer, *key)
            self.shown[key] = [each for each in found if each.content in self.files and self._is_there(each)]
        others = [
            each
            for each in self.shown[key]
            if each.unit != picture.normal.unit and self.files[each.content].content != picture.content
        ]
        if not others:
            return None
        return self._reference(self.files[likeness.most_alike(self.comparer.bank, others, vector).content])

    def _is_there(self, normal: Normal) -> bool:
        """Whether its file still is the picture whose features are stored."""
        file = self.files[normal.content]
        try:
            return content_of(file.path) == file.content
        except OSError:
            return False

    def _reference(self, file: PictureFile) -> Reference:
        within = file.path.is_relative_to(self.root)
        path = file.path.relative_to(self.root) if within else file.path
        return Reference(path.as_posix(), file.content)


def _candidates(normals: Sequence[PictureFile]) -> dict[str, PictureFile]:
    """The whole pictures among the normals; of equal ones the first by path."""
    found: dict[str, PictureFile] = {}
    for file in sorted(normals, key=lambda each: str(each.path)):
        if file.view.tile is None:
            found.setdefault(file.normal.content, file)
    return found


def _is_open(asked: Asked) -> bool:
    """Whether nobody named its reference, nor does its place in a large picture say which."""
    return asked.entry.tile is None and (asked.reference is None or asked.reference.is_seeded)


def _product(entry: Entry) -> Product:
    return entry.dataset, entry.product


def _opened(file: PictureFile) -> Image.Image:
    return inspect_image(file.path, file.view).image
