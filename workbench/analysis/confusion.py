"""Confusions: options against options, and answers by defect type.

Counts always add up to the rows they are of.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from workbench.analysis import image_groups, intervals

UNREAD = "(not read)"
"""Stands for the answer of an invalid prediction."""


def by_option(facts: pl.DataFrame, by: Sequence[str] = ("subtask",)) -> pl.DataFrame:
    """Right option against chosen option, by their texts, so that it holds whatever their letters were.

    Returns:
        `by`, truth, answer, n, images, share (of the truth's rows), hit (the answer is the truth); most frequent first.
    """
    answered = pl.when(pl.col("status") == "answered").then("answer_text")
    rows = facts.filter(pl.col("right").is_not_null()).select(
        "cluster_id", "right", *by, truth="correct_text", answer=answered
    )
    found = image_groups.by_cluster(rows, (*by, "truth", "answer"))
    sums = found.table(n=found.per_pair(), right=found.per_pair(rows["right"].cast(pl.Float64).to_numpy()))
    return (
        sums.with_columns(
            pl.col("n").cast(pl.Int64),
            pl.col("truth").cast(pl.String),
            pl.col("answer").cast(pl.String).fill_null(UNREAD),
            images=pl.Series(found.per_group(), dtype=pl.Int64),
            hit=pl.col("right") > 0,
        )
        .with_columns(share=pl.col("n") / pl.col("n").sum().over(*by, "truth"))
        .select(*by, "truth", "answer", "n", "images", "share", "hit")
        .sort("n", *by, "truth", "answer", descending=[True] + [False] * (len(by) + 2))
    )


def by_defect(facts: pl.DataFrame, by: Sequence[str] = ("product", "defect", "subtask")) -> pl.DataFrame:
    """Accuracy of each defect type, and what it is mostly taken for when the answer is wrong.

    Returns:
        `by`, n, right, images, rate, low, high, taken_for (the most frequent wrong answer's text, null if none), times.
    """
    wrong = (
        facts.filter(pl.col("right").eq(False))
        .group_by(*by, taken_for=_chosen("answer_text"))
        .agg(times=pl.len().cast(pl.Int64))
        .sort(pl.col("times"), "taken_for", descending=[True, False])
        .group_by(by, maintain_order=True)
        .first()
    )
    return (
        intervals.rates(facts, by)
        .join(wrong, on=by, how="left", nulls_equal=True)
        .select(*by, pl.col("n", "right").cast(pl.Int64), "images", "rate", "low", "high", "taken_for", "times")
        .sort("rate", *by, nulls_last=True)
    )


def _chosen(column: str) -> pl.Expr:
    return pl.when(pl.col("status") == "answered").then(pl.col(column).cast(pl.String)).fill_null(UNREAD)
