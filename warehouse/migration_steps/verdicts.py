"""Version 4: verdicts given with the archive's mask in sight are told apart, as are annotations nobody can read.

A task is unblinded if the mask was drawn on it although its question asks for what the mask tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Until now a mask was drawn wherever the archive had one; a verdict that came over Label Studio saw it.
_SEEN = """
    SELECT d.dispute_id FROM disputes AS d JOIN entries AS e USING (image_id)
    WHERE d.subtask IN ('Anomaly Detection', 'Defect Localization') AND e.mask_path IS NOT NULL
"""
_COLUMNS = (("review_tasks", "unblinded"), ("verdicts", "unblinded"), ("quarantined_results", "untold"))
_STATEMENTS = (
    *(
        f"ALTER TABLE {table} {change}"
        for table, column in _COLUMNS
        for change in (
            f"ADD COLUMN {column} BOOLEAN DEFAULT false",
            f"ALTER COLUMN {column} DROP DEFAULT",
            f"ALTER COLUMN {column} SET NOT NULL",
        )
    ),
    # Last: DuckDB alters no keyed table that was updated within the transaction.
    f"UPDATE review_tasks SET unblinded = true WHERE dispute_id IN ({_SEEN})",
    f"UPDATE verdicts SET unblinded = true WHERE starts_with(verdict_id, 'ls-') AND dispute_id IN ({_SEEN})",
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    for statement in _STATEMENTS:
        con.execute(statement)
