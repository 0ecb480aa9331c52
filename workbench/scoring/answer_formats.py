"""Answer files of every kind that is read: of MMAD's scripts, of RobustMAD, plain CSV. The file says which it is.

| | how it is known | a subtask is |
| - | - | - |
| MMAD | a JSON list, `question_type` in its records | one of MMAD's |
| RobustMAD (TMLR 2026) | a JSON list, `robustness_category` in its records | the record's category |
| CSV | the ending .csv or .tsv | the column `subtask`; one of all questions where there is none |

A CSV has the columns image, question, answer, truth, and may have options (separated by `|`), subtask, and detects
(yes where the question asks whether there is a defect). Answers and truth are letters or an option's text. Where
there are no options and the truth is in words, the options of a question are the texts that are right somewhere in the
file: the same for every model that was asked the same.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.records.questions import Subtask
from workbench import wording
from workbench.archive import image_decoding, image_paths, json_text, text_files
from workbench.archive.problems import Problem, because
from workbench.errors import AnswersError
from workbench.model import option_reader
from workbench.scoring import answer_file
from workbench.scoring.answer_file import AnswerFile, Given, Text

ROBUSTMAD, CSV = "robustmad", "csv"
_FIVE = ("A", "B", "C", "D", "E")  # RobustMAD's questions have five options, whose texts its files don't hold
_REQUIRED = ("image", "question", "answer", "truth")
_OPTIONAL = ("options", "subtask", "detects")
_LETTER = re.compile("[a-z]")
_YES = frozenset({"yes", "true", "1"})


def read(file: Path, questions: Path | None = None) -> AnswerFile:
    """The file's answers, whichever kind it is.

    Args:
        file: see the module.
        questions: an mmad.json, for a file of MMAD's scripts that doesn't hold its questions.

    Raises:
        AnswersError: the file can't be read, or has no usable answer.
        QuestionsError: the question file can't be read.
    """
    if file.suffix.lower() in (".csv", ".tsv"):
        return _csv(file)
    if questions is None and (records := _robustmad_records(file)) is not None:
        return _robustmad(file, records)
    return answer_file.read(file, questions)


class _RobustRecord(BaseModel):
    model_config = ConfigDict(extra="ignore")

    image_path: Text
    robustness_category: Text
    question: Text
    answer: Text
    mslm_answer: Text = ""
    raw_response: Text = ""


def _robustmad_records(file: Path) -> list[object] | None:
    """The file's records where they are RobustMAD's; None where another reader has to say what is wrong."""
    try:
        document = json_text.load(file.read_bytes()).value
    except (OSError, ValueError):
        return None
    is_robustmad = isinstance(document, list) and any(
        isinstance(record, Mapping) and "robustness_category" in record for record in document
    )
    return list(document) if is_robustmad else None  # type: ignore[arg-type]


def _robustmad(file: Path, records: Sequence[object]) -> AnswerFile:
    given: list[Given] = []
    problems = []
    for number, raw in enumerate(records, start=1):
        try:
            record = _RobustRecord.model_validate(raw)
        except ValidationError as error:
            problems.append(Problem(f"answer {number}", because(error)))
            continue
        lacking = [name for name in ("image_path", "robustness_category", "question") if not getattr(record, name)]
        if lacking:
            problems.append(Problem(f"answer {number}", f"it has no {', '.join(lacking)}"))
            continue
        said = record.mslm_answer or record.raw_response
        image = image_paths.below_data_root(record.image_path) or record.image_path
        given.append(Given(image, record.robustness_category, record.question, _FIVE, record.answer, said))
    return _file(file, given, problems, ROBUSTMAD)


def _csv(file: Path) -> AnswerFile:
    try:
        text = text_files.read(file).text
    except OSError as error:
        raise AnswersError(f"the answer file {file} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise AnswersError(f"the answer file {file} isn't UTF-8: {error}") from error
    numbered, problems = _table(file, text)
    rows = [row for _, row in numbered]
    given: list[Given] = []
    known = _right_texts(rows)
    for number, row in numbered:
        lacking = [name for name in ("image", "question") if not row.get(name)]
        if lacking:
            problems.append(Problem(f"line {number}", f"it has no {', '.join(lacking)}"))
            continue
        options = tuple(part.strip() for part in row.get("options", "").split("|") if part.strip())
        options = options or known.get(_asked(row), ())
        image = image_paths.below_data_root(row["image"]) or row["image"]
        subtask = row.get("subtask") or file_subtask()
        given.append(Given(image, subtask, row["question"], options, row.get("truth", ""), row.get("answer", "")))
    unread = {(one.subtask, one.question) for one in given if one.correct and not one.options and one.key is None}
    if unread:
        have = wording.counted(len(unread), "question has", "questions have")
        why = f"{have} right answers in words and no options to read answers by; write a column options: Yes|No"
        problems.insert(0, Problem(file.name, why))
    detecting = {row.get("subtask") or file_subtask() for row in rows if row.get("detects", "").casefold() in _YES}
    return _file(file, given, problems, CSV, detecting)


def _table(file: Path, text: str) -> tuple[list[tuple[int, dict[str, str]]], list[Problem]]:
    """The rows of a table with the lines they end in, and those that have more cells than its header has names."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    cells = csv.reader(io.StringIO(text), delimiter=text_files.separator(text, "image"), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    problems = []
    try:
        names = [name.strip().casefold() for name in next(cells, [])]
        missing = [name for name in _REQUIRED if name not in names]
        if missing:
            raise AnswersError(
                f"the answer file {file} has no column {', '.join(missing)}; write the columns "
                f"{', '.join(_REQUIRED)}, and options, subtask, detects where there are any"
            )
        if doubled := [name for name in (*_REQUIRED, *_OPTIONAL) if names.count(name) > 1]:
            raise AnswersError(f"the answer file {file} has the column {doubled[0]} more than once; leave one of them")
        for row in cells:
            if len(row) > len(names):
                why = f"it has {len(row)} cells where the header has {len(names)}; quote a cell that holds a separator"
                problems.append(Problem(f"line {cells.line_num}", why))
            elif any(cell.strip() for cell in row):
                rows.append((cells.line_num, {name: cell.strip() for name, cell in zip(names, row, strict=False)}))
    except csv.Error as error:
        raise AnswersError(
            f"the answer file {file} is no table from line {cells.line_num} on: {error}; quote a cell that holds a "
            "separator, a quote or a line's end, and write a quote within it twice"
        ) from error
    return rows, problems


def file_subtask() -> str:
    """What the questions of a file without subtasks are called."""
    return "Questions"


def _asked(row: Mapping[str, str]) -> tuple[str, str]:
    return row.get("subtask", ""), row.get("question", "")


def _right_texts(rows: Iterable[Mapping[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """The texts that are right somewhere, in order, by question; none of questions whose truth is a letter.

    Texts that the reader of options takes for the same, such as Yes and yes, are one.
    """
    texts: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        if not row.get("options") and (truth := row.get("truth")):
            alike = texts.setdefault(_asked(row), {})
            alike[option_reader.plain(truth)] = min(truth, alike.get(option_reader.plain(truth), truth))
    return {
        asked: tuple(sorted(alike.values()))
        for asked, alike in texts.items()
        if 2 <= len(alike) <= len(option_reader.ANY) and not all(_LETTER.fullmatch(truth) for truth in alike)
    }


def _names_a_file(text: str) -> bool:
    """Whether a text ends as pictures' names do."""
    return PurePath(text).suffix.casefold() in image_decoding.SUFFIXES


def _file(
    file: Path, given: list[Given], problems: list[Problem], question_set: str, detecting: Iterable[str] = ()
) -> AnswerFile:
    if not given:
        why = f": {problems[0].path}: {problems[0].reason}" if problems else ""
        raise AnswersError(f"the answer file {file} has no usable answer{why}")
    if all(_names_a_file(one.subtask) and not _names_a_file(one.image) for one in given):
        raise AnswersError(
            f"the answer file {file} has paths where categories belong, such as {given[0].subtask}, and no path where "
            "images belong; are two columns swapped?"
        )
    detects = set(detecting)
    declared = tuple(
        Subtask(name, name, "choice", "key", name in detects, "defect" if name in detects else "object")
        for name in dict.fromkeys(answer.subtask for answer in given)
    )
    repeated, told = answer_file.repeated_and_without_key(given)
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    return AnswerFile(given, repeated, told + problems, content, question_set, declared)
