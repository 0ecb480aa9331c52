"""Sums by group and image are those of a plain loop, whatever the columns are made of."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis import image_groups

ROWS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["x", "y", None]), st.sampled_from(["p", "q"])), max_size=40
)


@given(ROWS, st.booleans())
def test_sums_are_those_of_a_loop(rows: list[tuple[str, str | None, str]], numbered: bool) -> None:
    frame = pl.DataFrame(rows, {"cluster_id": pl.String, "one": pl.String, "two": pl.String}, orient="row")
    if numbered:
        frame = frame.with_columns(
            pl.col("cluster_id").replace_strict(dict(zip("abcde", range(5), strict=True))).cast(pl.UInt32),
            pl.col("one").cast(pl.Enum(["w", "x", "y"])), pl.col("two").cast(pl.Enum(["p", "q"])),
        )  # fmt: skip
    for by in ((), ("one",), ("one", "two")):
        found = image_groups.by_cluster(frame, by)
        n = found.per_pair()
        table = found.table(n=n, nn=n * n).with_columns(images=pl.Series(found.per_group()))
        per_cluster = frame.group_by(*by, "cluster_id").len() if by else frame.group_by("cluster_id").len()
        loop: dict[tuple[str | None, ...], list[int]] = {} if by else {(): []}
        for *key, _, count in per_cluster.iter_rows():
            loop.setdefault(tuple(key), []).append(count)
        said = {tuple(row[: len(by)]): row[len(by) :] for row in table.iter_rows()}
        assert said == {key: (sum(all_), sum(m * m for m in all_), len(all_)) for key, all_ in loop.items()}
        assert found.per_cluster(n).sum() == frame.height


def test_more_combinations_than_rows_are_numbered_without_gaps() -> None:
    names = [f"{place:04d}" for place in range(3000)]
    frame = pl.DataFrame({"cluster_id": names, **{f"c{place}": names[::-1] for place in range(6)}})
    codes = image_groups.numbered(frame, [f"c{place}" for place in range(6)])
    assert sorted(codes.tolist()) == list(range(3000))


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Boolean, pl.Float64])
def test_other_kinds_of_columns_group_too(dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"cluster_id": ["a", "b", "c"], "one": pl.Series([1, 0, 1]).cast(dtype)})
    assert sorted(image_groups.by_cluster(frame, ("one",)).per_group().tolist()) == [1.0, 2.0]
