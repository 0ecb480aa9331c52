"""Version 6: pictures of one piece, and copies of one picture, are one cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_STATEMENTS = (
    "ALTER TABLE entries ADD COLUMN serial VARCHAR",
    "ALTER TABLE predictions ADD COLUMN cluster_id VARCHAR",
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction; older predictions are clustered by their content."""
    for statement in _STATEMENTS:
        con.execute(statement)
