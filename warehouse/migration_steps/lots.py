"""Version 8: the delivery that a piece came with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_STATEMENTS = (
    "ALTER TABLE entries ADD COLUMN lot VARCHAR",
    "ALTER TABLE predictions ADD COLUMN lot VARCHAR",
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction; the next scan fills in what the archive says."""
    for statement in _STATEMENTS:
        con.execute(statement)
