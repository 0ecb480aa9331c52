"""Questions that several runs were judged on, one row per question and one column per run: what a leaderboard reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl

from warehouse.database import Database
from warehouse.queries.truth import FACTS, Truth


@dataclass(frozen=True, slots=True)
class SharedAnswers:
    """Runs on the questions that all of them were judged on, and what each of them did beside."""

    answers: (
        pl.DataFrame
    )  # image_id, cluster_id, question_id, dataset, subtask, label; a Boolean column per run: right or not
    runs: pl.DataFrame  # run_id, judged (questions), images (with any answer), seconds (summed over its answers)
    # Of questions of defective pictures: row (of answers), run (of those asked for, from 0), patches_hit,
    # patches_chance, region_hit, region_chance, see `Grounding`
    groundings: pl.DataFrame


def read(data: Path, run_ids: Sequence[str], truth: Truth = "archive") -> SharedAnswers:
    """The questions that every one of these runs was judged on; no row where there is none.

    Args:
        data: the data folder.
        run_ids: each once.
        truth: what right and wrong go by.
    """
    facts = FACTS[truth]
    database = Database(data)
    with database.reading() as con:
        # Texts are read once, of the first run; of the others only keys of eight bytes and the judgement.
        rows = con.sql(
            "SELECT hash(image_id, question_id) AS key, correct, "
            "list_position($runs::VARCHAR[], run_id)::USMALLINT AS run "
            f"FROM {facts} WHERE run_id IN (SELECT unnest($runs::VARCHAR[])) AND correct IS NOT NULL",
            params={"runs": list(run_ids)},
        ).pl()
        first = con.sql(
            "SELECT hash(image_id, question_id) AS key, image_id, cluster_id, question_id, dataset, subtask, label "
            f"FROM {facts} WHERE run_id IN (SELECT unnest(?::VARCHAR[])) AND correct IS NOT NULL",
            params=[list(run_ids[:1])],
        ).pl()
        runs = con.sql(
            "SELECT run_id, count(correct) AS judged, count(DISTINCT image_id) AS images, sum(seconds) AS seconds "
            f"FROM {facts} WHERE run_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY run_id",
            params=[list(run_ids)],
        ).pl()
        measured = con.sql(
            "SELECT hash(image_id, question_id) AS key, "
            "(list_position($runs::VARCHAR[], run_id) - 1)::USMALLINT AS run, patches_hit, "
            "patches_chance, region_hit, region_chance FROM groundings "
            "WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))",
            params={"runs": list(run_ids)},
        ).pl()
    found = first.unique("key", keep="first", maintain_order=True)
    for place, of_run in enumerate(run_ids, start=1):
        own = rows.filter(pl.col("run") == place).select("key", pl.col("correct").alias(of_run))
        found = found.join(own.unique("key", keep="first"), on="key", how="inner", maintain_order="left")
    order = pl.DataFrame({"run_id": list(run_ids)}, schema={"run_id": pl.String})
    counts = order.join(runs, on="run_id", how="left", maintain_order="left")
    places = found.select("key", "label").with_row_index("row").filter(pl.col("label") == "defective")
    return SharedAnswers(
        cast(pl.DataFrame, found.drop("key")),
        counts.with_columns(pl.col("judged", "images").fill_null(0), pl.col("seconds").fill_null(0.0)),
        measured.join(places.select("key", "row"), on="key", how="inner").drop("key"),
    )
