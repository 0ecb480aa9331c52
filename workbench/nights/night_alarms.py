"""What a night called defective: by its answers, and by the thresholds that are saved.

runs of a night, its images, an alarm rule -> counts and the likeliest defects; sentences for the morning report
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from warehouse.queries import alarm_rules
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.nights import Nights
from warehouse.queries.rollups import Rollups, Selection
from warehouse.queries.thresholds import Thresholds
from warehouse.records.nights import Night
from warehouse.records.scoring import Run
from warehouse.store import Store
from workbench import wording
from workbench.analysis import alarms, cell_totals, subtasks
from workbench.analysis.alarms import Alarms, Picture
from workbench.nights.reports import ByThreshold, Found
from workbench.review import threshold_sentences


def of_images(data: Path, runs: Sequence[Run], images: Sequence[str], alarm_rule: AlarmRule = "answers") -> Alarms:
    """The pictures without a label among these that were called defective: each by its newest run that calls it
    anything.

    Args:
        data: the data folder.
        runs: of the night, the oldest first.
        images: of the night.
        alarm_rule: what calls pictures defective.
    """
    if not runs:
        return alarms.NOTHING
    rollups, left = Rollups(data), set(images)
    cells, pictures = [], []
    for run in reversed(runs):
        chosen = Selection(run.run_id, images=tuple(sorted(left)), alarm_rule=alarm_rule)
        cells.append(rollups.cells(chosen).filter(pl.col("subtask").is_null()))
        pictures.append(rollups.alarms(chosen, alarms.PICTURES, alarms.SHOWN, subtasks.locating(run.subtasks)))
        left -= set(rollups.calls(chosen, ("image_id",))["image_id"])
    first = pl.concat(pictures)
    if alarm_rule != "comparison":  # scores order those of each run already
        first = first.sort("defect_probability", descending=True, nulls_last=True, maintain_order=True)
    return alarms.of(pl.concat(cells), first.head(alarms.SHOWN))


def called_defective(data: Path, runs: Sequence[Run], images: Sequence[str]) -> Found | None:
    """The pictures among these that are called defective, labelled or not, the surest first; None without a run.

    By the first signal that a saved threshold holds on; without one by the answers. Each by its newest run.
    """
    if not runs:
        return None
    saved = (signal for signal in Thresholds(data).signals() if thresholds_in_words(data, runs, signal))
    rule: AlarmRule = next(saved, "answers")
    rollups, left = Rollups(data), set(images)
    pictures = []
    for run in reversed(runs):
        chosen = Selection(run.run_id, images=tuple(sorted(left)), alarm_rule=rule)
        names = (*alarms.PICTURES, "label")
        pictures.append(rollups.alarms(chosen, names, len(left), subtasks.locating(run.subtasks), with_truth=True))
        left -= set(rollups.facts(chosen, ("image_id",))["image_id"])
    called = pl.concat(pictures)
    if rule != "comparison":  # scores order those of each run already
        called = called.sort("defect_probability", descending=True, nulls_last=True, maintain_order=True)
    first = called.head(alarms.SHOWN).select(*alarms.PICTURES, "region")
    return Found(
        rule,
        called.height,
        len(images),
        int((called["label"] == "good").sum()),
        tuple(Picture(**row) for row in first.iter_rows(named=True)),
    )


def of_night(data: Path, night: Night, runs: Sequence[Run], alarm_rule: AlarmRule) -> Alarms:
    """The same of a night that was scored before."""
    images = Nights(data).images([run.run_id for run in runs], [], night.started_at)
    return of_images(data, runs, images.filter("tonight")["image_id"].to_list(), alarm_rule)


def by_thresholds(data: Path, runs: Sequence[Run], images: Sequence[str]) -> tuple[ByThreshold, ...]:
    """What a night's pictures are called by the saved thresholds, one entry for each signal that one holds on."""
    return tuple(
        ByThreshold(signal, said, _outcome(data, runs, images, signal))
        for signal in Thresholds(data).signals()
        if (said := thresholds_in_words(data, runs, signal))
    )


def thresholds_in_words(data: Path, runs: Sequence[Run], alarm_rule: AlarmRule) -> str:
    """Which thresholds call a night's pictures defective, of its newest run with such a picture; else empty."""
    signal = alarm_rules.of_signal(alarm_rule)
    if signal is None:
        return ""
    decided = (run.run_id for run in reversed(runs) if Thresholds(data).decide(run.run_id, signal))
    newest = next(decided, None)
    return "" if newest is None else threshold_sentences.of_runs(Store(data), [newest], alarm_rule)[newest]


def _outcome(data: Path, runs: Sequence[Run], images: Sequence[str], alarm_rule: AlarmRule) -> str:
    """What they come to: alarms where nobody knows the truth, escapes and overkill where labels do."""
    rollups = Rollups(data)
    called = of_images(data, runs, images, alarm_rule).called
    cells, left = [], set(images)
    for run in reversed(runs):  # each picture by its newest run
        chosen = Selection(run.run_id, images=tuple(sorted(left)), alarm_rule=alarm_rule)
        cells.append(rollups.cells(chosen))
        left -= set(rollups.facts(chosen, ("image_id",))["image_id"])
    counts = cell_totals.detection(pl.concat(cells))
    said = []
    if called.images:
        said.append(called.sentence)
    if counts.defective or counts.good:
        escapes = wording.counted(counts.escapes, "escape")
        said.append(
            f"With labels: {escapes} of {wording.counted(counts.defective, 'defective picture')}, "
            f"{counts.overkills:,} overkill of {wording.counted(counts.good, 'good one')}."
        )
    return " ".join(said)
