"""Rows grouped by columns and, within, by their clusters: what every sum that knows of clusters starts from.

A cluster is a picture with its copies, or all pictures of one piece (`warehouse.identity.cluster_id`): what is said of
one says little new of another. A sum per group and cluster over a million rows is one pass over an array when groups
and clusters are small whole numbers.
Columns that already are numbers or polars' Enums, as `warehouse.queries.columns` has them, are taken as they are; texts
are numbered first. The results are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]
_SPARSE = 8  # a table with this many places per row is filled directly; a larger one is compressed first


@dataclass(frozen=True, slots=True)
class Clusters:
    """Rows by group and cluster. A pair is one group and one cluster that have rows in common."""

    names: pl.DataFrame  # the grouping columns, one row per group
    groups: int
    pair: Numbers  # of each row
    group: Numbers  # of each pair
    cluster: Numbers  # of each pair
    clusters: int  # in all groups together

    def table(self, **sums: Values) -> pl.DataFrame:
        """The groups with sums over their pairs as further columns."""
        more = [pl.Series(name, self.per_group(values)) for name, values in sums.items()]
        return pl.DataFrame([*self.names.get_columns(), *more])

    def per_pair(self, values: Values | None = None) -> Values:
        """Sums over the rows of each pair; how many rows it has without values."""
        return np.bincount(self.pair, values, len(self.group)).astype(np.float64)

    def per_cluster(self, of_pairs: Values) -> Values:
        """Sums over the pairs of each cluster."""
        return np.bincount(self.cluster, of_pairs, self.clusters).astype(np.float64)

    def per_group(self, of_pairs: Values | None = None) -> Values:
        """Sums over the pairs of each group; how many clusters it has without values."""
        return np.bincount(self.group, of_pairs, self.groups).astype(np.float64)


def by_cluster(rows: pl.DataFrame, by: Sequence[str] = ()) -> Clusters:
    """The rows by these columns and `cluster_id`; a null is a value of its own."""
    cluster, clusters = _dense(_codes(rows["cluster_id"])[0])
    codes = [_codes(rows[name]) for name in by]
    group, groups = _dense(_crossed(codes, rows.height)) if by else (np.zeros(rows.height, np.int64), 1)
    # What a cluster has one value of doesn't divide it: pairs are told apart by the other columns alone.
    within = [one for one in codes if not _constant(one[0], cluster, clusters)]
    pair, pairs = _dense(_crossed([(cluster, clusters), *within], rows.height))
    first = _first(pair, pairs)
    names = rows.select(by)[_first(group, groups)] if by else pl.DataFrame()
    return Clusters(names, groups, pair, group[first], cluster[first], clusters)


def numbered(rows: pl.DataFrame, by: Sequence[str]) -> Numbers:
    """A number of each row, the same for rows with the same values in these columns; from 0, without gaps."""
    return _dense(_crossed([_codes(rows[name]) for name in by], rows.height))[0]


def _codes(values: pl.Series) -> tuple[Numbers, int]:
    """Numbers from 0, null the last, and how many there may be."""
    if isinstance(values.dtype, pl.Enum):
        size = len(values.dtype.categories)
        places = values.to_physical().cast(pl.Int64)
    elif values.dtype.is_unsigned_integer():
        places = values.cast(pl.Int64)
        size = int(places.max() or 0) + 1  # type: ignore[arg-type]
    else:
        places = values.rank("dense").cast(pl.Int64) - 1
        size = int(places.max() or 0) + 1  # type: ignore[arg-type]
    return places.fill_null(size).to_numpy(), size + 1


def _crossed(codes: Sequence[tuple[Numbers, int]], height: int) -> Numbers:
    """One number for each combination."""
    found: Numbers = np.zeros(height, np.int64)
    size = 1
    for numbers, count in codes:
        if size * count > 2**62:
            found, size = _dense(found)
        found, size = found * count + numbers, size * count
    return found


def _dense(numbers: Numbers) -> tuple[Numbers, int]:
    """The same numbers without gaps, from 0, in their order; and how many there are."""
    size = int(numbers.max()) + 1 if len(numbers) else 0
    if size > _SPARSE * len(numbers) + 1024:
        values, places = np.unique(numbers, return_inverse=True)
        return places.astype(np.int64), len(values)
    there = np.zeros(size, np.int64)
    there[numbers] = 1
    place = np.cumsum(there) - 1
    return (numbers, size) if there.all() else (place[numbers], int(there.sum()))


def _first(numbers: Numbers, size: int) -> Numbers:
    """Where each number first stands."""
    found = np.zeros(size, np.int64)
    found[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return found


def _constant(numbers: Numbers, cluster: Numbers, clusters: int) -> bool:
    """Whether all rows of a cluster have the same number."""
    last = np.zeros(clusters, np.int64)
    last[cluster] = numbers
    return bool((last[cluster] == numbers).all())
