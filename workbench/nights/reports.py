"""The morning report as one object: stored as JSON, shown on the Tonight page, written and sent.

`morning.py` makes it. Light on purpose: a page reads it without any of what made it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from warehouse.failures import FailureKind
from warehouse.queries.alarm_rules import AlarmRule
from warehouse.records.nights import NightState, StepState
from warehouse.records.scoring import PassedOver
from workbench import wording
from workbench.analysis import cause_words, drift, failures
from workbench.analysis.alarms import Alarms, Picture
from workbench.analysis.causes import Cause
from workbench.analysis.drift import Rate, Signal, Slice
from workbench.analysis.pieces import PieceCounts
from workbench.nights.chart_words import Charts, alarm_in_words
from workbench.review.escape_estimate import Estimate, Week

ErrorKind = Literal["wrong", "overkill", "escape", "unreadable"]  # `wrong`: whatever was wrong, together


@dataclass(frozen=True, slots=True)
class Truth:
    """Errors where somebody knows the truth: golden samples, or audited cases."""

    source: str  # "golden samples" or "audited cases"
    wrong: int
    n: int
    low: float  # 95 % interval
    high: float
    error: ErrorKind = "wrong"  # older reports count all errors of golden samples together

    @property
    def of_what(self) -> str:
        """What `n` counts, in words."""
        kinds = {"overkill": "good ", "escape": "defective "}
        return f"{kinds.get(self.error, '')}{self.source}"

    @property
    def sentence(self) -> str:
        """`overkill 2 of 40 good golden samples (1.0–16.0 %)`."""
        return f"{self.error} {self.wrong:,} of {self.n:,} {self.of_what} ({self.interval})"

    @property
    def interval(self) -> str:
        """The 95 % interval in percent."""
        return wording.percent_interval(self.low, self.high, 1)


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
class Found:
    """The night's pictures that are called defective, labelled or not."""

    rule: AlarmRule  # what calls them so: a signal with a saved threshold, else the answers
    called: int
    images: int  # of the night that could be scored
    called_good: int  # of those called the ones that a label says are good
    pictures: tuple[Picture, ...]  # the surest first, at most `alarms.SHOWN`

    @property
    def sentence(self) -> str:
        """Such as `14 of 60 pictures were called defective by the threshold on comparison; 3 are labelled good.`"""
        by = "" if self.rule == "answers" else f" by the threshold on {self.rule}"
        of = f"{self.called:,} of {wording.counted(self.images, 'picture')}"
        labels = f"; {self.called_good:,} of them {'is' if self.called_good == 1 else 'are'} labelled good"
        return f"{of} {'was' if self.called == 1 else 'were'} called defective{by}{labels if self.called_good else ''}."


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
    causes: tuple[Cause, ...] = ()  # what changed first; none in older reports
    called_defective: Found | None = None  # what was called defective; None in older reports
    timezone: str = "UTC"  # of the schedule: dates and times are told by it
    waiting_files: int = 0  # changed so recently that they may still be being written; the next night takes them
    disputes_drawn: int | None = None  # of those waiting the ones that were drawn at random; None in older reports

    @property
    def unexplained(self) -> tuple[Signal, ...]:
        """The changes that no cause explains."""
        gone = {(each.name, each.group, each.value) for cause in self.causes for each in cause.vanished}
        return tuple(each for each in self.changes if (each.name, each.group, each.value) not in gone)

    @property
    def due(self) -> datetime:
        """When it was due, by the clocks of the schedule's time zone."""
        return self.due_at.astimezone(ZoneInfo(self.timezone))

    @property
    def title(self) -> str:
        """`Night of Monday 19 January 2026, 22:00 CET`: no two nights of a schedule share it."""
        return f"Night of {self.due:%A} {self.due.day} {self.due:%B %Y}, {clock_time(self.due)}"

    @property
    def finding(self) -> str:
        """The one sentence that a person reads first."""
        if self.state == "alarm":
            return f"Golden samples moved; the archive was left alone. {self.message or ''}".strip()
        if self.state == "failed":
            return f"The night failed: {self.message}"
        if not self.images:
            return f"Nothing was scored: {waits}." if (waits := self.waiting_in_words) else "Nothing was new."
        if not self.baseline_images:
            return (
                f"{wording.counted(self.images, 'image was', 'images were')} scored. There "
                "is no earlier night to compare with."
            )
        if self.causes:
            return " ".join(f"{cause_words.sentence(cause)}." for cause in self.causes)
        if not self.changes and self.charts and self.charts.lasting:
            return f"{alarm_in_words(self.charts.lasting[0])}."
        if not self.changes and self.slices:
            return f"{slice_in_words(self.slices[0])}."
        if not self.changes:
            scored = f"{wording.counted(self.images, 'image was', 'images were')} scored"
            if not self.signals:
                return (
                    f"{scored}. Too little was scored before to tell a change by the answers: "
                    f"it takes {drift.LEAST_NIGHTS} nights and {drift.LEAST_BASELINE} images."
                )
            return f"{scored}; none of {self.signals} signals changed."
        first = self.changes[0]
        more = f", and {len(self.changes) - 1} more" if len(self.changes) > 1 else ""
        return f"{in_words(first)}{more}."

    @property
    def waiting_in_words(self) -> str:
        """How many files wait because somebody may still be writing them; "" for none."""
        if not self.waiting_files:
            return ""
        files = wording.counted(self.waiting_files, "file was", "files were")
        return f"{files} changed too recently and {'waits' if self.waiting_files == 1 else 'wait'} for the next night"

    @property
    def queue_in_words(self) -> str:
        """What waits for people, and that it is more than they will judge where it is; a sentence."""
        waiting, budget = self.disputes_waiting, self.review_budget
        said = wording.counted(waiting, "case waits", "cases wait") + " for people"
        if self.disputes_drawn is not None and waiting:
            said += f", {self.disputes_drawn:,} drawn at random and {waiting - self.disputes_drawn:,} by rules"
        if budget is None or waiting <= budget:
            return said + ("." if budget is None else f"; a night hands out {budget:,}.")
        if not budget:
            return f"{said}; this schedule hands out none."
        return (
            f"{said}: more than anyone will judge at {budget:,} a night. Those drawn at random stay in the queue, and "
            "the review estimates need them; the heaviest of the others are sent first."
        )


def clock_time(moment: datetime) -> str:
    """`22:00 CET`, with seconds where somebody began a night at once."""
    return f"{moment:%H:%M:%S %Z}" if moment.second or moment.microsecond else f"{moment:%H:%M %Z}"


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
    name = "Share called defective" if signal.name == "alarm" else signal.name.capitalize()
    if signal.name in drift.RATES:
        before, now = (wording.percent(rate, 1) for rate in (signal.baseline, signal.tonight))
        return f"{name}{where} {moved} from {before} to {now}"
    if signal.name == "appearance":
        return f"Images{where} look different"
    return f"{name}{where} {moved} from {signal.baseline:.2f} to {signal.tonight:.2f}"


def named(signal: str) -> str:
    """A signal's name as people read it: an alarm is a night's, a picture is called defective."""
    return "called defective" if signal == "alarm" else signal


def state_named(state: NightState) -> str:
    """A night's state as people read it."""
    return "golden samples moved" if state == "alarm" else state


def advice(report: Morning, cause: Cause) -> str:
    """What to check for a cause, and how its pictures are scored again."""
    checked = f"{cause_words.group(cause)}: check {cause_words.CHECKS[cause.kind]}"
    return f"{checked}. To score its pictures again: {scoring_again(report, cause)}"


def scoring_again(report: Morning, cause: Cause) -> str:
    """The command that scores a cause's pictures again."""
    return f"workbench schedule run-due --now {shlex.quote(report.schedule)} --rescore all{cause_words.only(cause)}"


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
