"""The comparison's score under a case, where the list goes by it."""

from __future__ import annotations

import streamlit as st

from warehouse.queries.comparisons import SCORE
from warehouse.queries.rollups import SUSPICIOUS
from warehouse.records.scoring import Run
from workbench.pages.ui import address, reads, thumbnails
from workbench.pages.ui.reads import Snapshot


def with_score(now: Snapshot, run: Run, caption: str, case: thumbnails.Row) -> str:
    """A case's caption, after its score where the list is ordered, filtered or called by scores, and it has one.

    The score comes first, for what does not fit under a narrow picture is cut.
    """
    by_score = address.order(run) == SUSPICIOUS or SCORE in st.query_params or address.alarm_rule() == "comparison"
    score = reads.scores(now, run.run_id).get(case["image_id"]) if by_score else None
    return caption if score is None else f"{score:.3f} · {caption}"
