"""Version 8: what is measured of a picture without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = """
    CREATE TABLE measures (
        content VARCHAR NOT NULL,
        width BIGINT,
        height BIGINT,
        white DOUBLE,
        brightness DOUBLE,
        contrast DOUBLE,
        sharpness DOUBLE,
        clipped_bright DOUBLE,
        clipped_dark DOUBLE,
        colour DOUBLE,
        red DOUBLE,
        green DOUBLE,
        blue DOUBLE,
        fill DOUBLE,
        centre_x DOUBLE,
        centre_y DOUBLE
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Add the table inside the caller's transaction; the next scans fill it, some known pictures at a time."""
    con.execute(_TABLE)
