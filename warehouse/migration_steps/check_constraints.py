"""Changing the CHECKs of a table that has rows: DuckDB changes none of a table that is there, so it is made anew."""

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


def allow(con: DuckDBPyConnection, table: str, last: str, further: str) -> None:
    """Make the table anew with one value more in a CHECK's list, in the caller's transaction; its rows and key stay.

    Args:
        last: the value that the list ends with today.
        further: the value that is allowed from now on.
    """
    ((made_by,),) = con.execute("SELECT sql FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall()
    end = f"'{last}')"
    assert made_by.count(end) == 1, made_by
    con.execute(f"ALTER TABLE {table} RENAME TO rows_before")
    con.execute(made_by.replace(end, f"'{last}', '{further}')"))
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows_before")
    con.execute("DROP TABLE rows_before")
