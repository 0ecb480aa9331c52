"""The morning report as one object: stored as JSON, shown on the Tonight page, written and sent.

`morning.py` makes it. Light on purpose: a page reads it without any of what made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from warehouse.failures import FailureKind
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.records.nights import NightState, StepState
from warehouse.records.scoring import PassedOver
from workbench import wording
from workbench.analysis import drift, failures
from workbench.analysis.alarms import Alarms
from workbench.analysis.drift import Rate, Signal, Slice
from workbench.analysis.pieces import PieceCounts
from workbench.nights.chart_words import Charts, alarm_in_words
from workbench.review.escape_estimate import Estimate, Week


@dataclass(frozen=True, slots=True)
class Truth:
    """Errors where somebody knows the truth: golden samples, or audited cases."""

    source: str  # "golden samples" or "audited cases"
    wrong: int
    n: int
    low: float  # 95 % interval
    high: float


@dataclass(frozen=True, slots=True)
class FailedImages:
    """Images that failed for one kind of reason."""

    reason: str  # the most frequent text
    images: int
    example: str  # path
    kind: FailureKind = "unknown"  # older reports hold a group for each text
    questions: int | None = None

    def in_words(self) -> str:
        """`4 pictures truncated, 28 questions`; of an older report the reason."""
        if self.questions is None:
            return f"{wording.counted(self.images, 'picture')}: {self.reason}"
        return failures.in_words(self.kind, self.images, self.questions)


@dataclass(frozen=True, slots=True)
class Done:
    """How a step after scoring ended."""

    step: str
    state: StepState
    message: str


@dataclass(frozen=True, slots=True)
class ByThreshold:
    """What a night's pictures are called by the thresholds on one signal, as they were when the report was made."""

    rule: AlarmRule
    thresholds: str  # which, of which version
    outcome: str  # what they come to

    @property
    def sentence(self) -> str:
        """Both."""
        return f"{self.thresholds} {self.outcome}".strip()


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
    failures: tuple[FailedImages, ...]
    disputes_waiting: int
    review_budget: int | None
    steps: tuple[Done, ...]
    alarms: Alarms | None = None  # pictures without a label that were called defective; None in older reports
    slices: tuple[Slice, ...] | None = None  # parts of the answers that became bad; None where none were looked for
    pieces: PieceCounts | None = None  # by piece; None where each has one picture, and in older reports
    week: Week | None = None  # true escape and overkill from drawn cases, as of this night; None where none were drawn
    passed_over: tuple[PassedOver, ...] | None = None  # of the archive and its questions; None: nobody looked
    by_thresholds: tuple[ByThreshold, ...] = ()  # what saved thresholds call defective; none where none holds
    charts: Charts | None = None  # over the nights since the reference; None in older reports

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
            return (
                f"{wording.counted(self.images, 'image was', 'images were')} scored. There "
                "is no earlier night to compare with."
            )
        if not self.changes and self.charts and self.charts.lasting:
            return f"{alarm_in_words(self.charts.lasting[0])}."
        if not self.changes and self.slices:
            return f"{slice_in_words(self.slices[0])}."
        if not self.changes:
            return (
                f"{wording.counted(self.images, 'image was', 'images were')} scored; "
                f"none of {self.signals} signals changed."
            )
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
        before, now = (wording.percent(rate, 1) for rate in (signal.baseline, signal.tonight))
        return f"{signal.name.capitalize()}{where} {moved} from {before} to {now}"
    if signal.name == "appearance":
        return f"Images{where} look different"
    return f"{signal.name.capitalize()}{where} {moved} from {signal.baseline:.2f} to {signal.tonight:.2f}"


def week_rows(week: Week) -> list[tuple[str, str, str, str]]:
    """What is estimated, its value, its interval, and the interval whatever the unanswered cases are."""
    good, defective = week.called_good, week.called_defective
    estimates = (
        ("escape, of defective images", week.escape),
        ("overkill, of good images", week.overkill),
        (f"wrong among {good.answers:,} called good", good.share),
        (f"wrong among {defective.answers:,} called defective", defective.share),
    )
    return [(name, *_cells(each)) for name, each in estimates]


def _cells(each: Estimate) -> tuple[str, str, str]:
    bounds = wording.percent_interval(each.bound_low, each.bound_high, 1)
    if each.value is None:
        return "not measurable", "", bounds
    return wording.percent(each.value, 1), wording.percent_interval(each.low, each.high, 1), bounds


def week_in_words(week: Week) -> str:
    """What a week's estimate rests on, as sentences."""
    drawn = week.judgements + week.unanswered
    said = [
        f"People judged {week.judgements:,} of "
        f"{wording.counted(drawn, 'case that was', 'cases that were')} drawn for review in seven days."
    ]
    if week.unanswered:
        said.append(
            "The first interval takes the unanswered for like the answered; the second holds whatever they are."
        )
    if week.called_good.power or week.called_defective.power:
        said.append("The model's probabilities over all answers sharpen it, corrected by the judged cases.")
    if week.uncovered:
        said.append(f"It does not speak of {wording.counted(week.uncovered, 'answer')} of runs without an audit lane.")
    return " ".join(said)


def odds(report: Morning) -> str:
    """What stands behind the new bad slices, in words."""
    return (
        "found on half of the images, tested on the other half and against the nights before; apart from the signals, "
        f"{report.false_alarm_percent:.0f} of 100 ordinary nights at most name any"
    )


def slice_in_words(bad_slice: Slice) -> str:
    """A new bad slice as a sentence without its full stop."""
    rate, expected, before = (
        wording.percent(value) for value in (bad_slice.rate, bad_slice.expected, bad_slice.baseline)
    )
    return f"{conditions_in_words(bad_slice)}: {rate} right where {expected} were expected, {before} before"


def conditions_in_words(bad_slice: Slice) -> str:
    """A slice's conditions: the value of each, after its dimension where the value doesn't say it."""
    return ", ".join(
        value if name in _TELLING or value.startswith(name) else f"{name} {value}"
        for name, value in bad_slice.conditions
    )


_TELLING = ("subtask", "product")
