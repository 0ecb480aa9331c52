"""The settled cases that look most like one under review: what people said about their likes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from warehouse.vectors import Vectors


@dataclass(frozen=True, slots=True)
class Settled:
    """A settled case beside another."""

    image_id: str
    question_id: str
    run_id: str
    image_path: str
    question: str
    answer: str | None  # the disputed one
    decision: str
    right_answer: str | None
    likeness: float  # cosine of the pictures' vectors, -1..1


def nearest(
    data: Path, settled: pl.DataFrame, image_id: str, question_id: str, content: str, count: int = 4
) -> list[Settled]:
    """The settled cases of other images with the most alike pictures, the same question's first among equals.

    Empty where nothing is settled or the picture was never encoded.

    Args:
        data: the data folder.
        settled: as `Reviews.settled_cases` gives them.
        image_id: the case's image.
        question_id: the case's question.
        content: of the image.
        count: at most so many.
    """
    settled = settled.filter(pl.col("image_id") != image_id)
    if settled.is_empty():
        return []
    index = Vectors(data)
    encoders = index.counts().filter(pl.col("kind") == "images").sort("rows", "encoder", descending=[True, False])
    for encoder in encoders["encoder"]:
        found = index.image_vectors([content, *settled["content"].unique()], encoder)
        if content not in found:
            continue
        rows = settled.filter(pl.col("content").is_in(list(found)))
        if rows.is_empty():
            continue
        here = found[content]
        vectors = np.stack([found[each] for each in rows["content"]])
        likeness = vectors @ here / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(here) + 1e-12)
        ranked = rows.with_columns(likeness=likeness, same=pl.col("question_id") == question_id).sort(
            "likeness", "same", "image_id", descending=[True, True, False]
        )
        names = list(Settled.__dataclass_fields__)
        return [Settled(**row) for row in ranked.head(count).select(names).iter_rows(named=True)]
    return []
