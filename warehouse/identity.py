"""What tells questions and their evidence apart: one hash for what is asked, one for what was shown with it.

A question is its subtask, its text and the texts of its options, so another reference or another knowledge text leaves
every settlement, verdict and audit draw with its question. What a question was shown - the reference's content, the
retrieved texts with their revisions, in order, and what other sources found - is its evidence, and belongs to the
prediction. A question together with its reference seeds the noise and identifies a plan (`seed_key`).

Pictures of one piece, tiles of one picture and copies of one picture share a cluster (`cluster_id`): every interval and
test takes clusters, not pictures, for independent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Protocol

from warehouse.records.scoring import Entry, Evidence, Prediction

_LENGTH = 32  # hex digits of an identity


class Shown(Protocol):
    """A retrieved text."""

    @property
    def description_id(self) -> str:
        """dataset/product/entry."""

    @property
    def revision(self) -> int:
        """Of the text."""


def question_id(subtask: str, question: str, options: Sequence[str]) -> str:
    """The identity of a question: its subtask, its text, the texts of its options in order."""
    return _hash(json.dumps([subtask, question, list(options)]))


def seed_key(subtask: str, question: str, options: Sequence[str], reference: str | None) -> str:
    """What the noise of a question is seeded by, besides the picture: the question and its reference's content.

    Up to version 4 of the warehouse this was the question's identity; so noise and plans are what they were.
    """
    return _hash(json.dumps([subtask, question, list(options), reference]))


def evidence_id(reference: str | None, descriptions: Iterable[Shown], evidence: Iterable[Evidence] = ()) -> str:
    """The identity of what a question was shown.

    Args:
        reference: the SHA-256 of its reference's bytes; None is zero-shot.
        descriptions: the retrieved texts, best first.
        evidence: what other sources than the knowledge found; scores aside, as they are of texts.
    """
    texts = [f"{each.description_id}@{each.revision}" for each in descriptions]
    return _hash("\n".join([reference or "", *texts, *map(_stated, evidence)]))


def cluster_id(entry: Entry) -> str:
    """The identity of what a picture is evidence about: its piece within archive, product and lot, else its content.

    Copies of one picture, under two paths or in two archives, therefore share one, and so do all pictures of a serial
    and all tiles of one picture.
    """
    if entry.serial is None:
        return entry.file_content
    lot = [] if entry.lot is None else [entry.lot]
    return _hash(json.dumps([entry.archive_id, entry.product, entry.serial, *lot]))


def was_shown(prediction: Prediction, reference: str) -> bool:
    """Whether a stored question was shown the reference of this content.

    The evidence of a row from a warehouse of version 4 or older holds the row's former identity in place of a
    reference that no registered archive holds (`former_questions.py`).
    """
    texts = [option.text for option in prediction.options]
    former = seed_key(prediction.subtask, prediction.question, texts, reference)
    shown = (prediction.descriptions, prediction.evidence or ())
    return prediction.evidence_id in (evidence_id(reference, *shown), evidence_id(former, *shown))


def _stated(evidence: Evidence) -> str:
    boxes = [[float(edge) for edge in (box.x0, box.y0, box.x1, box.y1)] for box in evidence.regions]
    return json.dumps([evidence.source, evidence.version, evidence.words, boxes])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
