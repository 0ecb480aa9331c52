"""Failures as people read them: grouped by kind, "4 pictures truncated, 28 questions"."""

from __future__ import annotations

from warehouse.failures import FailureKind
from workbench import wording

# What follows "4 pictures".
_OF_PICTURES: dict[FailureKind, str] = {
    "vanished": "gone since the scan",
    "replaced": "replaced since the scan",
    "permission denied": "without permission to be read",
    "disk error": "on a disk or network share in trouble",
    "empty": "empty",
    "not an image": "without an image in the file",
    "unsupported": "of a kind that is not supported",
    "truncated": "truncated",
    "damaged": "damaged",
    "too large": "too large",
    "out of memory": "for which this computer's memory is too small",
    "poison": "passed over after processes died",
    "encoder refused": "refused by retrieval's encoder",
    "source failed": "that a source of evidence failed on",
    "does not fit": "too large for the model",
    "not finite": "for which the model's numbers are not finite",
    "device out of memory": "for which the device's memory is too small",
    "model failed": "that the model failed on",
    "unknown": "failed for a reason without a kind",
}


def in_words(kind: FailureKind, images: int, questions: int | None = None) -> str:
    """One group of failures: `4 pictures truncated, 28 questions`."""
    pictures = f"{wording.counted(images, 'picture')} {_OF_PICTURES[kind]}"
    return pictures if questions is None else f"{pictures}, {wording.counted(questions, 'question')}"


def reason_in_words(text: str | None, texts: int) -> str:
    """A group's most frequent reason, and how many others there are."""
    reason = text or "no reason was stored"
    return reason if texts == 1 else f"{reason}, and {wording.counted(texts - 1, 'other reason')}"
