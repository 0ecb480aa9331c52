"""Reading the audit log."""

from __future__ import annotations

from pathlib import Path

from warehouse.database import Database
from warehouse.records.audit import AuditRow


class Audit:
    """The audit log of one data folder."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def rows(self, limit: int | None = None, actor: str | None = None, subject: str | None = None) -> list[AuditRow]:
        """The newest changes, newest first.

        Args:
            limit: rows at most; None for all.
            actor: only changes by this name.
            subject: only changes of what begins so.
        """
        page = "" if limit is None else f" LIMIT {limit:d}"
        return self._database.records(
            AuditRow,
            "SELECT * FROM audit WHERE actor = coalesce(?, actor) AND starts_with(subject, coalesce(?, '')) "
            f"ORDER BY number DESC{page}",
            [actor, subject],
        )
