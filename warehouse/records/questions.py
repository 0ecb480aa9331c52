"""The shape of question sets: what a set declares of its subtasks, and the sets that somebody registered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal["yes/no", "choice", "region", "open"]
Scorer = Literal["label", "defect", "mask", "key", "none"]
Subject = Literal["defect", "defect type", "object"]


@dataclass(frozen=True, slots=True)
class Subtask:
    """What a question set declares of one of its subtasks; a run keeps those it was asked, in the set's order."""

    name: str
    short: str  # for captions
    kind: Kind
    scorer: Scorer  # what the right answer follows from: label, defect type, mask, the question file's key, nothing
    detects: bool  # an answer claims that there is a defect, or that there is none
    about: Subject  # whether a defect is asked about, which type it is, or the object whatever its state


@dataclass(frozen=True, slots=True)
class RegisteredSet:
    """A version of a question set. Rows are only added; the newest of a name counts."""

    name: str
    version: str  # hash of what it declares
    text: str  # the TOML, as it was given
    author: str
    registered_at: datetime
