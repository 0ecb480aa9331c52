"""A question file of MMAD's schema: others wrote it, so it is validated record by record.

The file and a scanned archive go in; asked questions come out, and a problem with its reason for each record that
can't be used. Keys nobody knows are passed over, and letters are issued anew in order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from warehouse.records import SUBTASKS, Entry
from workbench.inspection.archive import Scan
from workbench.inspection.errors import Problem, QuestionsError, because, is_text
from workbench.inspection.questions import Asked, QuestionSet, question_of, with_claims
from workbench.inspection.references import Reference, References

Templates = Literal["random", "similar"]

_RENAMED = {"Object Structure": "Object Analysis", "Object Details": "Object Analysis"}


def read(file: Path, scan: Scan, references: References | None, templates: Templates = "random") -> QuestionSet:
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
    return QuestionSet(with_claims(items), problems, elsewhere)


@dataclass(frozen=True, slots=True)
class Text:
    """A question of the file as it is put, whatever image and reference go with it."""

    subtask: str
    question: str
    options: tuple[str, ...]  # texts, in the order of their letters


def texts(file: Path) -> dict[str, list[Text]]:
    """The file's questions by image, in its order; of what can't be read there is none.

    Raises:
        QuestionsError: the file can't be read as a JSON object.
    """
    found: dict[str, list[Text]] = {}
    for key, raw in _load(file).items():
        try:
            asked = [_Conversation.model_validate(each) for each in _Record.model_validate(raw).conversation]
        except ValidationError:
            continue
        found[key] = [Text(_RENAMED.get(q.type, q.type), q.question, tuple(q.options.values())) for q in asked]
    return found


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
