"""A run's images on the plane of their embeddings, and the selection that a region drawn on it makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import streamlit as st
from numpy.typing import NDArray

from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run
from warehouse.vectors import Vectors
from workbench.analysis import projection
from workbench.archive import run_views
from workbench.pages.ui import address, reads
from workbench.pages.ui.caching import cached
from workbench.pages.ui.reads import Snapshot

SHOWN = 2000  # images: more can't be told apart, and each is a mark in the browser


class Embedded(NamedTuple):
    """Images and their vectors, in the same order."""

    images: pl.DataFrame  # image_id, seen (what the run's vectors go by)
    vectors: NDArray[np.float32]  # (N, d), unit norm
    encoder: str


class Index(NamedTuple):
    """The vector index at one moment; writing vectors leaves the warehouse's own stamp as it was."""

    data: str
    stamp: str


def index(now: Snapshot) -> Index:
    """The index as it is now."""
    return Index(now.data, Vectors(Path(now.data)).stamp())


@cached(4)
def _embedded(now: Snapshot, run_id: str, of: Index) -> Embedded | None:
    """The run's images that have a vector, at most SHOWN, always the same; None without vectors."""
    views = run_views.of_run(next((run for run in reads.runs(now) if run.run_id == run_id), None))
    entries = reads.rollups(now).images(run_id, SHOWN)
    names = {"image_id": [entry.image_id for entry in entries], "seen": [views.of(entry).identity for entry in entries]}
    found = pl.DataFrame(names, {"image_id": pl.String, "seen": pl.String})
    vectors = Vectors(Path(of.data))
    known = vectors.counts().filter(pl.col("kind") == "images").sort("rows", "encoder", descending=[True, False])
    for encoder in known["encoder"]:
        held = vectors.image_vectors(found["seen"], encoder)
        rows = found.filter(pl.col("seen").is_in(list(held)))
        if rows.height:
            return Embedded(rows, np.stack([held[name] for name in rows["seen"]]), encoder)
    return None


@cached(8)
def on_plane(now: Snapshot, run_id: str, of: Index) -> pl.DataFrame:
    """The run's images on the plane: image_id, x, y in -1..1; empty without vectors."""
    found = _embedded(now, run_id, of)
    if found is None:
        return pl.DataFrame(schema={"image_id": pl.String, "x": pl.Float64, "y": pl.Float64})
    at = projection.plane(found.vectors)
    return found.images.select("image_id").with_columns(x=at[:, 0], y=at[:, 1])


def vectors(
    now: Snapshot, run_id: str, image_id: str
) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32]] | None:
    """The run's embedded images, their vectors, and the vector of one image; None where it has none."""
    found = _embedded(now, run_id, index(now))
    if found is None:
        return None
    ids = found.images["image_id"].to_list()
    if image_id in ids:
        return ids, found.vectors, found.vectors[ids.index(image_id)]
    entry = reads.entry(now, image_id)
    if entry is None:
        return None
    views = run_views.of_run(next((run for run in reads.runs(now) if run.run_id == run_id), None))
    name = views.of(entry).identity
    own = Vectors(Path(now.data)).image_vectors([name], found.encoder).get(name)
    return None if own is None else (ids, found.vectors, own)


def selection(now: Snapshot, runs: Sequence[Run], run: Run) -> Selection:
    """The address's selection, its drawn region resolved to images."""
    base = address.base_run(runs, run)
    corners = address.polygon(st.query_params.get("region", ""))
    if not corners:
        return address.selection(run, base)
    found = on_plane(now, run.run_id, index(now))
    within = found.filter(pl.Series(projection.inside(found.select("x", "y").to_numpy(), corners)))
    return address.selection(run, base, tuple(within["image_id"]))
