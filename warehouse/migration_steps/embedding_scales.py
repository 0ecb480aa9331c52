"""Version 4: the unit of noise and steps that a run was answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older runs don't say it."""
    con.execute("ALTER TABLE runs ADD COLUMN embedding_scale DOUBLE")
