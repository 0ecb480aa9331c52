"""The shape of what nights are compared with, of their values, and of acknowledged chart alarms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NightReference:
    """The nights that a schedule's later ones are compared with; the one with the highest number holds."""

    schedule: str
    number: int  # from 1
    first_due_at: datetime
    last_due_at: datetime
    nights: int
    accepted_by: str | None  # None: provisional, nobody has accepted it
    reason: str | None
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class NightValue:
    """A rate or mean of one night, at the mixture of images of a reference; the reference's own nights have one too."""

    schedule: str
    reference: int
    signal: str
    due_at: datetime
    value: float  # rate or mean
    charted: float  # the same as a chart takes it
    variance: float  # of `charted`, by the sampling of images
    images: int


@dataclass(frozen=True, slots=True)
class ChartAcknowledgement:
    """Somebody has taken note of a signal's chart alarms up to a night."""

    schedule: str
    reference: int
    signal: str
    due_at: datetime
    acknowledged_by: str
    reason: str
    acknowledged_at: datetime
