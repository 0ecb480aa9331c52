"""Version 8: the p of a text's lift, by which a list of texts is corrected for their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Add the column inside the caller's transaction; older measurements have none."""
    con.execute("ALTER TABLE knowledge_lifts ADD COLUMN p DOUBLE")
