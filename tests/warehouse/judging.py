"""Verdicts and settlements as the judgements that are stored of them."""

from __future__ import annotations

from collections.abc import Sequence

from warehouse.records.audit import Channel
from warehouse.records.judgements import Judgement, absolute, settlement_id
from warehouse.records.reviews import Settlement, Verdict


def stored(of: Sequence[Verdict] | Sequence[Settlement], channel: Channel = "command line") -> tuple[Judgement, ...]:
    """Each as a judgement; its author was shown an answer that it calls right, or none that is known."""
    return tuple(_opinion(one, channel) if isinstance(one, Verdict) else _settlement(one) for one in of)


def _opinion(of: Verdict, channel: Channel) -> Judgement:
    shown = of.right_answer if of.decision == "correct" else None
    kind, answer = absolute(of.decision, of.right_answer, shown, has_options=True)
    return Judgement(
        of.verdict_id, 1, of.dispute_id, of.image_id, of.question_id, kind, answer, None, of.boxes, of.explanation,
        of.better_description, of.comment, of.seconds, of.reviewer, channel, None, "", of.run_id, shown, None, of.slot,
        not of.unblinded, "volunteered", None, of.judged_at, of.stored_at, of.deleted,
    )  # fmt: skip


def _settlement(of: Settlement) -> Judgement:
    shown = of.right_answer if of.decision == "correct" else None
    kind, answer = absolute(of.decision, of.right_answer, shown, has_options=True)
    channel: Channel = "command line" if of.basis == "person" else "program"
    return Judgement(
        settlement_id(of.image_id, of.question_id), 1, of.dispute_id, of.image_id, of.question_id, kind, answer,
        of.label, (), None, None, None, None, of.author, channel, of.basis, of.reason, None, shown, None, None, True,
        "volunteered", None, of.settled_at, of.settled_at, of.withdrawn,
    )  # fmt: skip
