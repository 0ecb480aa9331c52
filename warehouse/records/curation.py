"""The shape of what curation stores: history, provenance, tests of drafts, measured lift; one class per table.

As in `scoring.py`: the tables are derived from these classes. Imports nothing of ours but that module.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from warehouse.records.scoring import DescriptionState, KnowledgeMember

Origin = Literal["kept", "verdict", "curator", "model"]
GateVerdict = Literal["better", "worse", "not enough evidence"]
NightVerdict = Literal["still gathering", "better", "worse"]


@dataclass(frozen=True, slots=True)
class KnowledgeChange:
    """One step of one revision; rows are only added."""

    number: int  # from 1, in the order of the changes
    description_id: str
    revision: int
    state: DescriptionState  # what it became
    version: str | None  # the published set that the change made; None where that stayed
    author: str
    reason: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Sentence:
    """Where a sentence of a revision comes from; one row for each verdict behind it."""

    description_id: str
    revision: int
    place: int  # of the sentence, from 1
    text: str
    origin: Origin
    dispute_id: str | None
    verdict_id: str | None
    image_id: str | None  # the image the verdict is about: seen by curation, so it counts in no test


@dataclass(frozen=True, slots=True)
class KnowledgeTrial:
    """A set that was used and never published: the published texts with one draft among them, for its test; or the
    texts alone, or the normals alone, of a published set, as a run used them.
    """

    version: str
    members: tuple[KnowledgeMember, ...]
    opened_at: datetime
    normals: tuple[int, ...] = ()  # numbers, ascending


@dataclass(frozen=True, slots=True)
class GateAttempt:
    """A revision's one test, as it was settled before anything ran."""

    description_id: str
    revision: int
    budget: str  # dataset/product: whose alpha it spends
    attempt: int  # from 1, within the budget since its last better
    alpha: float  # spent by this test
    margin: float  # how much worse everything else may be, as a share of 1
    against: int | None  # the published revision it would replace
    base_version: str | None
    trial_version: str
    run_id: str  # the run whose questions, settings and seed are repeated
    plan: str  # identity of both runs
    affected: tuple[str, ...]  # image_ids the text is for
    elsewhere: tuple[str, ...]  # image_ids it is retrieved for besides
    author: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a test came to. Differences are new minus old, as shares of 1 of the questions."""

    description_id: str
    revision: int
    verdict: GateVerdict
    why: str  # one sentence
    images: int  # affected, with questions that count
    questions: int
    won: int  # right only with the new text
    lost: int  # right only with the old one
    difference: float
    low: float  # 95 % interval
    high: float
    p_better: float  # one-sided
    p_worse: float
    elsewhere_images: int
    elsewhere_questions: int
    elsewhere_won: int
    elsewhere_lost: int
    elsewhere_difference: float
    elsewhere_low: float  # one-sided 95 % bound
    images_needed: int | None  # affected images that would show an effect of this size; None when there are enough
    old_run: str
    new_run: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class NightTest:
    """A test of drafts over nights, as it was settled before the first bet; several drafts share its one verdict."""

    test_id: str
    budget: str  # dataset/product: whose alpha it spends
    attempt: int  # from 1, within the budget since its last better
    alpha: float  # spent by this test
    margin: float  # how much worse everything else may be, as a share of 1
    drafts: tuple[KnowledgeMember, ...]  # by id
    against: tuple[KnowledgeMember, ...]  # the published revisions they would replace, by id
    author: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class NightBet:
    """What one night added to a test; written once. Elsewhere are images that retrieve a draft and aren't its own."""

    test_id: str
    number: int  # from 1
    schedule: str
    due_at: datetime  # with the schedule: the night
    old_runs: tuple[str, ...]  # the night's own, with the published texts
    new_runs: tuple[str, ...]  # the same questions with the drafts
    images: int  # that the texts are for, with questions of known answer
    questions: int
    won: int  # right only with the new text
    lost: int  # right only with the old one
    changed: int  # pieces with an answer won or lost
    mean: float  # (won - lost) / (won + lost); 0 where no answer changed
    wager: float  # of the wealth, 0..1
    log_better: float  # natural logarithm of the wealth after the night, bet on better
    log_worse: float
    elsewhere_images: int
    elsewhere_questions: int
    elsewhere_won: int
    elsewhere_lost: int
    elsewhere_changed: int
    elsewhere_low: float  # lower bound of the change, which holds at any time
    verdict: NightVerdict
    why: str  # one sentence
    clusters: tuple[str, ...]  # pieces that took part: none does again
    contents: tuple[str, ...]  # nor does any of these pictures' bytes


@dataclass(frozen=True, slots=True)
class SubtaskLift:
    """What a revision did to the questions of one subtask; counts only, as seven looks at a sample claim too much."""

    subtask: str
    questions: int
    helped: int
    harmed: int


@dataclass(frozen=True, slots=True)
class Lift:
    """What one revision did in one run, found by leaving it out on a sample of the images that retrieved it."""

    description_id: str
    revision: int
    run_id: str
    retrieved: int  # images it is for: of its product, and of its defect where the archive knows that
    strayed: int  # other images it was shown with; what it does there is never counted as help
    sampled: int  # images asked again without it
    questions: int
    helped: int  # right with it, wrong without
    harmed: int  # wrong with it, right without
    lift: float  # accuracy with minus without
    low: float  # 95 % interval
    high: float
    subtasks: tuple[SubtaskLift, ...]  # those asked, by name; empty where it was measured before this was kept
    measured_at: datetime
    p: float | None = None  # two-sided, of no difference; None where it was measured before this was kept
