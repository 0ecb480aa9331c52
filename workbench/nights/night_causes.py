"""What changed first on a night: its images with what was measured of their pictures go in, causes come out.

A picture's time is the camera's; else its file's, where tonight's files were written over a while and not copied at
once. Times are told in the schedule's zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import polars as pl

from warehouse.queries.measures import PictureMeasures
from warehouse.records.nights import NightRun
from workbench.analysis import causes, drift
from workbench.analysis.causes import Cause
from workbench.nights.step_runner import Context

_WHILE = timedelta(minutes=10)  # over which files are written that weren't copied at once


def of_images(context: Context, images: pl.DataFrame, before: Sequence[NightRun], share: float) -> tuple[Cause, ...]:
    """The causes of a night.

    Args:
        context: of the night.
        images: tonight's and the baseline's, as `drift.signals` takes them.
        before: the runs of the baseline.
        share: of nights without any change, the share that may raise an alarm.
    """
    if not context.run_ids or not before:
        return ()
    earlier = sorted({run.run_id for run in before})
    pictures = PictureMeasures(context.settings.work.data).of_nights(context.run_ids, earlier, context.night.started_at)
    joined = images.join(_timed(pictures).drop("night"), on=["image_id", "tonight"], how="left")
    found = causes.find(joined, partial(drift.signals, false_alarm=share), share)
    return tuple(_in_zone(cause, context.schedule.timezone) for cause in found)


def _timed(pictures: pl.DataFrame) -> pl.DataFrame:
    """With `at`, when each picture was taken."""
    tonight = pictures.filter("tonight")["changed_at"]
    first, last = tonight.min(), tonight.max()
    written = first is not None and last is not None and last - first >= _WHILE  # type: ignore[operator]
    known = [pl.col("captured_at"), *([pl.col("changed_at")] if written else [])]
    return pictures.with_columns(at=pl.coalesce(known)).drop("captured_at", "changed_at")


def _in_zone(cause: Cause, zone: str) -> Cause:
    return cause if cause.began is None else replace(cause, began=cause.began.astimezone(ZoneInfo(zone)))
