"""Health: the doctor's findings about disk, warehouse, schedules, backups and Label Studio; red first."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import polars as pl
import streamlit as st

from workbench.inspection.doctor import Finding
from workbench.nights import health
from workbench.pages import night_cards, parts, shared
from workbench.pages.parts import card, header, html

KEPT = 30  # seconds that findings are shown before they are looked for again

now = shared.snapshot()


@st.cache_data(show_spinner="looking", ttl=KEPT, max_entries=4)
def findings(data: str) -> tuple[list[Finding], float]:
    """What the doctor finds, and when; without what takes seconds to load."""
    return health.examine(Path(data), thorough=False), time.time()


found, looked_at = findings(now.data)
counted = {state: sum(each.state == state for each in found) for state in ("red", "yellow", "green")}
if counted["red"]:
    verb = "needs" if counted["red"] == 1 else "need"
    lead = f'<span class="escape">✗</span> <b>{counted["red"]} of {len(found)} {verb} somebody now.</b>'
elif counted["yellow"]:
    lead = f"<b>{counted['yellow']} of {len(found)} should be looked at</b>; nothing keeps the workbench from its work."
else:
    lead = f"<b>All {len(found)} checks are well.</b>"
ago = max(0, round(time.time() - looked_at))
with header(
    "Health",
    lead,
    f"looked at {ago} s ago; <code>workbench doctor</code> also loads models and asks the device",
):
    parts.export("health", {"findings": lambda: pl.DataFrame([asdict(each) for each in found])})
    if st.button("Look again"):
        findings.clear()
        st.rerun()
with card("findings", "Findings", "red first, each with what to do", fill=False):
    html(night_cards.findings(found))
shared.follow(now, refresh=False)
