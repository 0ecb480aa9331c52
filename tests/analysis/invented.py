"""Facts of an invented run: questions of one image share its difficulty, and images have unequal numbers of them."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.mmad import SUBTASKS

LETTERS = tuple("ABCD")


def facts(images: int = 60, seed: int = 0, most: int = 5, ease: float = 0.8) -> pl.DataFrame:
    """Up to `most` questions about each image, with what the analysis needs of `rollups.ANALYSED`."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, most + 1, images)
    image = np.repeat(np.arange(images), count)
    place = np.concatenate([rng.permutation(len(SUBTASKS))[:k] for k in count])
    n = len(image)
    right = rng.random(n) < 1 / (1 + np.exp(-(ease + rng.standard_normal(images)[image])))
    letter = rng.choice(LETTERS, n)
    other = rng.choice(LETTERS, n)
    of_image = {"product": 3, "camera": 2, "line": 2, "night": 3, "defect": 3, "retrieval": 3}
    return pl.DataFrame(
        {
            "image_id": pl.Series(image).cast(pl.String),
            "cluster_id": pl.Series(image).cast(pl.String),
            "question_id": pl.Series(place).cast(pl.String),
            "evidence": pl.Series([1] * n, dtype=pl.Int64),
            "subtask": np.array(SUBTASKS)[place],
            "detection": np.array(SUBTASKS)[place] == SUBTASKS[0],
            "dataset": ["invented"] * n,
            **{
                name: pl.Series(rng.integers(0, values, images)[image]).cast(pl.String)
                for name, values in of_image.items()
            },
            "status": ["answered"] * n,
            "letter": letter,
            "correct_answer": letter,
            "answer": np.where(right, letter, np.where(other == letter, "E", other)),
            "choices": [5] * n,
            "right": right,
            "confidence": np.clip(0.5 + 0.3 * right + 0.2 * rng.random(n), 0, 1),
            "entropy": rng.random(n) + 0.4 * ~right,
            "shape": rng.choice(["falling", "flat-low", "stuck-high"], n),
        }
    ).with_columns(answer_text="answer", correct_text="correct_answer")
