"""The list from which pages have a run chosen."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.records.run_notes import RunNote
from warehouse.records.scoring import Archive, Run
from workbench.analysis import run_differences
from workbench.pages.ui import address, reads

CHOICES = 200  # runs to choose from, the newest
SETTINGS_SHOWN = 2  # of a run, those that aren't the default


def run_label(run: Run, known: dict[str, Archive], note: RunNote | None) -> str:
    """A run in a list to choose from: its name, when, the model, the archive, and what isn't the default."""
    model = "embedded" if run.demo else run.model.rstrip("/").rsplit("/", 1)[-1]
    archive = known.get(run.archive_id)
    parts = [note.name if note else "", f"{run.started_at:%-d %b %H:%M}", model, archive.name if archive else ""]
    return " · ".join(filter(None, [*parts, *run_differences.from_defaults(run.settings)[:SETTINGS_SHOWN]]))


def choose_run(now: reads.Snapshot, all_runs: Sequence[Run], run: Run, name: str = "run", label: str = "Run") -> None:
    """A list of the newest runs; the choice goes to the address, and the filters stay. The first list has the truth and
    the alarm rule beside it."""
    known, notes = reads.archives(now), reads.run_notes(now)
    offered = [one.run_id for one in all_runs[:CHOICES]]
    if run.run_id not in offered:
        offered.append(run.run_id)
    by_id = {one.run_id: one for one in all_runs}
    address.choose(
        label,
        offered,
        run.run_id,
        f"choose.{name}",
        lambda run_id: address.write(**{name: run_id}),
        width=230,
        format_func=lambda run_id: run_label(by_id[run_id], known, notes.get(run_id)),
    )
    if name == "run":
        reads.choose_alarm_rule(now)
        reads.choose_truth(now)
