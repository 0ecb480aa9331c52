"""Who changed what, and through what."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Channel = Literal["command line", "dashboard", "Label Studio", "schedule", "program"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, or something, that changes what is stored, and the way the change came in.

    Raises:
        ValueError: the name is empty, or there is no such channel.
    """

    name: str  # a login, a dashboard's user, a reviewer, a schedule, or the program itself
    channel: Channel

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("an actor needs a name: who makes this change?")
        if self.channel not in typing.get_args(Channel):
            raise ValueError(f"{self.channel!r} is no channel; it is one of {', '.join(typing.get_args(Channel))}")

    def __str__(self) -> str:
        return f"{self.name} ({self.channel})"


PROGRAM = Actor("workbench", "program")
"""The program itself, where it follows a rule that nobody set off: an upgrade, a consensus of verdicts."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change. Rows are only added, each in the transaction of its change."""

    number: int  # from 1, in the order of the changes
    changed_at: datetime
    actor: str
    channel: Channel
    action: str  # a verb: "publish text", "open disputes"
    subject: str  # what was changed: a description, a dispute, a run, a schedule
    details: str  # JSON object
