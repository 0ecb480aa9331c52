"""Health: the doctor's findings about disk, warehouse, schedules, backups and Label Studio; red first."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import polars as pl
import streamlit as st
from markupsafe import Markup

from warehouse.queries.audit import Audit
from warehouse.records.audit import AuditRow
from workbench.nights import health
from workbench.pages.nights import cards
from workbench.pages.ui import components, reads
from workbench.pages.ui.components import card, header, html
from workbench.scoring.doctor import Finding

CHANGES = 20  # newest rows of the audit log
KEPT = 30  # seconds that findings are shown before they are looked for again

now = reads.snapshot()


@st.cache_data(show_spinner="looking", ttl=KEPT, max_entries=4)
def findings(data: str) -> tuple[list[Finding], float]:
    """What the doctor finds, and when; without what takes seconds to load."""
    return health.examine(Path(data), thorough=False), time.time()


@st.cache_data(show_spinner=False, max_entries=4)
def changes(now: reads.Snapshot) -> list[AuditRow]:
    """The newest changes."""
    return Audit(Path(now.data)).rows(CHANGES)


found, looked_at = findings(now.data)
counted = {state: sum(each.state == state for each in found) for state in ("red", "yellow", "green")}
if counted["red"]:
    verb = "needs" if counted["red"] == 1 else "need"
    lead = Markup('<span class="escape">✗</span> <b>{} of {} {} attention now.</b>').format(
        counted["red"], len(found), verb
    )
elif counted["yellow"]:
    lead = Markup("<b>{} of {} should be looked at</b>; the workbench can run.").format(counted["yellow"], len(found))
else:
    lead = Markup("<b>All {} checks passed.</b>").format(len(found))
ago = max(0, round(time.time() - looked_at))
with header(
    "Health",
    lead,
    Markup("looked at {} s ago; <code>workbench doctor</code> also loads models and asks the device").format(ago),
):
    components.export(
        "health",
        {
            "findings": lambda: pl.DataFrame([asdict(each) for each in found]),
            "changes": lambda: pl.DataFrame([asdict(each) for each in Audit(Path(now.data)).rows()]),
        },
    )
    if st.button("Look again"):
        findings.clear()
        st.rerun()
with card("findings", "Findings", "red first, each with what to do", fill=False):
    html(cards.findings(found))
with card("changes", "Changes", "who changed what, newest first; workbench audit lists all", fill=False):
    html(cards.audit_rows(changes(now)))
reads.follow(now, refresh=False)
