"""Predictions held against what people settled instead of the archive's labels: the same columns, another truth.

Everything that measures predictions can be shown either way, by passing them through here first. The label an archive
came with is never lost: it stays beside, as `original_answer` and `original_label`.
"""

from __future__ import annotations

import polars as pl


def adjudicate(predictions: pl.DataFrame, overrides: pl.DataFrame) -> pl.DataFrame:
    """The predictions with settled answers instead of labels where there are any.

    A case that people could not tell has no right answer any more, so it leaves every rate. One where none of the
    options is right gets an answer that no letter equals, so every answer to it is wrong. Where the question was
    whether there is a defect, the image's label follows for that row.

    Args:
        predictions: with image_id, question_id and correct_answer; label where there is one.
        overrides: as `warehouse.reviews.Reviews.overrides` gives them.

    Returns:
        The same rows in the same order, with `adjudicated` (whether people settled it), `original_answer` and, where
        there was a label, `original_label` beside.
    """
    settled = overrides.select(
        "image_id", "question_id", settled_decision="decision", settled_answer="right_answer", settled_label="label"
    )
    joined = predictions.join(settled, on=["image_id", "question_id"], how="left", maintain_order="left")
    known = pl.col("settled_decision").is_not_null()
    answer = (
        pl.when(~known)
        .then(pl.col("correct_answer"))
        .when(pl.col("settled_decision") == "unsure")
        .then(None)
        .otherwise(pl.col("settled_answer").fill_null("-"))
    )
    columns = {"adjudicated": known, "original_answer": pl.col("correct_answer"), "correct_answer": answer}
    if "label" in predictions.columns:
        columns["original_label"] = pl.col("label")
        columns["label"] = pl.coalesce("settled_label", "label")
    return joined.with_columns(**columns).drop("settled_decision", "settled_answer", "settled_label")
