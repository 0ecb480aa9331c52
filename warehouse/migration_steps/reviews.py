"""Version 2: disputes, tasks, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES = (
    """
    CREATE TABLE disputes (
        dispute_id VARCHAR NOT NULL,
        image_id VARCHAR NOT NULL,
        question_id VARCHAR NOT NULL,
        number BIGINT NOT NULL,
        run_id VARCHAR NOT NULL,
        image_path VARCHAR NOT NULL,
        product VARCHAR NOT NULL,
        subtask VARCHAR NOT NULL,
        question VARCHAR NOT NULL,
        options STRUCT(letter VARCHAR, text VARCHAR)[] NOT NULL,
        answer VARCHAR,
        correct_answer VARCHAR,
        entropy DOUBLE,
        margin DOUBLE,
        error_probability DOUBLE,
        slots BIGINT NOT NULL,
        opened_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (dispute_id)
    )
    """,
    """
    CREATE TABLE dispute_reasons (
        dispute_id VARCHAR NOT NULL,
        reason VARCHAR NOT NULL CHECK (
            reason IN ('uncertain', 'label', 'contradiction', 'flip', 'elsewhere', 'person', 'audit')
        ),
        score DOUBLE NOT NULL,
        weight DOUBLE NOT NULL,
        note VARCHAR NOT NULL,
        opened_by VARCHAR NOT NULL,
        opened_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (dispute_id, reason)
    )
    """,
    """
    CREATE TABLE budget_curves (
        run_id VARCHAR NOT NULL,
        cases BIGINT NOT NULL,
        calibrated_on VARCHAR NOT NULL,
        points STRUCT(
            reviews BIGINT, threshold DOUBLE, caught DOUBLE, caught_low DOUBLE, caught_high DOUBLE,
            missed DOUBLE, missed_low DOUBLE, missed_high DOUBLE
        )[] NOT NULL,
        made_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (run_id)
    )
    """,
    """
    CREATE TABLE audit_draws (
        run_id VARCHAR NOT NULL,
        population BIGINT NOT NULL,
        seed BIGINT NOT NULL,
        cases STRUCT(image_id VARCHAR, question_id VARCHAR)[] NOT NULL,
        drawn_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (run_id)
    )
    """,
    """
    CREATE TABLE review_projects (
        project_key VARCHAR NOT NULL,
        server VARCHAR NOT NULL,
        slot BIGINT NOT NULL,
        config VARCHAR NOT NULL,
        project_id BIGINT,
        pulled_until TIMESTAMPTZ,
        lost_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (project_key)
    )
    """,
    """
    CREATE TABLE review_tasks (
        task_key VARCHAR NOT NULL,
        dispute_id VARCHAR NOT NULL,
        slot BIGINT NOT NULL,
        project_key VARCHAR NOT NULL,
        task_id BIGINT NOT NULL,
        width BIGINT NOT NULL,
        height BIGINT NOT NULL,
        sent_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (task_key)
    )
    """,
    """
    CREATE TABLE verdicts (
        verdict_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        dispute_id VARCHAR NOT NULL,
        slot BIGINT NOT NULL,
        run_id VARCHAR NOT NULL,
        image_id VARCHAR NOT NULL,
        question_id VARCHAR NOT NULL,
        reviewer VARCHAR NOT NULL,
        decision VARCHAR NOT NULL CHECK (decision IN ('correct', 'wrong', 'unsure')),
        right_answer VARCHAR,
        boxes STRUCT(x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE)[] NOT NULL,
        explanation VARCHAR CHECK (explanation IN ('supports', 'irrelevant', 'misleads')),
        better_description VARCHAR,
        comment VARCHAR,
        seconds DOUBLE,
        judged_at TIMESTAMPTZ NOT NULL,
        stored_at TIMESTAMPTZ NOT NULL,
        deleted BOOLEAN NOT NULL,
        PRIMARY KEY (verdict_id, revision)
    )
    """,
    """
    CREATE TABLE settlements (
        image_id VARCHAR NOT NULL,
        question_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        dispute_id VARCHAR NOT NULL,
        decision VARCHAR NOT NULL CHECK (decision IN ('correct', 'wrong', 'unsure')),
        right_answer VARCHAR,
        label VARCHAR,
        basis VARCHAR NOT NULL CHECK (basis IN ('single', 'agreed', 'majority', 'person')),
        author VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        withdrawn BOOLEAN NOT NULL,
        settled_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (image_id, question_id, revision)
    )
    """,
    """
    CREATE TABLE quarantined_results (
        result_id VARCHAR NOT NULL,
        project_key VARCHAR NOT NULL,
        task_id BIGINT NOT NULL,
        annotation_id BIGINT NOT NULL,
        reason VARCHAR NOT NULL,
        payload VARCHAR NOT NULL,
        found_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (result_id)
    )
    """,
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    for table in _TABLES:
        con.execute(table)
