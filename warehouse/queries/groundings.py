"""What answers point at, held against the defect: what is read to measure it, what was measured, and reading it again.

See `warehouse.records.scoring.Grounding`. Which answers are right is the truth's, so it is not stored with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.audit import Flow
from warehouse.database import Database, insert
from warehouse.queries import rollups
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.rollups import Selection
from warehouse.queries.truth import Truth, facts_of
from warehouse.records.reviews import DefectBox
from warehouse.records.scoring import Grounding, Tile

if TYPE_CHECKING:
    import polars as pl

_MEASURED = "patches_hit, patches_chance, region_hit, region_chance, changed, changed_elsewhere"
# Keys of eight bytes: a leaderboard reads these rows of thirty runs. Where the truth calls a picture good, its mask
# says nothing.
_ROWS = f"""
    SELECT run_id, (hash(image_id) >> 1)::BIGINT AS image_id, (hash(image_id, question_id) >> 1)::BIGINT AS question_id,
        (hash(f.cluster_id) >> 1)::BIGINT AS cluster_id, f.subtask, f.correct AS right, {_MEASURED}
    FROM groundings JOIN ({{facts}}) AS f USING (run_id, image_id, question_id)
    WHERE f.correct IS NOT NULL AND f.label = 'defective'
"""


@dataclass(frozen=True, slots=True)
class RegionTruth:
    """Where a picture's defect is: its mask's file, else the boxes that people drew."""

    image_id: str
    root: str  # of its archive
    path: str  # of the picture, relative to the root
    content: str
    dataset: str
    product: str
    camera: str | None
    mask_path: str | None
    boxes: tuple[DefectBox, ...]  # in pixels of the whole upright picture
    tile: Tile | None

    @property
    def file_content(self) -> str:
        """SHA-256 of the file's bytes, hex."""
        return self.tile.content if self.tile else self.content


class Groundings:
    """Every statement about groundings of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def truths(self, run_id: str) -> list[RegionTruth]:
        """The run's pictures of registered archives of which a mask, or somebody's box, says where the defect is."""
        return self._database.records(
            RegionTruth,
            """WITH newest AS (
                SELECT image_id, boxes, withdrawn FROM judgements
                QUALIFY row_number() OVER (PARTITION BY judgement_id ORDER BY revision DESC) = 1
            ), drawn AS (
                SELECT image_id, flatten(list(boxes ORDER BY boxes)) AS boxes FROM newest
                WHERE NOT withdrawn AND len(boxes) > 0 GROUP BY image_id
            )
            SELECT image_id, root, path, content, dataset, product, camera, mask_path,
                coalesce(boxes, []) AS boxes, tile
            FROM entries JOIN archives USING (archive_id) LEFT JOIN drawn USING (image_id)
            WHERE image_id IN (SELECT image_id FROM facts WHERE run_id = ?)
                AND (mask_path IS NOT NULL OR boxes IS NOT NULL) ORDER BY image_id""",
            [run_id],
        )

    def questions(self, run_id: str) -> pl.DataFrame:
        """The run's questions: image_id, question_id, subtask, letters and texts (of the options), answer."""
        return self._database.frame(
            """SELECT image_id, question_id, subtask, list_transform(options, lambda o: o.letter) AS letters,
                list_transform(options, lambda o: o.text) AS texts, answer
            FROM predictions WHERE run_id = ? ORDER BY block, rowid""",
            [run_id],
        )

    def accepted_patches(self, run_id: str) -> pl.DataFrame:
        """The run's accepted patches, each once per question: image_id, question_id, x0, y0, x1, y1 in pixels."""
        return self._database.frame(
            "SELECT DISTINCT image_id, question_id, x0, y0, x1, y1 FROM patches WHERE run_id = ? AND accepted "
            "ORDER BY ALL",
            [run_id],
        )

    def store(self, run_id: str, measured: Sequence[Grounding]) -> None:
        """Store what was measured of a run, in the place of what was measured before."""
        with self._database.flowing(Flow.MEASURED) as con:
            con.execute("DELETE FROM groundings WHERE run_id = ?", [run_id])
            insert(con, "groundings", schema.table(Grounding, measured))

    def store_changes(self, run_id: str, changes: pl.DataFrame) -> None:
        """Store which answers changed when what they point at was painted out.

        Args:
            changes: image_id, question_id, changed, changed_elsewhere.
        """
        with self._database.flowing(Flow.MEASURED) as con:
            con.register("changes", changes)
            con.execute(
                "UPDATE groundings AS g SET changed = c.changed, changed_elsewhere = c.changed_elsewhere "
                "FROM changes AS c "
                "WHERE g.run_id = ? AND g.image_id = c.image_id AND g.question_id = c.question_id",
                [run_id],
            )

    def of_runs(
        self,
        run_ids: Sequence[str] | None = None,
        truth: Truth = "archive",
        alarm_rule: AlarmRule = "answers",
    ) -> pl.DataFrame:
        """The judged questions of defective pictures that were measured, of some runs or of all.

        Returns:
            run_id, image_id, question_id and cluster_id (numbers, the same in every run), subtask, right, and the
            measured columns of `Grounding`.
        """
        some = "" if run_ids is None else "WHERE run_id IN (SELECT unnest(?::VARCHAR[]))"
        return self._database.frame(
            _ROWS.format(facts=f"FROM {facts_of(truth, alarm_rule)} {some}"),
            [] if run_ids is None else [list(run_ids)],
        )

    def of_selection(self, selection: Selection) -> pl.DataFrame:
        """The same of a selection's questions."""
        return self._database.frame(_ROWS.format(facts=rollups.sql(selection)))
