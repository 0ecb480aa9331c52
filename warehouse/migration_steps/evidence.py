"""Version 5: what other sources than the knowledge showed a question, beside its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older questions were shown reference and texts alone."""
    region = "STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)"
    con.execute(
        "ALTER TABLE predictions ADD COLUMN evidence "
        f"STRUCT(source VARCHAR, version VARCHAR, words VARCHAR, regions {region}[], score DOUBLE)[]"
    )
