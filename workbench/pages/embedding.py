"""A run's images on the plane of their embeddings, and the selection that a region drawn on it makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import streamlit as st

from warehouse.records import Run
from warehouse.rollups import Rollups, Selection
from warehouse.vectors import Vectors
from workbench.analysis import projection
from workbench.pages import address
from workbench.pages.shared import Snapshot

SHOWN = 3000  # images: more can't be told apart, and each is a mark in the browser


@st.cache_resource(show_spinner=False, max_entries=8)
def images(now: Snapshot, run_id: str) -> pl.DataFrame:
    """The run's images that have a vector, at most SHOWN of them, always the same: image_id, content, x, y in -1..1.

    Empty without vectors.
    """
    found = Rollups(Path(now.data)).images(run_id, SHOWN)
    index = Vectors(Path(now.data))
    known = index.counts().filter(pl.col("kind") == "images").sort("rows", "encoder", descending=[True, False])
    for encoder in known["encoder"]:
        vectors = index.image_vectors(found["content"], encoder)
        rows = found.filter(pl.col("content").is_in(list(vectors)))
        if rows.height:
            at = projection.plane(np.stack([vectors[content] for content in rows["content"]]))
            return rows.with_columns(x=at[:, 0], y=at[:, 1])
    return found.clear().with_columns(x=pl.lit(0.0), y=pl.lit(0.0))


def selection(now: Snapshot, runs: list[Run], run: Run) -> Selection:
    """The address's selection, its drawn region resolved to images."""
    base = address.base_run(runs, run)
    corners = address.polygon(st.query_params.get("region", ""))
    if not corners:
        return address.selection(run, base)
    found = images(now, run.run_id)
    within = found.filter(pl.Series(projection.inside(found.select("x", "y").to_numpy(), corners)))
    return address.selection(run, base, tuple(within["image_id"]))
