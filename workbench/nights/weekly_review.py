"""The week up to a night: which runs it has, and what their drawn cases say of true escape and overkill."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from warehouse.queries import drawn_cases
from warehouse.queries.nights import Nights
from workbench.review import escape_estimate
from workbench.review.escape_estimate import Week

DAYS = 7


def of_night(data: Path, schedule: str, due_at: datetime) -> Week | None:
    """The estimate over a schedule's runs that were due in the seven days up to a night; None without a drawn case."""
    first = due_at - timedelta(days=DAYS)
    runs = {
        run.run_id
        for run in Nights(data).night_runs(schedule)
        if run.purpose != "golden" and first < run.due_at <= due_at
    }
    cases = drawn_cases.of_runs(data, sorted(runs)) if runs else None
    if cases is None or not cases["drawn"].any():
        return None
    return escape_estimate.estimate(cases)
