"""The share of defective parts on the line, from cases that were drawn for review: the prevalence a threshold meets.

A test set holds as many defects as somebody put there. What people settled about drawn cases speaks of all answers
(`escape_estimate.py`): of those called defective the right ones, and of those called good the escapes.
"""

from __future__ import annotations

import math
from pathlib import Path

from warehouse.queries import drawn_cases
from workbench.analysis.intervals import Estimate
from workbench.review import escape_estimate
from workbench.review.escape_estimate import Week

DAYS = 28


def of_run(data: Path, run_id: str) -> Estimate | None:
    """The audited share of defective answers around a run; None where too few drawn cases are judged.

    It is the run's own where it has an audit draw, else that of the runs drawn in the newest DAYS.
    """
    runs = drawn_cases.drawn_runs(data, run_id, DAYS)
    cases = drawn_cases.of_runs(data, runs) if runs else None
    if cases is None or not cases["drawn"].any():
        return None
    return of_week(escape_estimate.estimate(cases))


def of_week(week: Week) -> Estimate | None:
    """The share of defective answers among all; None where a side with answers has too few judged ones.

    Its interval combines both sides' (Zou and Donner, "Construction of confidence limits about effect measures",
    Statistics in Medicine 27, 2008: MOVER).
    """
    called, other = week.called_defective, week.called_good
    total = called.answers + other.answers
    right = 1 - called.share.value if called.share.value is not None else 0.0 if called.answers == 0 else None
    missed = other.share.value if other.share.value is not None else 0.0 if other.answers == 0 else None
    if not total or right is None or missed is None:
        return None
    a, b = called.answers / total, other.answers / total
    value = a * right + b * missed
    ends = ((1 - called.share.high, other.share.low), (1 - called.share.low, other.share.high))
    (right_low, missed_low), (right_high, missed_high) = ends
    down = math.hypot(a * (right - right_low), b * (missed - missed_low))
    up = math.hypot(a * (right_high - right), b * (missed_high - missed))
    return Estimate(value, max(value - down, 0.0), min(value + up, 1.0))
