"""Version 2: history and provenance of knowledge revisions, tests of drafts, measured lift."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES = (
    """
    CREATE TABLE knowledge_changes (
        number BIGINT NOT NULL,
        description_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        state VARCHAR NOT NULL CHECK (state IN ('draft', 'testing', 'published', 'retired')),
        version VARCHAR,
        author VARCHAR NOT NULL,
        reason VARCHAR NOT NULL,
        changed_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (number)
    )
    """,
    """
    CREATE TABLE knowledge_sentences (
        description_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        place BIGINT NOT NULL,
        text VARCHAR NOT NULL,
        origin VARCHAR NOT NULL CHECK (origin IN ('kept', 'verdict', 'curator', 'model')),
        dispute_id VARCHAR,
        verdict_id VARCHAR,
        image_id VARCHAR
    )
    """,
    """
    CREATE TABLE knowledge_trials (
        version VARCHAR NOT NULL,
        members STRUCT(description_id VARCHAR, revision BIGINT)[] NOT NULL,
        opened_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (version)
    )
    """,
    """
    CREATE TABLE gate_attempts (
        description_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        budget VARCHAR NOT NULL,
        attempt BIGINT NOT NULL,
        alpha DOUBLE NOT NULL,
        margin DOUBLE NOT NULL,
        against BIGINT,
        base_version VARCHAR,
        trial_version VARCHAR NOT NULL,
        run_id VARCHAR NOT NULL,
        plan VARCHAR NOT NULL,
        affected VARCHAR[] NOT NULL,
        elsewhere VARCHAR[] NOT NULL,
        author VARCHAR NOT NULL,
        opened_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (description_id, revision)
    )
    """,
    """
    CREATE TABLE gate_results (
        description_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        verdict VARCHAR NOT NULL CHECK (verdict IN ('better', 'worse', 'not enough evidence')),
        why VARCHAR NOT NULL,
        images BIGINT NOT NULL,
        questions BIGINT NOT NULL,
        won BIGINT NOT NULL,
        lost BIGINT NOT NULL,
        difference DOUBLE NOT NULL,
        low DOUBLE NOT NULL,
        high DOUBLE NOT NULL,
        p_better DOUBLE NOT NULL,
        p_worse DOUBLE NOT NULL,
        elsewhere_images BIGINT NOT NULL,
        elsewhere_questions BIGINT NOT NULL,
        elsewhere_won BIGINT NOT NULL,
        elsewhere_lost BIGINT NOT NULL,
        elsewhere_difference DOUBLE NOT NULL,
        elsewhere_low DOUBLE NOT NULL,
        images_needed BIGINT,
        old_run VARCHAR NOT NULL,
        new_run VARCHAR NOT NULL,
        closed_at TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (description_id, revision)
    )
    """,
    """
    CREATE TABLE knowledge_lifts (
        description_id VARCHAR NOT NULL,
        revision BIGINT NOT NULL,
        run_id VARCHAR NOT NULL,
        retrieved BIGINT NOT NULL,
        strayed BIGINT NOT NULL,
        sampled BIGINT NOT NULL,
        questions BIGINT NOT NULL,
        helped BIGINT NOT NULL,
        harmed BIGINT NOT NULL,
        lift DOUBLE NOT NULL,
        low DOUBLE NOT NULL,
        high DOUBLE NOT NULL,
        measured_at TIMESTAMPTZ NOT NULL
    )
    """,
)

# Until now a revision's state was what it was stored with; what left the published set has been retired since.
_RETIRED = """
    UPDATE descriptions SET state = 'retired' WHERE state = 'published'
    AND EXISTS (SELECT 1 FROM knowledge_versions)
    AND (description_id, revision) NOT IN (
        SELECT (member.description_id, member.revision) FROM (
            SELECT unnest(members) AS member FROM
            (SELECT members FROM knowledge_versions ORDER BY published_at DESC LIMIT 1)
        )
    )
"""
_HISTORY = """
    INSERT INTO knowledge_changes
    SELECT row_number() OVER (ORDER BY created_at, description_id, revision),
        description_id, revision, state, NULL, author, reason, created_at
    FROM descriptions
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction; the history begins with what is stored."""
    for statement in (*TABLES, _RETIRED, _HISTORY):
        con.execute(statement)
