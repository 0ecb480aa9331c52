"""Version 8: what a run's archive and questions hold that it didn't use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older runs don't say."""
    kind = "STRUCT(unit VARCHAR, count BIGINT, reason VARCHAR, example VARCHAR)[]"
    con.execute(f"ALTER TABLE runs ADD COLUMN passed_over {kind}")
