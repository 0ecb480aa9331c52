"""What an analysis asks of the subtasks that a run's question set declared: their order, their names, their subject.

Subtasks that nobody declared come last, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from warehouse.records.questions import Subtask


def in_order(rows: pl.DataFrame, declared: Sequence[Subtask]) -> pl.DataFrame:
    """Rows with a `subtask`, in the order in which their set declares it."""
    place = {each.name: at for at, each in enumerate(declared)}
    key = pl.col("subtask").cast(pl.String).replace_strict(place, default=len(place), return_dtype=pl.Int64)
    return rows.sort(key, pl.col("subtask").cast(pl.String))


def names_in_order(names: Iterable[str], declared: Sequence[Subtask]) -> list[str]:
    """Subtasks by name, in the order in which their set declares them."""
    return in_order(pl.DataFrame({"subtask": sorted(set(names))}, schema={"subtask": pl.String}), declared)[
        "subtask"
    ].to_list()


def short(declared: Sequence[Subtask]) -> Mapping[str, str]:
    """Each subtask's name for captions."""
    return {each.name: each.short for each in declared}


def about_the_object(declared: Sequence[Subtask]) -> frozenset[str]:
    """The subtasks that ask about the object whatever its state: a mask says nothing about them."""
    return frozenset(each.name for each in declared if each.about == "object")


def about_the_type(declared: Sequence[Subtask]) -> frozenset[str]:
    """The subtasks that ask which defect it is."""
    return frozenset(each.name for each in declared if each.about == "defect type")


def detecting(declared: Sequence[Subtask]) -> frozenset[str]:
    """The subtasks whose answers claim that there is a defect, or that there is none."""
    return frozenset(each.name for each in declared if each.detects)


def locating(declared: Sequence[Subtask]) -> tuple[str, ...]:
    """The subtasks that ask where the defect is, in the order of their set."""
    return tuple(each.name for each in declared if each.kind == "region")
