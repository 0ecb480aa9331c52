"""Hybrid search over knowledge texts: LanceDB's vector search and its full-text search, ranked together.

A table of its own beside the vectors, derived from the warehouse like them: one row per revision and encoder, with its
words. It is behind whenever it has fewer rows than there are revisions, because revisions are only ever added; whoever
searches then adds the missing ones. New rows are found before the full-text index covers them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from warehouse import locks
from warehouse.vectors import Vectors

_WAIT = 600.0  # seconds to wait for another writer
_INDEX = "words"
_UNCOVERED = 1000  # new rows that are searched plainly before the full-text index takes them in


@dataclass(frozen=True, slots=True)
class Words:
    """One revision as it is searched."""

    description_id: str
    revision: int
    product: str  # dataset/product
    text: str
    vector: Sequence[float]


@dataclass(frozen=True, slots=True)
class Hit:
    """A found revision."""

    description_id: str
    revision: int
    score: float  # of both rankings together; only its order means something


class TextSearch:
    """The search table of one data folder and encoder."""

    def __init__(self, data: Path, encoder: str) -> None:
        self._vectors, self._locks = Vectors(data), data / "locks"
        self._name = self._vectors.name("search", encoder)
        self._opened: Any = None

    def keys(self) -> set[tuple[str, int]]:
        """(description_id, revision) of every row."""
        table = self._table()
        if table is None:
            return set()
        rows = table.search().select(["description_id", "revision"]).limit(table.count_rows()).to_arrow()
        return set(zip(rows["description_id"].to_pylist(), rows["revision"].to_pylist(), strict=True))

    def count(self) -> int:
        """Rows there are; from the table's own record, so it costs nothing."""
        table = self._table()
        return 0 if table is None else int(table.count_rows())

    def add(self, words: Iterable[Words], length: int) -> None:
        """Add the revisions that aren't there yet.

        Args:
            length: of a vector.
        """
        with locks.exclusive(self._locks, "vectors", _WAIT):
            known = self.keys()
            new = [each for each in words if (each.description_id, each.revision) not in known]
            if not new:
                return
            flat = pa.array([value for each in new for value in each.vector], pa.float32())
            rows = pa.table(
                {
                    "description_id": pa.array([each.description_id for each in new], pa.string()),
                    "revision": pa.array([each.revision for each in new], pa.int64()),
                    "product": pa.array([each.product for each in new], pa.string()),
                    "text": pa.array([each.text for each in new], pa.string()),
                    "vector": pa.FixedSizeListArray.from_arrays(flat, length),
                }
            )
            from lancedb.index import FTS

            table = self._table()
            if table is None:
                table = self._vectors.create(self._name, rows)
                table.create_index("text", config=FTS(), name=_INDEX)
                return
            table.add(rows)
            if (stats := table.index_stats(_INDEX)) is None or stats.num_unindexed_rows > _UNCOVERED:
                table.optimize()

    def find(self, text: str, vector: Sequence[float], product: str | None, limit: int) -> list[Hit]:
        """The revisions nearest in meaning and words, best first.

        Args:
            product: dataset/product, to look there alone.
        """
        table = self._table()
        if table is None:
            return []
        query = table.search(query_type="hybrid").vector(list(vector)).text(text)
        if product is not None:
            quoted = product.replace("'", "''")
            query = query.where(f"product = '{quoted}'", prefilter=True)
        rows = query.limit(limit).to_arrow()
        columns = (rows[name].to_pylist() for name in ("description_id", "revision", "_relevance_score"))
        return [Hit(*row) for row in zip(*columns, strict=True)]

    def _table(self) -> Any:
        """The table, or None while there is none; a handle always shows the newest rows."""
        if self._opened is None:
            self._opened = self._vectors.open(self._name)
        return self._opened
