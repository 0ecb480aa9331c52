"""Version 9: thresholds on scores, in versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = """
    CREATE TABLE thresholds (
        product VARCHAR NOT NULL,
        camera VARCHAR NOT NULL,
        signal VARCHAR NOT NULL,
        version BIGINT NOT NULL,
        value DOUBLE,
        method VARCHAR NOT NULL CHECK (method IN ('cost', 'escape', 'overkill', 'given', 'rollback')),
        normals VARCHAR,
        details VARCHAR NOT NULL,
        run_id VARCHAR,
        author VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        saved_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (product, camera, signal, version)
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Add the table inside the caller's transaction; no threshold holds until somebody saves one."""
    con.execute(_TABLE)
