"""Scores of a run's pictures: one row per picture, by signal (`signals.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.database import Database
from warehouse.queries.signals import SIGNALS, SignalName
from warehouse.queries.truth import FACTS, Truth

if TYPE_CHECKING:
    import polars as pl

_SOME = "list_contains($runs::VARCHAR[], run_id)"
_SCORES = """
    WITH pictures AS (
        SELECT run_id, image_id, any_value(image_path) AS image_path, any_value(cluster_id) AS cluster_id,
            any_value(dataset) AS dataset, any_value(product) AS product, any_value(camera) AS camera,
            any_value(label) AS label, any_value(defect) AS defect, any_value(night) AS night,
            CASE WHEN bool_or(claim = 'defective') THEN 'defective' WHEN bool_or(claim = 'good') THEN 'good' END
                AS claim
        FROM {facts} WHERE list_contains($runs::VARCHAR[], run_id) GROUP BY run_id, image_id
    )
    SELECT p.*, CASE p.label WHEN 'defective' THEN true WHEN 'good' THEN false END AS defective,
        s.score::DOUBLE AS score, m.contrast, e.mask_path, e.archive_id, e.content
    FROM pictures AS p LEFT JOIN ({signal}) AS s USING (run_id, image_id) LEFT JOIN entries AS e USING (image_id)
    LEFT JOIN measures AS m USING (content)
    WHERE ($product::VARCHAR IS NULL OR p.product = $product) AND ($camera::VARCHAR IS NULL OR p.camera = $camera)
    ORDER BY run_id, image_path, image_id
"""
# Runs of nights that answered with the same model, the newest first: scores of another mean something else.
_NIGHTS = """
    SELECT run_id FROM runs WHERE purpose = 'night' AND state = 'finished' AND model = $model
        AND evaluator_version = $version ORDER BY started_at DESC LIMIT $limit
"""


class Scores:
    """What is asked about scores of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def of_runs(
        self,
        run_ids: Sequence[str],
        signal: SignalName = "defect probability",
        *,
        product: str | None = None,
        camera: str | None = None,
        truth: Truth = "archive",
    ) -> pl.DataFrame:
        """The pictures of runs, one row each.

        Returns:
            run_id, image_id, image_path, cluster_id, dataset, product, camera, label, defect, night, claim (of the
            answers: "defective", "good", null), defective (null without a label), score (null without one), contrast
            (of the picture, null where it was not measured), mask_path, archive_id, content.
        """
        return self._database.frame(
            _SCORES.format(facts=FACTS[truth], signal=SIGNALS[signal].statement.format(some=_SOME)),
            {"runs": list(run_ids), "product": product, "camera": camera},
        )

    def usual_signal(self, run_id: str) -> SignalName:
        """The first of SIGNALS that any picture of the run has; `claim` where none has one."""
        for name, signal in SIGNALS.items():
            scores = signal.statement.format(some=_SOME)
            found = self._database.frame(
                f"SELECT 1 FROM ({scores}) WHERE score IS NOT NULL LIMIT 1", {"runs": [run_id]}
            )
            if found.height:
                return name
        return "claim"

    def nights_of(self, model: str, evaluator_version: str, limit: int) -> list[str]:
        """The newest finished runs of nights by one model, at most so many."""
        return list(
            self._database.frame(_NIGHTS, {"model": model, "version": evaluator_version, "limit": limit})["run_id"]
        )
