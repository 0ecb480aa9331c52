"""MMAD's table, data set by subtask, with two scorers that are never mixed up: `official` and `strict`.

`official` reproduces the benchmark's own script, quirks and all, so that a number can be set beside papers':
- an answer outside A..E is taken out of the list while the list is being walked, so the *next* answer is skipped too,
  and both are missing from the denominator;
- a data set without questions of a subtask that others have scores 0 there, and the 0 enters the mean;
- an image is normal if its path contains "good" anywhere;
- a text without a letter stands for the option it is most like, however little.

`strict` has none of them: an answer that can't be read is wrong, what wasn't asked is absent, an image is normal if it
is labelled so, and nothing is guessed: `model.letters` reads answers and keys. Of several answers to one question of an
image the first counts (`official` counts all), and a question whose right answer can't be read isn't counted.

Both: accuracy in percent per (data set, subtask); detection is the mean of the accuracies on normal and on
anomalous images; `Average` is the unweighted mean over subtasks, and the last row the one over data sets. Accuracy over
all questions (micro) is another number and never called MMAD's.

Source: MMAD (Jiang et al., ICLR 2025), the tables its authors published.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

import polars as pl

from warehouse.queries.truth import NONE_OF_THESE
from warehouse.records.questions import Subtask
from workbench.analysis import macro
from workbench.analysis import subtasks as declared_subtasks
from workbench.model import option_reader
from workbench.question_sets import MMAD, built_in

Scorer = Literal["official", "strict"]
SHORT = declared_subtasks.short(built_in(MMAD).subtasks)  # for captions
(DETECTION,) = built_in(MMAD).detecting
AVERAGE = "Average"
LETTERS = ("A", "B", "C", "D", "E")
_GOOD_PATH = pl.col("image").str.contains("good", literal=True)

ANSWERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "dataset": pl.String,  # data set
    "image": pl.String,  # its path; official reads "good" in it
    "subtask": pl.String,
    "normal": pl.Boolean,  # labelled good; null where nobody knows
    "correct": pl.String,  # letter; "" where the key can't be read: strict leaves it out
    "official": pl.String,  # the answer as the benchmark's script reads it; anything outside A..E is invalid
    "strict": pl.String,  # letter; null is invalid
    "repeated": pl.Boolean,  # the question was answered before in the same file: strict leaves it out; null is no
}
"""Labelled answers in the order they were given; questions that failed with their image are not among them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One data set's line, or the average's; percent, None where there is nothing to measure."""

    name: str
    accuracy: dict[str, float | None]  # by subtask
    average: float | None
    recall: float | None  # of the anomalous class, as the next two
    precision: float | None
    f1: float | None
    overkill: float | None  # normal images called anomalous
    miss: float | None  # anomalous images called normal


@dataclass(frozen=True, slots=True)
class Scores:
    """A table and what it leaves out."""

    scorer: Scorer
    rows: tuple[Row, ...]  # data sets in the order of their first answer, then the average
    subtasks: tuple[str, ...]  # the columns there are, in the benchmark's order
    questions: int
    invalid: int  # answers that couldn't be read, by this scorer's rule
    skipped: int  # readable answers that `official` passes over, each behind an invalid one
    micro: float | None  # percent of all questions, invalid ones wrong: not MMAD's average

    @property
    def average(self) -> Row:
        """The last line."""
        return self.rows[-1]


def asks_the_benchmark(declared: Sequence[Subtask]) -> bool:
    """Whether all of these subtasks are MMAD's, so that its average says something of their answers."""
    return {each.name for each in declared} <= set(SHORT)


def answers(predictions: pl.DataFrame, *, verbatim: bool = False, explained: bool = False) -> pl.DataFrame:
    """The labelled answers of a run, in its order.

    Args:
        predictions: of the warehouse, in the plan's order: image_path, dataset, subtask, label, status, answer,
            correct_answer, options, raw_text; under the truth `reviewed` also verified.
        verbatim: raw texts are an imported file's answers, which its script had read already.
        explained: raw texts are reasons, as of a comparison; no answer is read from them.

    Returns:
        ANSWERS.
    """
    if explained:
        predictions = predictions.with_columns(raw_text=pl.lit(None, pl.String))
    if "verified" in predictions.columns:  # what people settled that nobody can tell does not count
        told = pl.col("correct_answer").is_not_null() | pl.col("verified").is_null()
        predictions = predictions.filter(told)
    status, key = predictions["status"], predictions["correct_answer"]
    judged = predictions.filter((status != "failed") & (key.is_not_null() | verbatim))
    letter = pl.col("answer").fill_null("")
    raw = judged.select("raw_text", "options", "status").filter(pl.col("raw_text").is_not_null())
    official, strict = [], []
    for text, options, state in raw.iter_rows():
        offered = tuple((option["letter"], option["text"]) for option in options)
        official.append(text if verbatim else official_letter(text, offered) or "")
        strict.append(option_reader.read(text, offered or option_reader.ANY) if state == "answered" else None)
    read = pl.DataFrame(
        {"row": judged["raw_text"].is_not_null().arg_true(), "official": official, "strict": strict},
        schema={"row": pl.UInt32, "official": pl.String, "strict": pl.String},
    )
    wrote = pl.col("raw_text").is_not_null()
    return (
        judged.with_row_index("row")
        .join(read, on="row", how="left", maintain_order="left")
        .select(
            dataset="dataset",
            image="image_path",
            subtask="subtask",
            normal=pl.col("label") == "good",
            correct=pl.col("correct_answer").fill_null(""),
            official=pl.when(wrote).then("official").otherwise(letter),
            strict=pl.when(wrote).then("strict").when(pl.col("status") == "answered").then("answer"),
            repeated=pl.lit(False),
        )
    )


def official_letter(text: str, options: Sequence[tuple[str, str]]) -> str | None:
    """The option a text means by MMAD's own rule, which guesses; None of an empty text.

    The last letter A..E standing alone, offered or not; without any, the option whose text is most alike.

    Source: MMAD (Jiang et al., ICLR 2025), its evaluation scripts' answer parsing.
    """
    if found := re.findall(r"\b([A-E])\b", text):
        return str(found[-1])
    alike = difflib.get_close_matches(text.strip(), [option for _, option in options], n=1, cutoff=0.0)
    if not text.strip() or not alike:
        return None
    return next(letter for letter, option in options if option == alike[0])


def score(answers: pl.DataFrame, scorer: Scorer = "official") -> Scores:
    """The table of these answers.

    Args:
        answers: ANSWERS, in the order they were given.
        scorer: see the module; the result says which.
    """
    official = scorer == "official"
    said, counted = _read(answers, scorer)
    counts = {
        (row["dataset"], row["subtask"], row["normal"]): (row["n"], row["right"])
        for row in counted.group_by("dataset", "subtask", "normal")
        .agg(n=pl.len(), right=pl.col("right").sum())
        .iter_rows(named=True)
    }
    asked = set(said["subtask"])
    subtasks = tuple(name for name in built_in(MMAD).names if name in asked)
    absent = 0.0 if official else None
    rows = [_row(name, subtasks, counts, absent) for name in said["dataset"].unique(maintain_order=True)]
    return Scores(
        scorer=scorer,
        rows=(*rows, _averaged(rows, subtasks)),
        subtasks=subtasks,
        questions=said.height,
        invalid=int((~said["valid"].fill_null(False)).sum()),
        skipped=int(said["valid"].sum()) - counted.height if official else 0,
        micro=100 * float(said["right"].sum()) / said.height if said.height else None,
    )


INTERVALS = {
    "name": pl.String,  # the data set, or AVERAGE
    "subtask": pl.String,  # null: over all
    "side": pl.String,  # of detection: good or defective images; null: over all
    "images": pl.Int64,
    "accuracy": pl.Float64,  # percent, as are the next two
    "low": pl.Float64,  # 95 %
    "high": pl.Float64,
}


def intervals(answers: pl.DataFrame, scorer: Scorer = "official") -> pl.DataFrame:
    """The table's numbers with their 95 % intervals by image: `macro.estimate` of the answers that the scorer counts.

    Overkill is 100 less detection's accuracy on good images, Miss 100 less that on defective ones. What one data set
    has one kind of image for only is left out by `strict`, as in the table.

    Args:
        answers: ANSWERS.
        scorer: see the module.

    Returns:
        INTERVALS, one row per number.
    """
    official = scorer == "official"
    counted = _read(answers, scorer)[1].filter(pl.col("subtask").is_in(built_in(MMAD).names))
    if not official:
        kinds = pl.col("normal").drop_nulls().n_unique().over("dataset", "subtask")
        counted = counted.filter((pl.col("subtask") != DETECTION) | (pl.col("normal").is_not_null() & (kinds == 2)))
    label = pl.when(pl.col("normal")).then(pl.lit("good")).when(~pl.col("normal")).then(pl.lit("defective"))
    design = macro.design(
        counted.rename({"image": "cluster_id"}).with_columns(label=label), {DETECTION}, absent_is_zero=official
    )
    found = macro.estimate(design, counted.select(pl.col("right").cast(pl.Float64)).to_numpy())
    percent = pl.col("accuracy", "low", "high") * 100
    name = pl.col("dataset").fill_null(AVERAGE).alias("name")
    return found.select(name, "subtask", "side", "images", percent).cast(INTERVALS)  # type: ignore[arg-type]


def _read(answers: pl.DataFrame, scorer: Scorer) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The answers as the scorer reads them, and those of them that it counts."""
    official = scorer == "official"
    if not official:
        answers = answers.filter(pl.col("correct") != "", ~pl.col("repeated").fill_null(False))
    said = answers.select(
        "image",
        "dataset",
        "subtask",
        normal=_GOOD_PATH if official else pl.col("normal"),
        right=(pl.col(scorer) == pl.col("correct")).fill_null(False),
        valid=pl.col("official").is_in(LETTERS) & pl.col("correct").is_in((*LETTERS, NONE_OF_THESE))
        if official
        else pl.col("strict").is_not_null(),
    )
    walked = said.filter(pl.Series(list(_walk(said["valid"].fill_null(False).to_list())), dtype=pl.Boolean))
    return said, walked if official else said


def misread(answers: pl.DataFrame) -> int:
    """How many detection answers are about an image whose path says the opposite of its label to `official`."""
    return answers.filter(pl.col("subtask") == DETECTION, pl.col("normal") != _GOOD_PATH).height


def _walk(valid: Sequence[bool]) -> Iterator[bool]:
    """Which answers the official script counts: an invalid one takes its successor with it."""
    passed_over = False
    for each in valid:
        yield each and not passed_over
        passed_over = not passed_over and not each


Counts = dict[tuple[str, str, bool | None], tuple[int, int]]


def _row(name: str, subtasks: Sequence[str], counts: Counts, absent: float | None) -> Row:
    """A data set's line; `absent` stands for a rate of nothing."""

    def percent(part: float, whole: float) -> float | None:
        return part / whole * 100 if whole else absent

    accuracy: dict[str, float | None] = {}
    for subtask in subtasks:
        found = [counts[name, subtask, normal] for normal in (True, False, None) if (name, subtask, normal) in counts]
        accuracy[subtask] = percent(sum(right for _, right in found), sum(n for n, _ in found))
    if DETECTION not in subtasks:
        return Row(name, accuracy, _mean(accuracy.values()), *[None] * 5)
    normals, accepted = counts.get((name, DETECTION, True), (0, 0))
    anomalies, caught = counts.get((name, DETECTION, False), (0, 0))
    on_normal, recall = percent(accepted, normals), percent(caught, anomalies)
    both = None if on_normal is None or recall is None else (on_normal / 100 + recall / 100) / 2 * 100
    accuracy[DETECTION] = both
    precision = percent(caught, caught + normals - accepted)
    f1 = None if recall is None or precision is None else percent(2 * recall * precision / 100, recall + precision)
    return Row(
        name,
        accuracy,
        _mean(accuracy.values()),
        recall=recall,
        precision=precision,
        f1=f1,
        overkill=None if on_normal is None else 100 - on_normal,
        miss=None if recall is None else 100 - recall,
    )


def _averaged(rows: Sequence[Row], subtasks: Sequence[str]) -> Row:
    return Row(
        AVERAGE,
        {subtask: _mean(row.accuracy[subtask] for row in rows) for subtask in subtasks},
        _mean(row.average for row in rows),
        *(_mean(getattr(row, name) for row in rows) for name in ("recall", "precision", "f1", "overkill", "miss")),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


COLUMNS = {
    "average": AVERAGE,
    "recall": "Recall",
    "precision": "Precision",
    "f1": "F1",
    "overkill": "Overkill",
    "miss": "Miss",
}


def as_frame(scores: Scores) -> pl.DataFrame:
    """The table in the official layout: a column of names without a name, subtasks, Average, ..., Miss; percent."""
    return pl.DataFrame(
        [
            {
                "": row.name,
                **{subtask: row.accuracy[subtask] for subtask in scores.subtasks},
                **{title: getattr(row, name) for name, title in COLUMNS.items()},
            }
            for row in scores.rows
        ],
        schema={"": pl.String, **dict.fromkeys((*scores.subtasks, *COLUMNS.values()), pl.Float64)},
    )


def as_csv(scores: Scores) -> str:
    """The table as the official script writes it; empty where strict has nothing to measure."""
    frame = as_frame(scores)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(frame.rows())
    return text.getvalue()
