"""Sums by group and image are those of a plain loop, whatever the columns are made of."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.analysis import clusters

ROWS = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["x", "y", None]), st.sampled_from(["p", "q"])), max_size=40
)


@given(ROWS, st.booleans())
def test_sums_are_those_of_a_loop(rows: list[tuple[str, str | None, str]], numbered: bool) -> None:
    frame = pl.DataFrame(rows, {"image_id": pl.String, "one": pl.String, "two": pl.String}, orient="row")
    if numbered:
        frame = frame.with_columns(
            pl.col("image_id").replace_strict({letter: place for place, letter in enumerate("abcde")}).cast(pl.UInt32),
            pl.col("one").cast(pl.Enum(["w", "x", "y"])), pl.col("two").cast(pl.Enum(["p", "q"])),
        )  # fmt: skip
    for by in ((), ("one",), ("one", "two")):
        found = clusters.by_image(frame, by)
        n = found.per_pair()
        table = found.table(n=n, nn=n * n).with_columns(images=pl.Series(found.per_group()))
        per_image = frame.group_by(*by, "image_id").len() if by else frame.group_by("image_id").len()
        loop: dict[tuple[str | None, ...], list[int]] = {} if by else {(): []}
        for *key, _, count in per_image.iter_rows():
            loop.setdefault(tuple(key), []).append(count)
        said = {tuple(row[: len(by)]): row[len(by) :] for row in table.iter_rows()}
        assert said == {key: (sum(all_), sum(m * m for m in all_), len(all_)) for key, all_ in loop.items()}
        assert found.per_image(n).sum() == frame.height


def test_more_combinations_than_rows_are_numbered_without_gaps() -> None:
    names = [f"{place:04d}" for place in range(3000)]
    frame = pl.DataFrame({"image_id": names, **{f"c{place}": names[::-1] for place in range(6)}})
    codes = clusters.numbered(frame, [f"c{place}" for place in range(6)])
    assert sorted(codes.tolist()) == list(range(3000))


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Boolean, pl.Float64])
def test_other_kinds_of_columns_group_too(dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"image_id": ["a", "b", "c"], "one": pl.Series([1, 0, 1]).cast(dtype)})
    assert sorted(clusters.by_image(frame, ("one",)).per_group().tolist()) == [1.0, 2.0]
