"""Question sets: TOML in, checked declarations out. What is asked, of which kind, and which option claims a defect.

    name = "wareneingang"                  # what `--questions` calls it
    [[subtasks]]
    name = "Freigabe"                      # as charts and tables write it
    kind = "choice"                        # yes/no, choice, region, open
    scorer = "label"                       # what the right answer follows from
    question = "Ist das Teil in Ordnung?"
    options = [{ text = "Gutteil", claims = "good" }, { text = "Ausschuss", claims = "defective" }]

| scorer | the right answer is |
| - | - |
| `label` | the option that claims what the archive's label says |
| `defect` | the option of the archive's defect type: `defect = "scratch"`, or `defect = "good"` for none |
| `mask` | the ninth of the picture that the archive's mask lies in: nine options, row by row |
| `key` | the question file's answer key |
| `none` | not known: such answers are stored, and judged by people alone |

Among the options `{defects}` stands for the product's defect types, as the knowledge names them, and `{regions}` for
the nine regions. A set with `source = "file"` declares the subtasks of an archive's own `mmad.json`. The two built-in
sets are beside this module, in `sets/`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import ascii_uppercase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from warehouse.records.questions import Kind, Scorer, Subject, Subtask
from warehouse.records.scoring import OptionClaim
from workbench.errors import QuestionsError

DEFECTS, REGIONS = "{defects}", "{regions}"
INSPECTION, MMAD = BUILT_IN = ("inspection", "mmad")
REGION_NAMES = (
    "Top left.", "Top.", "Top right.",
    "Left.", "Center.", "Right.",
    "Bottom left.", "Bottom.", "Bottom right.",
)  # fmt: skip
GOOD = "good"  # the defect type that stands for none


@dataclass(frozen=True, slots=True)
class OptionText:
    """An option as a set declares it."""

    text: str  # DEFECTS and REGIONS stand for several
    claims: OptionClaim | None = None
    defect: str | None = None  # the archive's defect type that it names; GOOD for none


@dataclass(frozen=True, slots=True)
class AskedSubtask:
    """A subtask with its question; text and options are absent where a file brings them."""

    subtask: Subtask
    question: str | None
    options: tuple[OptionText, ...]
    conditional: bool


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """A set of subtasks, in the order in which they are asked and shown."""

    name: str
    title: str
    source: Literal["set", "file"]  # whose questions are asked: the set's own, or those of the archive's mmad.json
    questions: tuple[AskedSubtask, ...]
    renamed: dict[str, str]  # what a file calls a subtask otherwise
    version: str  # hash of what is declared

    @property
    def subtasks(self) -> tuple[Subtask, ...]:
        """What is declared of each subtask."""
        return tuple(each.subtask for each in self.questions)

    @property
    def names(self) -> tuple[str, ...]:
        """The subtasks' names."""
        return tuple(each.name for each in self.subtasks)

    @property
    def detecting(self) -> frozenset[str]:
        """The subtasks whose answers claim a defect, or that there is none."""
        return frozenset(each.name for each in self.subtasks if each.detects)

    @property
    def has_own_questions(self) -> bool:
        """Whether its questions are its own, and not those of an archive's mmad.json."""
        return self.source == "set"

    def canonical(self, subtask: str) -> str:
        """The name of a subtask that a file may call otherwise."""
        return self.renamed.get(subtask, subtask)


def parse(text: str, where: str) -> QuestionSet:
    """The set that TOML declares.

    Args:
        where: what the text is called in errors: its file.

    Raises:
        QuestionsError: it isn't TOML, or declares what can't be asked; the message says where.
    """
    try:
        document = _Set.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise QuestionsError(f"the question set {where} isn't TOML: {error}") from error
    except ValidationError as error:
        findings = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors(include_url=False)]
        raise QuestionsError(f"the question set {where} can't be used: {'; '.join(findings)}") from error
    for problem in _problems(document):
        raise QuestionsError(f"the question set {where} can't be used: {problem}")
    declared = json.dumps(document.model_dump(), sort_keys=True)
    return QuestionSet(
        name=document.name,
        title=document.title,
        source=document.source,
        questions=tuple(map(_asked, document.subtasks)),
        renamed=document.renamed,
        version=hashlib.sha256(declared.encode()).hexdigest()[:16],
    )


@cache
def built_in(name: str) -> QuestionSet:
    """A set that comes with the program: INSPECTION or MMAD."""
    return parse(text_of(name), f"{name}.toml")


def text_of(name: str) -> str:
    """The TOML of a built-in set."""
    return (Path(__file__).parent / "sets" / f"{name}.toml").read_text(encoding="utf-8")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Option(_Strict):
    text: str = Field(min_length=1)
    claims: Literal["defective", "good", "cannot say"] | None = None
    defect: str | None = None


class _Subtask(_Strict):
    name: str = Field(min_length=1, max_length=80)
    short: str | None = None
    kind: Kind
    scorer: Scorer = "none"
    question: str | None = Field(default=None, min_length=1)
    options: list[str | _Option] = []
    conditional: bool = False
    detects: bool | None = None
    about: Subject = "defect"


class _Set(_Strict):
    name: str
    title: str = ""
    source: Literal["set", "file"] = "set"
    renamed: dict[str, str] = {}
    subtasks: list[_Subtask] = Field(min_length=1)


def _options(declared: _Subtask) -> list[OptionText]:
    return [
        OptionText(each) if isinstance(each, str) else OptionText(each.text, each.claims, each.defect)
        for each in declared.options
    ]


def _detects(declared: _Subtask) -> bool:
    return bool(declared.detects) or any(option.claims for option in _options(declared))


def _asked(declared: _Subtask) -> AskedSubtask:
    subtask = Subtask(
        name=declared.name,
        short=declared.short or declared.name,
        kind=declared.kind,
        scorer=declared.scorer,
        detects=_detects(declared),
        about=declared.about,
    )
    return AskedSubtask(subtask, declared.question, tuple(_options(declared)), declared.conditional)


def _problems(document: _Set) -> list[str]:
    names = [each.name for each in document.subtasks]
    told = []
    if not re.fullmatch("[a-z0-9][a-z0-9-]{0,39}", document.name):
        told.append(f"the name {document.name!r}: write a to z, digits and dashes, at most 40")
    told += [
        f"the subtask {name!r}: write printable characters, and no blanks at its ends"
        for name in names
        if name != name.strip() or not name.isprintable()
    ]
    told += [f"the subtask {name!r} stands twice" for name in sorted({each for each in names if names.count(each) > 1})]
    told += [
        f"renamed leads to {name!r}, which is none of its subtasks"
        for name in document.renamed.values()
        if name not in names
    ]
    for each in document.subtasks:
        why = _in_file(each) if document.source == "file" else _in_set(each)
        told += [f"{each.name}: {reason}" for reason in why]
    return told


def _in_file(declared: _Subtask) -> list[str]:
    told = []
    if declared.question is not None or declared.options:
        told.append("its question and options come from the file; leave them out")
    if declared.kind == "open":
        told.append("a file's questions have options, so none is open")
    if declared.scorer not in ("key", "none"):
        told.append(f'scorer {declared.scorer!r} needs options of the set; write scorer = "key"')
    return told


def _in_set(declared: _Subtask) -> list[str]:
    options = _options(declared)
    texts = [option.text for option in options]
    claimed = [option.claims for option in options if option.claims]
    told = []
    if declared.question is None:
        told.append("it has no question")
    if declared.scorer == "key":
        told.append('scorer "key" needs source = "file"; write label, defect, mask or none')
    if declared.kind == "open":
        if options or declared.scorer != "none" or declared.detects:
            told.append("an open question has no options, so no scorer and no claims")
        return told
    if len(options) < 2 and not {DEFECTS, REGIONS} & set(texts):
        told.append("a question with options has at least two of them")
    if sum(map(_width, texts)) > len(ascii_uppercase):
        told.append(f"at most {len(ascii_uppercase)} options have a letter")
    told += [
        f"nothing replaces the option {text}; write {DEFECTS} or {REGIONS}"
        for text in texts
        if text not in (DEFECTS, REGIONS) and re.fullmatch(r"\{.*\}", text.strip())
    ]
    if not all(text.strip() for text in texts):
        told.append("one of its options is blank")
    if len({text.strip().casefold() for text in texts}) < len(texts):
        told.append("two of its options say the same")
    if claimed and (len(claimed) < len(options) or not {"defective", "good"} <= set(claimed)):
        told.append('every option says what it claims, and one "defective", one "good"; the third is "cannot say"')
    if declared.detects is not None and declared.detects != bool(claimed):
        told.append('what an option claims is written beside it: { text = "...", claims = "defective" }')
    if declared.scorer == "label" and (claimed.count("defective") != 1 or claimed.count("good") != 1):
        told.append('scorer "label" needs one option that claims "defective" and one that claims "good"')
    if declared.scorer == "defect" and DEFECTS not in texts and not any(option.defect for option in options):
        told.append(f'scorer "defect" needs options with a defect = "...", or {DEFECTS}')
    if declared.scorer == "mask" and (declared.kind != "region" or not (texts == [REGIONS] or _are_regions(options))):
        told.append('scorer "mask" needs kind = "region" and nine options, row by row from the top left')
    return told


def _width(text: str) -> int:
    """How many options a text stands for, at least."""
    return {DEFECTS: 0, REGIONS: len(REGION_NAMES)}.get(text, 1)


def _are_regions(options: Sequence[OptionText]) -> bool:
    return len(options) == len(REGION_NAMES) and not {DEFECTS, REGIONS} & {option.text for option in options}


def options_of(subtask: AskedSubtask, defects: Collection[str]) -> tuple[OptionText, ...]:
    """The options of a subtask for one product, with what stands for several written out; at most one per letter.

    Args:
        subtask: as its set declares it.
        defects: the product's defect types, in order.
    """
    found: list[OptionText] = []
    room = len(ascii_uppercase) - sum(_width(option.text) for option in subtask.options)
    for option in subtask.options:
        if option.text == DEFECTS:
            found += [replace(option, text=in_words(name), defect=name) for name in list(defects)[:room]]
        elif option.text == REGIONS:
            found += [replace(option, text=name) for name in REGION_NAMES]
        else:
            found.append(option)
    return tuple(found)


def in_words(defect: str) -> str:
    """A defect type as an option: `broken_large` is "Broken large."."""
    words = " ".join(defect.replace("_", " ").split())
    return f"{words[:1].upper()}{words[1:]}."
