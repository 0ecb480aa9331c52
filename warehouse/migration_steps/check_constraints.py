"""Adding a column with a CHECK to a table that has rows: DuckDB adds none to a table that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def add_columns(con: DuckDBPyConnection, table: str, columns: dict[str, str], values: dict[str, str]) -> None:
    """Make the table anew with further columns, in the caller's transaction; its rows, key and constraints stay.

    Args:
        columns: a definition by name, such as "VARCHAR NOT NULL CHECK (...)".
        values: by name an SQL expression over the row, which stands in `rows_before`.
    """
    ((made_by,),) = con.execute("SELECT sql FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall()
    con.execute(f"ALTER TABLE {table} RENAME TO rows_before")
    definitions = ", ".join(f"{name} {definition}" for name, definition in columns.items())
    con.execute(f"{made_by.rpartition(')')[0]}, {definitions})")
    filled = ", ".join(f"{values[name]} AS {name}" for name in columns)
    con.execute(f"INSERT INTO {table} BY NAME SELECT *, {filled} FROM rows_before")
    con.execute("DROP TABLE rows_before")
