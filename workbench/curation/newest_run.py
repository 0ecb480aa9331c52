"""The run that a text is measured on; without PyTorch, so that a page can ask."""

from __future__ import annotations

import polars as pl

from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench.errors import CannotReplay


def newest_run(store: Store) -> Run:
    """The newest run that read texts, whose images a change is measured on.

    Raises:
        CannotReplay: there is none.
    """
    reads = (pl.col("settings").str.json_path_match("$.knowledge") != "none").fill_null(True)
    runs = store.runs().filter(pl.col("knowledge_version").is_not_null(), reads)
    run = store.run(runs["run_id"][0]) if runs.height else None
    if run is None:
        raise CannotReplay("no run has used knowledge yet; score an archive first: workbench score ARCHIVE")
    return run
