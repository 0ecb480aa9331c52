"""Comparisons with normal pictures: reading what a run's pictures scored, one picture's map, and the ranked list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from warehouse.database import Database
from warehouse.queries.truth import FACTS, Truth
from warehouse.records.comparisons import RankedArchive, RankedPicture, StoredComparison

SCORE = "score"
"""The range of a selection that is of the comparison's score."""
# How suspicious a picture is: its score over the threshold of its normals, or over its run's largest score. Copies as
# normals give a threshold of nought, or of a rounding below it.
SUSPICION = "score / greatest(coalesce(threshold, max(score) OVER (PARTITION BY run_id), 1), 0.001)"
# The order of a run's rows by it.
ORDER = (
    "list_position((SELECT list(image_id ORDER BY suspicion DESC, path, image_id) FROM (SELECT image_id, path, "
    f"{SUSPICION} AS suspicion FROM comparisons LEFT JOIN entries USING (image_id) "
    "WHERE run_id = {run_id})), image_id)"
)


class Comparisons:
    """Every statement about comparisons of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def of_picture(self, run_id: str, image_id: str) -> StoredComparison | None:
        """A picture's comparison with its map; None where the run compared nothing, or not this picture."""
        found = self._database.records(
            StoredComparison, "SELECT * FROM comparisons WHERE run_id = ? AND image_id = ?", [run_id, image_id]
        )
        return found[0] if found else None

    def of_pictures(self, run_id: str, image_ids: Sequence[str]) -> dict[str, StoredComparison]:
        """The same of several pictures, by image_id; of those that were compared."""
        found = self._database.records(
            StoredComparison,
            "SELECT * FROM comparisons WHERE run_id = ? AND image_id IN (SELECT unnest(?::VARCHAR[]))",
            [run_id, list(image_ids)],
        )
        return {each.image_id: each for each in found}

    def ranked_archive(self, run_id: str, truth: Truth = "archive") -> RankedArchive | None:
        """How many pictures a run ranked against each other, and their labels; None where it had normal pictures, or
        compared none: without any score but nought nothing is ranked.
        """
        (row,) = self._database.frame(
            f"""
            WITH labels AS (
                SELECT image_id, any_value(label) AS label FROM {FACTS[truth]} WHERE run_id = $run GROUP BY image_id
            )
            SELECT count(*), count(label), count(*) FILTER (label = 'defective'), count(*) FILTER (len(nearest) > 0),
                count(*) FILTER (score > 0)
            FROM comparisons LEFT JOIN labels USING (image_id) WHERE run_id = $run
            """,
            {"run": run_id},
        ).rows()
        pictures, labelled, defective, with_normals, scored = row
        return RankedArchive(pictures, labelled, defective) if scored and not with_normals else None

    def refusals(self, run_id: str) -> list[tuple[str, int]]:
        """Why comparing cannot say whether there is a defect, and of how many pictures of a run, the most first."""
        return self._database.frame(
            "SELECT coalesce(why, 'no reason is stored') AS why, count(*) AS pictures FROM comparisons "
            "WHERE run_id = ? AND claim = 'cannot say' GROUP BY 1 ORDER BY pictures DESC, why",
            [run_id],
        ).rows()

    def of_run(self, run_id: str) -> pl.DataFrame:
        """What a run's pictures scored: image_id, comparison_score, comparison_rank and comparison_claim."""
        return self._database.frame(
            "SELECT image_id, score AS comparison_score, rank AS comparison_rank, claim AS comparison_claim "
            "FROM comparisons WHERE run_id = ? ORDER BY image_id",
            [run_id],
        )

    def between(self, run_id: str, low: float, high: float) -> pl.Series:
        """The pictures of a run whose score lies between these values, or is one of them."""
        return self._database.frame(
            f"SELECT image_id FROM comparisons WHERE run_id = ? AND {SCORE} BETWEEN ? AND ?", [run_id, low, high]
        )["image_id"]

    def ranks(self, run_id: str, images: pl.Series) -> pl.Series:
        """Of each of these images its place in `ranked`, from 0; None where it wasn't compared."""
        places = {each.image_id: place for place, each in enumerate(self.ranked(run_id))}
        return pl.Series([places.get(image_id) for image_id in images], dtype=pl.Int64)

    def ranked(self, run_id: str, at_most: int | None = None) -> list[RankedPicture]:
        """A run's pictures, the most suspicious first: by score over the threshold of their normals, then by path.

        A picture without a threshold stands as if the run's largest score were its threshold.

        Args:
            run_id: the run.
            at_most: so many of them; None is all.
        """
        return self._database.records(
            RankedPicture,
            f"""SELECT *, path AS image_path FROM comparisons JOIN entries USING (image_id) WHERE run_id = ?
            ORDER BY {SUSPICION} DESC, image_path, image_id LIMIT ?""",
            [run_id, at_most],
        )
