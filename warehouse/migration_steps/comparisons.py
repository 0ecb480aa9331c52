"""Version 9: what a comparison with normal pictures says of each picture of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BOX = "STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)"
_TABLE = f"""
    CREATE TABLE comparisons (
        run_id VARCHAR NOT NULL,
        block BIGINT NOT NULL,
        image_id VARCHAR NOT NULL,
        score DOUBLE NOT NULL,
        rank BIGINT,
        normals BIGINT NOT NULL,
        threshold DOUBLE,
        claim VARCHAR NOT NULL CHECK (claim IN ('defective', 'good', 'cannot say')),
        why VARCHAR,
        rows BIGINT NOT NULL,
        columns BIGINT NOT NULL,
        area {_BOX} NOT NULL,
        marked {_BOX},
        values FLOAT[] NOT NULL,
        nearest VARCHAR[] NOT NULL
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Add the table inside the caller's transaction; runs from before have no row."""
    con.execute(_TABLE)
