"""What is asked about each image: a scanned archive goes in, asked questions come out.

`inspection` asks the same four things of every image of an archive that brings no questions: is there a defect, which,
where, and what does it look like. `question_file.py` reads the questions of an archive that does. Knows nothing of
storage or the model.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

from warehouse import claims
from warehouse.records import Description, Entry, Option, OptionClaim, Prediction
from workbench.inspection import regions
from workbench.inspection.archive import Scan
from workbench.inspection.errors import Problem, because
from workbench.inspection.references import Reference, References

logger = logging.getLogger(__name__)

NO_DEFECT = "No defect."
OTHER_DEFECT = "Another defect."


@dataclass(frozen=True, slots=True)
class Question:
    """One question, the same for every image it is asked of with the same reference."""

    question_id: str  # hash of subtask, question, ordered options, reference content
    subtask: str
    question: str
    options: tuple[Option, ...]  # lettered A, B, C, ... in order; empty for an open question
    conditional: bool  # only meaningful if the image has a defect


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one image."""

    entry: Entry
    question: Question
    correct_answer: str | None  # letter; None where nobody knows
    reference: Reference | None  # None is zero-shot
    claims: tuple[OptionClaim, ...] | None = None  # of a detection question's options, see `warehouse/claims.py`

    @property
    def reference_path(self) -> str | None:
        """Relative to the archive's root, absolute if outside; None is zero-shot."""
        return self.reference.path if self.reference else None


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """All that is to be asked, and what had to be left out."""

    items: list[Asked]
    problems: list[Problem]
    elsewhere: int = 0  # images the file asks about that lie outside the scanned part of its data root


def registered(scan: Scan, asked: QuestionSet) -> list[Entry]:
    """What the warehouse should know of the archive: all its entries, with masks only the question file names."""
    entries = {entry.image_id: entry for entry in scan.registered}
    return list((entries | {item.entry.image_id: item.entry for item in asked.items}).values())


def question_of(
    subtask: str, question: str, texts: Sequence[str], reference: Reference | None, conditional: bool = False
) -> Question:
    """The question with its letters issued and its identity worked out."""
    identity = json.dumps([subtask, question, list(texts), reference.content if reference else None])
    options = tuple(Option(letter, text) for letter, text in zip(ascii_uppercase, texts, strict=False))
    return Question(hashlib.sha256(identity.encode()).hexdigest()[:32], subtask, question, options, conditional)


def was_asked_with(prediction: Prediction, reference: str) -> bool:
    """Whether a stored question was asked with the reference of this content: its id is made from it."""
    shown = Reference(prediction.reference_path or "", reference)
    texts = [option.text for option in prediction.options]
    return question_of(prediction.subtask, prediction.question, texts, shown).question_id == prediction.question_id


def inspection(scan: Scan, knowledge: Iterable[Description], references: References | None) -> QuestionSet:
    """Four questions about each image to score: is there a defect; which; where; and what it looks like.

    All four are always asked; the last three are conditional. The right answers follow from the label and the defect
    type where the archive has them; where a mask is given, `located` reads the region from it when the question is
    due, so that planning reads no image.

    Args:
        knowledge: the published descriptions; a product's entries are its defect options, besides none and other.
        references: None asks without a reference (zero-shot).
    """
    defects = _defects(knowledge)
    asked_of: dict[tuple[str, str, Reference | None], tuple[Question, ...]] = {}
    items: list[Asked] = []
    for entry in scan.entries:
        reference = references.choose(entry) if references else None
        key = (entry.dataset, entry.product, reference)
        if key not in asked_of:
            known = defects.get((entry.dataset, entry.product)) or defects.get(("", entry.product)) or []
            asked_of[key] = _protocol(known, reference)
        items += [Asked(entry, question, _correct(entry, question), reference) for question in asked_of[key]]
    return QuestionSet(with_claims(items), [])


def with_claims(items: Sequence[Asked]) -> list[Asked]:
    """The questions with what the options of detection questions claim, by the keys and labels of all of them."""
    known = claims.Questions()
    for item in items:
        if item.question.subtask != claims.DETECTION:
            continue
        key = next((one.text for one in item.question.options if one.letter == item.correct_answer), None)
        known.add(item.question.question, [one.text for one in item.question.options], key, item.entry.label)

    def claimed(item: Asked) -> Asked:
        if item.question.subtask != claims.DETECTION:
            return item
        texts = [option.text for option in item.question.options]
        return replace(item, claims=known.claims(item.question.question, texts))

    return [claimed(item) for item in items]


def _protocol(defects: Sequence[str], reference: Reference | None) -> tuple[Question, ...]:
    which = [*defects[: len(ascii_uppercase) - 2], NO_DEFECT, OTHER_DEFECT]
    return (
        question_of("Anomaly Detection", "Is there any defect in the object?", ("Yes.", "No."), reference),
        question_of("Defect Classification", "What is the type of the defect?", which, reference, conditional=True),
        question_of("Defect Localization", "Where is the defect?", regions.NAMES, reference, conditional=True),
        question_of("Defect Description", "What does the defect look like?", (), reference, conditional=True),
    )


def _defects(knowledge: Iterable[Description]) -> dict[tuple[str, str], list[str]]:
    """Each product's defect options in order, by (dataset, product) and, for other data sets, ("", product)."""
    found: dict[tuple[str, str], set[str]] = {}
    for description in knowledge:
        if description.entry.casefold() != "good":
            for dataset in (description.dataset, ""):
                found.setdefault((dataset, description.product), set()).add(_option(description.entry))
    return {product: sorted(options) for product, options in found.items()}


def _option(defect: str) -> str:
    words = " ".join(defect.replace("_", " ").split())
    return f"{words[:1].upper()}{words[1:]}."


def _correct(entry: Entry, question: Question) -> str | None:
    if entry.label is None:
        return None
    match question.subtask:
        case "Anomaly Detection":
            right = "No." if entry.label == "good" else "Yes."
        case "Defect Classification":
            right = NO_DEFECT if entry.label == "good" else _option(entry.defect or "")
        case _:
            return None
    return next((option.letter for option in question.options if option.text.casefold() == right.casefold()), None)


def located(asked: Sequence[Asked], root: Path) -> list[Asked]:
    """The questions with the right region filled in from the masks below `root`, where the protocol asks for one."""
    return [
        replace(item, correct_answer=_region(root / mask, root / item.entry.path))
        if item.correct_answer is None
        and (mask := item.entry.mask_path)
        and tuple(option.text for option in item.question.options) == regions.NAMES
        else item
        for item in asked
    ]


def _region(mask: Path, picture: Path) -> str | None:
    try:
        return regions.letter_of(mask, picture)
    except Exception as error:  # noqa: BLE001 - whatever one mask raises, the others are read
        logger.warning("mask=%s unread=%s", mask, because(error))
        return None
