"""`workbench audit`: who changed what, and through what, newest first."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import Data, Json

if TYPE_CHECKING:
    from warehouse.records.audit import AuditRow

_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{4,}\b")


def command(
    limit: Annotated[int, typer.Option("--limit", min=1, help="Rows at most.")] = 40,
    actor: Annotated[str | None, typer.Option("--actor", help="Only changes by this name.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only changes of what begins so.")] = None,
    data: Data = None,
    json_: Json = False,
) -> None:
    """List the changes, newest first: when, who, through what, the change, what it was made to.

    Hashes are shortened; `--json` has them whole.

    Example: workbench audit --actor anna
    """
    from jobs import screen
    from warehouse.queries.audit import Audit
    from workbench import settings

    found = Audit(settings.data_folder(data)).rows(limit, actor, subject)
    records = [asdict(each) if json_ else _in_short(each) for each in found]
    screen.rows(records, json_, empty="no change is on record")


def _in_short(row: AuditRow) -> dict[str, object]:
    """A change for people: the minute, and of hashes only as much as tells them apart; `--subject` takes that too."""
    details = (f"{name.replace('_', ' ')} {_value(of)}" for name, of in json.loads(row.details).items())
    return {
        "time (UTC)": f"{row.changed_at.astimezone(UTC):%Y-%m-%d %H:%M}",
        "actor": row.actor,
        "channel": row.channel,
        "change": row.action,
        "subject": _HASH.sub(r"\1", row.subject),
        "details": _HASH.sub(r"\1", ", ".join(details)),
    }


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
