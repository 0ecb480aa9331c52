"""Of which kind a defect is, by the nearest defects whose kind people settled: unit vectors in, a kind or why none out.

    settled defects -> `DefectKinds` -> a region's vector -> the kind, or why nothing can be said

The NEAREST settled pieces must all be of one kind. Nothing is said

- where fewer than two kinds have FEWEST settled pieces each;
- where settled defects, each judged by those of other pieces alone, do not tell kinds apart better than always naming
  the most frequent one (the 95 % interval of the share that is right must lie above that one's share);
- of a defect that is less like settled ones than any of these is like the others, for it may be of a new kind;
- where the nearest disagree.

A defect is never judged by another picture of its own piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench import wording
from workbench.analysis import metrics
from workbench.comparison.features import Vector

NEAREST = 3  # settled pieces that must agree
FEWEST = NEAREST + 1  # settled pieces of a kind: one is left out while it is judged itself


@dataclass(frozen=True, slots=True)
class SettledDefect:
    """A picture's defect whose kind people settled."""

    piece: str  # the thing it shows
    kind: str  # in words
    vector: Vector  # (D,) of unit norm, see `Comparison.region_vector`


@dataclass(frozen=True, slots=True)
class KindAnswer:
    """The kind of a defect, or why nothing can be said."""

    kind: str | None
    reason: str  # in words, for either


class DefectKinds:
    """See the module's opening lines."""

    def __init__(self, settled: Sequence[SettledDefect]) -> None:
        """Of settled defects in any order; at least one."""
        self._settled = sorted(settled, key=lambda each: (each.piece, each.kind))
        self._vectors = np.stack([each.vector for each in self._settled])  # (n, D)
        cases = list({each.piece: each for each in reversed(self._settled)}.values())  # one of each piece
        pieces = Counter(each.kind for each in cases)
        self._least, self._tells = -1.0, False  # the likeness below which a defect may be of a new kind
        if sum(count >= FEWEST for count in pieces.values()) < 2:
            needed = wording.counted(FEWEST, "settled piece")
            self.held_out = f"fewer than two kinds of defects have {needed} each ({_counts(pieces)})"
            return
        found = [(each.kind, self._nearest(each.vector, each.piece)) for each in cases]
        self._least = min(nearest[-1][1] for _, nearest in found)
        answers = [(kind, nearest[0][0]) for kind, nearest in found if len({of for of, _ in nearest}) == 1]
        right = sum(kind == answer for kind, answer in answers)
        ((most, count),) = pieces.most_common(1)
        self._tells = metrics.wilson(right, len(answers)).low > count / len(cases)
        self.held_out = (
            f"of {wording.counted(len(cases), 'settled piece')}, each judged by the others, {len(answers):,} got an "
            f"answer and {right:,} of these the right one; always naming “{most}” is right for {count:,}"
        )
        """How well settled defects are judged by those of other pieces, in words."""

    def of(self, vector: Vector, piece: str | None = None) -> KindAnswer:
        """The kind of a defect.

        Args:
            vector: (D,) of unit norm.
            piece: what it shows, where settled defects may be of the same: these are left out.
        """
        if not self._tells:
            return KindAnswer(None, self.held_out)
        nearest = self._nearest(vector, piece)
        kinds = Counter(kind for kind, _ in nearest)
        if nearest[-1][1] < self._least:
            return KindAnswer(None, "its defect is less like any settled one than these are like each other")
        if len(kinds) > 1:
            return KindAnswer(None, f"its nearest settled defects disagree: {_counts(kinds)}")
        (kind,) = kinds
        return KindAnswer(kind, f"the {len(nearest)} nearest settled defects are “{kind}”")

    def _nearest(self, vector: Vector, piece: str | None) -> list[tuple[str, float]]:
        """Kind and likeness of the most alike settled pieces, the most alike first."""
        likeness = self._vectors @ vector  # (n,)
        found: dict[str, tuple[str, float]] = {}
        for at in np.argsort(-likeness, kind="stable"):
            each = self._settled[at]
            if each.piece != piece and each.piece not in found:
                found[each.piece] = (each.kind, float(likeness[at]))
            if len(found) == NEAREST:
                break
        return list(found.values())


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{count:,} “{kind}”" for kind, count in kinds.most_common())
