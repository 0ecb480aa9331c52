"""Published results on MMAD, as reference lines: a dated file of quoted rows, and what may stand among them.

The rows are in `workbench/sets/mmad-published.toml`, accuracy in percent, each with its setting and its source. A
one-shot number beside a zero-shot one, or a model trained on part of MMAD beside one that never saw it, is no
comparison; `setting` says what each is. A run stands among them only if it asked MMAD's registered set about MMAD's
own data sets, all of them: the average of a drawn archive says nothing beside a person's on MMAD.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from warehouse.records.scoring import Run
from workbench import wording
from workbench.question_sets import MMAD, built_in

LEAST_SHARE = 0.99  # of MMAD's questions: an average that lacks a few broken pictures is still over all of it
FILE = Path(__file__).parents[1] / "sets" / "mmad-published.toml"


@dataclass(frozen=True, slots=True)
class Published:
    """One published line; None where its source doesn't say."""

    method: str
    accuracy: tuple[float | None, ...]  # percent, by the subtasks of MMAD's set
    average: float
    setting: str
    source: str
    overkill: float | None  # percent
    miss: float | None  # percent


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """The file's rows, and what their averages are over."""

    rows: tuple[Published, ...]
    dated: date  # when they were quoted
    datasets: tuple[str, ...]
    questions: int


@cache
def table() -> PublishedTable:
    """The rows of FILE, in its order."""
    document = _Document.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
    rows = tuple(
        Published(
            row.method, tuple(None if math.isnan(value) else value for value in row.accuracy),
            row.average, row.setting, row.source, row.overkill, row.miss,
        )
        for row in document.rows
    )  # fmt: skip
    return PublishedTable(rows, document.dated, tuple(document.datasets), document.questions)


def frame() -> pl.DataFrame:
    """The rows in the layout of `mmad.as_frame`, with method, setting and source first."""
    return pl.DataFrame(
        [
            {
                "method": row.method, "setting": row.setting, "source": row.source,
                **dict(zip(built_in(MMAD).names, row.accuracy, strict=True)),
                "Average": row.average, "Overkill": row.overkill, "Miss": row.miss,
            }
            for row in table().rows
        ],
        infer_schema_length=None,
    )  # fmt: skip


def why_apart(run: Run, datasets: Iterable[str | None], questions: int) -> str | None:
    """Why this run's average may not stand among published ones, as the end of a sentence; None where it may.

    Args:
        run: with the question set that it asked.
        datasets: of its judged answers.
        questions: how many its average is over.
    """
    if run.demo:
        return "the embedded demo model answers drawn pictures"
    if run.question_set != MMAD:
        return f"the run asked the question set {run.question_set}, not MMAD's"
    missing = [name for name in table().datasets if name not in (own := set(datasets))]
    if missing:
        return f"the run has no judged answer about {', '.join(missing)}, and published averages are over all of MMAD"
    foreign = sorted(str(name) for name in own - set(table().datasets))
    if foreign:
        return f"the run's average is also over {', '.join(foreign)}, which MMAD does not have"
    if questions < LEAST_SHARE * table().questions:
        many = f"{questions:,} of MMAD's {wording.counted(table().questions, 'question')}"
        return f"the run's average is over {many}, and published ones are over all"
    return None


def why_apart_any(runs: Iterable[Run], datasets: Iterable[str | None], questions: int) -> str | None:
    """Why these runs together may not stand among published ones: the first one's reason; None where all may."""
    over = list(datasets)
    return next(filter(None, (why_apart(run, over, questions) for run in runs)), None)


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    method: str
    accuracy: list[float] = Field(min_length=7, max_length=7)
    average: float
    setting: str
    source: str
    overkill: float | None = None
    miss: float | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dated: date
    datasets: list[str]
    questions: int
    rows: list[_Row]
