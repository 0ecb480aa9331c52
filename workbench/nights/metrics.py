"""Metrics of the nights for Prometheus: a file for the node exporter's textfile collector, replaced whole."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from warehouse import spool
from warehouse.queries.nights import Nights
from warehouse.records.nights import NightState
from workbench.errors import ScheduleError
from workbench.nights import reports, schedules

logger = logging.getLogger(__name__)


def write(data: Path, file: Path, now: datetime) -> None:
    """Write the metrics of a data folder."""
    registry = CollectorRegistry()

    def gauge(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"workbench_{name}", help_text, labels, registry=registry)

    state = gauge("night_state", "1 for the state of a schedule's newest night", ("schedule", "state"))
    due = gauge("next_due_timestamp_seconds", "When a schedule is due next", ("schedule",))
    ended = gauge("night_end_timestamp_seconds", "When a schedule's newest night ended", ("schedule",))
    images = gauge("night_images", "Images its newest report counts", ("schedule",))
    failed = gauge("night_failed_questions", "Failed questions its newest report counts", ("schedule",))
    seconds = gauge("night_seconds", "How long it took", ("schedule",))
    changes = gauge("night_changes", "Signals past the false-alarm rate", ("schedule",))
    waiting = gauge("disputes_waiting", "Cases that wait for people", ("schedule",))

    ledger = Nights(data)
    last = ledger.last_nights()
    for schedule in ledger.schedules():
        night = last.get(schedule.name)
        for name in get_args(NightState):
            state.labels(schedule.name, name).set(night is not None and night.state == name)
        try:
            next_due = None if schedule.paused else schedules.next_due(schedule, now)
        except ScheduleError as error:
            logger.warning("schedule=%s has no next due time: %s", schedule.name, error)
            next_due = None
        if next_due:
            due.labels(schedule.name).set(next_due.timestamp())
        if night and night.ended_at:
            ended.labels(schedule.name).set(night.ended_at.timestamp())
        for stored in ledger.reports(schedule.name, limit=1):
            try:
                told = reports.from_json(stored.report)
            except ValueError as error:
                logger.warning("schedule=%s: its newest report can't be read: %s", schedule.name, error)
                continue
            images.labels(schedule.name).set(told.images)
            failed.labels(schedule.name).set(told.failed)
            seconds.labels(schedule.name).set(told.seconds)
            changes.labels(schedule.name).set(len(told.changes))
            waiting.labels(schedule.name).set(told.disputes_waiting)
    gauge("spool_parts", "Finished blocks that wait to be ingested").set(len(spool.pending(data)))
    gauge("disk_free_bytes", "Free space on the data folder's disk").set(shutil.disk_usage(data).free)
    backup = ledger.last_backup()
    gauge("backup_timestamp_seconds", "When the newest backup was made; 0 for never").set(
        backup.made_at.timestamp() if backup else 0
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(file), registry)
