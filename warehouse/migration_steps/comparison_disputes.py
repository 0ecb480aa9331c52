"""Version 9: a dispute may be opened because model and comparison disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.migration_steps.check_constraints import allow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Allow the reason inside the caller's transaction."""
    allow(con, "dispute_reasons", last="audit", further="comparison")
