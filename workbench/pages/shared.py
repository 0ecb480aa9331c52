"""What the pages read: cached by the warehouse's stamp, so that a page asks for the same thing once per change.

Connections are never cached: a Store opens, reads and closes. `Snapshot` goes into every cached call as the data
folder's name and stamp, so a new stamp is a new entry and old ones fall out.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import NamedTuple

import polars as pl
import streamlit as st

from warehouse import schema
from warehouse.records import Archive, Description, Entry, Prediction, Run
from warehouse.store import Store
from workbench.analysis import metrics
from workbench.pages import parts

_FEW, _MANY = 8, 256  # cached answers: whole runs, single cases


class Snapshot(NamedTuple):
    """The warehouse as it is now."""

    data: str
    stamp: str


def snapshot() -> Snapshot:
    """What the cached reads below are asked with; WORKBENCH_DATA says where, else ./data."""
    data = os.environ.get("WORKBENCH_DATA", "data")
    return Snapshot(data, _store(data).stamp())


def _store(data: str) -> Store:
    return Store(Path(data))


@st.cache_data(show_spinner=False, max_entries=_FEW)
def archives(now: Snapshot) -> dict[str, Archive]:
    """Registered archives by id."""
    return {archive.archive_id: archive for archive in _store(now.data).archives()}


@st.cache_data(show_spinner=False, max_entries=_FEW)
def runs(now: Snapshot) -> list[Run]:
    """All runs, newest first."""
    return schema.records(Run, _store(now.data).runs())


@st.cache_data(show_spinner=False, max_entries=_FEW)
def cases(now: Snapshot, run_id: str) -> pl.DataFrame:
    """A run's predictions with their outcomes, to be looked at in this order; no traces."""
    return metrics.wrong_first(metrics.outcomes(_store(now.data).prediction_index(run_id)))


@st.cache_data(show_spinner=False, max_entries=_FEW)
def failures(now: Snapshot, run_id: str) -> pl.DataFrame:
    """Why questions of a run failed: error, questions, images; most frequent first."""
    return _store(now.data).failures(run_id)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def predictions(now: Snapshot, run_id: str, image_id: str) -> list[Prediction]:
    """Everything about one image's questions, in the plan's order."""
    return _store(now.data).case(run_id, image_id)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def patches(now: Snapshot, run_id: str, image_id: str, question_id: str) -> pl.DataFrame:
    """The patches one question's loop proposed, in order."""
    return _store(now.data).patches(run_id, image_id, question_id)


@st.cache_data(show_spinner=False, max_entries=_MANY)
def entry(now: Snapshot, image_id: str) -> Entry | None:
    """The archive's entry of an image: where its mask is."""
    return _store(now.data).entry(image_id)


@st.cache_data(show_spinner=False, max_entries=_FEW)
def texts(now: Snapshot, version: str) -> dict[str, Description]:
    """A knowledge version's descriptions by id."""
    return {text.description_id: text for text in _store(now.data).knowledge(version)}


def follow(refresh: bool) -> None:
    """Run the page again when the browser's theme changes and, with `refresh`, when the warehouse does.

    A theme switch doesn't rerun a script by itself: charts would keep the colours of the other mode.
    """

    @st.fragment(run_every=2)
    def watch() -> None:
        seen = (st.context.theme.type, snapshot().stamp if refresh else None)
        drawn = st.session_state.get("shared.drawn", seen)
        st.session_state["shared.drawn"] = seen
        if drawn != seen:
            st.rerun()

    watch()


def warehouse_state(now: Snapshot) -> str:
    """The sidebar's lines: which data folder, how much is in it, whether something is being added."""
    known, found = archives(now), runs(now)
    names = ", ".join(escape(archive.name) for archive in list(known.values())[:3]) or "no archive yet"
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    stored = sum(run.answered + run.invalid + run.failed for run in found)
    running = sum(run.state == "running" for run in found)
    state = f"{parts.glyph('running')} {running} running" if running else f"{parts.glyph('finished')} at rest"
    return (
        f'<div class="note" style="padding-top:.2rem"><b>{names}</b>{more}<br>'
        f'<span class="number">{stored:,}</span> predictions<br>{state}<br>{escape(Path(now.data).name)}</div>'
    )
