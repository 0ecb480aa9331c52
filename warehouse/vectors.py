"""LanceDB: vectors of images, accepted patches and knowledge texts.

An index derived from the warehouse and the images, never the truth: deleting the folder loses nothing that
`workbench reindex` can't bring back. Rows are merge-inserted by key, so writing one twice leaves one.

One table holds one vector space: the kind and the encoder are in its name. Encoders differ in their dimension, a
LanceDB vector column has one, and neither a search nor an index can then mix two spaces. The encoder's name is free
text, so the table is named by its hash; the column `encoder` says it in full.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from warehouse import locks, records, schema
from warehouse.errors import full_disk_named

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    FloatArray = np.ndarray[Any, np.dtype[np.float32]]

Kind = Literal["images", "patches", "texts"]
_KEYS: dict[Kind, list[str]] = {
    "images": ["content"],
    "patches": ["content", "row", "col"],
    "texts": ["description_id", "revision"],
}
_SMALL_APPENDS = 64  # small fragments in a table before they are merged into one
_WAIT = 600.0  # seconds to wait for another writer
_RETENTION = timedelta(hours=1)  # how long a reader may go on with the version it opened


@dataclass(frozen=True, slots=True)
class Match:
    """A description found by a search."""

    description_id: str
    revision: int
    score: float  # cosine, -1..1


class Vectors:
    """The vector index of one data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / "vectors"
        self._locks = data / "locks"
        self._opened: Any = None

    def upsert_images(self, vectors: Iterable[records.ImageVector]) -> None:
        """Add image vectors whose (content, encoder) isn't there."""
        self.merge("images", schema.table(records.ImageVector, vectors))

    def upsert_patches(self, vectors: Iterable[records.PatchVector]) -> None:
        """Add patch vectors whose (content, encoder, row, col) isn't there."""
        self.merge("patches", schema.table(records.PatchVector, vectors))

    def upsert_texts(self, vectors: Iterable[records.TextVector]) -> None:
        """Add text vectors whose (description, revision, encoder) isn't there."""
        self.merge("texts", schema.table(records.TextVector, vectors))

    def merge(self, kind: Kind, rows: pa.Table) -> None:
        """Add the rows whose key isn't there yet, table by table.

        Raises:
            DiskFull: the disk is full; the index stays as it was.
        """
        for encoder in rows["encoder"].unique().to_pylist():
            some = rows if len(rows["encoder"].unique()) == 1 else rows.filter(pc.equal(rows["encoder"], encoder))
            with full_disk_named(self._path), locks.exclusive(self._locks, "vectors", _WAIT):
                self._merge_one(kind, encoder, some)

    def search_texts(
        self, query: Sequence[float], encoder: str, k: int, members: Iterable[records.KnowledgeMember]
    ) -> list[Match]:
        """The k members nearest to the query by cosine, nearest first; ties by description.

        Args:
            query: a vector of the encoder's space, not necessarily of unit norm.
            members: the descriptions to choose among, as a rule the published ones.
        """
        keys = [f"(description_id = {_quoted(m.description_id)} AND revision = {m.revision:d})" for m in members]
        table = self._table("texts", encoder)
        if table is None or not keys or k < 1:
            return []
        found = (
            table.search(list(query), vector_column_name="vector")
            .distance_type("cosine")
            .where(" OR ".join(keys), prefilter=True)
            .limit(k)
            .to_arrow()
            .to_pylist()
        )
        matches = [Match(row["description_id"], row["revision"], 1.0 - row["_distance"]) for row in found]
        return sorted(matches, key=lambda match: (-match.score, match.description_id))

    def text_vectors(self, encoder: str) -> list[records.TextVector]:
        """All text vectors of an encoder."""
        import polars as pl

        table = self._table("texts", encoder)
        if table is None:
            return []
        return schema.records(records.TextVector, pl.DataFrame(table.to_arrow()))

    def image_vectors(self, contents: Iterable[str], encoder: str) -> dict[str, FloatArray]:
        """The vectors there are of these contents, float32."""
        table, among = self._table("images", encoder), ", ".join(_quoted(content) for content in contents)
        if table is None or not among:
            return {}
        query = table.search().where(f"content IN ({among})").select(["content", "vector"]).limit(table.count_rows())
        rows = query.to_arrow()
        dim = rows.schema.field("vector").type.list_size
        vectors = rows["vector"].combine_chunks().values.to_numpy().reshape(-1, dim)  # (N, d)
        return dict(zip(rows["content"].to_pylist(), vectors, strict=True))

    def counts(self) -> pl.DataFrame:
        """Rows by kind and encoder: kind, encoder, rows."""
        import polars as pl

        found = []
        for name in self._names():
            table = self._database().open_table(name)
            encoder = table.search().select(["encoder"]).limit(1).to_arrow().column("encoder")
            found.append((name.split("-")[0], encoder[0].as_py() if len(encoder) else "", table.count_rows()))
        return pl.DataFrame(found, {"kind": pl.String, "encoder": pl.String, "rows": pl.Int64}, orient="row")

    def clear(self, kind: Kind) -> None:
        """Drop all vectors of a kind; `workbench reindex` makes them anew."""
        for name in self._names():
            if name.startswith(f"{kind}-"):
                self._database().drop_table(name)

    def _merge_one(self, kind: Kind, encoder: str, rows: pa.Table) -> None:
        """Merge-inserting reads the whole table, so only rows that could be there already go that way.

        The others are appended, which is safe while the lock is held.
        """
        key = _KEYS[kind]
        rows = _with_fixed_length(_without_repeats(rows, key), f"{kind} of {encoder}")
        name = _name(kind, encoder)
        if name not in self._names():
            self._database().create_table(name, schema=rows.schema, exist_ok=True)
        table = self._database().open_table(name)
        among = ", ".join(_quoted(text) for text in rows[key[0]].unique().to_pylist())
        found = table.search().where(f"{key[0]} IN ({among})").select(key[:1]).limit(table.count_rows()).to_arrow()
        if len(found) == 0:
            table.add(rows)
        else:
            there = pc.is_in(rows[key[0]], found[key[0]].combine_chunks())
            table.merge_insert(key).when_not_matched_insert_all().execute(rows.filter(there))
            if len(absent := rows.filter(pc.invert(there))):
                table.add(absent)
        if table.stats()["fragment_stats"]["num_small_fragments"] > _SMALL_APPENDS:
            table.optimize(cleanup_older_than=_RETENTION)

    def _table(self, kind: Kind, encoder: str) -> Any:
        name = _name(kind, encoder)
        return self._database().open_table(name) if name in self._names() else None

    def _names(self) -> list[str]:
        return list(self._database().list_tables(limit=10_000).tables) if self._path.exists() or self._opened else []

    def _database(self) -> Any:
        """The connection; without the interval a handle would go on showing what it first saw."""
        if self._opened is None:
            import lancedb

            self._opened = lancedb.connect(self._path, read_consistency_interval=timedelta(0))
        return self._opened


def _name(kind: Kind, encoder: str) -> str:
    return f"{kind}-{hashlib.sha256(encoder.encode()).hexdigest()[:16]}"


def _without_repeats(rows: pa.Table, key: list[str]) -> pa.Table:
    position = pa.array(range(len(rows)))
    first = rows.select(key).append_column("at", position).group_by(key).aggregate([("at", "min")])["at_min"]
    return rows if len(first) == len(rows) else rows.take(first)


def _with_fixed_length(rows: pa.Table, what: str) -> pa.Table:
    """LanceDB searches only columns of vectors of one length."""
    lists = rows["vector"].combine_chunks()
    lengths = pc.unique(pc.list_value_length(lists)).to_pylist()
    if len(lengths) != 1:
        raise ValueError(f"the vectors of {what} have different lengths: {sorted(lengths)}")
    vectors = pa.FixedSizeListArray.from_arrays(lists.flatten(), lengths[0])
    return rows.set_column(rows.column_names.index("vector"), "vector", vectors)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
