"""The incremental plan of a night: images it has never scored, after a run that it left unfinished (an anti-join).

A run that was cut by its window, killed or stopped is gone on with as long as knowledge and settings are the same. If
they changed, it ends where it is and what it hadn't scored belongs to the night's own run, like everything new. An
image that was there when its run was opened and is gone since is a stored failure; it is scored when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from warehouse.errors import WorkbenchError
from warehouse.queries.nights import Nights
from warehouse.records.nights import Night, NightRun, Purpose
from warehouse.records.scoring import Entry, Run, RunPurpose
from warehouse.store import Store
from workbench.archive.scan import Scan
from workbench.errors import NothingNew
from workbench.scoring import run as scoring
from workbench.scoring.plan import Plan
from workbench.scoring.run import Outcome
from workbench.scoring.subset import Part
from workbench.scoring.watch import Watch
from workbench.settings import Settings

Rescore = Literal["affected", "all"]
GroupName = Literal["product", "line", "camera", "lot"]


@dataclass(frozen=True, slots=True)
class Only:
    """Images that have something in common."""

    group: GroupName
    value: str

    def among(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those of them."""
        return [entry for entry in entries if getattr(entry, self.group) == self.value]


class _Superseded(WorkbenchError):
    """The unfinished run was made with other settings or knowledge."""


def score(
    root: Path,
    settings: Settings,
    night: Night,
    watch: Watch,
    stop: Callable[[], str],
    rescore: Rescore | None = None,
    only: Only | None = None,
) -> Iterator[Outcome]:
    """The night's runs over the archive, one after the other; ends early when one of them is not finished.

    Args:
        rescore: instead of what is new, all images there are, or those whose answers rest on texts that changed; a
            re-scoring that was left unfinished is gone on with, and is all that is done.
        only: of those that are scored again the images of one group.

    Raises:
        NothingNew: there is nothing to score, or nothing more.
        WorkbenchError: as `scoring.score`.
    """
    ledger, store = Nights(settings.work.data), Store(settings.work.data)
    left = ledger.unfinished_run(night.schedule)
    if left:
        outcome = _go_on(root, settings, night, left, watch, stop)
        if outcome is None:
            why = "knowledge or settings changed since; what it had not scored belongs to the next run"
            store.close_run(left.run_id, "cancelled", datetime.now(UTC), why)
        else:
            yield outcome
            asked_for = rescore is not None and left.purpose == "rescore"  # else a call that was cut would never end
            if outcome.run.state != "finished" or asked_for:
                return
    yield _anew(root, settings, night, watch, stop, rescore, only)


def _go_on(
    root: Path, settings: Settings, night: Night, left: NightRun, watch: Watch, stop: Callable[[], str]
) -> Outcome | None:
    """The unfinished run as far as it could be brought; None when it can't go on."""
    ledger, settle = Nights(settings.work.data), settings.operation.settle_seconds
    planned = {entry.image_id: entry for entry in ledger.planned_entries(left.run_id)}
    ledger.join_run(NightRun(night.schedule, night.due_at, left.run_id, left.purpose))

    def choose(scan: Scan) -> Sequence[Entry]:
        here = {entry.image_id: entry for entry in scan.entries}
        return [here.get(image_id, stored) for image_id, stored in planned.items()]

    def refuse(_run: Run, _plan: Plan) -> None:
        raise _Superseded

    try:
        return scoring.score(root, settings, watch, part=Part(choose, refuse, settle), stop=stop)
    except (_Superseded, NothingNew):
        return None


def _anew(
    root: Path,
    settings: Settings,
    night: Night,
    watch: Watch,
    stop: Callable[[], str],
    rescore: Rescore | None,
    only: Only | None,
) -> Outcome:
    ledger = Nights(settings.work.data)
    purpose: Purpose = "rescore" if rescore else "archive"

    def choose(scan: Scan) -> Sequence[Entry]:
        entries = only.among(scan.entries) if only else scan.entries
        if rescore == "all":
            return entries
        if rescore == "affected":
            wanted = ledger.affected_images(night.schedule)
            return [entry for entry in entries if entry.image_id in wanted]
        done = ledger.scored_images(night.schedule)
        return [entry for entry in entries if entry.image_id not in done]

    def open_run(run: Run, plan: Plan) -> None:
        images = {asked.entry.image_id for block in plan.blocks for asked in block.asked}
        ledger.open_run(run, NightRun(night.schedule, night.due_at, run.run_id, purpose), sorted(images))

    opened_for: RunPurpose = "rescore" if rescore else "night"
    part = Part(choose, open_run, settings.operation.settle_seconds)
    return scoring.score(root, settings, watch, purpose=opened_for, part=part, stop=stop)
