"""What can go wrong in this room.

NightError
├── ScheduleError   a schedule that could not be worked with
├── NightsBusy      another process works through the nights of this data folder
└── BackupError     a backup can't be made or restored
"""

from __future__ import annotations


class NightError(Exception):
    """The root of this room's errors."""


class ScheduleError(NightError):
    """A schedule's expression, zone, window, archive or settings can't be used."""


class NightsBusy(NightError):
    """Another process works through the nights of this data folder; nothing is wrong."""

    exit_code = 75  # EX_TEMPFAIL: later is fine


class BackupError(NightError):
    """A backup can't be made or restored; the message says why, and what is left as it was."""
