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

from warehouse import records, schema
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
            with full_disk_named(self._path):
                self._merge_one(kind, encoder, rows.filter(pc.equal(rows["encoder"], encoder)))

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
        table = self._table("texts", encoder)
        if table is None:
            return []
        return [records.TextVector(**row) for row in table.to_arrow().to_pylist()]

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
        key = _KEYS[kind]
        position = pa.array(range(len(rows)))
        rows = rows.take(rows.append_column("at", position).group_by(key).aggregate([("at", "min")])["at_min"])
        lists = rows["vector"].combine_chunks()
        dims = pc.unique(pc.list_value_length(lists)).to_pylist()
        if len(dims) != 1:
            raise ValueError(f"{kind} vectors of {encoder} have different lengths: {sorted(dims)}")
        vectors = pa.FixedSizeListArray.from_arrays(lists.flatten(), dims[0])
        rows = rows.set_column(rows.column_names.index("vector"), "vector", vectors)
        name = _name(kind, encoder)
        if name not in self._names():
            self._database().create_table(name, schema=rows.schema, exist_ok=True)
        table = self._database().open_table(name)
        table.merge_insert(key).when_not_matched_insert_all().execute(rows)
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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
