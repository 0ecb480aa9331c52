"""Which questions the archive's mask would answer: on their tasks it isn't drawn.

A mask says that there is a defect and where. So it answers detection and localization, and of any other question that
offers "no defect" it crosses out an option. Tasks of one picture lie in one project, so a picture about which such a
question is disputed shows its mask on none of them. Tasks made before this was so are marked `unblinded`, and the
verdicts on them are left out wherever reviewers are held against the archive or against each other.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from warehouse import claims
from warehouse.records import SUBTASKS
from warehouse.review_records import Dispute

ANSWERED = frozenset({SUBTASKS[0], SUBTASKS[2]})  # detection, localization


def mask_answers(dispute: Dispute) -> bool:
    """Whether the mask says what is asked, or part of it."""
    return dispute.subtask in ANSWERED or any(claims.denies(option.text) for option in dispute.options)


def veiled(disputes: Iterable[Dispute]) -> frozenset[str]:
    """The images whose mask no task may show, by id."""
    return frozenset(dispute.image_id for dispute in disputes if mask_answers(dispute))


def unblinded(verdicts: pl.DataFrame) -> frozenset[str]:
    """The disputes that somebody judged who was shown the mask.

    Args:
        verdicts: those that stand.
    """
    return frozenset(verdicts.filter("unblinded")["dispute_id"])


def left_out(count: int, what: str) -> str:
    """How many were left out and why, as a sentence; empty where none was."""
    if not count:
        return ""
    many = f"{count:,} {what}{' is' if count == 1 else 's are'}"
    return f"{many} left out: the archive's mask was drawn on the task, which told the reviewer the answer."
