"""Hybrid search over knowledge texts: LanceDB's vector search and its full-text search, ranked together.

A table of its own beside the vectors, derived from the warehouse like them: one row per revision, encoder and window,
the first of them with the revision's words. It is behind whenever it has fewer revisions than there are, because
revisions are only ever added; whoever searches then adds the missing ones. New rows are found before the full-text
index covers them.

A revision's place by meaning is that of its best window, its place by words that of its whole text. The two are put
together by reciprocal rank fusion.
"""

from __future__ import annotations

from collections import defaultdict
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
_FIRST = "window = 0"  # one row per revision
_FUSION = 60  # of reciprocal rank fusion: how little the first places are worth more than the next

Key = tuple[str, int]  # description_id, revision


@dataclass(frozen=True, slots=True)
class Words:
    """One revision as it is searched."""

    description_id: str
    revision: int
    product: str  # dataset/product
    text: str
    windows: Sequence[Sequence[float]]  # the vectors of its windows, at least one


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

    def keys(self) -> set[Key]:
        """(description_id, revision) of every revision."""
        table = self._table()
        if table is None:
            return set()
        query = table.search().where(_FIRST).select(["description_id", "revision"])
        return set(_keys(query.limit(table.count_rows()).to_arrow()))

    def count(self) -> int:
        """Revisions there are."""
        table = self._table()
        return 0 if table is None else int(table.count_rows(_FIRST))

    def add(self, words: Iterable[Words], length: int) -> None:
        """Add the revisions that aren't there yet, each with all its windows at once.

        Args:
            length: of a vector.
        """
        with locks.exclusive(self._locks, "vectors", _WAIT):
            known = self.keys()
            new = [each for each in words if (each.description_id, each.revision) not in known]
            if not new:
                return
            rows = [(each, window, vector) for each in new for window, vector in enumerate(each.windows)]
            flat = pa.array([value for _, _, vector in rows for value in vector], pa.float32())
            table_of = pa.table(
                {
                    "description_id": pa.array([each.description_id for each, _, _ in rows], pa.string()),
                    "revision": pa.array([each.revision for each, _, _ in rows], pa.int64()),
                    "product": pa.array([each.product for each, _, _ in rows], pa.string()),
                    "window": pa.array([window for _, window, _ in rows], pa.int64()),
                    "text": pa.array(["" if window else each.text for each, window, _ in rows], pa.string()),
                    "vector": pa.FixedSizeListArray.from_arrays(flat, length),
                }
            )
            from lancedb.index import FTS

            table = self._table()
            if table is None:
                table = self._vectors.create(self._name, table_of)
                table.create_index("text", config=FTS(), name=_INDEX)
                return
            table.add(table_of)
            if (stats := table.index_stats(_INDEX)) is None or stats.num_unindexed_rows > _UNCOVERED:
                table.optimize()

    def find(self, text: str, vectors: Sequence[Sequence[float]], product: str | None, limit: int) -> list[Hit]:
        """The revisions nearest in meaning and words, best first.

        Args:
            vectors: of the text, one per window.
            product: dataset/product, to look there alone.
        """
        table = self._table()
        if table is None:
            return []
        quoted = None if product is None else "product = '" + product.replace("'", "''") + "'"
        scores: defaultdict[Key, float] = defaultdict(float)
        for ranked in (_by_meaning(table, vectors, quoted, limit), _by_words(table, text, quoted, limit)):
            for rank, key in enumerate(ranked, start=1):
                scores[key] += 1 / (_FUSION + rank)
        best = sorted(scores.items(), key=lambda item: -item[1])[:limit]
        return [Hit(*key, score) for key, score in best]

    def _table(self) -> Any:
        """The table, or None while there is none of today's columns; a handle always shows the newest rows."""
        if self._opened is None:
            found = self._vectors.open(self._name)
            self._opened = found if found is not None and "window" in found.schema.names else None
        return self._opened


def _by_meaning(table: Any, vectors: Sequence[Sequence[float]], where: str | None, limit: int) -> list[Key]:
    """The revisions of which a window is nearest to one of these vectors, nearest first."""
    nearest: dict[Key, float] = {}
    rows = table.count_rows()
    for vector in vectors:
        reached: dict[Key, float] = {}
        asked = limit
        while len(reached) < limit:  # several windows of one revision may come before the next revision's first
            query = table.search(list(vector))
            query = query if where is None else query.where(where, prefilter=True)
            found = query.select(["description_id", "revision", "_distance"]).limit(asked).to_arrow()
            reached = {}
            for key, distance in zip(_keys(found), found["_distance"].to_pylist(), strict=True):
                reached.setdefault(key, distance)
            if len(found) < asked or asked >= rows:
                break
            asked *= 4
        for key, distance in reached.items():
            nearest[key] = min(distance, nearest.get(key, distance))
    return sorted(nearest, key=lambda key: nearest[key])[:limit]


def _by_words(table: Any, text: str, where: str | None, limit: int) -> list[Key]:
    """The revisions whose words match, best first."""
    query = table.search(text, query_type="fts")
    query = query if where is None else query.where(where, prefilter=True)
    return _keys(query.select(["description_id", "revision", "_score"]).limit(limit).to_arrow())


def _keys(rows: pa.Table) -> list[Key]:
    return list(zip(rows["description_id"].to_pylist(), rows["revision"].to_pylist(), strict=True))
