"""Version 5: what a run was opened for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.migration_steps.check_constraints import add_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PURPOSES = "'score', 'night', 'rescore', 'golden', 'gate', 'ablation', 'stress', 'explain', 'import'"
# A run may belong to several nights of a schedule, always with one purpose.
_OF_ROW = """
    CASE
        WHEN starts_with(plan, 'gate:') THEN 'gate'
        WHEN run_id IN (SELECT run_id FROM night_runs WHERE purpose = 'golden') THEN 'golden'
        WHEN run_id IN (SELECT run_id FROM night_runs WHERE purpose = 'rescore') THEN 'rescore'
        WHEN run_id IN (SELECT run_id FROM night_runs) THEN 'night'
        WHEN run_id IN (SELECT run_id FROM arms WHERE kind = 'ablation') THEN 'ablation'
        WHEN run_id IN (SELECT run_id FROM arms WHERE family = 'deletion') THEN 'explain'
        WHEN run_id IN (SELECT run_id FROM arms) THEN 'stress'
        WHEN settings LIKE '{"imported":%' THEN 'import'
        ELSE 'score'
    END
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older runs by where else they are named."""
    add_columns(con, "runs", {"purpose": f"VARCHAR NOT NULL CHECK (purpose IN ({_PURPOSES}))"}, {"purpose": _OF_ROW})
