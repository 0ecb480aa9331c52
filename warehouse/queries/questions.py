"""Registered question sets: every statement over their table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from warehouse import schema
from warehouse.database import Database, insert
from warehouse.records.audit import Actor
from warehouse.records.questions import RegisteredSet


class QuestionSets:
    """The question sets of one data folder. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def add(self, registered: RegisteredSet, *, actor: Actor) -> bool:
        """Whether the set is new, or another version than the newest of its name, and was stored.

        It is then the newest, though a clock that was set back may date it before the version that it follows.
        """
        with self._database.changing(actor, "register question set", registered.name) as change:
            change.details["version"] = registered.version
            found = change.con.sql(
                "SELECT * FROM question_sets WHERE name = ? ORDER BY registered_at DESC LIMIT 1",
                params=[registered.name],
            ).pl()
            for newest in schema.records(RegisteredSet, found):
                if newest.version == registered.version:
                    change.happened = False
                    return False
                later = max(registered.registered_at, newest.registered_at + timedelta(microseconds=1))
                registered = replace(registered, registered_at=later)
            insert(change.con, "question_sets", schema.table(RegisteredSet, [registered]))
        return True

    def newest(self) -> list[RegisteredSet]:
        """The newest version of every set, by name."""
        return self._database.records(
            RegisteredSet,
            "SELECT * FROM question_sets QUALIFY row_number() OVER (PARTITION BY name ORDER BY registered_at DESC) = 1 "
            "ORDER BY name",
        )

    def named(self, name: str) -> RegisteredSet | None:
        """The newest version of a set; None where nobody registered one of this name."""
        return next((each for each in self.newest() if each.name == name), None)
