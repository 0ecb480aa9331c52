"""Version 4: what is odd about a picture, beside its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; of older pictures nothing is known."""
    con.execute("ALTER TABLE predictions ADD COLUMN oddity VARCHAR")
