"""Version 3: what a text's lift comes to in each subtask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMN = "STRUCT(subtask VARCHAR, questions BIGINT, helped BIGINT, harmed BIGINT)[]"
_STATEMENTS = (
    f"ALTER TABLE knowledge_lifts ADD COLUMN subtasks {_COLUMN} DEFAULT []",
    "ALTER TABLE knowledge_lifts ALTER COLUMN subtasks DROP DEFAULT",
    "ALTER TABLE knowledge_lifts ALTER COLUMN subtasks SET NOT NULL",
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction; older measurements have none."""
    for statement in _STATEMENTS:
        con.execute(statement)
