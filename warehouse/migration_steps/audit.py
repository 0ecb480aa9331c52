"""Version 5: the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    con.execute(
        """
        CREATE TABLE audit (
            number BIGINT NOT NULL,
            changed_at TIMESTAMPTZ NOT NULL,
            actor VARCHAR NOT NULL,
            channel VARCHAR NOT NULL CHECK (
                channel IN ('command line', 'dashboard', 'Label Studio', 'schedule', 'program')
            ),
            action VARCHAR NOT NULL,
            subject VARCHAR NOT NULL,
            details VARCHAR NOT NULL,
            PRIMARY KEY (number)
        )
        """
    )
