"""Scores of a run's pictures: what a threshold can be set on, one row per picture, by signal.

A signal is a number of a picture that is larger where a defect is likelier. SIGNALS holds each as data: what it is
called and the statement that reads it; who adds a table with another score adds a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from warehouse.database import Database
from warehouse.queries.truth import FACTS, Truth

if TYPE_CHECKING:
    import polars as pl

SignalName = Literal["defect probability", "comparison", "claim"]


@dataclass(frozen=True, slots=True)
class Signal:
    """A number of a picture."""

    words: str  # what it is, for people
    statement: str  # gives run_id, image_id and score of the runs $runs; a picture without a row has no score


_ANSWERED = "FROM facts WHERE list_contains($runs::VARCHAR[], run_id) AND detection AND status = 'answered'"
SIGNALS: dict[SignalName, Signal] = {
    "defect probability": Signal(
        "the probability of the options that claim a defect, of several detection questions the largest",
        f"SELECT run_id, image_id, max(defect_probability) AS score {_ANSWERED} GROUP BY ALL",
    ),
    "comparison": Signal(
        "the score of the comparison with normal pictures",
        "SELECT run_id, image_id, max(score) AS score FROM comparisons WHERE list_contains($runs::VARCHAR[], run_id) "
        "GROUP BY ALL",
    ),
    "claim": Signal(
        "what the answer claims: 1 a defect, 0 none",
        "SELECT run_id, image_id, max(CASE claim WHEN 'defective' THEN 1.0 WHEN 'good' THEN 0.0 END) AS score "
        f"{_ANSWERED} GROUP BY ALL",
    ),
}

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
    WHERE coalesce(p.product = $product, true) AND coalesce(p.camera = $camera, true)
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
            _SCORES.format(facts=FACTS[truth], signal=SIGNALS[signal].statement),
            {"runs": list(run_ids), "product": product, "camera": camera},
        )

    def usual_signal(self, run_id: str) -> SignalName:
        """The first of SIGNALS that any picture of the run has; `claim` where none has one."""
        for name, signal in SIGNALS.items():
            found = self._database.frame(
                f"SELECT 1 FROM ({signal.statement}) WHERE score IS NOT NULL LIMIT 1", {"runs": [run_id]}
            )
            if found.height:
                return name
        return "claim"

    def nights_of(self, model: str, evaluator_version: str, limit: int) -> list[str]:
        """The newest finished runs of nights by one model, at most so many."""
        return list(
            self._database.frame(_NIGHTS, {"model": model, "version": evaluator_version, "limit": limit})["run_id"]
        )
