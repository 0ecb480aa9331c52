"""The tables and how an older database becomes today's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.warehouse import rows
from tests.warehouse.rows import RUN
from warehouse import migrations, schema
from warehouse.database import Database
from warehouse.errors import NewerWarehouse
from warehouse.migrations import STEPS, Step
from warehouse.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


def tables(con: DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Every column of every table with its type, and every constraint."""
    columns = con.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    constraints = con.execute(
        "SELECT table_name, constraint_type, constraint_text FROM duckdb_constraints() ORDER BY ALL"
    ).fetchall()
    return [*columns, *constraints]


def today() -> DuckDBPyConnection:
    con = duckdb.connect()
    migrations.migrate(con)
    return con


def test_every_published_version_is_kept_here_as_sql() -> None:
    assert [int(file.stem) for file in SCHEMAS] == list(range(1, migrations.newest() + 1))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_every_old_database_with_rows_in_it_ends_in_todays_tables(file: Path) -> None:
    con = duckdb.connect()
    con.execute(file.read_text(encoding="utf-8"))
    had = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()}

    migrations.migrate(con)

    assert tables(con) == tables(today())
    assert con.execute("SELECT max(version) FROM schema_versions").fetchall() == [(migrations.newest(),)]
    for table in (table for table in migrations.TABLES if table.name in had):
        assert schema.records(table.record, con.sql(f"SELECT * FROM {table.name}").pl()), table.name


def test_a_database_of_today_is_left_alone() -> None:
    con = today()
    migrations.migrate(con)

    assert con.execute("SELECT count(*) FROM schema_versions").fetchall() == [(1,)]


def add_a_column(con: DuckDBPyConnection) -> None:
    con.execute("ALTER TABLE runs ADD COLUMN shift VARCHAR")


def fail_after_a_change(con: DuckDBPyConnection) -> None:
    con.execute("ALTER TABLE runs ADD COLUMN night VARCHAR")
    raise RuntimeError("half-way")


FUTURE: dict[int, Step] = {**STEPS, migrations.newest() + 1: add_a_column}


def test_a_step_is_applied_once_and_recorded() -> None:
    con = today()
    con.register("a_run", schema.table(type(rows.run()), [rows.run()]))
    con.execute("INSERT INTO runs BY NAME SELECT * FROM a_run")

    migrations.migrate(con, FUTURE)
    migrations.migrate(con, FUTURE)

    assert con.execute("SELECT run_id, shift FROM runs").fetchall() == [(RUN, None)]
    assert migrations.version(con, FUTURE) == migrations.newest() + 1


def test_a_step_that_fails_leaves_the_database_as_it_was() -> None:
    con = today()
    before = tables(con)

    con.execute("BEGIN")
    with pytest.raises(RuntimeError, match="half-way"):
        migrations.migrate(con, {**FUTURE, migrations.newest() + 2: fail_after_a_change})
    con.execute("ROLLBACK")

    assert tables(con) == before
    assert migrations.version(con) == migrations.newest()


def test_a_newer_database_is_refused_by_readers_and_writers(data: Path) -> None:
    store = Store(data)
    store.open_run(rows.run())
    with Database(data)._transaction() as con:
        con.execute("INSERT INTO schema_versions VALUES (99, now())")

    with pytest.raises(NewerWarehouse, match="has version 99 and this program knows versions up to"):
        store.runs()
    with pytest.raises(NewerWarehouse, match="use the newer program"):
        store.close_run(RUN, "finished")


def test_a_reader_brings_an_older_database_up(data: Path) -> None:
    data.mkdir()
    duckdb.connect(str(data / "warehouse.duckdb")).close()  # killed between making the file and its first commit

    assert Store(data).runs().is_empty()
    with Database(data).reading() as con:
        assert migrations.version(con) == migrations.newest()
