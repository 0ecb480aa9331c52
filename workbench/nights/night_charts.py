"""The reference of a schedule, and its charts over the nights after it.

images of the reference and of tonight -> values of nights, stored -> charts -> alarms that nobody has acknowledged

A person accepts a reference, as golden answers are accepted. Until then, the nights before the first report that has
`baseline_nights` of them serve, and stay what later nights are compared with: a lasting deterioration never becomes
usual by itself. Alarms are not stored; they follow from the values of nights and from what was acknowledged. Those of
an earlier reference are told until they are acknowledged, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from warehouse.queries.night_charts import NightCharts
from warehouse.queries.nights import Nights
from warehouse.records.audit import Actor
from warehouse.records.night_charts import ChartAcknowledgement, NightReference, NightValue
from warehouse.records.nights import Night, NightRun, Schedule
from workbench.analysis import control_chart, night_values
from workbench.analysis.control_chart import LEAST_NIGHTS, RUN_LENGTH
from workbench.errors import ScheduleError
from workbench.nights import reports
from workbench.nights.chart_words import ChartAlarm, ChartReading, Charts, ReferenceNights
from workbench.nights.step_runner import Context

_BOTH = ("alarm", "entropy")  # signals of which less is a change to look at, too


@dataclass(frozen=True, slots=True)
class Baseline:
    """The nights that tonight is compared with."""

    reference: NightReference | None  # None: there are fewer than wanted; all that there are count
    runs: tuple[NightRun, ...]

    @property
    def nights(self) -> int:
        """Nights with a run."""
        return len({run.due_at for run in self.runs})


def baseline(data: Path, night: Night, wanted: int, now: datetime) -> Baseline:
    """The runs of the reference nights; without a reference those of all earlier nights, until `wanted` become one."""
    runs = [run for run in Nights(data).night_runs(night.schedule) if run.purpose != "golden"]
    earlier = sorted({run.due_at for run in runs if run.due_at < night.due_at})
    known = NightCharts(data).references(night.schedule)
    if known:
        reference: NightReference | None = known[-1]
    elif len(earlier) >= wanted >= LEAST_NIGHTS:
        period = earlier[-wanted:]
        reference = NightReference(night.schedule, 1, period[0], period[-1], wanted, None, None, now)
    else:
        reference = None
    if reference is None:
        return Baseline(None, tuple(run for run in runs if run.due_at in earlier[-wanted:]))
    first, last = reference.first_due_at, reference.last_due_at
    return Baseline(reference, tuple(run for run in runs if first <= run.due_at <= last and run.due_at != night.due_at))


def dated(
    images: pl.DataFrame, tonight: Night, nights: Sequence[Night], runs: Sequence[NightRun], of: Baseline
) -> pl.DataFrame:
    """The images of tonight and of reference nights, with `night`, the due time in seconds of the one that scored each:
    of the nights of its run the last that had begun when it was stored.

    Args:
        images: with `tonight`, `stored_at` and `last_run`.
        tonight: the night.
        nights: all of the schedule.
        runs: of all of them.
        of: what tonight is compared with.
    """
    started = {night.due_at: night.started_at for night in nights}
    known_runs = [run for run in runs if run.due_at in started]
    begun = (
        pl.DataFrame(
            {
                "last_run": [run.run_id for run in known_runs],
                "stored_at": [started[run.due_at] for run in known_runs],
                "night": [int(run.due_at.timestamp()) for run in known_runs],
            },
            schema={"last_run": pl.String, "stored_at": images.schema["stored_at"], "night": pl.Int64},
        )
        .sort("stored_at", "night")
        .unique(["last_run", "stored_at"], keep="last", maintain_order=True)
    )
    first = begun.unique("last_run", keep="first", maintain_order=True).select("last_run", first="night")
    found = images.sort("stored_at").join_asof(
        begun, on="stored_at", by="last_run", strategy="backward", check_sortedness=False
    )
    found = found.join(first, on="last_run", how="left")  # where a clock was put back, nothing had begun yet
    night = pl.when("tonight").then(int(tonight.due_at.timestamp())).otherwise(pl.coalesce("night", "first"))
    known = pl.Series(sorted({int(run.due_at.timestamp()) for run in of.runs}), dtype=pl.Int64)
    known_night = pl.col("tonight") | pl.col("night").is_in(known.implode())
    return found.with_columns(night=night).filter(known_night).drop("first", "last_run").sort("image_id", "tonight")


def of_tonight(context: Context, of: Baseline, images: pl.DataFrame, signals: Sequence[str], wanted: int) -> Charts:
    """The charts with tonight's values, which are stored, as are those of the reference nights.

    Args:
        context: the night's.
        of: what it is compared with.
        images: of both, with `night` as `dated` gives it, and the columns of signals.
        signals: to be charted.
        wanted: nights of a provisional reference.
    """
    store = NightCharts(context.settings.work.data)
    if of.reference is not None:
        if of.reference.accepted_by is None:
            store.keep_provisional(of.reference)
        store.keep_values(_values(of.reference, of.runs, context.night, images, signals))
    return read(context.settings.work.data, context.schedule, of.nights, wanted)


def _values(
    reference: NightReference, runs: Sequence[NightRun], night: Night, images: pl.DataFrame, signals: Sequence[str]
) -> list[NightValue]:
    """The values of the reference nights and of tonight."""
    due = {int(each.timestamp()): each for each in (night.due_at, *(run.due_at for run in runs))}
    numbered = images.with_columns(reference=~pl.col("tonight"))
    return [
        NightValue(
            reference.schedule,
            reference.number,
            name,
            due[row["night"]],
            row["value"],
            row["charted"],
            row["variance"],
            row["images"],
        )
        for name in signals
        if name in numbered.columns
        for row in night_values.of(numbered, name).iter_rows(named=True)
    ]


def read(data: Path, schedule: Schedule, nights_before: int | None, wanted: int) -> Charts:
    """What a schedule's charts say after its last night."""
    store, zone = NightCharts(data), ZoneInfo(schedule.timezone)
    references, stored = store.references(schedule.name), store.values(schedule.name)
    notes = store.acknowledgements(schedule.name)
    readings: list[ChartReading] = []
    alarms: list[ChartAlarm] = []
    for reference in references:
        for signal in sorted({value.signal for value in stored if value.reference == reference.number}):
            own = [each for each in stored if (each.reference, each.signal) == (reference.number, signal)]
            done = [note.due_at for note in notes if (note.reference, note.signal) == (reference.number, signal)]
            reading, found = _chart(reference, signal, own, done, zone)
            alarms += found
            if reading and reference is references[-1]:
                readings.append(reading)
    holds = references[-1] if references else None
    return Charts(
        schedule=schedule.name,
        reference=None
        if holds is None
        else ReferenceNights(
            holds.nights, holds.first_due_at.astimezone(zone), holds.last_due_at.astimezone(zone), holds.accepted_by
        ),
        nights_before=nights_before,
        wanted=wanted,
        least=LEAST_NIGHTS,
        run_length=RUN_LENGTH,
        readings=tuple(readings),
        alarms=tuple(sorted(alarms, key=lambda alarm: (alarm.mended is not None, alarm.since, alarm.signal))),
    )


def _chart(
    reference: NightReference,
    signal: str,
    values: Sequence[NightValue],
    acknowledged: Sequence[datetime],
    zone: ZoneInfo,
) -> tuple[ChartReading | None, list[ChartAlarm]]:
    """One signal's chart over the nights after a reference; None of one with too few nights of its own."""
    before = [each for each in values if reference.first_due_at <= each.due_at <= reference.last_due_at]
    after = [each for each in values if each.due_at > reference.last_due_at]
    if len(before) < LEAST_NIGHTS:
        return None, []
    both = signal in _BOTH
    usual = control_chart.usual([each.charted for each in before], [each.variance for each in before])
    design = control_chart.limits(len(before), float(usual.autocorrelation), both)
    z = control_chart.standardised(usual, [each.charted for each in after], [each.variance for each in after])
    done = [sum(each.due_at <= moment for each in after) - 1 for moment in acknowledged]
    chart = control_chart.read(z.tolist(), design, both, done)
    (mean,) = night_values.in_units(signal, [float(usual.mean)])
    alarms = []
    for alarm in chart.alarms:
        if alarm.acknowledged is not None:
            continue
        lasted = after[alarm.since : None if alarm.mended is None else alarm.mended]
        alarms.append(
            ChartAlarm(
                signal,
                alarm.direction,
                after[alarm.since].due_at.astimezone(zone),
                after[alarm.raised].due_at.astimezone(zone),
                None if alarm.mended is None else after[alarm.mended].due_at.astimezone(zone),
                mean,
                float(np.mean([each.value for each in lasted])),
                len(lasted),
                reference.number,
            )
        )
    return ChartReading(signal, mean, len(after), min(1.0, max(chart.sums) / design.limit)), alarms


def accept(
    data: Path,
    schedule: Schedule,
    actor: Actor,
    now: datetime,
    nights: int | None = None,
    period: tuple[date | None, date | None] = (None, None),
    reason: str | None = None,
    wanted: int = 30,
) -> NightReference:
    """The reference that later nights are compared with, stored.

    Args:
        data: the data folder.
        schedule: whose.
        actor: who accepts it.
        now: the time.
        nights: the newest so many.
        period: or those from a date to a date, both included, in the schedule's zone.
        reason: why.
        wanted: without both, the nights that serve provisionally, else the newest so many.

    Raises:
        ScheduleError: these are too few nights.
    """
    zone = ZoneInfo(schedule.timezone)
    known = NightCharts(data).references(schedule.name)
    scored = sorted(
        night.due_at for night in Nights(data).nights(schedule.name) if night.images and night.state != "void"
    )
    first, last = period
    if first is not None or last is not None:
        chosen = [
            due
            for due in scored
            if (first is None or due.astimezone(zone).date() >= first)
            and (last is None or due.astimezone(zone).date() <= last)
        ]
    elif nights is None and known and known[-1].accepted_by is None:
        chosen = [due for due in scored if known[-1].first_due_at <= due <= known[-1].last_due_at]
    else:
        chosen = scored[-(nights or wanted) :]
    if len(chosen) < LEAST_NIGHTS:
        raise ScheduleError(
            f"a reference needs {LEAST_NIGHTS} nights that scored something, and {schedule.name} has "
            f"{len(chosen)} of them there; choose a longer period"
        )
    reference = NightReference(
        schedule.name,
        known[-1].number + 1 if known else 1,
        chosen[0],
        chosen[-1],
        len(chosen),
        actor.name,
        reason,
        now,
    )
    NightCharts(data).accept(reference, actor=actor)
    return reference


def not_acknowledged(data: Path, schedule: str) -> tuple[ChartAlarm, ...]:
    """The alarms of a schedule's newest report that nobody has acknowledged since."""
    for stored in Nights(data).reports(schedule, 1):
        charts = reports.from_json(stored.report).charts
        return still_open(data, charts).alarms if charts else ()
    return ()


def still_open(data: Path, charts: Charts) -> Charts:
    """What a report's charts say, without the alarms that were acknowledged since."""
    noted = {(note.reference, note.signal): note.due_at for note in NightCharts(data).acknowledgements(charts.schedule)}
    alarms = (
        alarm
        for alarm in charts.alarms
        if (due := noted.get((alarm.reference, alarm.signal))) is None or due < alarm.raised
    )
    return replace(charts, alarms=tuple(alarms))


def acknowledge(
    data: Path, schedule: str, reason: str, actor: Actor, now: datetime, signal: str | None = None
) -> list[ChartAlarm]:
    """The alarms that somebody takes note of; a chart begins anew after the newest night.

    Args:
        data: the data folder.
        schedule: whose.
        reason: why they need no more telling.
        actor: who takes note.
        now: the time.
        signal: of this one alone.

    Raises:
        ScheduleError: there is none to acknowledge, or no reason is given.
    """
    if not reason.strip():
        raise ScheduleError("say why it needs no more telling: --reason TEXT")
    found = [alarm for alarm in not_acknowledged(data, schedule) if signal in (None, alarm.signal)]
    if not found:
        raise ScheduleError(f"no chart of {schedule}{f' for {signal}' if signal else ''} has an alarm to acknowledge")
    stored = NightCharts(data).values(schedule)
    notes = {
        (alarm.reference, alarm.signal): ChartAcknowledgement(
            schedule,
            alarm.reference,
            alarm.signal,
            max(each.due_at for each in stored if (each.reference, each.signal) == (alarm.reference, alarm.signal)),
            actor.name,
            reason,
            now,
        )
        for alarm in found
    }
    NightCharts(data).acknowledge(list(notes.values()), actor=actor)
    return found
