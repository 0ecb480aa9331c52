"""The audit log: every write transaction is either a change by an actor, or the flow of data for a stated reason.

A *change* is what somebody decided, or a rule that acts for people: its transaction writes one row of the table `audit`
(`Database.changing`), so the row is there exactly when the change is. The *flow* of data is what follows from a
decision by itself and is found again by looking (`Database.flowing`); its kinds are listed here with their reason.
There is no third way to write.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from warehouse import schema
from warehouse.records.audit import Actor, AuditRow

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Flow(enum.Enum):
    """Writes that are no change by somebody, each with the reason why no audit row stands for it."""

    ARCHIVE = "an archive's files as a scan finds them: the next scan finds them again"
    RUN = "how far a run has come: its own row says when, on which host, with which settings"
    INGEST = "rows of finished blocks: the ledger has a row for each block"
    NIGHT = "how far a night has come: nights, runs, steps and reports are rows of their own, with times"
    MEASURED = "numbers computed from stored answers: they can be computed again"
    REVIEW_SERVER = "what Label Studio says about its own tasks and annotations: the next pull reads it again"


@dataclass(slots=True)
class ChangeEntry:
    """What one audit row says."""

    actor: Actor
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(slots=True)
class Change:
    """A change in the making: its connection, and what its audit row will say.

    `happened` is set to False by a function that finds nothing to change; then no row is written.
    `entries`, where there are any, replace the one row: a page of a pull holds one change by each reviewer.
    """

    con: DuckDBPyConnection
    actor: Actor
    action: str
    subject: str
    details: dict[str, Any] = field(default_factory=dict)
    happened: bool = True
    entries: list[ChangeEntry] | None = None

    def write(self) -> None:
        """Add the audit rows inside the transaction."""
        if not self.happened:
            return
        entries = (
            [ChangeEntry(self.actor, self.action, self.subject, self.details)] if self.entries is None else self.entries
        )
        write(self.con, entries)


def write(con: DuckDBPyConnection, entries: list[ChangeEntry]) -> None:
    """Add rows inside the caller's transaction, numbered on from the last one."""
    ((last,),) = con.execute("SELECT coalesce(max(number), 0) FROM audit").fetchall()
    now = datetime.now(UTC)
    rows = [
        AuditRow(
            number, now, entry.actor.name, entry.actor.channel, entry.action, entry.subject,
            json.dumps(entry.details, ensure_ascii=False, default=str),
        )
        for number, entry in enumerate(entries, start=last + 1)
    ]  # fmt: skip
    con.register("audit_rows", schema.table(AuditRow, rows))
    con.execute("INSERT INTO audit BY NAME SELECT * FROM audit_rows")
    con.unregister("audit_rows")
