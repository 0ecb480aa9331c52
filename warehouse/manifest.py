"""The manifest of a part, written last: the columns, the rows and the SHA-256 of each of its files.

    {"version": 1, "run_id": "...", "block": 12,
     "files": {"predictions.arrow": {"columns": [["run_id", "string"], ...], "rows": 40, "size": 812, "sha256": "..."}}}

Arrow's format has no checksum: a byte that a disk turned over is another number, and nothing says so. A file is
therefore read once, compared with what is stated here, and decoded from the bytes that were compared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from warehouse import bounded
from warehouse.errors import MalformedPart

FILE = "manifest.json"
VERSION = 1
MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Statement:
    """What is stated about one file."""

    columns: tuple[tuple[str, str], ...]  # name and type
    rows: int
    size: int  # bytes
    sha256: str

    def __post_init__(self) -> None:
        if type(self.rows) is not int or type(self.size) is not int or min(self.rows, self.size) < 0:
            raise TypeError("rows and size are whole numbers")
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError("a SHA-256 has 64 hex digits")

    def check_content(self, name: str, content: bytes) -> None:
        """Compare a file's bytes with what is stated.

        Raises:
            MalformedPart: they are other bytes.
        """
        if len(content) != self.size:
            raise MalformedPart(f"{name} has {len(content)} bytes and its manifest states {self.size}")
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise MalformedPart(f"{name} was changed after it was written: its SHA-256 isn't the manifest's")

    def check_table(self, name: str, table: pa.Table) -> None:
        """Compare what the bytes hold with what is stated.

        Raises:
            MalformedPart: other columns, or another number of rows.
        """
        if len(table) != self.rows:
            raise MalformedPart(f"{name} has {len(table)} rows and its manifest states {self.rows}")
        if _columns(table.schema) != self.columns:
            raise MalformedPart(f"{name} has other columns than its manifest states")


def state(table: pa.Table, content: Any) -> Statement:
    """What there is to state about a table and the bytes of its file."""
    return Statement(_columns(table.schema), len(table), len(content), hashlib.sha256(content).hexdigest())


def render(run_id: str, block: int, files: Mapping[str, Statement]) -> str:
    """The manifest's text."""
    stated = {
        name: {"columns": each.columns, "rows": each.rows, "size": each.size, "sha256": each.sha256}
        for name, each in files.items()
    }
    return json.dumps({"version": VERSION, "run_id": run_id, "block": block, "files": stated})


def parse(content: bytes, run_id: str, block: int) -> dict[str, Statement]:
    """What a manifest states, by file.

    Raises:
        MalformedPart: it can't be read, or belongs to another part.
    """
    try:
        found = json.loads(content)
        version, owner = found["version"], (found["run_id"], found["block"])
        if version == VERSION:
            files = {bounded.name(name): _statement(each) for name, each in found["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise MalformedPart(f"{FILE} can't be read: {type(error).__name__}: {error}") from error
    if version != VERSION:
        raise MalformedPart(f"{FILE} has version {version!r}; this program knows version {VERSION}")
    if owner != (run_id, block):
        raise MalformedPart(f"{FILE} is that of block {owner[1]!r} of run {owner[0]!r}")
    return files


def _statement(stated: Any) -> Statement:
    return Statement(tuple(map(_pair, stated["columns"])), stated["rows"], stated["size"], stated["sha256"])


def _pair(column: Any) -> tuple[str, str]:
    name, type_ = column
    return bounded.name(name), bounded.line(type_)


def _columns(schema: pa.Schema) -> tuple[tuple[str, str], ...]:
    return tuple((field.name, _type(field.type)) for field in schema)


def _type(found: pa.DataType) -> str:
    """The type in words of our own: Arrow's for nested types have changed between its versions."""
    if pa.types.is_map(found):
        return f"map<{_type(found.key_type)}, {_type(found.item_type)}>"
    if pa.types.is_struct(found):
        return f"struct<{', '.join(f'{field.name}: {_type(field.type)}' for field in found)}>"
    if pa.types.is_list(found):
        return f"list<{_type(found.value_type)}>"
    return str(found)
