"""Blinding: on tasks whose question the archive's mask would answer, the mask isn't drawn.

A mask says that there is a defect and where. So it answers detection and localization, and of any other question that
offers "no defect" it crosses out an option. Tasks of one picture lie in one project, so a picture about which such a
question is disputed shows its mask on none of them. Tasks made before this was so are marked `unblinded`, and the
verdicts on them are left out wherever reviewers are held against the archive or against each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from warehouse.records.reviews import Dispute
from workbench import wording


def mask_answers(dispute: Dispute) -> bool:
    """Whether the mask says what is asked, or part of it."""
    return dispute.claims is not None or dispute.kind == "region" or bool(dispute.no_defect)


def veiled(disputes: Iterable[Dispute]) -> frozenset[str]:
    """The images whose mask no task may show, by id."""
    return frozenset(dispute.image_id for dispute in disputes if mask_answers(dispute))


def left_out(count: int, noun: str) -> str:
    """How many were left out and why, as a sentence; empty where none was."""
    if not count:
        return ""
    many = wording.counted(count, f"{noun} is", f"{noun}s are")
    return f"{many} left out: the archive's mask was drawn on the task, which told the reviewer the answer."
