"""The shape of disputes, tasks, verdicts and settlements: one frozen class per table or view, as in `scoring.py`.

Verdicts and settlements are views on the judgements (`judgements.py`).
Times are UTC with zone; boxes are in pixels of the upright image; probabilities and scores lie in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from warehouse.records.questions import Kind
from warehouse.records.scoring import Option, OptionClaim

Reason = Literal["uncertain", "label", "contradiction", "flip", "elsewhere", "person", "audit", "comparison"]
Decision = Literal["correct", "wrong", "unsure"]
Explanation = Literal["supports", "irrelevant", "misleads"]
Label = Literal["good", "defective"]
Basis = Literal["single", "agreed", "majority", "person"]
DisputeState = Literal["open", "pushed", "judged", "conflict", "settled"]
STATES: tuple[DisputeState, ...] = ("open", "pushed", "judged", "conflict", "settled")


@dataclass(frozen=True, slots=True)
class Dispute:
    """A case that people should judge: one question about one entry, as one run answered it."""

    dispute_id: str  # hash of image, question and number
    image_id: str
    question_id: str
    number: int  # from 1; a settled case that somebody disputes again gets the next
    run_id: str  # whose answer is disputed
    image_path: str
    product: str
    subtask: str
    question: str
    options: tuple[Option, ...]
    answer: str | None  # letter; text for an open question
    correct_answer: str | None  # what the archive's label says
    entropy: float | None  # nats, of the best iteration
    margin: float | None  # of the likeliest option over the second, 0..1
    error_probability: float | None  # calibrated; None where nothing was there to calibrate on
    slots: int  # reviewers asked, 1 or 2, blind to each other; a third look is one more
    opened_at: datetime
    claims: tuple[OptionClaim, ...] | None = None  # what the options claim, as with the prediction
    kind: Kind | None = None  # as the question set declares it
    no_defect: tuple[str, ...] | None = None  # letters of the options that deny a defect, as with the prediction


@dataclass(frozen=True, slots=True)
class DisputeReason:
    """Why a case is disputed; a dispute may have several reasons, each once."""

    dispute_id: str
    reason: Reason
    score: float  # 0..1, how strongly
    weight: float  # what it adds to the dispute's place in the queue
    note: str  # in words, with the numbers
    opened_by: str  # "rules", or who clicked
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """What so many reviews of a run would bring; lows and highs are ends of 90 % intervals."""

    reviews: int
    threshold: float  # the lowest error probability among those reviewed, 0..1
    caught: float  # expected errors among those reviewed
    caught_low: float
    caught_high: float
    missed: float  # expected errors among the others
    missed_low: float
    missed_high: float


@dataclass(frozen=True, slots=True)
class BudgetCurve:
    """What reviewing a run's likeliest errors first would bring, by the number of reviews."""

    run_id: str
    cases: int
    calibrated_on: str  # in words
    points: tuple[BudgetPoint, ...]  # by reviews, from 0
    made_at: datetime


@dataclass(frozen=True, slots=True)
class AuditCase:
    """A case of an audit draw."""

    image_id: str
    question_id: str


@dataclass(frozen=True, slots=True)
class AuditDraw:
    """A random sample of a run's cases that no rule disputed, from which the errors among those are estimated."""

    run_id: str
    population: int  # cases it was drawn from
    seed: int
    cases: tuple[AuditCase, ...]
    drawn_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewProject:
    """A Label Studio project: one per server, reviewer slot and labelling config."""

    project_key: str  # ours, random; stands in the project's description, so that it is found again after a crash
    server: str  # URL
    slot: int
    config: str  # version of the labelling config
    project_id: int | None  # the server's; None between the plan to make it and its making
    pulled_until: datetime | None  # the server's time of the newest task update that was pulled
    lost_at: datetime | None  # when somebody said that it is gone and its cases may be sent elsewhere
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """A dispute sent to one reviewer slot."""

    task_key: str  # dispute and slot; stands in the task's data
    dispute_id: str
    slot: int
    project_key: str
    task_id: int  # the server's
    width: int  # of the upright query image, in pixels
    height: int
    sent_at: datetime
    unblinded: bool = False  # the archive's mask was drawn on it although the question asks for what the mask tells


@dataclass(frozen=True, slots=True)
class DefectBox:
    """A box a reviewer drew, in pixels of the upright query image."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """One revision of what a reviewer said about the answer that was shown: a judgement, read relative to it."""

    verdict_id: str  # hash of server, project and annotation; of dispute and person for one given in the dashboard
    revision: int  # from 1
    dispute_id: str
    slot: int
    run_id: str
    image_id: str
    question_id: str
    reviewer: str
    decision: Decision
    right_answer: str | None  # letter; None when none of the options is right, or nobody knows
    boxes: tuple[DefectBox, ...]
    explanation: Explanation | None  # what the retrieved texts do for the right answer
    better_description: str | None
    comment: str | None
    seconds: float | None  # the reviewer's time on the task
    judged_at: datetime  # the server's time of the last edit
    stored_at: datetime
    deleted: bool  # withdrawn by its author
    unblinded: bool = False  # given on a task that showed the answer: it settles, but no estimate counts it


@dataclass(frozen=True, slots=True)
class Settlement:
    """One revision of what is held to be true about an entry's question, instead of the archive's label."""

    image_id: str
    question_id: str
    revision: int  # from 1; the newest counts
    dispute_id: str
    decision: Decision  # about the disputed answer; "unsure": people looked and nobody can tell
    right_answer: str | None  # letter; None when none of the options is right, or nobody can tell
    label: Label | None  # where the question was whether there is a defect
    basis: Basis
    author: str  # the reviewers, comma-separated
    reason: str
    withdrawn: bool  # its verdicts were taken back: what another dispute settled counts, else the archive's label
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class QuarantinedResult:
    """An annotation that can't be used, kept as it came."""

    result_id: str  # hash of project, annotation and its time
    project_key: str
    task_id: int
    annotation_id: int
    reason: str
    payload: str  # JSON, as received
    found_at: datetime
    untold: bool = False  # the server itself can't tell it: it is asked for again at every pull
