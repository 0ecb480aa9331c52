"""What is measured of pictures, by content: storing it, whose is missing, and reading it for runs and cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from warehouse import schema
from warehouse.audit import Flow
from warehouse.database import Database
from warehouse.records.measures import Measures

CHOSEN_BY = (
    "brightness", "contrast", "sharpness", "clipped_bright", "clipped_dark", "colour", "width", "height", "fill",
    "centre_x", "centre_y",
)  # fmt: skip
"""The measures that a selection's ranges are of."""
OF_IMAGES = "(SELECT image_id, measures.* FROM entries JOIN measures USING (content))"


class PictureMeasures:
    """Every statement about measures of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def store(self, measured: Sequence[Measures]) -> None:
        """Store what was measured; a content that has its row keeps it."""
        if not measured:
            return
        with self._database.flowing(Flow.ARCHIVE) as con:
            con.register("new_measures", schema.table(Measures, measured))
            con.execute("INSERT INTO measures BY NAME SELECT * FROM new_measures ANTI JOIN measures USING (content)")

    def missing(self, archive_id: str, at_most: int) -> frozenset[str]:
        """Contents of an archive's entries that were never measured, at most so many, the newest first."""
        return frozenset(
            self._database.frame(
                "SELECT content FROM entries ANTI JOIN measures USING (content) WHERE archive_id = ? "
                "GROUP BY content ORDER BY max(seen_at) DESC, min(path), content LIMIT ?",
                [archive_id, at_most],
            )["content"]
        )

    def of_content(self, content: str) -> Measures | None:
        """A picture's measures; None where it wasn't measured yet."""
        found = self._database.records(Measures, "SELECT * FROM measures WHERE content = ?", [content])
        return found[0] if found else None

    def between(self, name: str, low: float, high: float) -> pl.Series:
        """The images of which a measure of CHOSEN_BY lies between these values, or is one of them."""
        if name not in CHOSEN_BY:
            raise ValueError(f"{name} is no measure; there are {', '.join(CHOSEN_BY)}")
        return self._database.frame(f"SELECT image_id FROM {OF_IMAGES} WHERE {name} BETWEEN ? AND ?", [low, high])[
            "image_id"
        ]

    def of_run(self, run_id: str) -> pl.DataFrame:
        """The measures of a run's pictures, by path: image_id, path and all of `Measures`; those that were measured."""
        return self._database.frame(
            "SELECT image_id, path, measures.* FROM entries JOIN measures USING (content) "
            "WHERE image_id IN (SELECT image_id FROM facts WHERE run_id = ?) ORDER BY path, image_id",
            [run_id],
        )

    def of_nights(self, tonight: Sequence[str], before: Sequence[str], since: datetime) -> pl.DataFrame:
        """The pictures of tonight's runs and of the runs before, as `Nights.images` tells them apart.

        Returns:
            image_id, tonight, night (when it was due), run_id (the newest), question_id (about a defect, or null), lot,
            captured_at, changed_at (the file) and the measures, null where it wasn't measured.
        """
        return self._database.frame(
            """
            WITH due AS (SELECT run_id, min(due_at) AS due_at FROM night_runs GROUP BY run_id), asked AS (
                SELECT f.image_id, f.run_id IN (SELECT unnest(?::VARCHAR[])) AND l.ingested_at >= ? AS tonight,
                    max(d.due_at) AS night, max(f.run_id) AS run_id,
                    arg_max(f.question_id, f.run_id) FILTER (f.detection) AS question_id
                FROM facts AS f JOIN ledger AS l USING (run_id, block) LEFT JOIN due AS d USING (run_id)
                WHERE f.run_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL
            )
            SELECT a.*, e.lot, e.captured_at, to_timestamp(e.mtime_ns / 1e9) AS changed_at, m.* EXCLUDE (content)
            FROM asked AS a JOIN entries AS e USING (image_id) LEFT JOIN measures AS m USING (content)
            ORDER BY a.image_id, a.tonight
            """,
            [list(tonight), since, [*tonight, *before]],
        )
