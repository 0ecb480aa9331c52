"""Version 2: schedules, their nights, what hangs from them, backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    con.execute(
        """
        CREATE TABLE schedules (
            name VARCHAR NOT NULL,
            archive VARCHAR NOT NULL,
            cron VARCHAR NOT NULL,
            timezone VARCHAR NOT NULL,
            time_window VARCHAR,
            priority BIGINT NOT NULL,
            settings VARCHAR NOT NULL,
            review_budget BIGINT,
            golden VARCHAR,
            golden_run VARCHAR,
            paused BOOLEAN NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            PRIMARY KEY (name)
        )
        """
    )
    con.execute(
        """
        CREATE TABLE nights (
            schedule VARCHAR NOT NULL,
            due_at TIMESTAMPTZ NOT NULL,
            first_due_at TIMESTAMPTZ NOT NULL,
            covered BIGINT NOT NULL,
            state VARCHAR NOT NULL
                CHECK (state IN ('running', 'finished', 'cut', 'stopped', 'failed', 'alarm', 'void')),
            started_at TIMESTAMPTZ NOT NULL,
            ended_at TIMESTAMPTZ,
            tries BIGINT NOT NULL,
            images BIGINT NOT NULL,
            message VARCHAR
        )
        """
    )
    con.execute(
        """
        CREATE TABLE night_runs (
            schedule VARCHAR NOT NULL,
            due_at TIMESTAMPTZ NOT NULL,
            run_id VARCHAR NOT NULL,
            purpose VARCHAR NOT NULL CHECK (purpose IN ('archive', 'golden', 'rescore')),
            PRIMARY KEY (schedule, due_at, run_id)
        )
        """
    )
    con.execute("CREATE TABLE planned_images (run_id VARCHAR NOT NULL, image_id VARCHAR NOT NULL)")
    con.execute(
        """
        CREATE TABLE night_steps (
            schedule VARCHAR NOT NULL,
            due_at TIMESTAMPTZ NOT NULL,
            step VARCHAR NOT NULL,
            state VARCHAR NOT NULL CHECK (state IN ('done', 'failed', 'skipped')),
            message VARCHAR NOT NULL,
            seconds DOUBLE NOT NULL,
            ended_at TIMESTAMPTZ NOT NULL
        )
        """
    )
    con.execute(
        """
        CREATE TABLE morning_reports (
            schedule VARCHAR NOT NULL,
            due_at TIMESTAMPTZ NOT NULL,
            made_at TIMESTAMPTZ NOT NULL,
            report VARCHAR NOT NULL
        )
        """
    )
    con.execute("CREATE TABLE backups (made_at TIMESTAMPTZ NOT NULL, path VARCHAR NOT NULL)")
