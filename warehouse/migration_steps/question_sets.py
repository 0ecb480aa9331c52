"""Version 5: registered question sets; runs keep what their set declared, disputes the kind of their question.

Every older run asked MMAD's subtasks, or the four of the inspection protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.migration_steps import denials

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MMAD = (
    ("Anomaly Detection", "detection", "yes/no", "key", True, "defect"),
    ("Defect Classification", "classification", "choice", "key", False, "defect type"),
    ("Defect Localization", "localization", "region", "key", False, "defect"),
    ("Defect Description", "description", "choice", "key", False, "defect"),
    ("Defect Analysis", "analysis", "choice", "key", False, "defect"),
    ("Object Classification", "object class", "choice", "key", False, "object"),
    ("Object Analysis", "object analysis", "choice", "key", False, "object"),
)
_INSPECTION = (
    ("Anomaly Detection", "detection", "yes/no", "label", True, "defect"),
    ("Defect Classification", "classification", "choice", "defect", False, "defect type"),
    ("Defect Localization", "localization", "region", "mask", False, "defect"),
    ("Defect Description", "description", "open", "none", False, "defect"),
)
_SUBTASKS = "STRUCT(name VARCHAR, short VARCHAR, kind VARCHAR, scorer VARCHAR, detects BOOLEAN, about VARCHAR)[]"
_DISPUTES = """
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
        claims VARCHAR[],
        kind VARCHAR CHECK (kind IN ('yes/no', 'choice', 'region', 'open')),
        no_defect VARCHAR[],
        PRIMARY KEY (dispute_id)
    )
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the tables up inside the caller's transaction."""
    con.execute(
        "CREATE TABLE question_sets (name VARCHAR NOT NULL, version VARCHAR NOT NULL, text VARCHAR NOT NULL, "
        "author VARCHAR NOT NULL, registered_at TIMESTAMPTZ NOT NULL, PRIMARY KEY (name, registered_at))"
    )
    for column, kind, default in (("question_set", "VARCHAR", "'mmad'"), ("subtasks", _SUBTASKS, "[]")):
        con.execute(f"ALTER TABLE runs ADD COLUMN {column} {kind} DEFAULT {default}")
        con.execute(f"ALTER TABLE runs ALTER COLUMN {column} DROP DEFAULT")
        con.execute(f"ALTER TABLE runs ALTER COLUMN {column} SET NOT NULL")
    kinds = " ".join(f"WHEN '{name}' THEN '{kind}'" for name, _, kind, *_ in _MMAD)
    con.execute(
        "CREATE TEMP TABLE kept AS SELECT *, CASE WHEN len(options) = 0 THEN 'open' ELSE "
        f"CASE subtask {kinds} ELSE 'choice' END END AS kind, {denials.NO_DEFECT} AS no_defect FROM disputes"
    )
    con.execute("DROP TABLE disputes")
    con.execute(_DISPUTES)
    con.execute("INSERT INTO disputes BY NAME SELECT * FROM kept")
    con.execute("DROP TABLE kept")


def fill(con: DuckDBPyConnection) -> None:
    """What older runs asked; after every change of the table, as DuckDB alters none that was updated."""
    con.execute(f"UPDATE runs SET subtasks = {_as_sql(_MMAD)}")
    con.execute(
        f"UPDATE runs SET question_set = 'inspection', subtasks = {_as_sql(_INSPECTION)} "
        "WHERE json_extract_string(settings, '$.facts.questions') = 'inspection:1'"
    )


def _as_sql(subtasks: tuple[tuple[str, str, str, str, bool, str], ...]) -> str:
    rows = ", ".join(
        f"{{'name': '{name}', 'short': '{short}', 'kind': '{kind}', 'scorer': '{scorer}', "
        f"'detects': {str(detects).lower()}, 'about': '{about}'}}"
        for name, short, kind, scorer, detects, about in subtasks
    )
    return f"[{rows}]"
