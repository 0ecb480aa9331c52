"""The comparison with normal pictures as a source of evidence: score, standing among normals and region, in words.

    views -> `RunComparer` -> for each question of a picture the same words, the marked region, the score

A picture of which comparing cannot say anything gets no words: a prompt with a sentence that says nothing misleads.
`SwappedSource` is the control of an ablation: each picture is shown what comparing said of another picture of its
product, so that what answers gain by it can't come from the picture's own comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image

from warehouse.records.scoring import Evidence, Region
from workbench import wording
from workbench.analysis import suspicion
from workbench.archive.image_decoding import inspect_image
from workbench.archive.questions import Question
from workbench.comparison.comparison import Comparison
from workbench.model.backbone.protocol import whole_pixels
from workbench.model.case import Picture
from workbench.scoring.evidence import BlockEvidence, ShownImage, Source
from workbench.scoring.run_comparer import RunComparer
from workbench.scoring.run_resources import PictureFile
from workbench.settings import COMPARE, SWAPPED

WORDS_VERSION = 1  # raise it when the words change
REGION_TIMES = 2  # a region is shown with so many times its longer side
REGION_LEAST = 4  # and with at least one part in so many of the picture's shorter side
REGION_SIDE = 224  # pixels: a smaller one is enlarged


def words_of(comparison: Comparison, size: tuple[int, int]) -> str:
    """What a prompt is told of a comparison; nothing where it cannot say.

    Args:
        comparison: the comparison.
        size: width and height of the picture in the pixels that its box is in.
    """
    if comparison.claim == "cannot say" or comparison.rank is None:
        return ""
    normals = wording.counted(comparison.normals, "normal sample")
    alike = wording.counted(len(comparison.nearest), "normal picture")
    shown = f" of {comparison.product[1].replace('_', ' ')}" if comparison.product else ""
    beside = f"Compared with the {alike}{shown} most like it, the picture scores {comparison.score:.2f}"
    if comparison.claim == "good":
        return f"{beside}, within what {normals} reach: no difference that good samples do not show."
    where = suspicion.place(Region(0, 0, *size), Region(*comparison.box)) if comparison.box else None
    most = f", most at the {where}" if where else ""
    among = "all" if comparison.rank == 0 else f"{comparison.normals - comparison.rank} of"
    return f"{beside}, above {among} {normals}: it differs from normal{most}."


def region_picture(query: Picture, evidence: Sequence[Evidence]) -> Picture | None:
    """The part of a picture that a comparison marks, with what is around it, enlarged where it is small; None where
    none is marked.

    Args:
        query: the picture.
        evidence: its regions in pixels of the whole picture.
    """
    marked = next((each.regions[0] for each in evidence if each.source in (COMPARE, SWAPPED) and each.regions), None)
    if marked is None:
        return None
    (across, down), (left, top), size = query.scale, query.origin, query.image.size
    x0, x1, y0, y1 = ((v - o) * s for v, o, s in (
        (marked.x0, left, across), (marked.x1, left, across), (marked.y0, top, down), (marked.y1, top, down)
    ))  # fmt: skip
    reach = max(REGION_TIMES * (x1 - x0), REGION_TIMES * (y1 - y0), min(size) / REGION_LEAST) / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    box = whole_pixels((max(0.0, x - reach), max(0.0, y - reach), x + reach, y + reach), size)
    cut = query.image.crop(box)
    if max(cut.size) < REGION_SIDE:
        grown = REGION_SIDE / max(cut.size)
        cut = cut.resize(
            (max(1, round(cut.width * grown)), max(1, round(cut.height * grown))), Image.Resampling.BICUBIC
        )
    return Picture(f"{query.key}#{','.join(map(str, box))}", cut)


class CompareSource(Source):
    """See the module's opening lines."""

    name = COMPARE

    def __init__(self, comparer: RunComparer) -> None:
        self._comparer = comparer
        self.version = f"words {WORDS_VERSION}, {comparer.version}"

    def find(self, views: Sequence[ShownImage], questions: Sequence[Question]) -> BlockEvidence:
        """The same evidence for every question of a picture."""
        del questions
        found: dict[str, tuple[Evidence, ...]] = {}
        for view in views:
            if view.picture.key not in found:
                found[view.picture.key] = self._evidence(view)
        return BlockEvidence([found[view.picture.key] for view in views])

    def _evidence(self, view: ShownImage) -> tuple[Evidence, ...]:
        found, picture = self._comparer.compare(view.picture), view.picture
        return (_as_evidence(self.name, self.version, found, picture),)


class SwappedSource(CompareSource):
    """The control: what comparing says of another picture of the same product."""

    name = SWAPPED

    def __init__(self, comparer: RunComparer, pictures: Sequence[PictureFile]) -> None:
        super().__init__(comparer)
        self._other = _others(pictures)

    def _evidence(self, view: ShownImage) -> tuple[Evidence, ...]:
        other = self._other.get(view.picture.content)
        if other is None:
            return ()
        opened = inspect_image(other.path, other.view)
        picture = Picture(other.view.identity, opened.image, white=opened.white)
        found = _as_evidence(self.name, self.version, self._comparer.compare(picture), picture)
        across = view.picture.image.width / picture.image.width
        down = view.picture.image.height / picture.image.height
        boxes = tuple(Region(b.x0 * across, b.y0 * down, b.x1 * across, b.y1 * down) for b in found.regions)
        return (Evidence(found.source, found.version, found.words, boxes, found.score),)


def _as_evidence(name: str, version: str, found: Comparison, picture: Picture) -> Evidence:
    across, down = picture.scale
    region = None
    if found.box is not None and found.claim == "defective":
        x0, y0, x1, y1 = found.box
        region = Region(x0 / across, y0 / down, x1 / across, y1 / down)
    words = words_of(found, picture.image.size)
    return Evidence(name, version, words, () if region is None else (region,), found.score)


def _others(pictures: Sequence[PictureFile]) -> Mapping[str, PictureFile]:
    """Each picture's other: the one half-way round its product, in an order that names and labels don't decide.

    Copies of a picture are one: what comparing says of a copy is what it says of the picture itself.
    """
    products: dict[tuple[str, str], dict[str, PictureFile]] = {}
    for each in pictures:
        products.setdefault((each.normal.dataset, each.normal.product), {}).setdefault(each.view.identity, each)
    found: dict[str, PictureFile] = {}
    for different in products.values():
        files = sorted(different.values(), key=lambda each: (each.content, each.view.identity))
        half = max(1, len(files) // 2)
        found |= {
            each.view.identity: files[(at + half) % len(files)] for at, each in enumerate(files) if len(files) > 1
        }
    return found
