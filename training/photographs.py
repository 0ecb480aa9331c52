"""How the embedded model does on real photographs, as a table for its card.

    a folder with an mmad.json -> one run of the full method at its defaults -> figures by subtask

It was never made for photographs; the figures stand beside those of always giving the same answer.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from training.card import PhotographRow
from warehouse.store import Store
from workbench.scoring import run as scoring
from workbench.scoring.watch import QuietWatch
from workbench.settings import Machine, Settings, Support, Work


def photographs(root: Path, data: Path, checkpoint: Path) -> tuple[PhotographRow, ...]:
    """Every question of `root`'s mmad.json, asked without knowledge; rows by subtask.

    Args:
        data: a data folder to score into.
        checkpoint: the embedded model's folder.

    Raises:
        WorkbenchError: the folder or its questions can't be used.
    """
    settings = Settings(
        support=Support(knowledge="none"), machine=Machine(model=str(checkpoint), threads=1), work=Work(data=data)
    )
    run = scoring.score(root, settings, QuietWatch()).run
    store = Store(data)
    images = store.prediction_index(run.run_id)["image_id"].unique().to_list()
    told = []
    for prediction in (each for image in images for each in store.case(run.run_id, image)):
        texts = {option.letter: option.text for option in prediction.options}
        told.append(
            (
                prediction.subtask,
                texts[prediction.correct_answer or "A"],
                prediction.answer == prediction.correct_answer,
            )
        )
    return rows(pl.DataFrame(told, schema=("subtask", "truth", "right"), orient="row"))


def rows(answers: pl.DataFrame) -> tuple[PhotographRow, ...]:
    """Figures by subtask of answers (subtask, truth: the right option's text, right)."""
    by_truth = answers.group_by("subtask", "truth").agg(questions=pl.len(), recall=pl.col("right").mean())
    figures = (
        by_truth.group_by("subtask")
        .agg(
            questions=pl.col("questions").sum(),
            accuracy=(pl.col("recall") * pl.col("questions")).sum() / pl.col("questions").sum(),
            majority=pl.col("questions").max() / pl.col("questions").sum(),
            balanced=pl.col("recall").mean(),
            majority_balanced=1 / pl.len(),
        )
        .sort("subtask")
    )
    return tuple(PhotographRow(**row) for row in figures.iter_rows(named=True))
