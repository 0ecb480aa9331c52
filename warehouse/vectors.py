"""LanceDB: vectors of images, accepted patches and knowledge texts.

An index derived from the warehouse and the images, never the truth: deleting the folder loses nothing that
`workbench reindex` can't bring back. Rows are merge-inserted by key, so writing one twice leaves one.

One table holds one vector space: the kind and the encoder are in its name. Encoders differ in their dimension, a
LanceDB vector column has one, and neither a search nor an index can then mix two spaces. The encoder's name is free
text, so the table is named by its hash; the column `encoder` says it in full.

A knowledge text has a row per window its encoder reads it in. A table of a program that knew one row per text counts as
none, and is made anew by whoever writes next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse import file_permissions, kill_points, locks, schema
from warehouse.errors import BrokenIndex, Refused, full_disk_named, is_full_disk
from warehouse.records import scoring

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

Kind = Literal["images", "patches", "texts"]
_KEYS: dict[Kind, list[str]] = {
    "images": ["content"],
    "patches": ["content", "row", "col"],
    "texts": ["description_id", "revision", "window"],
}
_SMALL_APPENDS = 64  # small fragments in a table before they are merged into one
_WAIT = 600.0  # seconds to wait for another writer
_RETENTION = timedelta(minutes=10)  # how long a reader may go on with the version it opened; a read takes seconds
_KEY_BYTES = 128  # of a row, its key and encoder, about


class Vectors:
    """The vector index of one data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / "vectors"
        self._locks = data / "locks"
        self._opened: Any = None

    def upsert_images(self, vectors: Iterable[scoring.ImageVector]) -> None:
        """Add image vectors whose (content, encoder) isn't there."""
        self.merge("images", schema.table(scoring.ImageVector, vectors))

    def upsert_patches(self, vectors: Iterable[scoring.PatchVector]) -> None:
        """Add patch vectors whose (content, encoder, row, col) isn't there."""
        self.merge("patches", schema.table(scoring.PatchVector, vectors))

    def upsert_texts(self, vectors: Iterable[scoring.TextVector]) -> None:
        """Add text vectors whose (description, revision, encoder, window) isn't there."""
        self.merge("texts", schema.table(scoring.TextVector, vectors))

    def merge(self, kind: Kind, rows: pa.Table) -> None:
        """Add the rows whose key isn't there yet, encoder by encoder.

        Raises:
            DiskFull: the disk is full; the index stays as it was.
            BrokenIndex: LanceDB can't use its files.
            Refused: vectors of one encoder have different lengths, or hold a number that isn't finite.
        """
        file_permissions.folder(self._path.parent)
        for encoder in rows["encoder"].unique().to_pylist():
            some = rows if len(rows["encoder"].unique()) == 1 else rows.filter(pc.equal(rows["encoder"], encoder))
            with locks.exclusive(self._locks, "vectors", _WAIT), self._usable():
                self._add(kind, encoder, _with_fixed_length(_without_repeats(some, _KEYS[kind])))

    def text_vectors(self, encoder: str) -> list[scoring.TextVector]:
        """All text vectors of an encoder, one per window."""
        import polars as pl

        with self._usable():
            table = self._table("texts", encoder)
            if table is None:
                return []
            return schema.records(scoring.TextVector, pl.DataFrame(table.to_arrow()))

    def text_windows(self, encoder: str) -> dict[tuple[str, int], NDArray[np.float32]]:
        """The vectors of every text that is encoded whole, by (description_id, revision): (windows, d) float32 each."""
        with self._usable():
            table = self._table("texts", encoder)
            rows = table.to_arrow() if table is not None else None
        if rows is None or not len(rows):
            return {}
        rows = rows.sort_by([(name, "ascending") for name in _KEYS["texts"]])
        matrix, windows = _matrix(rows), rows["windows"].to_pylist()
        found: dict[tuple[str, int], NDArray[np.float32]] = {}
        start = 0
        for key, group in groupby(zip(rows["description_id"].to_pylist(), rows["revision"].to_pylist(), strict=True)):
            end = start + sum(1 for _ in group)
            if end - start == windows[start]:
                found[key] = matrix[start:end]
            start = end
        return found

    def window_counts(self, description_ids: Iterable[str]) -> dict[tuple[str, int], dict[str, int]]:
        """In how many windows each encoder reads the revisions of these descriptions, as far as they are encoded."""
        found: dict[tuple[str, int], dict[str, int]] = {}
        wanted = list(description_ids)
        with self._usable():
            for name in self._names():
                table = self._database().open_table(name) if name.startswith("texts-") else None
                if table is None or not _is_todays("texts", table):
                    continue
                columns = ["description_id", "revision", "encoder", "windows"]
                for row in _among(table, "description_id", wanted, columns).to_pylist():
                    found.setdefault((row["description_id"], row["revision"]), {})[row["encoder"]] = row["windows"]
        return found

    def image_vectors(self, contents: Iterable[str], encoder: str) -> dict[str, NDArray[np.float32]]:
        """The vectors there are of these contents, each (d,) float32."""
        with self._usable():
            table = self._table("images", encoder)
            if table is None:
                return {}
            rows = _among(table, "content", contents, ["content", "vector"])
        return dict(zip(rows["content"].to_pylist(), _matrix(rows), strict=True)) if len(rows) else {}

    def patch_places(self, contents: Iterable[str], encoder: str) -> set[tuple[str, int, int]]:
        """(content, row, col) of the patches there are of these contents."""
        with self._usable():
            table = self._table("patches", encoder)
            if table is None:
                return set()
            rows = _among(table, "content", contents, _KEYS["patches"])
        return set(zip(*(rows[name].to_pylist() for name in _KEYS["patches"]), strict=True))

    def every_image_vector(self, encoder: str) -> tuple[list[str], NDArray[np.float32]]:
        """The contents of all encoded images, and their vectors (N, d) float32 in the same order."""
        with self._usable():
            table = self._table("images", encoder)
            rows = table.to_arrow() if table is not None else None
        if rows is None or not len(rows):
            return [], np.empty((0, 0), np.float32)
        return rows["content"].to_pylist(), _matrix(rows)

    def counts(self) -> pl.DataFrame:
        """Rows by kind and encoder: kind, encoder, rows."""
        import polars as pl

        found = []
        with self._usable():
            for name in self._names():
                if name.partition("-")[0] not in _KEYS:
                    continue
                table = self._database().open_table(name)
                encoder = table.search().select(["encoder"]).limit(1).to_arrow()["encoder"].to_pylist()
                found += [(name.partition("-")[0], encoder[0], table.count_rows()) if encoder else (name, "", 0)]
        return pl.DataFrame(found, {"kind": pl.String, "encoder": pl.String, "rows": pl.Int64}, orient="row")

    def stamp(self) -> str:
        """A text that changes whenever vectors are written. Looks at folders' times without opening a table."""
        return "+".join(str(folder.stat().st_mtime_ns) for folder in sorted(self._path.glob("*/_versions")))

    def used_bytes(self) -> int:
        """About how much disk the rows there are need; older versions that readers may still use come on top."""
        used = 0
        with self._usable():
            for name in self._names():
                table = self._database().open_table(name)
                vector = table.schema.field("vector").type
                used += table.count_rows() * (vector.list_size * vector.value_type.bit_width // 8 + _KEY_BYTES)
        return used

    def name(self, kind: str, encoder: str) -> str:
        """The table of a kind and encoder."""
        return _name(kind, encoder)

    def open(self, name: str) -> Any:
        """A table by its name, or None: for `search.py`, whose rows hold words too."""
        with self._usable():
            return self._database().open_table(name) if name in self._names() else None

    def create(self, name: str, rows: pa.Table) -> Any:
        """A new table of these rows, in the place of one that there may be."""
        with self._usable():
            return self._database().create_table(name, rows, mode="overwrite")

    def count(self, contents: Iterable[str]) -> int:
        """How many vectors of images and patches there are of these contents."""
        with self._usable():
            conditions = list(_in_parts(contents))
            return sum(table.count_rows(condition) for table in self._of_images() for condition in conditions)

    def forget(self, contents: Iterable[str]) -> int:
        """Remove the vectors of images and patches of these contents; how many there were."""
        conditions, removed = list(_in_parts(contents)), 0
        with locks.exclusive(self._locks, "vectors", _WAIT), self._usable():
            for table in self._of_images():
                before = table.count_rows()
                for condition in conditions:
                    table.delete(condition)
                removed += before - table.count_rows()
                kill_points.at("within-drop")
        return removed

    def compact(self) -> None:
        """Merge small fragments and drop versions that no reader can still be using."""
        with locks.exclusive(self._locks, "vectors", _WAIT), self._usable():
            for name in self._names():
                self._database().open_table(name).optimize(cleanup_older_than=_RETENTION)

    def _add(self, kind: Kind, encoder: str, rows: pa.Table) -> None:
        """Merge-inserting reads the whole table, so only rows that may be there already go that way.

        The others are appended, which is safe while the lock is held.
        """
        key, name = _KEYS[kind], _name(kind, encoder)
        if name in self._names() and not _is_todays(kind, self._database().open_table(name)):
            self._database().drop_table(name)
        if name not in self._names():
            self._database().create_table(name, schema=rows.schema, exist_ok=True)
        table = self._database().open_table(name)
        there, new = (schema.field("vector").type.list_size for schema in (table.schema, rows.schema))
        if there != new:
            raise Refused(f"vectors of {encoder} have {new} numbers and those in the index {there}")
        found = _among(table, key[0], rows[key[0]].unique().to_pylist(), key[:1])
        known = pc.is_in(rows[key[0]], found[key[0]].combine_chunks())
        if len(found):
            table.merge_insert(key).when_not_matched_insert_all().execute(rows.filter(known))
        if not pc.all(known).as_py():
            table.add(rows.filter(pc.invert(known)) if len(found) else rows)
        if table.stats()["fragment_stats"]["num_small_fragments"] > _SMALL_APPENDS:
            table.optimize(cleanup_older_than=_RETENTION)

    def _table(self, kind: Kind, encoder: str) -> Any:
        name = _name(kind, encoder)
        table = self._database().open_table(name) if name in self._names() else None
        return table if table is not None and _is_todays(kind, table) else None

    def _of_images(self) -> Iterator[Any]:
        """The tables of whole images and of patches."""
        for name in self._names():
            if name.partition("-")[0] in ("images", "patches"):
                yield self._database().open_table(name)

    def _names(self) -> list[str]:
        """The tables there are; looking doesn't make the folder."""
        return list(self._database().list_tables(limit=10_000).tables) if self._path.exists() else []

    def _database(self) -> Any:
        """The connection; without the interval a handle would go on showing what it first saw."""
        if self._opened is None:
            import lancedb

            self._opened = lancedb.connect(self._path, read_consistency_interval=timedelta(0))
        return self._opened

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """LanceDB's errors, which have no class of their own, as ours."""
        with full_disk_named(self._path):
            try:
                yield
            except (OSError, RuntimeError, ValueError) as error:
                if is_full_disk(error):
                    raise
                raise BrokenIndex(
                    f"the vectors in {self._path} can't be used ({error}); they are derived: "
                    "remove that folder and make it anew with `workbench reindex`"
                ) from error


def _is_todays(kind: Kind, table: Any) -> bool:
    """Whether a table has the columns that keys need; one of an older program is made anew, as it is derived."""
    return set(_KEYS[kind]) <= set(table.schema.names)


def _name(kind: str, encoder: str) -> str:
    return f"{kind}-{hashlib.sha256(encoder.encode()).hexdigest()[:16]}"


def _without_repeats(rows: pa.Table, key: list[str]) -> pa.Table:
    position = pa.array(range(len(rows)))
    first = rows.select(key).append_column("at", position).group_by(key).aggregate([("at", "min")])["at_min"]
    return rows if len(first) == len(rows) else rows.take(first)


def _with_fixed_length(rows: pa.Table) -> pa.Table:
    """The rows with vectors of one stated length, the only ones LanceDB searches."""
    lists = rows["vector"].combine_chunks()
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) != 1:
        raise Refused(f"vectors of {rows['encoder'][0]} have different lengths: {sorted(lengths)}")
    if not lengths[0]:
        raise Refused(f"vectors of {rows['encoder'][0]} have no numbers")
    if not np.isfinite(lists.flatten().to_numpy()).all():
        raise Refused(f"vectors of {rows['encoder'][0]} hold a number that isn't finite")
    vectors = pa.FixedSizeListArray.from_arrays(lists.flatten(), lengths[0])
    return rows.set_column(rows.column_names.index("vector"), "vector", vectors)


def _matrix(rows: pa.Table) -> NDArray[np.float32]:
    """The vectors of some rows, at least one, as (N, d)."""
    lists = rows["vector"].combine_chunks()
    flat: NDArray[np.float32] = lists.flatten().to_numpy().reshape(len(rows), lists.type.list_size)
    return flat


def _in_parts(contents: Iterable[str]) -> Iterator[str]:
    """The condition on rows of these contents, a thousand at a time."""
    wanted = list(contents)
    for start in range(0, len(wanted), 1000):
        yield f"content IN ({', '.join(map(repr, wanted[start : start + 1000]))})"


def _among(table: Any, column: str, texts: Iterable[str], columns: list[str]) -> pa.Table:
    """Columns of the rows whose text in `column` is one of these."""
    quoted = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
    where = f"{column} IN ({quoted})" if quoted else "false"
    return table.search().where(where).select(columns).limit(table.count_rows()).to_arrow()
