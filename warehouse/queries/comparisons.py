"""Comparisons with normal pictures: reading what a run's pictures scored, one picture's map, and the ranked list."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from warehouse.database import Database
from warehouse.records.comparisons import StoredComparison

# Of one picture: a score, and what it means. The map is read by itself.
SCORED = "run_id, image_id, score, rank, normals, threshold, claim, why, area, marked"


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

    def of_run(self, run_id: str) -> list[StoredComparison]:
        """All of a run with their maps, in the plan's order."""
        return self._database.records(
            StoredComparison, "SELECT * FROM comparisons WHERE run_id = ? ORDER BY block, rowid", [run_id]
        )

    def ranked(self, run_id: str, at_most: int | None = None) -> pl.DataFrame:
        """A run's pictures, the most suspicious first; of equal scores by path.

        Args:
            run_id: the run.
            at_most: so many of them; None is all.

        Returns:
            The columns of SCORED, and image_path, dataset, product, line, camera, label, defect of the entry.
        """
        return self._database.frame(
            f"""SELECT {SCORED}, path AS image_path, dataset, product, line, camera, label, defect
            FROM comparisons JOIN entries USING (image_id) WHERE run_id = ?
            ORDER BY score DESC, image_path, image_id LIMIT ?""",
            [run_id, at_most],
        )
