"""Version 2: arms of ablations and stress tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = """
CREATE TABLE arms (
    experiment VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('ablation', 'stress')),
    archive_id VARCHAR NOT NULL,
    place BIGINT NOT NULL,
    arm VARCHAR NOT NULL,
    family VARCHAR NOT NULL,
    level DOUBLE,
    baseline VARCHAR,
    run_id VARCHAR NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (experiment, arm)
)
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    con.execute(_TABLE)
