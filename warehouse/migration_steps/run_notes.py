"""Version 10: names, notes and tags of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Add the table inside the caller's transaction; nobody has named a run yet."""
    con.execute(
        """
        CREATE TABLE run_notes (
            run_id VARCHAR NOT NULL,
            name VARCHAR NOT NULL,
            note VARCHAR NOT NULL,
            tags VARCHAR[] NOT NULL,
            hidden BOOLEAN NOT NULL,
            author VARCHAR NOT NULL,
            changed_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (run_id)
        )
        """
    )
