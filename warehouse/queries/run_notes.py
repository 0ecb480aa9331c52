"""What people write on runs, and which run a name stands for.

Wherever a run is named, its whole id, the beginning of one that no other run has, the name that somebody gave it, or
`latest` will do (`RunNotes.run`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse import schema
from warehouse.database import Database, insert
from warehouse.errors import Refused
from warehouse.records.audit import Actor
from warehouse.records.run_notes import RunNote
from warehouse.records.scoring import Run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LATEST = "latest"  # stands for the newest run that is listed
LONGEST = 60  # characters of a name or a tag
_SHORTEST = 4  # characters of the beginning of an id
_LISTED = 5  # runs that a refusal names
# Newest first: the runs of a name, an id or the beginning of one, the surest meaning first.
_NAMED = """
    SELECT r.*, CASE WHEN r.run_id = $name THEN 0 WHEN n.name = $name THEN 1 ELSE 2 END AS meaning
    FROM runs AS r LEFT JOIN run_notes AS n USING (run_id)
    WHERE r.run_id = $name OR n.name = $name OR (starts_with(r.run_id, $name) AND length($name) >= $shortest)
    ORDER BY meaning, r.started_at DESC, r.run_id DESC
"""
_LATEST = """
    SELECT r.* FROM runs AS r LEFT JOIN run_notes AS n USING (run_id)
    WHERE r.purpose <> 'gate' AND NOT coalesce(n.hidden, false) ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class NoteChange:
    """What to change of a run's note; None leaves it as it is."""

    name: str | None = None  # "" takes it away
    note: str | None = None
    tag: Collection[str] = ()  # to add
    untag: Collection[str] = ()  # to take away; one that isn't there is no error
    hidden: bool | None = None


class RunNotes:
    """The names, notes and tags of one data folder's runs. Cheap to make, safe to share between threads."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data)

    def all(self) -> dict[str, RunNote]:
        """By run_id what somebody wrote; runs on which nobody wrote anything have none."""
        return {note.run_id: note for note in self._database.records(RunNote, "SELECT * FROM run_notes")}

    def run(self, name: str) -> Run:
        """The run that a name stands for: an id, its beginning from four characters on, a given name, or `latest`.

        Raises:
            Refused: there is no such run, or the beginning is that of several.
        """
        if name == LATEST:
            found = self._database.records(Run, _LATEST)
            if not found:
                raise Refused("there is no run yet; score an archive first: workbench score ARCHIVE")
            return found[0]
        rows = self._database.frame(_NAMED, {"name": name, "shortest": _SHORTEST})
        if rows.is_empty():
            raise Refused(f"there is no run {name} in this warehouse; `workbench runs` lists them")
        surest = rows.filter(rows["meaning"] == rows["meaning"][0])
        if surest.height > 1:
            some = ", ".join(surest["run_id"][:_LISTED]) + (", ..." if surest.height > _LISTED else "")
            raise Refused(f"{surest.height} runs begin with {name}: {some}; write more of the one you mean")
        return schema.records(Run, surest.drop("meaning"))[0]

    def change(self, run_id: str, change: NoteChange, *, actor: Actor) -> RunNote:
        """The note after a change.

        Raises:
            Refused: there is no such run; the name stands for another run; a name or a tag is empty or too long.
        """
        tags, name = [_said(tag, "tag") for tag in change.tag], change.name
        if name:
            name = _said(name, "name")
        with self._database.changing(actor, "note on run", run_id) as made:
            if not made.con.execute("SELECT 1 FROM runs WHERE run_id = ?", [run_id]).fetchall():
                raise Refused(f"there is no run {run_id} in this warehouse; `workbench runs` lists them")
            if name:
                _refuse_taken(made.con, run_id, name)
            before = _note(made.con, run_id)
            after = replace(
                before,
                name=before.name if name is None else name,
                note=before.note if change.note is None else change.note.strip(),
                tags=tuple(sorted({*before.tags, *tags} - set(change.untag))),
                hidden=before.hidden if change.hidden is None else change.hidden,
                author=actor.name,
                changed_at=datetime.now(UTC),
            )
            written = ("name", "note", "tags", "hidden")
            made.details |= {
                name: getattr(after, name) for name in written if getattr(before, name) != getattr(after, name)
            }
            made.happened = bool(made.details)
            if made.happened:
                made.con.execute("DELETE FROM run_notes WHERE run_id = ?", [run_id])
                insert(made.con, "run_notes", schema.table(RunNote, [after]))
            return after


def _note(con: DuckDBPyConnection, run_id: str) -> RunNote:
    found = schema.records(RunNote, con.sql("SELECT * FROM run_notes WHERE run_id = ?", params=[run_id]).pl())
    return found[0] if found else RunNote(run_id, "", "", (), hidden=False, author="", changed_at=datetime.now(UTC))


def _said(text: str, what: str) -> str:
    """The text without blanks around it."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST:
        raise Refused(f"a {what} has 1 to {LONGEST} characters; {text[:LONGEST]!r} has {len(text)}")
    return text


def _refuse_taken(con: DuckDBPyConnection, run_id: str, name: str) -> None:
    """Refuse a name that stands for something else."""
    if name == LATEST:
        raise Refused(f"{LATEST} stands for the newest run; choose another name")
    taken = con.execute(
        "SELECT run_id FROM runs LEFT JOIN run_notes USING (run_id) "
        "WHERE run_id <> $run AND name = $name OR starts_with(run_id, $name) LIMIT 1",
        {"run": run_id, "name": name},
    ).fetchall()
    if taken:
        raise Refused(f"{name} stands for the run {taken[0][0]} already; choose another name")
