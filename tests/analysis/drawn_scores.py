"""Invented scores of pictures: pieces of one to four pictures that are alike, two normal distributions apart."""

from __future__ import annotations

import numpy as np
import polars as pl


def scores(defective: int, good: int, apart: float = 2.0, seed: int = 0, alike: float = 0.5) -> pl.DataFrame:
    """One row per picture: cluster_id, defective, score, product, camera, defect, defect_area.

    Args:
        defective: pieces.
        good: pieces.
        apart: how far the means lie from each other, in standard deviations.
        seed: of all that is drawn.
        alike: the correlation of a piece's pictures.
    """
    rng = np.random.default_rng([seed, defective, good])
    parts = []
    for kind, pieces, mean in ((True, defective, apart), (False, good, 0.0)):
        piece = np.repeat(np.arange(pieces), rng.integers(1, 5, pieces))
        noise = np.sqrt(alike) * rng.normal(size=pieces)[piece] + np.sqrt(1 - alike) * rng.normal(size=len(piece))
        rows = {
            "cluster_id": [f"{'defective' if kind else 'good'} {number}" for number in piece],
            "defective": [kind] * len(piece),
            "score": mean + noise,
            "product": np.where(piece % 3 == 0, "pcb", "screw"),
            "camera": np.where(piece % 2 == 0, "A1", "A2"),
            "defect": pl.Series(np.where(piece % 4 == 0, "crack", "scratch") if kind else [None] * len(piece)),
            "defect_area": pl.Series(rng.random(len(piece)) if kind else [None] * len(piece), dtype=pl.Float64),
        }
        parts.append(pl.DataFrame(rows).with_columns(pl.col("defect").cast(pl.String)))
    return pl.concat(parts)
