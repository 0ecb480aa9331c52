"""Statements over the references that nights are compared with, the values of nights, acknowledged chart alarms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from warehouse import schema
from warehouse.audit import Flow
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.records.audit import Actor
from warehouse.records.night_charts import ChartAcknowledgement, NightReference, NightValue


class NightCharts:
    """Every statement about the charts of one data folder's schedules."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def references(self, schedule: str) -> list[NightReference]:
        """A schedule's references, the one that holds last."""
        return self._database.records(
            NightReference, "SELECT * FROM night_references WHERE schedule = ? ORDER BY number", [schedule]
        )

    def accept(self, reference: NightReference, *, actor: Actor) -> None:
        """Store the reference that a person accepts; it holds from now on.

        Raises:
            Refused: another was stored meanwhile.
        """
        with self._database.changing(actor, "accept reference", reference.schedule) as change:
            change.details.update(
                nights=reference.nights,
                first=reference.first_due_at,
                last=reference.last_due_at,
                reason=reference.reason,
            )
            newest = change.con.execute(
                "SELECT coalesce(max(number), 0) FROM night_references WHERE schedule = ?", [reference.schedule]
            ).fetchall()
            if newest != [(reference.number - 1,)]:
                raise Refused(f"another reference of {reference.schedule} was stored meanwhile; say it again")
            insert(change.con, "night_references", schema.table(NightReference, [reference]))

    def keep_provisional(self, reference: NightReference) -> None:
        """Store the reference that serves until a person accepts one; nothing where there is one already."""
        with self._database.flowing(Flow.NIGHT) as con:
            found = con.execute(
                "SELECT 1 FROM night_references WHERE schedule = ? LIMIT 1", [reference.schedule]
            ).fetchall()
            if not found:
                insert(con, "night_references", schema.table(NightReference, [reference]))

    def values(self, schedule: str) -> list[NightValue]:
        """All values of a schedule's nights, oldest first, but those of void nights."""
        return self._database.records(
            NightValue,
            "SELECT * FROM night_values WHERE schedule = ? "
            "AND due_at NOT IN (SELECT due_at FROM nights WHERE schedule = ? AND state = 'void') "
            "ORDER BY reference, signal, due_at",
            [schedule, schedule],
        )

    def keep_values(self, values: Sequence[NightValue]) -> None:
        """Store values of nights, each in the place of an earlier one."""
        with self._database.flowing(Flow.NIGHT) as con:
            for value in values:
                con.execute(
                    "DELETE FROM night_values WHERE (schedule, reference, signal, due_at) = (?, ?, ?, ?)",
                    [value.schedule, value.reference, value.signal, value.due_at],
                )
            insert(con, "night_values", schema.table(NightValue, values))

    def acknowledgements(self, schedule: str) -> list[ChartAcknowledgement]:
        """What was acknowledged of a schedule's charts, oldest first."""
        return self._database.records(
            ChartAcknowledgement,
            "SELECT * FROM chart_acknowledgements WHERE schedule = ? ORDER BY acknowledged_at, signal",
            [schedule],
        )

    def acknowledge(self, notes: Sequence[ChartAcknowledgement], *, actor: Actor) -> None:
        """Store that somebody has taken note of alarms; of one night and signal the newest reason holds."""
        with self._database.changing(actor, "acknowledge chart alarm", notes[0].schedule) as change:
            change.details.update(signals=[note.signal for note in notes], reason=notes[0].reason)
            for note in notes:
                change.con.execute(
                    "DELETE FROM chart_acknowledgements WHERE (schedule, reference, signal, due_at) = (?, ?, ?, ?)",
                    [note.schedule, note.reference, note.signal, note.due_at],
                )
            insert(change.con, "chart_acknowledgements", schema.table(ChartAcknowledgement, notes))


def nights_of(reference: NightReference, due: Sequence[datetime]) -> list[datetime]:
    """Of these due times those that belong to a reference."""
    return [each for each in due if reference.first_due_at <= each <= reference.last_due_at]
