"""Questions about each image: a scanned archive goes in, asked questions come out.

`of_set` asks the questions of a set (`question_sets.py`) of every image; `question_file.py` reads the questions of an
archive that brings its own. Knows nothing of storage or the model.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

from warehouse import claims
from warehouse.identity import question_id, seed_key
from warehouse.records.questions import Scorer
from warehouse.records.scoring import Description, Entry, Option, OptionClaim
from workbench.archive import regions
from workbench.archive.problems import Problem, because
from workbench.archive.references import Reference, References
from workbench.archive.run_views import RunViews
from workbench.archive.scan import Scan
from workbench.archive.view import View
from workbench.question_sets import GOOD, AskedSubtask, OptionText, QuestionSet, in_words, options_of

logger = logging.getLogger(__name__)

WHOLE_PICTURES = RunViews()


@dataclass(frozen=True, slots=True)
class Question:
    """One question, the same for every image it is asked of, whatever reference goes with it."""

    question_id: str  # hash of subtask, question, ordered options
    subtask: str
    question: str
    options: tuple[Option, ...]  # lettered A, B, C, ... in order; empty for an open question
    conditional: bool  # only meaningful if the image has a defect
    scorer: Scorer = "none"  # what the right answer follows from


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one image."""

    entry: Entry
    question: Question
    correct_answer: str | None  # letter; None where nobody knows
    reference: Reference | None  # None is zero-shot
    claims: tuple[OptionClaim, ...] | None = None  # of a detection question's options, see `warehouse/claims.py`
    no_defect: tuple[str, ...] | None = None  # letters of another question's options that say that there is no defect

    @property
    def reference_path(self) -> str | None:
        """Relative to the archive's root, absolute if outside; None is zero-shot."""
        return self.reference.path if self.reference else None

    @property
    def seed_key(self) -> str:
        """The question and its reference: what the noise is seeded by, and what a plan is made of."""
        texts = [option.text for option in self.question.options]
        reference = self.reference.content if self.reference else None
        return seed_key(self.question.subtask, self.question.question, texts, reference)


@dataclass(frozen=True, slots=True)
class QuestionList:
    """All that is to be asked, and what had to be left out."""

    items: list[Asked]
    problems: list[Problem]
    elsewhere: int = 0  # images the file asks about that lie outside the scanned part of its data root


def registered(scan: Scan, question_list: QuestionList) -> list[Entry]:
    """What the warehouse should know of the archive: all its entries, with masks only the question file names."""
    entries = {entry.image_id: entry for entry in scan.registered}
    return list((entries | {item.entry.image_id: item.entry for item in question_list.items}).values())


def question_of(
    subtask: str, question: str, texts: Sequence[str], conditional: bool = False, scorer: Scorer = "none"
) -> Question:
    """The question with its letters issued and its identity worked out."""
    options = tuple(Option(letter, text) for letter, text in zip(ascii_uppercase, texts, strict=False))
    identity = question_id(subtask, question, [option.text for option in options])
    return Question(identity, subtask, question, options, conditional, scorer)


def of_set(
    declared: QuestionSet, scan: Scan, knowledge: Iterable[Description], references: References | None
) -> QuestionList:
    """The questions of a set about each image to score, in the set's order.

    All are always asked, conditional ones too. The right answers follow from the label and the defect type where the
    archive has them; where a mask is given, `located` reads the region from it when the question is due, so that
    planning reads no image. A question that is left with fewer than two options, as knowledge names no defect type of
    the product, is not asked, and told.

    Args:
        declared: a set with questions of its own.
        knowledge: the published descriptions; a product's entries are its defect options.
        references: None asks without a reference (zero-shot).
    """
    defects = _defects(knowledge)
    asked_of: dict[tuple[str, str], list[_Put]] = {}
    items: list[Asked] = []
    problems: list[Problem] = []
    for entry in scan.entries:
        reference = references.choose(entry) if references else None
        key = (entry.dataset, entry.product)
        if key not in asked_of:
            of_product = defects.get(key) or defects.get(("", entry.product)) or []
            every = {each.subtask: _put(each, of_product) for each in declared.questions}
            bare = [each.name for each, put in every.items() if each.kind != "open" and len(put.options) < 2]
            asked_of[key] = [put for each, put in every.items() if each.name not in bare]
            problems += [Problem("/".join(key), _too_few(name), unit="question") for name in bare]
        items += [
            Asked(entry, each.question, _correct(entry, each), reference, each.claims, each.no_defect)
            for each in asked_of[key]
        ]
    return QuestionList(items, problems)


def _too_few(subtask: str) -> str:
    return f"{subtask} is not asked: it needs two options, and no knowledge is published that names a defect type"


@dataclass(frozen=True, slots=True)
class _Put:
    """A set's question as it is put to the images of one product."""

    question: Question
    options: tuple[OptionText, ...]
    claims: tuple[OptionClaim, ...] | None
    no_defect: tuple[str, ...] | None


def _put(asked: AskedSubtask, defects: Sequence[str]) -> _Put:
    options, subtask = options_of(asked, defects), asked.subtask
    texts = [option.text for option in options]
    question = question_of(subtask.name, asked.question or "", texts, asked.conditional, subtask.scorer)
    claimed = tuple(option.claims or "unknown" for option in options) if subtask.detects else None
    denying = tuple(
        letter.letter for letter, option in zip(question.options, options, strict=False) if option.defect == GOOD
    )
    return _Put(question, options, claimed, None if subtask.detects else denying)


def with_claims(items: Sequence[Asked], detecting: Collection[str]) -> list[Asked]:
    """The questions with what their options say: what those of detection questions claim, by the keys and labels of all
    of them, and which of another question's deny a defect, by their words.

    Args:
        detecting: the subtasks that detect.
    """
    votes = claims.Questions()
    for item in items:
        if item.question.subtask in detecting:
            texts = [option.text for option in item.question.options]
            key = next((option.text for option in item.question.options if option.letter == item.correct_answer), None)
            votes.add(item.question.question, texts, key, item.entry.label)

    def claimed(item: Asked) -> Asked:
        if item.question.subtask not in detecting:
            denying = claims.denying((option.letter, option.text) for option in item.question.options)
            return replace(item, no_defect=denying)
        texts = [option.text for option in item.question.options]
        return replace(item, claims=votes.claims(item.question.question, texts))

    return [claimed(item) for item in items]


def _defects(knowledge: Iterable[Description]) -> dict[tuple[str, str], list[str]]:
    """Each product's defect types in the order of their words, by (dataset, product) and, for others, ("", product)."""
    types: dict[tuple[str, str], dict[str, str]] = {}  # words -> type
    for description in knowledge:
        if description.entry.casefold() != GOOD:
            for dataset in (description.dataset, ""):
                of_product = types.setdefault((dataset, description.product), {})
                of_product.setdefault(in_words(description.entry), description.entry)
    return {product: [of_product[words] for words in sorted(of_product)] for product, of_product in types.items()}


def _correct(entry: Entry, put: _Put) -> str | None:
    """The letter of the right answer; None where the label doesn't tell it."""
    if entry.label is None:
        return None
    match put.question.scorer:
        case "label":
            right = [option.claims == entry.label for option in put.options]
        case "defect":
            defect = GOOD if entry.label == "good" else entry.defect or ""
            right = [option.defect is not None and _same(option.defect, defect) for option in put.options]
        case _:
            return None
    return put.question.options[right.index(True)].letter if True in right else None


def _same(one: str, other: str) -> bool:
    return in_words(one).casefold() == in_words(other).casefold()


def located(items: Sequence[Asked], root: Path, views: RunViews = WHOLE_PICTURES) -> list[Asked]:
    """The questions with the right region filled in from the masks below `root`, where it is asked for."""
    return [
        replace(item, correct_answer=_region(root / mask, root / item.entry.path, views.of(item.entry)))
        if item.correct_answer is None and (mask := item.entry.mask_path) and item.question.scorer == "mask"
        else item
        for item in items
    ]


def _region(mask: Path, picture: Path, view: View) -> str | None:
    try:
        return regions.letter_of(mask, picture, view)
    except Exception as error:  # noqa: BLE001 - whatever one mask raises, the others are read
        logger.warning("mask=%s unread=%s", mask, because(error))
        return None
