"""Where the dashboard shows a night and its pictures: the addresses that its pages use, and whole links to them.

Tonight leads to cases by these addresses; the report, mail and messages by links, where `dashboard_url` says what the
dashboard is opened under.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from warehouse.queries.alarm_rules import AlarmRule
from workbench.nights.reports import Morning

Address = dict[str, str]


def case(run_id: str, image_id: str, question_id: str | None, rule: AlarmRule = "answers") -> Address:
    """A picture on Case, under the rule that calls it defective."""
    shown = {"alarms": rule} if rule != "answers" else {}
    asked = {"question": question_id} if question_id else {}
    return {**shown, "run": run_id, "image": image_id, **asked}


def tonight(report: Morning) -> Address:
    """A night on Tonight."""
    return {"schedule": report.schedule, "night": night(report)}


def night(report: Morning) -> str:
    """What Tonight calls a night of its schedule."""
    return f"{report.due_at:%Y-%m-%dT%H:%M:%S}"


def link(dashboard: str | None, page: Literal["case", "tonight"], address: Address) -> str:
    """A whole link; "" where nobody knows what the dashboard is opened under."""
    return f"{dashboard.rstrip('/')}/{page}?{urlencode(address)}" if dashboard else ""
