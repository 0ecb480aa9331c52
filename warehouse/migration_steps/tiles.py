"""A part of a large picture is an image of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older entries are whole pictures."""
    con.execute(
        "ALTER TABLE entries ADD COLUMN tile STRUCT(content VARCHAR, x0 BIGINT, y0 BIGINT, x1 BIGINT, y1 BIGINT)"
    )
