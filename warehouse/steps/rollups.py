"""Version 2: pre-aggregated predictions, filled from those stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
