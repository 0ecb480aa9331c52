"""What is asked about each image: a question file or the inspection protocol goes in, asked questions come out.

`mmad` reads a file of MMAD's schema, written by others: every record that can't be used becomes a problem with its
reason, and the rest is used. `inspection` asks the same four things of every image of an archive that has no
questions: is there a defect, which, where, and what does it look like. Knows nothing of storage or the model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from warehouse.records import Description, Entry, Option
from workbench.inspection import regions
from workbench.inspection.archive import Scan
from workbench.inspection.errors import Problem, QuestionsError, because, is_text
from workbench.inspection.references import Reference, References

Templates = Literal["random", "similar"]

SUBTASKS = (
    "Anomaly Detection",
    "Defect Classification",
    "Defect Localization",
    "Defect Description",
    "Defect Analysis",
    "Object Classification",
    "Object Analysis",
)
_RENAMED = {"Object Structure": "Object Analysis", "Object Details": "Object Analysis"}

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


# The question file


def _utf8(text: str) -> str:
    if not is_text(text):
        raise ValueError("not UTF-8 text")
    return text


_Text = Annotated[str, AfterValidator(_utf8)]  # JSON's "\ud800" is a string to Python, and can't be stored


class _Conversation(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    question: _Text = Field(alias="Question", min_length=1)
    options: dict[_Text, _Text] = Field(alias="Options", min_length=2, max_length=len(ascii_uppercase))
    answer: str = Field(alias="Answer")
    type: str


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    conversation: list[JsonValue]
    random_templates: list[_Text] | None = None
    similar_templates: list[_Text] | None = None
    mask_path: _Text | None = None


def mmad(file: Path, scan: Scan, references: References | None, templates: Templates = "random") -> QuestionSet:
    """The file's questions about the archive's images, in the file's order.

    The file's paths start at its data root, which may be the scanned folder, its parent or its grandparent: the one
    under which most of the file's images are found is taken.

    Args:
        references: None asks without a reference (zero-shot).
        templates: which of the file's template lists gives the reference, its first one.

    Raises:
        QuestionsError: the file can't be read as a JSON object.
    """
    records = _load(file)
    entries = {entry.path: entry for entry in scan.registered}
    prefix = _prefix(Path(scan.archive.root), records, entries)
    reader = _Reader(Path(scan.archive.root), prefix, entries, references, templates)
    items: list[Asked] = []
    problems: list[Problem] = []
    elsewhere = 0
    for key, raw in records.items():
        if not key.startswith(prefix):
            elsewhere += 1
            continue
        for asked in reader.questions(key.removeprefix(prefix), raw):
            if isinstance(asked, Asked):
                items.append(asked)
            else:
                problems.append(Problem(key, asked))
    return QuestionSet(items, problems, elsewhere)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns one image's record into its questions, each of them or why it can't be asked."""

    root: Path
    prefix: str
    entries: dict[str, Entry]
    references: References | None
    templates: Templates

    def questions(self, path: str, raw: JsonValue) -> Iterator[Asked | str]:
        entry = self.entries.get(path)
        if entry is None:
            yield "the question file asks about it, but the archive has no such image"
            return
        try:
            record = _Record.model_validate(raw)
        except ValidationError as error:
            yield because(error)
            return
        template = self._template(record)
        reference = None
        if self.references:
            reference = self.references.in_archive.get(template.removeprefix(self.prefix))
            if template and reference is None:
                yield f"the archive has no template {template}; another reference is taken"
            reference = reference or self.references.choose(entry)
        entry = _with_mask(entry, record.mask_path, self.root)
        seen: set[str] = set()
        for number, conversation in enumerate(record.conversation, start=1):
            asked = _asked(entry, conversation, reference)
            if isinstance(asked, str):
                yield f"question {number}: {asked}"
            elif asked.question.question_id in seen:
                yield f"question {number}: the same question is asked twice"
            else:
                seen.add(asked.question.question_id)
                yield asked

    def _template(self, record: _Record) -> str:
        named = record.similar_templates if self.templates == "similar" else record.random_templates
        return named[0] if named else ""


def _load(file: Path) -> dict[str, JsonValue]:
    try:
        records = json.loads(file.read_bytes())
    except OSError as error:
        raise QuestionsError(f"the question file {file} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise QuestionsError(f"the question file {file} isn't JSON: {error}") from error
    if not isinstance(records, dict):
        raise QuestionsError(f"the question file {file} must be an object keyed by image path, as mmad.json is")
    return records


def _prefix(root: Path, records: Iterable[str], entries: dict[str, Entry]) -> str:
    """What stands before the archive's own paths in the file's: nothing, `root/` or `parent/root/`."""
    prefixes = ("", f"{root.name}/", f"{root.parent.name}/{root.name}/")
    keys = list(records)
    return max(
        prefixes,
        key=lambda prefix: sum(key.startswith(prefix) and key.removeprefix(prefix) in entries for key in keys),
    )


def _with_mask(entry: Entry, mask: str | None, root: Path) -> Entry:
    """The entry with the file's mask, where the layout showed none; readers disagree on what its path starts from."""
    if entry.mask_path or not mask or ".." in PurePosixPath(mask).parts:
        return entry
    names = entry.path.split("/")
    for base in (names[:2], names[:1], []):  # below data root, data set or product folder, whichever was scanned
        candidate = PurePosixPath(*base, mask)
        if not candidate.is_absolute() and os.path.isfile(root / candidate):  # noqa: PTH113 - False for any nonsense
            return replace(entry, mask_path=str(candidate))
    return entry


def _asked(entry: Entry, raw: JsonValue, reference: Reference | None) -> Asked | str:
    """The question, or why it can't be asked."""
    try:
        conversation = _Conversation.model_validate(raw)
    except ValidationError as error:
        return because(error)
    subtask = _RENAMED.get(conversation.type, conversation.type)
    if subtask not in SUBTASKS:
        return f"{subtask!r} is none of the subtasks {', '.join(SUBTASKS)}"
    letters = list(conversation.options)
    if conversation.answer not in letters:
        return f"the answer {conversation.answer!r} is not among the options {', '.join(letters)}"
    question = question_of(subtask, conversation.question, list(conversation.options.values()), reference)
    return Asked(entry, question, ascii_uppercase[letters.index(conversation.answer)], reference)


# The inspection protocol


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
    return QuestionSet(items, [])


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
        replace(item, correct_answer=regions.letter_of(root / item.entry.mask_path))
        if item.entry.mask_path and tuple(option.text for option in item.question.options) == regions.NAMES
        else item
        for item in asked
    ]
