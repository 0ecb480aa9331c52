"""Arrow schemas, DuckDB columns and conversions, derived from the record classes.

| in the class                  | Arrow                | DuckDB                     |
| ----------------------------- | -------------------- | -------------------------- |
| str, int, float, bool         | string, int64, ...   | VARCHAR, BIGINT, ...       |
| datetime                      | timestamp[us, UTC]   | TIMESTAMPTZ                |
| Literal[...]                  | string               | VARCHAR CHECK (... IN ...) |
| T or None                     | nullable             | without NOT NULL           |
| tuple[T, ...]                 | list<T>              | T[]                        |
| dict[str, float]              | map<string, double>  | MAP(VARCHAR, DOUBLE)       |
| a record                      | struct               | STRUCT(...)                |
| Annotated[tuple, "float32"]   | list<float>          | FLOAT[]                    |
| Annotated[tuple, "float16"]   | list<halffloat>      | kept in LanceDB alone      |
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl

R = TypeVar("R")

_ARROW = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", "UTC"),
}
_SQL = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", datetime: "TIMESTAMPTZ"}


@functools.cache
def arrow(record: type) -> pa.Schema:
    """The Arrow schema of a record class: columns in the class's order."""
    return pa.schema([pa.field(name, _arrow(hint), _optional(hint)) for name, hint in _hints(record).items()])


def ddl(table: str, record: type, key: Sequence[str] = ()) -> str:
    """The CREATE TABLE statement of a record class."""
    lines = [f"{name} {column(name, hint)}" for name, hint in _hints(record).items()]
    if key:
        lines.append(f"PRIMARY KEY ({', '.join(key)})")
    return f"CREATE TABLE {table} (\n    " + ",\n    ".join(lines) + "\n)"


def column(name: str, hint: object) -> str:
    """A column's SQL type with its constraints."""
    text = _sql(_plain(hint))
    if not _optional(hint):
        text += " NOT NULL"
    if typing.get_origin(_plain(hint)) is Literal:
        text += f" CHECK ({name} IN ({', '.join(repr(value) for value in typing.get_args(_plain(hint)))}))"
    return text


def table(record: type[R], records: Iterable[R]) -> pa.Table:
    """Records as an Arrow table of exactly `arrow(record)`.

    Raises:
        ValueError: a value doesn't fit its column: a None where none may be, a naive time.
    """
    rows, shape, columns = list(records), _shape(record), []
    for field, hint in zip(arrow(shape), _hints(shape).values(), strict=True):
        out = _writer(hint)
        values = [getattr(row, field.name) for row in rows]
        try:
            columns.append(pa.array([out(value) for value in values] if out else values, field.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            raise ValueError(f"{record.__name__}.{field.name}: {error}") from error
        if columns[-1].null_count and not field.nullable:
            raise ValueError(f"{record.__name__}.{field.name} is None in a row; this column always has a value")
    return pa.table(columns, schema=arrow(shape))


def records(record: type[R], frame: pl.DataFrame) -> list[R]:
    """The rows of a frame that has at least the class's columns, as records."""
    readers = {name: _reader(hint) for name, hint in _hints(_shape(record)).items()}
    return [
        record(**{name: read(row[name]) if read else row[name] for name, read in readers.items()})
        for row in frame.select(*readers).iter_rows(named=True)
    ]


def _shape(record: type) -> type:
    """The class itself, as mypy lets a cached function take it."""
    return record


@functools.cache
def _hints(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(record)}


def _optional(hint: object) -> bool:
    return isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union


def _plain(hint: Any) -> Any:
    """The hint without `| None`."""
    if not _optional(hint):
        return hint
    (inner,) = [arg for arg in typing.get_args(hint) if arg is not types.NoneType]
    return inner


def _arrow(hint: Any) -> pa.DataType:
    hint = _plain(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return pa.list_(pa.float32() if args[1] == "float32" else pa.float16())
    if origin is Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(_arrow(args[0]))
    if origin is dict:
        return pa.map_(_arrow(args[0]), _arrow(args[1]))
    if dataclasses.is_dataclass(hint):
        return pa.struct([pa.field(name, _arrow(inner)) for name, inner in _hints(typing.cast(type, hint)).items()])
    return _ARROW[hint]


def _sql(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated and args[1] == "float32":
        return "FLOAT[]"
    if origin is Literal:
        return "VARCHAR"
    if origin is tuple:
        return f"{_sql(args[0])}[]"
    if origin is dict:
        return f"MAP({_sql(args[0])}, {_sql(args[1])})"
    if dataclasses.is_dataclass(hint):
        inner = _hints(typing.cast(type, hint)).items()
        return f"STRUCT({', '.join(f'{name} {_sql(_plain(inner_hint))}' for name, inner_hint in inner)})"
    return _SQL[hint]


@functools.cache
def _writer(hint: Any) -> Callable[[Any], Any] | None:
    """What turns a value into one Arrow takes; None where it takes the value as it is."""
    plain = _plain(hint)
    origin, args = typing.get_origin(plain), typing.get_args(plain)
    out: Callable[[Any], Any] | None = None
    if origin is Annotated:
        out = lambda value: np.asarray(value, args[1])  # noqa: E731
    elif origin is dict:
        out = lambda value: list(value.items())  # noqa: E731
    elif plain is datetime:
        out = _utc
    elif origin is tuple and (inner := _writer(args[0])):
        out = lambda value: [inner(item) for item in value]  # noqa: E731
    elif dataclasses.is_dataclass(plain):
        fields = [(name, _writer(field)) for name, field in _hints(typing.cast(type, plain)).items()]
        out = lambda value: {  # noqa: E731
            name: write(getattr(value, name)) if write else getattr(value, name) for name, write in fields
        }
    return _unless_none(out) if out and _optional(hint) else out


@functools.cache
def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """What turns a value of a frame's row into the record's; None where it already is."""
    plain = _plain(hint)
    origin, args = typing.get_origin(plain), typing.get_args(plain)
    out: Callable[[Any], Any] | None = None
    if origin is Annotated:
        out = tuple
    elif origin is dict:
        out = dict
    elif plain is datetime:
        out = _utc
    elif origin is tuple:
        inner = _reader(args[0])
        out = (lambda value: tuple([inner(item) for item in value])) if inner else tuple
    elif dataclasses.is_dataclass(plain):
        record = typing.cast(type, plain)
        readers = {name: read for name, field in _hints(record).items() if (read := _reader(field))}
        if readers:
            out = lambda value: record(  # noqa: E731
                **value | {name: read(value[name]) for name, read in readers.items()}
            )
        else:
            out = lambda value: record(**value)  # noqa: E731
    return _unless_none(out) if out and _optional(hint) else out


def _unless_none(out: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else out(value)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone; times are stored in UTC with zone")
    return value.astimezone(UTC)
