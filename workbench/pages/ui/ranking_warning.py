"""What pages say where a run's pictures were ranked against each other and many of them are, or may be, defective."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from markupsafe import Markup

from warehouse.queries.comparisons import Comparisons
from warehouse.queries.truth import Truth
from workbench.analysis import suspicion
from workbench.pages.ui import address
from workbench.pages.ui.components import html
from workbench.pages.ui.reads import Snapshot


@st.cache_data(show_spinner=False, max_entries=64)
def _warning(now: Snapshot, run_id: str, truth: Truth) -> str | None:
    ranked = Comparisons(Path(now.data)).ranked_archive(run_id, truth)
    return suspicion.ranking_warning(ranked) if ranked else None


def show(now: Snapshot, run_id: str) -> None:
    """The warning, by the truth of the address; nothing where none is due."""
    if warning := _warning(now, run_id, address.truth()):
        html(Markup('<div class="note" role="note">{}.</div>').format(f"{warning[0].upper()}{warning[1:]}"))
