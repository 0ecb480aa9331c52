"""A question file of MMAD's schema: others wrote it, so it is validated record by record.

The file and a scanned archive go in; asked questions come out, and a problem with its reason for each record that
can't be used. Keys nobody knows are passed over, and letters are issued anew in order; a name that stands
twice is told.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from warehouse.bounded import is_text
from warehouse.records.scoring import Entry, Unit
from workbench.archive import image_paths, json_text
from workbench.archive.json_text import TWICE
from workbench.archive.problems import Problem, because
from workbench.archive.questions import Asked, QuestionList, question_of, with_claims
from workbench.archive.references import Reference, References
from workbench.archive.scan import Scan
from workbench.errors import QuestionsError
from workbench.model import option_reader
from workbench.question_sets import MMAD, QuestionSet, built_in

Templates = Literal["random", "similar"]


def read(
    file: Path,
    scan: Scan,
    references: References | None,
    templates: Templates = "random",
    declared: QuestionSet | None = None,
) -> QuestionList:
    """The file's questions about the archive's images, in the file's order.

    The file's paths start at its data root, which may be the scanned folder, its parent or its grandparent: the one
    under which most of the file's images are found is taken.

    Args:
        references: None asks without a reference (zero-shot).
        templates: which of the file's template lists gives the reference, its first one.
        declared: the set whose subtasks the file asks; MMAD's unless given.

    Raises:
        QuestionsError: the file can't be read as a JSON object.
    """
    entries = {entry.path: entry for entry in scan.registered}  # of a picture in tiles any of them
    records, spoiled, problems = _load(file, entries)
    prefix = _prefix(Path(scan.archive.root), records, entries)
    declared = declared or built_in(MMAD)
    reader = _Reader(Path(scan.archive.root), prefix, entries, references, templates, declared)
    items: list[Asked] = []
    elsewhere = 0
    for key, raw in records.items():
        if not key.startswith(prefix):
            elsewhere += 1
            continue
        try:
            found = list(reader.questions(key.removeprefix(prefix), raw, spoiled.get(key, {})))
        except Exception as error:  # noqa: BLE001 - whatever one image's record raises, the others are asked about
            found = [_Told(f"can't be read: {because(error)}")]
        for asked in found:
            if isinstance(asked, Asked):
                items.append(asked)
            else:
                problems.append(Problem(key, asked.reason, asked.kind, asked.unit))
    return QuestionList(with_claims(items, declared.detecting), problems, elsewhere)


@dataclass(frozen=True, slots=True)
class Text:
    """A question of the file as it is put, whatever image and reference go with it."""

    subtask: str
    question: str
    options: tuple[str, ...]  # texts, in the order of their letters; empty where these aren't A, B, C, ...


def texts(file: Path) -> tuple[dict[str, list[Text]], list[Problem]]:
    """The file's questions by image, as `image_paths` writes it, in its order; of what can't be read there is none.

    Raises:
        QuestionsError: the file can't be read as a JSON object.
    """
    canonical = built_in(MMAD).canonical
    records, spoiled, problems = _load(file)
    found: dict[str, list[Text]] = {}
    for key, raw in records.items():
        problems += [
            Problem(key, f"question {number + 1}: {why}", unit="question")
            for number, why in spoiled.get(key, {}).items()
        ]
        try:
            asked = [_Conversation.model_validate(each) for each in _Record.model_validate(raw).conversation]
        except ValidationError as error:
            problems.append(Problem(key, because(error), unit="record"))
            continue
        found[key] = [Text(canonical(q.type), q.question, option_reader.in_order(q.options) or ()) for q in asked]
    return found, problems


_Spoiled = dict[str, dict[int, str]]  # key -> number of the question, from 0 -> what stands twice in it


def _load(file: Path, known: Container[str] = ()) -> tuple[dict[str, JsonValue], _Spoiled, list[Problem]]:
    """The file's records by image, as `image_paths` writes it, and what stands twice in it."""
    try:
        document = json_text.load(file.read_bytes())
    except OSError as error:
        raise QuestionsError(f"the question file {file} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise QuestionsError(f"the question file {file} isn't JSON: {error}") from error
    if not isinstance(document.value, dict):
        raise QuestionsError(f"the question file {file} must be an object keyed by image path, as mmad.json is")
    problems: list[Problem] = []
    spoiled: _Spoiled = {}
    for doubled in document.doubled:
        match doubled.place:
            case (str(key), "conversation", int(number), *_):
                spoiled.setdefault(_path(key, known), {})[number] = doubled.reason
            case _:
                place = doubled.where if doubled.place else doubled.name
                problems.append(Problem(place, doubled.reason, kind=TWICE, unit="key"))
    records: dict[str, JsonValue] = {}
    for key, raw in document.value.items():
        path = _path(key, known)
        if path in records:
            reason = f"{path} has its questions already; the first ones count"
            problems.append(Problem(key, reason, kind="an image has its questions already", unit="record"))
        records.setdefault(path, raw)
    return records, spoiled, problems


def _path(written: str, known: Container[str]) -> str:
    path = image_paths.plain(written)
    return (image_paths.below_data_root(path, known) or path) if image_paths.is_rooted(path) else path


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
class _Told:
    """What is told of a record."""

    reason: str
    kind: str = ""
    unit: Unit = "record"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns one image's record into its questions, each of them or why it can't be asked."""

    root: Path
    prefix: str
    entries: dict[str, Entry]
    references: References | None
    templates: Templates
    declared: QuestionSet

    def questions(self, path: str, raw: JsonValue, spoiled: Mapping[int, str]) -> Iterator[Asked | _Told]:
        entry = self.entries.get(path)
        if entry is None:
            yield _Told("the question file asks about it, but the archive has no such image")
            return
        if entry.tile is not None:
            yield _Told(
                "it is inspected in tiles, and a question file asks of whole pictures; `--questions inspection` asks "
                "about each tile"
            )
            return
        try:
            record = _Record.model_validate(raw)
        except ValidationError as error:
            yield _Told(because(error), "a record can't be read")
            return
        template = self._template(record)
        reference = None
        if self.references:
            in_archive = self.references.in_archive
            reference = in_archive.get(_path(template, in_archive).removeprefix(self.prefix))
            if template and reference is None:
                yield _Told(
                    f"the archive has no template {template}; another reference is taken", "no template", "field"
                )
            if reference and reference.content == entry.content:
                reason = f"its template {template} is the picture itself; another reference is taken"
                yield _Told(reason, "a template is the picture itself", "field")
                reference = None
            if reference and self.entries[reference.path].label == "defective":
                yield _Told(f"its template {template} is labelled defective", "a defective template", "remark")
            reference = reference or self.references.choose(entry)
        entry = _with_mask(entry, record.mask_path, self.root)
        if record.mask_path and entry.mask_path is None and entry.label != "good":
            reason = f"the question file gives it the mask {record.mask_path}, which isn't in the archive"
            yield _Told(reason, "the question file gives it a mask that isn't in the archive", "field")
        seen: set[str] = set()
        for number, conversation in enumerate(record.conversation, start=1):
            try:
                asked = spoiled.get(number - 1) or _asked(entry, conversation, reference, self.declared)
            except Exception as error:  # noqa: BLE001 - whatever one question raises, the others are asked
                asked = f"can't be read: {because(error)}"
            if isinstance(asked, str):
                yield _Told(f"question {number}: {asked}", asked, "question")
            elif asked.question.question_id in seen:
                reason = "the same question is asked twice"
                yield _Told(f"question {number}: {reason}", reason, "question")
            else:
                seen.add(asked.question.question_id)
                if len({option.text.strip().casefold() for option in asked.question.options}) < len(
                    asked.question.options
                ):
                    reason = "two of its options say the same; nobody can tell them apart"
                    yield _Told(f"question {number}: {reason}", reason, "remark")
                yield asked

    def _template(self, record: _Record) -> str:
        named = record.similar_templates if self.templates == "similar" else record.random_templates
        return named[0] if named else ""


def _with_mask(entry: Entry, mask: str | None, root: Path) -> Entry:
    """The entry with the file's mask, where the layout showed none; readers disagree on what its path starts from."""
    mask = mask and mask.replace("\\", "/")
    if entry.mask_path or not mask or ".." in PurePosixPath(mask).parts:
        return entry
    names = entry.path.split("/")
    for base in (names[:2], names[:1], []):  # below data root, data set or product folder, whichever was scanned
        mask_path = PurePosixPath(*base, mask)
        if not mask_path.is_absolute() and os.path.isfile(root / mask_path):  # noqa: PTH113 - False for any nonsense
            return replace(entry, mask_path=str(mask_path))
    return entry


def _asked(entry: Entry, raw: JsonValue, reference: Reference | None, declared: QuestionSet) -> Asked | str:
    """The question, or why it can't be asked."""
    try:
        conversation = _Conversation.model_validate(raw)
    except ValidationError as error:
        return because(error)
    subtask = declared.canonical(conversation.type)
    if subtask not in declared.names:
        return f"{subtask!r} is none of the subtasks {', '.join(declared.names)}"
    keys = list(conversation.options)
    offered = [(key.strip().upper(), text) for key, text in conversation.options.items()]
    if conversation.answer in keys:
        right = keys.index(conversation.answer)
    elif [key for key, _ in offered].count(letter := option_reader.read(conversation.answer, offered) or "") == 1:
        right = [key for key, _ in offered].index(letter)
    else:
        return f"the right answer {conversation.answer!r} is not among the options {', '.join(keys)}"
    question = question_of(subtask, conversation.question, list(conversation.options.values()))
    return Asked(entry, question, ascii_uppercase[right], reference)
