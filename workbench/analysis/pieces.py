"""How many pieces were called defective, and how often that is right: counts of what `warehouse.queries.pieces` says.

Pieces are independent of each other, so Wilson's interval over pieces needs no clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from workbench import wording
from workbench.analysis import metrics
from workbench.analysis.intervals import Estimate


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """Pieces by what is said of them and what is true."""

    pieces: int
    pictures: int  # that show them
    called_defective: int
    called_good: int
    undecided: int  # neither: a picture can't be said, can't be read, or failed, and none is called defective
    defective: int  # by the truth, as is the next
    good: int
    escapes: int  # defective pieces called good
    overkills: int  # good pieces called defective
    share: Estimate  # called defective, of all

    @property
    def sentence(self) -> str:
        """Such as `By piece: 3 of 12 were called defective (25 %, 95 % interval 9–53 %), 1 undecided, ...`."""
        were = "was" if self.called_defective == 1 else "were"
        ends = wording.percent_interval(self.share.low, self.share.high)
        pieces = f"{wording.counted(self.pieces, 'piece')} ({wording.counted(self.pictures, 'picture')})"
        if self.undecided == self.pieces:
            return f"By piece: nothing is said of {pieces}."
        said = (
            f"By piece: {self.called_defective:,} of {pieces} {were} called defective "
            f"({wording.percent(self.share.value)}, 95 % interval {ends}), {self.undecided:,} undecided"
        )
        truth = []
        if self.defective:
            truth.append(f"{self.escapes:,} escaped of {wording.counted(self.defective, 'defective one')}")
        if self.good:
            truth.append(f"{self.overkills:,} overkill of {wording.counted(self.good, 'good one')}")
        return f"{said}; {', '.join(truth)}." if truth else f"{said}."


def of(pieces: pl.DataFrame) -> PieceCounts | None:
    """The counts; None where every piece has one picture, so that pictures say it all.

    Args:
        pieces: as `Pieces.of_runs` gives them, of one run.
    """
    return None if pieces.is_empty() or pieces["pictures"].max() == 1 else counted(pieces)


def counted(pieces: pl.DataFrame) -> PieceCounts:
    """The counts, whatever the pieces are; of at least one.

    Args:
        pieces: pictures, claim, label and outcome.
    """
    claims, outcomes, labels = (pieces[name].to_list() for name in ("claim", "outcome", "label"))
    defective = claims.count("defective")
    ends = metrics.wilson(defective, pieces.height)
    return PieceCounts(
        pieces=pieces.height,
        pictures=int(pieces["pictures"].sum()),
        called_defective=defective,
        called_good=claims.count("good"),
        undecided=pieces.height - defective - claims.count("good"),
        defective=labels.count("defective"),
        good=labels.count("good"),
        escapes=outcomes.count("escape"),
        overkills=outcomes.count("overkill"),
        share=Estimate(defective / pieces.height, ends.low, ends.high),
    )


def table(pieces: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """`by`, pieces, called defective, undecided, defective, escapes, good, overkills: one row for each value.

    Args:
        pieces: as `of` takes them.
        by: columns such as product and lot.
    """
    claim, outcome, label = pl.col("claim"), pl.col("outcome"), pl.col("label")
    return (
        pieces.group_by(by)
        .agg(
            pieces=pl.len().cast(pl.Int64),
            called_defective=(claim == "defective").sum().cast(pl.Int64),
            undecided=(claim.is_null() | (claim == "cannot say")).sum().cast(pl.Int64),
            defective=(label == "defective").sum().cast(pl.Int64),
            escapes=(outcome == "escape").sum().cast(pl.Int64),
            good=(label == "good").sum().cast(pl.Int64),
            overkills=(outcome == "overkill").sum().cast(pl.Int64),
        )
        .sort(-pl.col("called_defective"), *by, nulls_last=True)
    )
