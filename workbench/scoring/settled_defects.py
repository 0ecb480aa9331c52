"""The kind of a defect by settled cases, for a run: what people settled goes in, a compared picture's kind comes out.

    settled pictures of the run's resources, its comparer -> `load` -> `SettledDefects` -> a comparison's kind

Each settled picture is compared with the run's normals as any other; its features are kept beside theirs. One of which
comparing says nothing tells no kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workbench import wording
from workbench.archive.image_decoding import inspect_image
from workbench.comparison.comparison import Comparer, Comparison
from workbench.comparison.defect_kinds import DefectKinds, KindAnswer, SettledDefect
from workbench.errors import UnreadableImage
from workbench.scoring.run_comparer import RunComparer
from workbench.scoring.run_resources import PictureFile, RunResources


@dataclass(frozen=True, slots=True)
class SettledDefects:
    """What settled cases say of a defect's kind."""

    note: str  # what a person should know
    _kinds: DefectKinds | None  # None: comparing says nothing of any settled picture
    _pieces: Mapping[str, str]  # by content of a picture: its piece, where that has a settled case

    def of(self, comparison: Comparison, content: str) -> KindAnswer:
        """The kind of a compared picture's defect.

        Args:
            comparison: its comparison.
            content: what tells its pixels apart, as `Picture.content`.
        """
        if comparison.why is not None:
            return KindAnswer(None, comparison.why)
        if self._kinds is None or comparison.region_vector is None:
            return KindAnswer(None, self.note)
        return self._kinds.of(comparison.region_vector, self._pieces.get(content))


def load(comparer: RunComparer, resources: RunResources, step: Callable[[str], None]) -> SettledDefects | None:
    """What the settled cases say; None where there are none, or no normal pictures to compare them with."""
    if not resources.settled or not isinstance(comparer.comparer, Comparer):
        return None
    step(f"looking at {wording.counted(len(resources.settled), 'settled picture')}")
    settled, left_out = [], 0
    for each in resources.settled:
        found = _compared(comparer.comparer, each.picture)
        if found is None or found.why is not None or found.region_vector is None:
            left_out += 1
        else:
            piece = each.picture.normal.piece or each.picture.content
            settled.append(SettledDefect(piece, each.kind.rstrip("."), found.region_vector))
    kinds = DefectKinds(settled) if settled else None
    said = kinds.held_out if kinds else "comparing says nothing of the pictures whose kind people settled"
    more = f"; settled pictures that can't be used: {left_out:,}" if kinds and left_out else ""
    return SettledDefects(f"kinds of defects by settled cases: {said}{more}", kinds, resources.settled_pieces)


def _compared(comparer: Comparer, picture: PictureFile) -> Comparison | None:
    store, content = comparer.bank.store, picture.normal.content
    try:
        store.fill(content, lambda: inspect_image(picture.path, picture.view).image)
    except UnreadableImage:
        return None
    return comparer.compare_stored(content)
