"""Version 5: dataset, product and entry of a retrieved text beside its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PART = "coalesce(replace(string_split(shown.description_id, '/')[{}], '%2F', '/'), '')"
_STATEMENT = f"""
    ALTER TABLE predictions ALTER COLUMN descriptions SET DATA TYPE
    STRUCT(description_id VARCHAR, revision BIGINT, rank BIGINT, score DOUBLE, dataset VARCHAR, product VARCHAR,
        entry VARCHAR)[]
    USING list_transform(descriptions, lambda shown: {{
        'description_id': shown.description_id, 'revision': shown.revision, 'rank': shown.rank, 'score': shown.score,
        'dataset': {_PART.format(-3)}, 'product': {_PART.format(-2)}, 'entry': {_PART.format(-1)}
    }})
"""


def add(con: DuckDBPyConnection) -> None:
    """Bring the table up inside the caller's transaction."""
    con.execute(_STATEMENT)
