"""The shape of judgements: what people, and the rule that counts their votes, say the right answer is.

A judgement is absolute: it names the right answer, not whether some run's answer was right. So it stays true of every
run over the same question. What its author was shown, and how the case came to be judged, stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from warehouse.records.audit import Channel
from warehouse.records.reviews import Basis, Decision, DefectBox, Explanation, Label, QuarantinedResult

AnswerKind = Literal["option", "text", "none", "cannot tell"]
Stratum = Literal["audit", "rule", "label", "volunteered"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One revision of one judgement. Rows are only added; the newest revision of a judgement counts."""

    judgement_id: str  # of an annotation, of a person's word on a dispute, or of what is settled about a case
    revision: int  # from 1; worked out when it is stored
    dispute_id: str
    image_id: str
    question_id: str
    answer_kind: AnswerKind  # "none": none of the options, or of what was answered, is right
    answer: str | None  # the right option's letter, or the right text of an open question
    label: Label | None  # what it says of the whole image, where the question was whether there is a defect
    boxes: tuple[DefectBox, ...]
    explanation: Explanation | None  # what the retrieved texts do for the right answer
    better_description: str | None
    comment: str | None
    seconds: float | None  # the author's time on it
    actor: str  # who judged; of a settlement by vote the reviewers, comma-separated
    channel: Channel
    basis: Basis | None  # how it settles the case; None: one person's opinion, which is a vote and settles nothing
    reason: str  # why somebody settled it so, or took it back
    run_id: str | None  # whose answer its author was shown
    shown_answer: str | None  # that answer
    evidence_id: str | None  # what that answer was given with (`Prediction.evidence_id`); worked out when it is stored
    slot: int | None  # the reviewer's place; with the dispute it names the task that was shown
    blinded: bool  # False: its author saw, on the task, the mask that the question asks for
    stratum: Stratum  # how the case came to be judged, worked out when it is stored (`Judgements`)
    probability: float | None  # of being drawn, 0..1; None where nothing was drawn
    judged_at: datetime
    stored_at: datetime
    withdrawn: bool
    project_key: str | None = None  # the Label Studio project that it was given in


def settlement_id(image_id: str, question_id: str) -> str:
    """The identity of what is settled about a case: its revisions are one judgement's."""
    return f"settled {image_id} {question_id}"


def absolute(
    decision: Decision, right_answer: str | None, shown_answer: str | None, has_options: bool
) -> tuple[AnswerKind, str | None]:
    """The right answer that a decision about a shown answer names: its kind, and the letter or text.

    Args:
        decision: about the shown answer.
        right_answer: the letter that was named as right, where one was.
        shown_answer: a letter; a text for an open question.
        has_options: whether the question has any.
    """
    if decision == "unsure":
        return "cannot tell", None
    if decision == "correct":
        return ("option" if has_options else "text"), shown_answer
    return ("none", None) if right_answer is None else ("option", right_answer)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one page of a pull brought, stored in one transaction."""

    judgements: tuple[Judgement, ...]
    quarantined: tuple[QuarantinedResult, ...]
    until: datetime | None  # the project's new `pulled_until`
