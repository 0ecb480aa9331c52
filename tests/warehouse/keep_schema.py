"""Write today's tables, with a row in each, as `schemas/NNN.sql`: run once when a version is published.

    python -m tests.warehouse.keep_schema

The rows are those of the version before, brought up by its step, and invented ones in the tables that are new.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb

from warehouse import migrations, schema, views
from warehouse.database import insert
from warehouse.queries import truth

SCHEMAS = Path(__file__).parent / "schemas"
MOMENT = datetime(2025, 1, 3, 22, 0, 5, 123456, UTC)
_PLAIN: dict[object, object] = {str: "text", int: 1, float: 0.5, bool: True, datetime: MOMENT}


def main() -> None:
    """Write the newest version's file."""
    newest = migrations.newest()
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute((SCHEMAS / f"{newest - 1:03d}.sql").read_text(encoding="utf-8"))
    migrations.migrate(con)
    text = [
        f"-- The tables of version {newest} with a row in each, as its program made them. Never edited.",
        "CREATE TABLE schema_versions (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL);\n"
        f"INSERT INTO schema_versions VALUES ({newest}, {literal(MOMENT)});",
    ]
    for table in migrations.TABLES:
        found: list[object] = schema.records(table.record, con.sql(f"SELECT * FROM {table.name}").pl())
        if not found:
            found = [sample(table.record)]
            insert(con, table.name, schema.table(table.record, found))
        names = [field.name for field in dataclasses.fields(table.record)]
        values = ",\n    ".join(literal(getattr(found[0], name)) for name in names)
        text.append(
            f"{schema.ddl(table.name, table.record, table.key)};\nINSERT INTO {table.name} VALUES (\n    {values}\n);"
        )
    text += [f"{statement};" for statement in views.statements()]
    text += [f"CREATE VIEW {name} AS {query.strip()};" for name, query in truth.VIEWS.items()]
    (SCHEMAS / f"{newest:03d}.sql").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def sample(record: Any) -> Any:
    """A record with a value in every column."""
    hints = typing.get_type_hints(record, include_extras=True)
    return record(**{field.name: value(hints[field.name]) for field in dataclasses.fields(record)})


def value(hint: Any) -> object:
    """Some value of a column's type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return value(inner[0])
    if origin is typing.Union or isinstance(hint, types.UnionType):
        return value(next(part for part in inner if part is not type(None)))
    if origin is Literal:
        return inner[0]
    if origin is tuple:
        return (value(inner[0]),)
    if origin is dict:
        return {"A": value(inner[1])}
    return sample(hint) if dataclasses.is_dataclass(hint) else _PLAIN[hint]


def literal(of: Any) -> str:
    """A value as SQL writes it."""
    if of is None:
        return "NULL"
    if isinstance(of, bool):
        return "true" if of else "false"
    if isinstance(of, str):
        return "'" + of.replace("'", "''") + "'"
    if isinstance(of, datetime):
        return f"TIMESTAMPTZ '{of.isoformat()}'"
    if isinstance(of, tuple):
        return "[" + ", ".join(map(literal, of)) + "]"
    if isinstance(of, dict):
        return "MAP {" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in of.items()) + "}"
    if dataclasses.is_dataclass(of):
        fields = dataclasses.fields(of)
        return "{" + ", ".join(f"'{field.name}': {literal(getattr(of, field.name))}" for field in fields) + "}"
    return repr(of)


if __name__ == "__main__":
    main()
