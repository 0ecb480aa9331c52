"""What a morning report says, as one object: stored as JSON, shown on the Tonight page, written and sent.

`morning.py` makes it. Light on purpose: a page reads it without any of what made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from warehouse.night_records import NightState, StepState
from workbench.analysis import drift
from workbench.analysis.drift import Rate, Signal, Slice


@dataclass(frozen=True, slots=True)
class Truth:
    """Errors where somebody knows the truth: golden samples, or audited cases."""

    source: str  # "golden samples" or "audited cases"
    wrong: int
    n: int
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Images that failed for one reason."""

    reason: str
    images: int
    example: str  # path


@dataclass(frozen=True, slots=True)
class Done:
    """How a step after scoring ended."""

    step: str
    state: StepState
    message: str


@dataclass(frozen=True, slots=True)
class Morning:
    """What a night's report says."""

    schedule: str
    archive: str
    due_at: datetime
    state: NightState
    message: str | None
    caught_up: int  # missed due times that this night covered besides its own
    model: str
    demo: bool
    knowledge_version: str | None
    run_ids: tuple[str, ...]
    images: int
    questions: int
    invalid: int  # questions
    failed: int  # questions
    failed_images: int
    quarantined: int  # images
    left: int | None  # planned images that wait for the next night, where the window shut
    seconds: float  # from the night's begin to this report
    images_per_second: float | None
    baseline_nights: int
    baseline_images: int
    labelled: int  # of tonight's images
    rates: tuple[Rate, ...]
    truth: tuple[Truth, ...]  # without labels; empty is "not measurable"
    signals: int  # how many were tested
    changes: tuple[Signal, ...]  # those past the false-alarm rate
    false_alarm_percent: float
    failures: tuple[Failure, ...]
    disputes_waiting: int
    review_budget: int | None
    steps: tuple[Done, ...]
    slices: tuple[Slice, ...] | None = None  # parts of the answers that became bad; None where none were looked for

    @property
    def finding(self) -> str:
        """The one sentence that a person reads first."""
        if self.state == "alarm":
            return f"Golden samples moved; the archive was left alone. {self.message or ''}".strip()
        if self.state == "failed":
            return f"The night failed: {self.message}"
        if not self.images:
            return "Nothing was new."
        if not self.baseline_images:
            return f"{self.images:,} images were scored. There is no earlier night to compare with."
        if not self.changes and self.slices:
            return f"{slice_in_words(self.slices[0])}."
        if not self.changes:
            return f"{self.images:,} images were scored; none of {self.signals} signals changed."
        first = self.changes[0]
        more = f", and {len(self.changes) - 1} more" if len(self.changes) > 1 else ""
        return f"{in_words(first)}{more}."


_JSON: TypeAdapter[Morning] = TypeAdapter(Morning)


def as_json(morning: Morning) -> str:
    """The report as JSON."""
    return _JSON.dump_json(morning).decode()


def from_json(text: str) -> Morning:
    """The report from its JSON."""
    return _JSON.validate_json(text)


def in_words(signal: Signal) -> str:
    """A change as a sentence without its full stop."""
    where = f" of {signal.group} {signal.value}" if signal.value else ""
    moved = "rose" if signal.tonight > signal.baseline else "fell"
    if signal.name in drift.RATES:
        before, now = (f"{100 * rate:.1f} %" for rate in (signal.baseline, signal.tonight))
        return f"{signal.name.capitalize()}{where} {moved} from {before} to {now}"
    if signal.name == "appearance":
        return f"Images{where} look different"
    return f"{signal.name.capitalize()}{where} {moved} from {signal.baseline:.2f} to {signal.tonight:.2f}"


def odds(report: Morning) -> str:
    """What stands behind the new bad slices, in words."""
    return (
        "found on half of the images, tested on the other half and against the nights before; apart from the signals, "
        f"{report.false_alarm_percent:.0f} of 100 ordinary nights at most name any"
    )


def slice_in_words(one: Slice) -> str:
    """A new bad slice as a sentence without its full stop."""
    rate, expected, before = (f"{100 * value:.0f} %" for value in (one.rate, one.expected, one.baseline))
    return f"{conditions_in_words(one)}: {rate} right where {expected} were expected, {before} before"


def conditions_in_words(one: Slice) -> str:
    """A slice's conditions: the value of each, after its dimension where the value doesn't say it."""
    return ", ".join(
        value if name in _TELLING or value.startswith(name) else f"{name} {value}" for name, value in one.conditions
    )


_TELLING = ("subtask", "product")
