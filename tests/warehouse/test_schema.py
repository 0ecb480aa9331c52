"""Records to Arrow, to DuckDB and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.warehouse import rows
from warehouse import migrations, schema
from warehouse.records import scoring

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Every value a column of this type can hold."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or isinstance(hint, types.UnionType):
        return st.none() | values(next(arg for arg in args if arg is not types.NoneType))
    if origin is Annotated:
        return st.lists(st.floats(allow_nan=False, width=32), max_size=3).map(tuple)
    if origin is Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(texts, values(args[1]), max_size=3)
    if dataclasses.is_dataclass(hint):
        return any_record(typing.cast(type, hint))
    plain: dict[type, st.SearchStrategy[Any]] = {
        str: texts,
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        datetime: st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),
    }
    return plain[hint]


def any_record(record: type) -> st.SearchStrategy[Any]:
    return st.builds(
        record, **{name: values(hint) for name, hint in typing.get_type_hints(record, include_extras=True).items()}
    )


@pytest.mark.parametrize("table", migrations.TABLES, ids=lambda table: table.name)
def test_a_row_read_back_equals_the_row_written(table: migrations.Table) -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    migrations.migrate(con)

    @settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
    @given(row=any_record(table.record))
    def check(row: Any) -> None:
        con.execute(f"DELETE FROM {table.name}")
        con.register("written", schema.table(table.record, [row]))
        con.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM written")
        assert schema.records(table.record, con.sql(f"SELECT * FROM {table.name}").pl()) == [row]

    check()


@given(row=any_record(scoring.Prediction))
def test_a_prediction_survives_arrow_and_polars(row: scoring.Prediction) -> None:
    table = schema.table(scoring.Prediction, [row])

    assert table.schema == schema.arrow(scoring.Prediction)
    assert schema.records(scoring.Prediction, pl.DataFrame(table)) == [row]


def test_a_missing_value_is_named_before_it_reaches_the_disk() -> None:
    with pytest.raises(ValueError, match=r"Prediction\.subtask is None"):
        schema.table(scoring.Prediction, [rows.prediction(0, 0, subtask=None)])


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        schema.table(scoring.Prediction, [rows.prediction(0, 0, created_at=datetime(2025, 1, 3))])


def test_half_precision_vectors_keep_half_precision() -> None:
    table = schema.table(scoring.PatchVector, [scoring.PatchVector("c", "e", 0, 0, (0.1, 2.0))])

    assert str(table.schema.field("vector").type.value_type) == "halffloat"
    assert [round(value, 3) for value in table["vector"][0].as_py()] == [0.1, 2.0]


def test_the_ddl_says_what_the_class_says() -> None:
    assert schema.ddl("descriptions", scoring.Description, ("description_id", "revision")) == (
        "CREATE TABLE descriptions (\n"
        "    description_id VARCHAR NOT NULL,\n"
        "    revision BIGINT NOT NULL,\n"
        "    dataset VARCHAR NOT NULL,\n"
        "    product VARCHAR NOT NULL,\n"
        "    entry VARCHAR NOT NULL,\n"
        "    text VARCHAR NOT NULL,\n"
        "    state VARCHAR NOT NULL CHECK (state IN ('draft', 'testing', 'published', 'retired')),\n"
        "    author VARCHAR NOT NULL,\n"
        "    reason VARCHAR NOT NULL,\n"
        "    created_at TIMESTAMPTZ NOT NULL,\n"
        "    PRIMARY KEY (description_id, revision)\n"
        ")"
    )
