"""Version 9: normals, their history, and which of them a knowledge version holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_STATEMENTS = (
    """
    CREATE TABLE normals (
        number BIGINT NOT NULL,
        content VARCHAR NOT NULL,
        dataset VARCHAR NOT NULL,
        product VARCHAR NOT NULL,
        piece VARCHAR NOT NULL,
        archive_id VARCHAR NOT NULL,
        path VARCHAR NOT NULL,
        state VARCHAR NOT NULL CHECK (state IN ('proposed', 'published', 'retired')),
        origin VARCHAR NOT NULL CHECK (
            origin IN ('normal folder', 'sidecar reference', 'references folder', 'verdict')
        ),
        judgement_id VARCHAR,
        author VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        created_at TIMESTAMPTZ NOT NULL,
        tile STRUCT(content VARCHAR, x0 BIGINT, y0 BIGINT, x1 BIGINT, y1 BIGINT),
        camera VARCHAR,
        PRIMARY KEY (number)
    )
    """,
    """
    CREATE TABLE normal_changes (
        number BIGINT NOT NULL,
        normal BIGINT NOT NULL,
        state VARCHAR NOT NULL CHECK (state IN ('proposed', 'published', 'retired')),
        version VARCHAR,
        author VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        changed_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (number)
    )
    """,
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction; older versions hold texts alone."""
    for statement in _STATEMENTS:
        con.execute(statement)
    for table in ("knowledge_versions", "knowledge_trials"):
        con.execute(f"ALTER TABLE {table} ADD COLUMN normals BIGINT[] DEFAULT []")
        con.execute(f"ALTER TABLE {table} ALTER COLUMN normals DROP DEFAULT")
        con.execute(f"ALTER TABLE {table} ALTER COLUMN normals SET NOT NULL")
