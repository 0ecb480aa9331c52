"""Version 7: whether what answers point at lies on the defect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE = """
    CREATE TABLE groundings (
        run_id VARCHAR NOT NULL,
        image_id VARCHAR NOT NULL,
        question_id VARCHAR NOT NULL,
        patches_hit BOOLEAN,
        patches_chance DOUBLE,
        region_hit BOOLEAN,
        region_chance DOUBLE,
        changed BOOLEAN,
        changed_elsewhere BOOLEAN
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Add the table inside the caller's transaction; older runs have no row until `workbench explain` measures them."""
    con.execute(_TABLE)
