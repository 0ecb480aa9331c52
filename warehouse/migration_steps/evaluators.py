"""Version 5: what answered a run, and what its answers may carry.

Until now every run was an engine's but those imported from answer files, whose settings say so. An engine tells the
probabilities of options and can write; think tokens have a course where there are any, and look at patches unless the
run's settings kept them from it. An imported file has its answers, and words where an answer was more than a letter:
of one that is half imported nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CAPABILITIES = "STRUCT(probabilities BOOLEAN, attention BOOLEAN, latents BOOLEAN, text BOOLEAN)"
_COLUMNS = (
    ("evaluator", "VARCHAR", "''"),
    ("evaluator_version", "VARCHAR", "''"),
    (
        "capabilities",
        _CAPABILITIES,
        "{'probabilities': true, 'attention': true, 'latents': true, 'text': true}",
    ),
)
_FILL = (
    """
    UPDATE runs SET
        evaluator = coalesce(json_extract_string(settings, '$.engine'), 'segments'),
        evaluator_version = coalesce(json_extract_string(settings, '$.facts.weights'), ''),
        capabilities = {
            'probabilities': true,
            'attention': coalesce(CAST(json_extract(settings, '$.think_tokens') AS BIGINT), 1) > 0
                AND coalesce(CAST(json_extract(settings, '$.iterations') AS BIGINT), 1) > 0
                AND coalesce(json_extract_string(settings, '$.injection'), '') <> 'none',
            'latents': coalesce(CAST(json_extract(settings, '$.think_tokens') AS BIGINT), 1) > 0,
            'text': true
        }
    """,
    """
    UPDATE runs SET
        evaluator = 'answer file',
        evaluator_version = plan,
        capabilities = {
            'probabilities': false,
            'attention': false,
            'latents': false,
            'text': state <> 'finished' OR run_id IN (SELECT run_id FROM predictions WHERE raw_text IS NOT NULL)
        }
    WHERE json_exists(settings, '$.imported')
    """,
)


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction."""
    for column, kind, default in _COLUMNS:
        con.execute(f"ALTER TABLE runs ADD COLUMN {column} {kind} DEFAULT {default}")
        con.execute(f"ALTER TABLE runs ALTER COLUMN {column} DROP DEFAULT")
        con.execute(f"ALTER TABLE runs ALTER COLUMN {column} SET NOT NULL")


def fill(con: DuckDBPyConnection) -> None:
    """Say it of the runs there are; after every change of the table, as DuckDB alters none that was updated."""
    for statement in _FILL:
        con.execute(statement)
