"""What is taken for what: options against options, answers by defect type, and statements that contradict.

Counts always add up to the rows they are of.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from warehouse import claims
from workbench.analysis import clusters, intervals

UNREAD = "(not read)"
"""Stands for the answer of an invalid prediction."""


def by_option(facts: pl.DataFrame, by: Sequence[str] = ("subtask",)) -> pl.DataFrame:
    """Right option against chosen option, by their texts, so that it holds whatever their letters were.

    Returns:
        `by`, truth, answer, n, images, share (of the truth's rows), hit (the answer is the truth); most frequent first.
    """
    answered = pl.when(pl.col("status") == "answered").then("answer_text")
    rows = facts.filter(pl.col("right").is_not_null()).select(
        "image_id", "right", *by, truth="correct_text", answer=answered
    )
    found = clusters.by_image(rows, (*by, "truth", "answer"))
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


_STATED = {
    "Defect Classification": "named",
    "Defect Localization": "located",
    "Defect Description": "described",
    "Defect Analysis": "analysed",
}

CONTRADICTIONS = {
    "image_id": "the image",
    "question_id": "the second question; the first is its detection question",
    "detection_id": "the image's detection question",
    "kind": "denied, yet named (located, described, analysed); or claimed, yet denied",
    "detection": "the detection answer's text",
    "answer_text": "the second answer's text",
    "forced": "every option of the second question affirms a defect: the model had no way to agree with itself",
}


def contradictions(facts: pl.DataFrame, options: pl.DataFrame) -> pl.DataFrame:
    """Answers about one image that can't both be true: "no defect", and yet one is named or located; or the reverse.

    Labels play no part. A question that leaves no way out is told apart by `forced`: MMAD asks where the defect is
    without a "nowhere".

    Args:
        facts: of one run; a detection answer of which nothing tells what it claims contradicts nothing.
        options: question_id and options, as the warehouse's predictions hold them, to see whether one denies.

    Returns:
        CONTRADICTIONS.
    """
    answered = facts.filter(pl.col("status") == "answered", pl.col("answer_text").is_not_null())
    first = answered.filter(pl.col("claim").is_in(["defective", "good"])).select(
        "image_id", detection_id="question_id", detection="answer_text", denied=pl.col("claim") == "good"
    )
    way_out = (
        options.unique("question_id")
        .select("question_id", text=pl.col("options").list.eval(pl.element().struct.field("text")))
        .explode("text")
        .group_by("question_id")
        .agg(forced=~_denies("text").any())
    )
    second = answered.filter(pl.col("subtask").is_in(list(_STATED))).select(
        "image_id", "question_id", "subtask", "answer_text", denies_too=_denies("answer_text")
    )
    stated = pl.col("subtask").replace_strict(_STATED, default="", return_dtype=pl.String)
    return (
        second.join(first, on="image_id")
        .filter(pl.col("denied") != pl.col("denies_too"))
        .join(way_out, on="question_id", how="left")
        .with_columns(
            kind=pl.when("denied").then(pl.format("denied, yet {}", stated)).otherwise(pl.lit("claimed, yet denied"))
        )
        .select(*CONTRADICTIONS)
        .sort("forced", "kind", "image_id", "question_id")
    )


def _denies(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).fill_null("").map_elements(claims.denies, return_dtype=pl.Boolean)
