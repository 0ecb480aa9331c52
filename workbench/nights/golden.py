"""Golden samples: a fixed folder scored at the head of a night, held against the answers that count as right there.

The first such run becomes the standard. Whatever moves an answer later without anybody having meant it - other weights
under the same name, a driver, a library, a changed picture - is an alarm before the archive is touched. Knowledge is
left out, so that publishing a text, which is meant, raises none.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from warehouse.queries.nights import Nights
from warehouse.records.audit import Actor
from warehouse.records.nights import NightRun, Schedule
from warehouse.records.scoring import Entry, Run
from warehouse.store import Store
from workbench import wording
from workbench.archive.scan import Scan
from workbench.nights.schedules import Due
from workbench.scoring import run as scoring
from workbench.scoring.plan import Plan
from workbench.scoring.subset import Part
from workbench.scoring.watch import Watch
from workbench.settings import Settings

_KEY = ["image_path", "question_id"]


@dataclass(frozen=True, slots=True)
class Checked:
    """How the golden samples came out."""

    run: Run
    questions: int
    alarm: str | None  # what moved, by how much, and what differs between the two runs; None: nothing did


def check(due: Due, settings: Settings, watch: Watch, stop: Callable[[], str]) -> Checked | None:
    """Score the schedule's golden samples and compare; None when the schedule has none, or was stopped over them.

    Raises:
        WorkbenchError: as `scoring.score`.
    """
    if due.schedule.golden is None:
        return None
    store, ledger = Store(settings.work.data), Nights(settings.work.data)
    # No texts and no images.csv of the archive: nothing that people change on purpose.
    fixed = replace(
        settings,
        support=replace(settings.support, knowledge="none"),
        work=replace(settings.work, questions=None, sidecar=None, limit=None),
    )

    def all_of_them(scan: Scan) -> Sequence[Entry]:
        return scan.entries

    def open_run(run: Run, plan: Plan) -> None:
        images = {asked.entry.image_id for block in plan.blocks for asked in block.asked}
        ledger.open_run(run, NightRun(due.schedule.name, due.due_at, run.run_id, "golden"), sorted(images))

    outcome = scoring.score(
        Path(due.schedule.golden), fixed, watch, purpose="golden", part=Part(all_of_them, open_run), stop=stop
    )
    run = outcome.run
    if run.state != "finished":
        return None
    answers = store.predictions(run.run_id)
    standard = None if due.schedule.golden_run is None else store.run(due.schedule.golden_run)
    if standard is None:
        ledger.trust_golden(due.schedule.name, run.run_id, actor=Actor(due.schedule.name, "schedule"))
        return Checked(run, answers.height, None)
    moved = differences(store.predictions(standard.run_id), answers, settings.operation.golden_tolerance)
    if moved is None:
        return Checked(run, answers.height, None)
    differs = "; ".join(_what_differs(standard, run)) or "nothing on record differs: look at the driver and the images"
    return Checked(run, answers.height, f"{moved}. Against run {standard.run_id}: {differs}. {_remedy(due.schedule)}")


def differences(standard: pl.DataFrame, answers: pl.DataFrame, tolerance: float) -> str | None:
    """What moved between two runs over the golden samples, in words; None when nothing did beyond the tolerance.

    Args:
        standard: predictions that count as right.
        answers: tonight's.
        tolerance: largest change of an option's probability that is let pass.
    """
    columns = [*_KEY, "content", "status", "answer", "option_probabilities"]
    both = standard.select(columns).join(answers.select(columns), on=_KEY, how="full", suffix="_now")
    one_sided = both.filter(pl.col("status").is_null() | pl.col("status_now").is_null())
    if one_sided.height:
        return (
            f"{wording.counted(one_sided.height, 'golden question is', 'golden questions are')} asked now or "
            "then only: the samples themselves were changed"
        )
    changed = both.filter(pl.col("content") != pl.col("content_now"))
    if changed.height:
        return f"the golden image {changed['image_path'][0]} is another picture now"
    largest, moved, where = 0.0, 0, ""
    for row in both.iter_rows(named=True):
        shift = _shift(dict(row["option_probabilities"] or {}), dict(row["option_probabilities_now"] or {}))
        # An open question has no options: its text stands for itself.
        text_changed = not row["option_probabilities"] and row["answer"] != row["answer_now"]
        if shift > tolerance or text_changed or row["status"] != row["status_now"]:
            moved += 1
            if shift >= largest:
                largest, where = shift, row["image_path"]
    if not moved:
        return None
    return f"{moved} of {wording.counted(both.height, 'golden answer')} moved, the largest by {largest:.3f} ({where})"


def _shift(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    return max(
        (abs(before.get(letter, 0.0) - now.get(letter, 0.0)) for letter in before.keys() | now.keys()), default=0
    )


def _what_differs(before: Run, now: Run) -> list[str]:
    found = []
    for one, other in (
        (_flat(before.settings), _flat(now.settings)),
        (json.loads(before.versions), json.loads(now.versions)),
        ({"device": before.device, "host": before.host}, {"device": now.device, "host": now.host}),
    ):
        found += [
            f"{name} {one.get(name)} → {other.get(name)}"
            for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name)
        ]
    return found


def _flat(settings: str) -> dict[str, object]:
    found = json.loads(settings)
    facts = found.pop("facts", {})
    return {**found, **{f"{name} (fact)": value for name, value in facts.items()}}


def _remedy(schedule: Schedule) -> str:
    return f"If that is meant: workbench schedule golden {shlex.quote(schedule.name)} --accept"
