"""An answer file of MMAD's evaluation scripts: anyone's model, scored or stored as a run without asking it again.

The file is a list of {image, question, question_type, correct_answer, gpt_answer, ...} in the order asked. `read` gives
its answers, `as_answers` what the scorers take, `store` a run like any other: without traces, patches or knowledge, and
of no archive unless one that is registered holds its images.

Answers and keys are read by `model.option_reader`. Of several answers to one question of an image the first counts,
scored directly or stored; only the official scorer, which reproduces MMAD's script, counts them all. Options that no
file has stay unknown: made up from the letters that were said, a question would be another in every model's file.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from warehouse import claims, schema, spool
from warehouse.identity import cluster_id
from warehouse.ingest import ingest
from warehouse.records.questions import Subtask
from warehouse.records.scoring import Capabilities, Entry, Prediction, Run, Timings
from warehouse.store import Store
from workbench import settings as configuration
from workbench import wording
from workbench.analysis import mmad
from workbench.archive import image_paths, json_text, layout, question_file
from workbench.archive.problems import Problem, account, because, printable
from workbench.archive.questions import question_of
from workbench.errors import AnswersError
from workbench.model import option_reader
from workbench.question_sets import MMAD, built_in
from workbench.scoring import groundings
from workbench.scoring.evaluator import Declaration

READING = 2  # counts up when the same file is read otherwise than before: it is then another run
BLOCK = 2000  # answers stored together
EVALUATOR = "answer file"
UNREGISTERED = "imported"  # archive_id of a run whose images no registered archive holds
_OPTION = re.compile(r"^([A-Z])\. ?(.*)$", re.MULTILINE)
_NUMBER = re.compile(r"^\s*Question \d+:\s*")


@dataclass(frozen=True, slots=True)
class Given:
    """One answer of the file."""

    image: str  # DATASET/object/.../file
    subtask: str
    question: str
    options: tuple[str, ...]  # texts, in the order of their letters; empty where nobody knows them
    correct: str  # a letter, unless the file is broken there
    said: str  # a letter, or the text that a letter is to be read from

    @property
    def letter(self) -> str | None:
        """The option meant; None where it can't be read."""
        return option_reader.read(self.said, option_reader.lettered(self.options))

    @property
    def key(self) -> str | None:
        """The right option; None where it can't be read."""
        return option_reader.read(self.correct, option_reader.lettered(self.options))


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """The answers in the file's order, and what had to be left out."""

    answers: list[Given]
    repeated: frozenset[int]  # places of answers to a question that was answered before
    problems: list[Problem]
    content: str  # SHA-256 of the file and of the question file
    question_set: str = MMAD
    subtasks: tuple[Subtask, ...] = built_in(MMAD).subtasks

    @property
    def declaration(self) -> Declaration:
        """What a run of these answers is stored with: letters alone, unless some answer is in words."""
        words = any(_words(one) is not None for one in self.counted)
        return Declaration(EVALUATOR, self.content[:16], Capabilities(False, False, False, text=words))

    @property
    def counted(self) -> list[Given]:
        """The answers that count: the first to each question of an image."""
        return [one for place, one in enumerate(self.answers) if place not in self.repeated]

    @property
    def detecting(self) -> frozenset[str]:
        """The subtasks whose answers claim a defect, or that there is none."""
        return frozenset(subtask.name for subtask in self.subtasks if subtask.detects)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    run: Run
    answers: int  # stored
    known_images: int  # of those that a registered archive holds
    problems: list[Problem]
    already: bool  # the same file was imported under this name before


def read(file: Path, questions: Path | None = None) -> AnswerFile:
    """The file's answers.

    Args:
        file: as the official scripts write it.
        questions: an mmad.json; gives question and options where the answer file has none, image by image in order.

    Raises:
        AnswersError: the file is no list of answers.
        QuestionsError: the question file can't be read.
    """
    try:
        content = file.read_bytes()
        document = json_text.load(content)
    except OSError as error:
        raise AnswersError(f"the answer file {file} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise AnswersError(f"the answer file {file} isn't JSON: {error}") from error
    if not isinstance(document.value, list):
        raise AnswersError(
            f"the answer file {file} must be a list of answers, each with image, question_type, correct_answer and "
            "gpt_answer, as MMAD's scripts write it"
        )
    asked, problems = question_file.texts(questions) if questions else ({}, [])
    for doubled in document.doubled:
        problems.append(Problem(f"answer {int(doubled.place[0]) + 1}", doubled.reason))
    given: list[Given] = []
    places: Counter[str] = Counter()
    for number, raw in enumerate(document.value, start=1):
        try:
            one = _answer(raw, asked, places)
        except Exception as error:  # noqa: BLE001 - whatever one answer raises, the others count
            one = Problem("", f"can't be read: {because(error)}")
        if isinstance(one, Given):
            given.append(one)
        else:
            problems.append(Problem(f"answer {number}{f', {one.path}' if one.path else ''}", one.reason))
    if not given:
        why = f": {problems[0].path}: {problems[0].reason}" if problems else ""
        raise AnswersError(f"the answer file {file} has no usable answer{why}")
    repeated, told = repeated_and_without_key(given)
    digest = hashlib.sha256(content + (questions.read_bytes() if questions else b""))
    return AnswerFile(given, repeated, told + problems, digest.hexdigest())


def _answer(raw: object, asked: Mapping[str, Sequence[question_file.Text]], places: Counter[str]) -> Given | Problem:
    """One answer with its question, or why it can't be used.

    Args:
        raw: as the file has it.
        asked: the question file's questions by image.
        places: how many answers each image had before.
    """
    try:
        record = _Record.model_validate(raw)
    except ValidationError as error:
        return Problem("", because(error))
    declared = built_in(MMAD)
    subtask = declared.canonical(record.question_type)
    if subtask not in declared.names:
        return Problem(record.image, f"{subtask!r} is none of the subtasks {', '.join(declared.names)}")
    offered = option_reader.in_order(record.question.options)
    if offered is None:
        named = ", ".join(record.question.options)
        return Problem(record.image, f"its options are lettered {named}: nobody can tell which one an answer means")
    image = image_paths.below_data_root(record.image, asked)
    if not image or not image.strip():
        why = "nobody can tell where its data set's folder is" if image is None else "it names no image"
        return Problem(record.image, f"{why}: write paths as DATASET/product/.../file")
    place = places[image]
    places[image] += 1
    return _given(record, offered, image, subtask, place, asked.get(image, []))


def repeated_and_without_key(answers: Sequence[Given]) -> tuple[frozenset[int], list[Problem]]:
    """Places of answers to questions that were answered before, and what there is to say of these and of keys."""
    repeated, told = _repeated(answers)
    return repeated, told + _without_key([one for place, one in enumerate(answers) if place not in repeated])


def _repeated(given: Sequence[Given]) -> tuple[frozenset[int], list[Problem]]:
    """Places of answers to a question of an image that was answered before, and one problem that counts them."""
    first: dict[tuple[str, str, str, tuple[str, ...]], Given] = {}
    again: dict[int, bool] = {}  # whether it says something else
    for place, one in enumerate(given):
        before = first.setdefault((one.image, one.subtask, one.question, one.options), one)
        if before is not one:
            again[place] = before.letter != one.letter
    if not again:
        return frozenset(), []
    example = given[next(iter(again))]
    answers = wording.counted(len(again), "answer of the file is", "answers of the file are")
    others = wording.counted(sum(again.values()), "of them says", "of them say")
    reason = f"the same question is answered twice: {example.question}; {answers} to a question answered before"
    return frozenset(again), [Problem(example.image, f"{reason}, {others} something else; the first one counts")]


def _without_key(given: Sequence[Given]) -> list[Problem]:
    """One problem for each right answer that can't be read, and one for all answers that have none."""
    missing = [one for one in given if not one.correct.strip()]
    many = wording.counted(len(missing), "answer has", "answers have")
    told = [Problem(missing[0].image, f"{many} no right answer to be judged by")] if missing else []
    return told + [
        Problem(one.image, f"its right answer {one.correct!r} is no option of: {one.question}; it isn't judged")
        for one in given
        if one.correct.strip() and one.key is None
    ]


def as_answers(file: AnswerFile) -> pl.DataFrame:
    """The answers as `mmad.score` takes them."""
    return pl.DataFrame(
        [
            {
                "dataset": (place := _place(one.image)).dataset,
                "image": one.image,
                "subtask": one.subtask,
                "normal": None if place.label is None else place.label == "good",
                "correct": one.key or "",
                "official": one.said,
                "strict": one.letter,
                "repeated": number in file.repeated,
            }
            for number, one in enumerate(file.answers)
        ],
        schema=mmad.ANSWERS,
    )


def store(warehouse: Store, file: AnswerFile, name: str) -> Imported:
    """The file as a finished run of a model called `name`; the same file and name again give the same run.

    Killed half-way, the same call goes on.

    Raises:
        WarehouseError: see `ingest`.
    """
    ingest(warehouse)  # what a killed import left
    given = file.counted
    archive_id, entries = _entries(warehouse, {one.image for one in given})
    detections = _detections(given, entries, file.detecting)
    hashed, plan = json.dumps(["answers", READING, name, file.content]).encode(), file.content[:16]
    digest = hashlib.sha256(hashed).hexdigest()[:16]
    done = warehouse.finished_run(digest, plan)
    run = done or warehouse.newest_unfinished_run(digest, plan)
    if run is None:
        warehouse.open_run(run := _run(name, digest, plan, archive_id, file))
    if done is None:
        stored = warehouse.ingested_blocks(run.run_id)
        for block, first in enumerate(range(0, len(given), BLOCK)):
            if block not in stored:
                rows = [
                    _prediction(run, block, one, entries.get(one.image), detections, one.subtask in file.detecting)
                    for one in given[first : first + BLOCK]
                ]
                spool.write_part(warehouse.data, run.run_id, block, rows)
        ingest(warehouse)
        groundings.measure(warehouse, run)
        warehouse.close_run(run.run_id, "finished")
    kept = warehouse.run(run.run_id)
    assert kept is not None
    return Imported(kept, len(given), len(entries), file.problems, done is not None)


def is_imported(run: Run) -> bool:
    """Whether the run came from an answer file: its raw texts are then as its script left them."""
    return run.purpose == "import"


def _text(value: object) -> object:
    return "" if value is None else printable(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
"""A text of a file that others wrote: "" where there is none, and what can be stored of it."""


class _Question(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: Text = ""
    options: dict[str, Text] = {}


def _question(value: object) -> object:
    return {} if value is None else {"text": value} if isinstance(value, str) else value


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore")

    image: Text
    question: Annotated[_Question, BeforeValidator(_question)] = _Question()
    question_type: Text
    correct_answer: Text = ""
    gpt_answer: Text = ""


def _given(
    record: _Record, offered: tuple[str, ...], image: str, subtask: str, place: int, asked: Sequence[question_file.Text]
) -> Given:
    """The answer with its question: as the file has it, else as the question file does, else numbered."""
    text = _NUMBER.sub("", record.question.text)
    options = offered or option_reader.in_order(dict(_OPTION.findall(text))) or ()
    text = _OPTION.sub("", text).strip()
    if not text or not options:
        same = [each for each in asked if text and (each.subtask, each.question.strip()) == (subtask, text)]
        in_order = [each for each in asked[place : place + 1] if each.subtask == subtask]
        for known in (same or in_order)[:1]:
            text, options = known.question, known.options
    return Given(image, subtask, text or f"Question {place + 1}", options, record.correct_answer, record.gpt_answer)


def _place(image: str) -> layout.Place:
    """What DATASET/product/test/kind/file says of the image."""
    names = image.split("/")
    dataset, product = (*names[:-1], layout.UNKNOWN, layout.UNKNOWN)[:2]
    split = next((at for at in range(2, len(names) - 1) if names[at].casefold() in image_paths.SPLITS), None)
    kind = names[split + 1 : -1][:1] if split else names[-2:-1] if len(names) > 3 else []
    label, defect = layout.label_of(kind[0]) if kind else (None, None)
    return layout.Place("query", dataset, product, label, defect)


def _entries(warehouse: Store, images: set[str]) -> tuple[str, dict[str, Entry]]:
    """The registered archive that holds most of the images, and its entries by their path in the file."""
    best: tuple[str, dict[str, Entry]] = (UNREGISTERED, {})
    for archive in warehouse.archives():
        root = PurePosixPath(Path(archive.root).as_posix())
        known = {e.path: e for e in schema.records(Entry, warehouse.entries(archive.archive_id)) if e.tile is None}
        for prefix in ("", f"{root.name}/", f"{root.parent.name}/{root.name}/"):
            found = {
                image: known[image.removeprefix(prefix)]
                for image in images
                if image.startswith(prefix) and image.removeprefix(prefix) in known
            }
            if len(found) > len(best[1]):
                best = (archive.archive_id, found)
    return best


def _run(name: str, digest: str, plan: str, archive_id: str, file: AnswerFile) -> Run:
    now, declaration = datetime.now(UTC), file.declaration
    return Run(
        run_id=configuration.run_id(now, digest),
        digest=digest,
        plan=plan,
        archive_id=archive_id,
        model=name,
        demo=declaration.demo,
        settings=json.dumps({"imported": "answer file", "knowledge": "unknown"}),
        knowledge_version=None,
        started_at=now,
        finished_at=None,
        state="running",
        message=None,
        planned=len(file.counted),
        answered=0,
        invalid=0,
        failed=0,
        host=socket.gethostname(),
        device="elsewhere",
        versions="{}",
        timings=Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        question_set=file.question_set,
        subtasks=file.subtasks,
        evaluator=declaration.name,
        evaluator_version=declaration.version,
        capabilities=declaration.capabilities,
        purpose="import",
        passed_over=account(replace(each, unit="record") for each in file.problems),
    )


def _words(one: Given) -> str | None:
    """What was answered, where it is more than the letter meant."""
    return None if one.said == one.letter else one.said


def _detections(given: Sequence[Given], entries: Mapping[str, Entry], detecting: frozenset[str]) -> claims.Questions:
    """What the answers' keys say of the options of detection questions, with the images' labels."""
    known = claims.Questions()
    for one in given:
        if one.subtask in detecting and one.key is not None:
            entry = entries.get(one.image)
            label = entry.label if entry else _place(one.image).label
            options = one.options or claims.LETTERS
            known.add(one.question, options, options[claims.LETTERS.index(one.key)], label)
    return known


def _prediction(
    run: Run, block: int, one: Given, entry: Entry | None, detections: claims.Questions, detects: bool
) -> Prediction:
    question, place = question_of(one.subtask, one.question, one.options), _place(one.image)
    name = hashlib.sha256(one.image.encode()).hexdigest()  # stands for an image nobody has
    return Prediction(
        run_id=run.run_id,
        block=block,
        image_id=entry.image_id if entry else name[:32],
        image_path=entry.path if entry else one.image,
        content=entry.content if entry else name,
        dataset=entry.dataset if entry else place.dataset,
        product=entry.product if entry else place.product,
        label=entry.label if entry else place.label,
        defect=entry.defect if entry else place.defect,
        line=entry.line if entry else None,
        camera=entry.camera if entry else None,
        captured_at=entry.captured_at if entry else None,
        question_id=question.question_id,
        subtask=one.subtask,
        question=one.question,
        options=question.options,
        conditional=False,
        reference_path=None,
        answer=one.letter,
        correct_answer=one.key,
        status="answered" if one.letter else "invalid",
        error=None,
        initial_option_probabilities={},
        option_probabilities={},
        entropy=(),
        token_entropy=(),
        reward=(),
        best_iteration=None,
        descriptions=(),
        knowledge_dropped=0,
        knowledge_cut=False,
        raw_text=_words(one),
        rationale=None,
        seconds=0.0,
        created_at=run.started_at,
        claims=detections.claims(one.question, one.options or claims.LETTERS) if detects else None,
        no_defect=None if detects else claims.denying((each.letter, each.text) for each in question.options),
        cluster_id=cluster_id(entry) if entry else name,
        lot=entry.lot if entry else None,
    )
