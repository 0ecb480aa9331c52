"""Version 10: the reference that nights are compared with, values of nights, acknowledged chart alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Add the tables inside the caller's transaction; until somebody accepts a reference one serves provisionally."""
    con.execute(
        """
        CREATE TABLE night_references (
            schedule VARCHAR NOT NULL,
            number BIGINT NOT NULL,
            first_due_at TIMESTAMPTZ NOT NULL,
            last_due_at TIMESTAMPTZ NOT NULL,
            nights BIGINT NOT NULL,
            accepted_by VARCHAR,
            reason VARCHAR,
            stored_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (schedule, number)
        )
        """
    )
    con.execute(
        """
        CREATE TABLE night_values (
            schedule VARCHAR NOT NULL,
            reference BIGINT NOT NULL,
            signal VARCHAR NOT NULL,
            due_at TIMESTAMPTZ NOT NULL,
            value DOUBLE NOT NULL,
            charted DOUBLE NOT NULL,
            variance DOUBLE NOT NULL,
            images BIGINT NOT NULL,
            PRIMARY KEY (schedule, reference, signal, due_at)
        )
        """
    )
    con.execute(
        """
        CREATE TABLE chart_acknowledgements (
            schedule VARCHAR NOT NULL,
            reference BIGINT NOT NULL,
            signal VARCHAR NOT NULL,
            due_at TIMESTAMPTZ NOT NULL,
            acknowledged_by VARCHAR NOT NULL,
            reason VARCHAR NOT NULL,
            acknowledged_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (schedule, reference, signal, due_at)
        )
        """
    )
