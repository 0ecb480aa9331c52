"""What pages keep between two runs of their scripts, by what it was asked with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from warehouse.queries.rollups import Selection
from warehouse.records.scoring import Run

P = ParamSpec("P")
R = TypeVar("R")

# Streamlit hashes a record field by field, which takes longer than finding what was kept. A run is known by its name:
# what else it holds changes with the warehouse's stamp, and that is asked with too.
_KEYS: dict[str | type, Callable[[Any], object]] = {Selection: hash, Run: lambda run: run.run_id}


def cached(max_entries: int, spinner: str | bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keep what a function returns for all sessions, by its arguments. Nobody may change what it returned.

    Args:
        max_entries: results that are kept, the newest.
        spinner: what the page says meanwhile.
    """

    return st.cache_resource(show_spinner=spinner, max_entries=max_entries, hash_funcs=_KEYS)
