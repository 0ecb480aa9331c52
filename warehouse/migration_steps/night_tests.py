"""Version 10: tests of drafts over nights, and each night's bet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES = (
    """
    CREATE TABLE night_tests (
        test_id VARCHAR NOT NULL,
        budget VARCHAR NOT NULL,
        attempt BIGINT NOT NULL,
        alpha DOUBLE NOT NULL,
        margin DOUBLE NOT NULL,
        drafts STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
        against STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
        author VARCHAR NOT NULL,
        opened_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (test_id)
    )
    """,
    """
    CREATE TABLE night_bets (
        test_id VARCHAR NOT NULL,
        number BIGINT NOT NULL,
        schedule VARCHAR NOT NULL,
        due_at TIMESTAMPTZ NOT NULL,
        old_runs VARCHAR[] NOT NULL,
        new_runs VARCHAR[] NOT NULL,
        images BIGINT NOT NULL,
        questions BIGINT NOT NULL,
        won BIGINT NOT NULL,
        lost BIGINT NOT NULL,
        changed BIGINT NOT NULL,
        mean DOUBLE NOT NULL,
        wager DOUBLE NOT NULL,
        log_better DOUBLE NOT NULL,
        log_worse DOUBLE NOT NULL,
        elsewhere_images BIGINT NOT NULL,
        elsewhere_questions BIGINT NOT NULL,
        elsewhere_won BIGINT NOT NULL,
        elsewhere_lost BIGINT NOT NULL,
        elsewhere_changed BIGINT NOT NULL,
        elsewhere_low DOUBLE NOT NULL,
        verdict VARCHAR NOT NULL CHECK (verdict IN ('still gathering', 'better', 'worse')),
        why VARCHAR NOT NULL,
        clusters VARCHAR[] NOT NULL,
        contents VARCHAR[] NOT NULL,
        PRIMARY KEY (test_id, number)
    )
    """,
)


def add(con: DuckDBPyConnection) -> None:
    """Add the tables inside the caller's transaction; no draft is tested over nights yet."""
    for table in _TABLES:
        con.execute(table)
