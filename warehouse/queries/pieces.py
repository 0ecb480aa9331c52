"""Answers by piece: the one definition of what a run says of a thing that several pictures show.

A piece is the pictures of one cluster (`identity.cluster_id`): of one archive, product, serial and lot, where they are
given; a picture without a serial is a piece by itself, with its copies.

- Its claim is its worst picture's: `defective` where a detection answer claims a defect; else `cannot say` where one
  can't say, can't be read or failed with its picture, for then nobody has seen the whole piece; else `good`.
- It is defective where one of its pictures is; good only where all are; else nobody knows.
- Its outcome is worked out of both by the words that a picture's is (`facts.JUDGED`): a piece that can't be said is
  wrong with a truth, and unlabelled without.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from warehouse.database import Database
from warehouse.queries import rollups
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.facts import OUTCOMES
from warehouse.queries.rollups import Selection
from warehouse.queries.truth import Truth, facts_of

if TYPE_CHECKING:
    import polars as pl

PieceOutcome = Literal["escape", "overkill", "wrong", "alarm", "right", "pass", "unlabelled"]
PIECE_OUTCOMES: tuple[PieceOutcome, ...] = get_args(PieceOutcome)

_PIECES = """
    SELECT *, CASE
            WHEN label IS NULL THEN CASE claim WHEN 'defective' THEN 'alarm' WHEN 'good' THEN 'pass'
                ELSE 'unlabelled' END
            WHEN claim = label THEN 'right'
            WHEN claim = 'good' THEN 'escape'
            WHEN claim = 'defective' THEN 'overkill'
            ELSE 'wrong'
        END AS outcome
    FROM (
        SELECT run_id, cluster_id, any_value(dataset) AS dataset, any_value(product) AS product,
            any_value(line) AS line, any_value(lot) AS lot, count(DISTINCT image_id) AS pictures,
            CASE
                WHEN bool_or(detection AND claim = 'defective') THEN 'defective'
                WHEN bool_or(detection AND (claim IN ('cannot say', 'unreadable') OR status = 'failed'))
                    THEN 'cannot say'
                WHEN bool_or(detection AND claim = 'good') THEN 'good'
            END AS claim,
            CASE
                WHEN bool_or(label = 'defective') THEN 'defective'
                WHEN bool_and(coalesce(label = 'good', false)) THEN 'good'
            END AS label
        FROM {facts} GROUP BY run_id, cluster_id HAVING bool_or(detection)
    )
"""
# One case stands for a piece: of the worst claim, and among those the likeliest defect.
_REPRESENTATIVE = """
    SELECT DISTINCT ON (run_id, cluster_id) * FROM ({facts}) WHERE detection
    ORDER BY run_id, cluster_id, CASE WHEN claim = 'defective' THEN 0 WHEN claim = 'good' THEN 2 ELSE 1 END,
        defect_probability DESC NULLS LAST, image_path, question_id
"""
_WORST_FIRST = f"list_position({list(OUTCOMES)!r}, outcome)"


class Pieces:
    """What is asked about pieces of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def of_runs(
        self,
        run_ids: Sequence[str] | None = None,
        truth: Truth = "archive",
        alarm_rule: AlarmRule = "answers",
    ) -> pl.DataFrame:
        """The pieces of some runs, or of all.

        Returns:
            run_id, cluster_id, dataset, product, line, lot, pictures (how many), claim ("defective", "cannot say",
            "good"; null: nothing tells what its answers claim), label ("defective", "good", null), outcome (of
            PIECE_OUTCOMES).
        """
        some = "" if run_ids is None else "WHERE run_id IN (SELECT unnest(?::VARCHAR[]))"
        facts = f"(SELECT * FROM {facts_of(truth, alarm_rule)} {some})"
        query = f"{_PIECES.format(facts=facts)} ORDER BY run_id, cluster_id"
        return self._database.frame(query, [] if run_ids is None else [list(run_ids)])

    def of_night(self, run_ids: Sequence[str]) -> pl.DataFrame:
        """The pieces of several runs as of one, each picture by its newest run: as `of_runs`, without `run_id`."""
        facts = (
            "(SELECT * REPLACE ('' AS run_id) FROM facts WHERE run_id IN (SELECT unnest(?::VARCHAR[])) "
            "QUALIFY run_id = max(run_id) OVER (PARTITION BY image_id))"
        )
        query = f"SELECT * EXCLUDE (run_id) FROM ({_PIECES.format(facts=facts)}) ORDER BY cluster_id"
        return self._database.frame(query, [list(run_ids)])

    def history(self, cluster_id: str, at_most: int) -> pl.DataFrame:
        """What runs said of a piece, the newest first; not those of tests, studies and golden samples.

        Args:
            cluster_id: the piece's, see `identity.cluster_id`.
            at_most: so many runs.

        Returns:
            run_id, started_at, image_id, question_id (the case that stands for it), pictures, claim, label, outcome and
            defect_probability, the highest.
        """
        facts = f"(SELECT * FROM {facts_of('archive', 'answers')} WHERE cluster_id = $piece)"
        worst = _REPRESENTATIVE.format(facts=facts)
        return self._database.frame(
            f"SELECT p.run_id, r.started_at, c.image_id, c.question_id, p.pictures, p.claim, p.label, p.outcome, "
            f"c.defect_probability FROM ({_PIECES.format(facts=facts)}) AS p "
            f"JOIN runs AS r USING (run_id) JOIN ({worst}) AS c USING (run_id, cluster_id) "
            "WHERE r.purpose IN ('score', 'night', 'rescore', 'import') "
            f"ORDER BY r.started_at DESC, p.run_id DESC LIMIT {int(at_most)}",
            {"piece": cluster_id},
        )

    def of_selection(self, selection: Selection) -> pl.DataFrame:
        """The pieces of which a selection has an answer, each by all answers about it: as `of_runs`."""
        return self._database.frame(f"{_PIECES.format(facts=_of_chosen(selection))} ORDER BY cluster_id")

    def listed(
        self, selection: Selection, outcome: str | None = None, limit: int | None = None, offset: int = 0
    ) -> pl.DataFrame:
        """The pieces of a selection with the case that stands for each, the worst outcome first.

        Args:
            selection: as `of_selection` takes it.
            outcome: only pieces of this outcome.
            limit: at most so many.
            offset: after so many.

        Returns:
            The columns of facts of the case, with the piece's outcome and label in place of its own, and `pictures`.
        """
        facts = _of_chosen(selection)
        order = _WORST_FIRST if selection.order == "worst" else "defect_probability DESC NULLS LAST"
        return self._database.frame(
            f"SELECT c.* REPLACE (p.outcome AS outcome, p.label AS label), p.pictures "
            f"FROM ({_PIECES.format(facts=facts)}) AS p "
            f"JOIN ({_REPRESENTATIVE.format(facts=facts)}) AS c USING (run_id, cluster_id) "
            f"WHERE coalesce(p.outcome = $outcome, true) "
            f"ORDER BY {order.replace('outcome', 'p.outcome')}, defect_probability DESC NULLS LAST, image_path "
            f"LIMIT {'ALL' if limit is None else int(limit)} OFFSET {int(offset)}",
            {"outcome": outcome},
        )


def _of_chosen(selection: Selection) -> str:
    """All answers about the pieces of which a selection has one."""
    facts = facts_of(selection.truth, selection.alarm_rule)
    return (
        f"(SELECT * FROM {facts} WHERE run_id = {rollups.quoted(selection.run_id)} AND cluster_id IN "
        f"(SELECT cluster_id FROM ({rollups.sql(selection)})))"
    )
