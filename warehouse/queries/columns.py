"""A run's facts in memory: columns of small numbers, in the order in which cases are looked at.

DuckDB keeps texts, and a chart that groups a million of them takes a second. Here each text is a number of one or two
bytes with its list of values beside it (polars' Enum), an image and a question are numbers too, and what an image or a
question has one of is stored once for it. A million predictions are some 70 MB, read once per change of their run;
filtering and counting them takes milliseconds.

Facts are only ever added, so a run's columns are good for as long as its number of predictions stays the same; those
under the truth `reviewed` also for as long as nothing more is settled (`Store.settled_changes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from polars import selectors

from warehouse.queries.alarm_rules import AlarmRule
from warehouse.queries.facts import OUTCOMES, REAL, SUMS
from warehouse.queries.truth import Truth, facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

IMAGE_FACETS = ("dataset", "product", "label", "defect", "line", "camera", "lot")  # an image has one value of each
OF_A_QUESTION = ("question_id", "question")
TEXTS = (
    "night", "status", "error", "failure", "answer", "correct_answer", "answer_text", "correct_text", "outcome",
    "shape", "description", "description_product", "description_entry", "retrieval", "confidence_band",
    "entropy_band", "claim", "verified", "basis",
)  # fmt: skip
# What the analysis calls columns of facts; `right` is a reserved word of SQL.
ALIASES = {"right": "correct", "letter": "correct_answer", "entropy": "settled_entropy"}
BATCH = 100_000  # rows that are texts at a time


@dataclass(frozen=True)
class Columns:
    """One run. Shared between threads: never changed."""

    images: pl.DataFrame  # image_id, image_path, cluster_id, cluster (its number), IMAGE_FACETS; a row's place is the
    # image's number
    questions: pl.DataFrame  # OF_A_QUESTION, subtask; a row's place is the question's number
    # run_id, image, question (numbers), IMAGE_FACETS, subtask, TEXTS, correct, detection, choices, conditional,
    # evidence (a number, as it is only told apart), confidence, defect_probability, settled_entropy, seconds; worst
    # outcome first, then highest entropy
    rows: pl.DataFrame

    @property
    def bytes(self) -> int:
        """What it takes of the memory."""
        return sum(int(frame.estimated_size()) for frame in (self.images, self.questions, self.rows))

    @cached_property
    def everywhere(self) -> pl.Series:
        """The places of all rows."""
        return pl.arange(0, self.rows.height, dtype=pl.UInt32, eager=True)

    def place(self, image_id: str, question_id: str) -> int | None:
        """Where a case's row is."""
        image, question = (
            self.images["image_id"].index_of(image_id),
            self.questions["question_id"].index_of(question_id),
        )
        if image is None or question is None:
            return None
        found = self.rows.select(((pl.col("image") == image) & (pl.col("question") == question)).arg_true()).to_series()
        return int(found[0]) if len(found) else None

    def table(self, places: pl.Series | None, names: Sequence[str], numbered: bool = False) -> pl.DataFrame:
        """Rows by their places, all for None.

        Args:
            places: of rows, in the order wanted.
            names: columns of `images`, `questions` and `rows`, and ALIASES.
            numbered: image_id and cluster_id are numbers and texts are Enums.
        """
        whose: dict[str, tuple[str, pl.DataFrame]] = {
            **dict.fromkeys(OF_A_QUESTION, ("question", self.questions)),
            **dict.fromkeys(("image_id", "image_path", "cluster_id"), ("image", self.images)),
        }
        found = []
        for name in names:
            number, frame = whose.get(name, ("", self.rows))
            column = self.rows[number or ALIASES.get(name, name)]
            column = column if places is None else column.gather(places)
            if number and not (numbered and name == "image_id"):
                column = frame["cluster" if numbered and name == "cluster_id" else name].gather(column)
            found.append(column.alias(name))
        return pl.DataFrame(found) if numbered else pl.DataFrame(found).with_columns(selectors.enum().cast(pl.String))

    @cached_property
    def kinds(self) -> tuple[NDArray[np.int64], pl.DataFrame]:
        """Each image's kind as a number, and the kinds: IMAGE_FACETS, and a cluster_id that images share."""
        by, shared = (*IMAGE_FACETS, "cluster_id"), pl.col("cluster").is_duplicated()
        images = self.images.select(*IMAGE_FACETS, pl.when(shared).then("cluster_id"))
        kinds = images.unique(maintain_order=True).with_row_index("kind")
        joined = images.join(kinds, on=by, nulls_equal=True, how="left", maintain_order="left")
        return joined["kind"].to_numpy().astype(np.int64), kinds.drop("kind").cast(pl.String)


def read(con: DuckDBPyConnection, run_id: str, truth: Truth = "archive", alarm_rule: AlarmRule = "answers") -> Columns:
    """The columns of a run; empty ones of a run that has no prediction yet."""
    facts, verified = facts_of(truth, alarm_rule), ("verified", "basis")
    texts = [f"NULL::VARCHAR AS {name}" if truth == "archive" and name in verified else name for name in TEXTS]
    once = ", ".join(f"any_value({name}) AS {name}" for name in ("image_path", "cluster_id", *IMAGE_FACETS))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE numbered_images AS SELECT "
        "(row_number() OVER (ORDER BY image_path, image_id) - 1)::UINTEGER AS image, "
        "(dense_rank() OVER (ORDER BY cluster_id) - 1)::UINTEGER AS cluster, * FROM "
        f"(SELECT image_id, {once} FROM {facts} WHERE run_id = ? GROUP BY image_id)",
        [run_id],
    )
    images = con.sql("SELECT * EXCLUDE (image) FROM numbered_images ORDER BY image").pl()
    images = images.with_columns(_small(images[name]) for name in IMAGE_FACETS)
    of_question = ", ".join(f"any_value({name}) AS {name}" for name in (*OF_A_QUESTION[1:], "subtask"))
    questions = con.sql(
        f"SELECT question_id, {of_question} FROM facts WHERE run_id = ? GROUP BY question_id ORDER BY question_id",
        params=[run_id],
    ).pl()
    batches = con.sql(
        f"SELECT image, question_id, {', '.join(texts)}, correct, detection, choices::UINTEGER AS choices, "
        "conditional, ('0x' || left(evidence_id, 15))::BIGINT AS evidence, confidence, "
        "defect_probability, settled_entropy, seconds "
        f"FROM {facts} JOIN numbered_images USING (image_id) WHERE run_id = ?",
        params=[run_id],
    ).to_arrow_reader(BATCH)
    rows = encoded(batches)
    con.execute("DROP TABLE numbered_images")
    # Questions are in the order of their ids, so the place of an id among them is its number.
    rows = rows.with_columns(question=rows["question_id"].to_physical().cast(pl.UInt32)).drop("question_id")
    subtasks = _small(questions["subtask"])
    rows = rows.with_columns(
        pl.lit(run_id).cast(pl.Enum([run_id])).alias("run_id"),
        subtasks.gather(rows["question"]),
        *(images[name].gather(rows["image"]) for name in IMAGE_FACETS),
    )
    rank = pl.col("outcome").cast(pl.String).replace_strict(_PLACES, default=9, return_dtype=pl.UInt8)
    # Worst outcome first, then highest entropy; the rest makes the order the same every time.
    order = (rank, -pl.col("settled_entropy").fill_null(0.0), "image", "question")
    return Columns(images, questions, rows.sort(*order))


_PLACES = {name: place for place, name in enumerate(OUTCOMES)}


def encoded(batches: Any) -> pl.DataFrame:
    """Arrow batches as one frame, its texts as Enums in the order of their values."""
    parts = []
    for batch in batches:
        columns = [pc.dictionary_encode(column) if pa.types.is_string(column.type) else column for column in batch]
        parts.append(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
    if not parts:
        empty = batches.schema.empty_table()
        return cast(pl.DataFrame, pl.from_arrow(empty)).with_columns(pl.col(pl.String).cast(pl.Enum([])))
    table = pa.Table.from_batches(parts).unify_dictionaries().combine_chunks()
    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = column.chunk(0)
        if pa.types.is_dictionary(array.type):
            values = pl.Series(array.dictionary.to_pylist(), dtype=pl.String)
            found.append(_as_enum(name, values, pl.Series(cast(pl.Series, pl.from_arrow(array.indices)))))
        else:
            found.append(cast(pl.Series, pl.from_arrow(array)).alias(name))
    return pl.DataFrame(found)


def _small(texts: pl.Series) -> pl.Series:
    values = texts.drop_nulls().unique().sort()
    return texts.cast(pl.Enum(values))


def _as_enum(name: str, values: pl.Series, places: pl.Series) -> pl.Series:
    """Places among values as an Enum of the sorted values."""
    kind = pl.Enum(values.sort())
    sorted_places = values.arg_sort().arg_sort() if len(values) else pl.Series([], dtype=pl.UInt32)
    physical = pl.Series([], dtype=kind).to_physical().dtype
    return sorted_places.gather(places).cast(physical).cat.to(kind).alias(name)


def cells(columns: Columns, places: pl.Series | None) -> pl.DataFrame:
    """Counts of these rows, all for None, per kind of image and subtask, and over all subtasks: `facts.Cell` but for
    `run_id`, and with `cluster_id` as `truth.clustered_cells` has it.

    It adds up what `facts` says of each row, faster than `facts.CELLS` does; a test holds the two together.
    """
    found = columns.table(
        places,
        (
            "image",
            "subtask",
            "outcome",
            "right",
            "choices",
            "settled_entropy",
            "seconds",
            "status",
            "claim",
            "detection",
            "defect_probability",
        ),
        True,
    )
    subtasks, outcomes = (cast(pl.Enum, columns.rows.schema[name]).categories for name in ("subtask", "outcome"))
    kind_of, kinds = columns.kinds
    size, width, images = kinds.height, len(subtasks), len(kind_of)
    image, subtask, outcome = (
        found[name].to_physical().cast(pl.Int64).to_numpy() for name in ("image", "subtask", "outcome")
    )
    right = found["right"].cast(pl.Int64).fill_null(2).to_numpy()  # 2: not counted
    is_counted = right < 2

    # What each row counts as, in one pass: outcome and right, by kind and subtask; by those that there are, for where
    # images share clusters there are many kinds.
    cell = kind_of[image] * width + subtask
    there = np.bincount(cell, minlength=size * width) > 0
    dense = (np.cumsum(there) - 1)[cell]
    counted = np.bincount((dense * len(outcomes) + outcome) * 3 + right, minlength=there.sum() * len(outcomes) * 3)
    table = counted.reshape(int(there.sum()), len(outcomes), 3)  # (cell, outcome, right)

    def spread(of_cells: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.zeros(size * width, np.int64)
        found[there] = of_cells
        return found.reshape(size, width)

    of = {name: spread(table[:, place].sum(-1)) for place, name in enumerate(outcomes)}
    none = np.zeros((size, width), np.int64)
    of_outcome = {"invalid": "invalid", "failed": "failed", "escape": "escape", "overkill": "overkill"}
    of_outcome |= {"alarms": "alarm", "passes": "pass"}
    sums: dict[str, NDArray[Any]] = {name: of.get(value, none) for name, value in of_outcome.items()}
    sums["questions"] = spread(table.sum((1, 2)))
    sums["answered"] = sums["questions"] - sums["invalid"] - sums["failed"]
    sums["counted"], sums["correct"] = spread(table[..., :2].sum((1, 2))), spread(table[..., 1].sum(1))
    entropy, detection = found["settled_entropy"], found["detection"].to_numpy()
    choices, likely = found["choices"].to_numpy(), found["defect_probability"]
    is_alarm, is_pass = _is(found["outcome"], "alarm"), _is(found["outcome"], "pass")
    weights = {
        "chance": np.where(is_counted & (choices > 0), 1.0 / np.maximum(choices, 1), 0.0),
        "entropy": entropy.fill_null(0.0).to_numpy(),
        "seconds": found["seconds"].to_numpy(),
    }
    which = {  # rows that count one each; of most there are few
        "entropies": entropy.is_not_null().to_numpy(),
        "counted_detections": is_counted & detection,
        "correct_detections": (right == 1) & detection,
        "unreadable": is_counted & _is(found["claim"], "unreadable"),
        "unclaimed": detection & _is(found["status"], "answered") & found["claim"].is_null().to_numpy(),
        "alarm_probabilities": is_alarm & likely.is_not_null().to_numpy(),
    }
    alarms_at = np.flatnonzero(is_alarm)
    sums |= {name: np.bincount(cell, one, size * width).reshape(size, width) for name, one in weights.items()}
    sums |= {name: _counts(cell, one, size * width).reshape(size, width) for name, one in which.items()}
    sums["alarm_probability"] = np.bincount(
        cell[alarms_at], likely.gather(alarms_at).fill_null(0.0).to_numpy(), size * width
    ).reshape(size, width)

    # What is squared is summed per image first: (image, subtask), and over all subtasks a last column.
    pair, cases = image * width + subtask, images * width
    per_image = [
        _counts(pair, chosen, cases).reshape(images, width).astype(np.float64)
        for chosen in (None, is_counted, right == 1, is_alarm, is_alarm | is_pass)
    ]
    questions, n, y, alarms, claims = (np.column_stack([one, one.sum(1)]) for one in per_image)
    sums = {name: np.column_stack([one, one.sum(1)]) for name, one in sums.items()}
    of_pair = (kind_of[:, None] * (width + 1) + np.arange(width + 1)).ravel()
    for name, one in (
        ("images", questions > 0), ("counted_images", n > 0), ("counted_squared", n * n), ("counted_correct", n * y),
        ("correct_squared", y * y), ("alarm_images", alarms > 0), ("unlabelled_images", claims > 0),
    ):  # fmt: skip
        sums[name] = np.bincount(of_pair, one.ravel(), size * (width + 1)).reshape(size, width + 1)

    kind, place = (axis.astype(np.int64) for axis in np.nonzero(sums["questions"]))
    names = pl.Series("subtask", [*subtasks, None], dtype=pl.String)
    counts = [pl.Series(name, sums[name][kind, place]).cast(pl.Float64 if name in REAL else pl.Int64) for name in SUMS]
    first = ("cluster_id", "dataset", "product", "subtask", "label", "defect", "line", "camera", "lot")
    return kinds[kind].with_columns(names.gather(place), *counts).select(*first, *SUMS)


def _counts(places: NDArray[np.int64], chosen: NDArray[np.bool_] | None, size: int) -> NDArray[np.int64]:
    """How many of the chosen rows, all for None, have each place."""
    return np.bincount(places if chosen is None or chosen.all() else places[chosen], minlength=size)


def _is(column: pl.Series, value: str) -> NDArray[np.bool_]:
    """Where an Enum has this value, which may be none of its own."""
    known = cast(pl.Enum, column.dtype).categories.to_list()
    place = known.index(value) if value in known else len(known)
    return (column.to_physical() == place).fill_null(False).to_numpy()


def pairs(new: Columns, old: Columns) -> pl.DataFrame:
    """The questions that count in both runs, by image and question, whatever was shown with it.

    Returns:
        new and old, the places of their rows.
    """
    hashes = pl.concat([new.questions["question_id"], old.questions["question_id"]]).unique()
    image_ids = new.images.select("image_id").with_row_index("common")
    sides = []
    for columns, name in ((new, "new"), (old, "old")):
        of_question = columns.questions["question_id"].cast(pl.Enum(hashes)).to_physical().cast(pl.UInt64)
        of_image = columns.images.select("image_id").join(image_ids, on="image_id", how="left", maintain_order="left")
        rows = columns.rows.lazy().select("image", "question", "correct").with_row_index(name).drop_nulls("correct")
        sides.append(
            rows.with_columns(
                key=pl.lit(of_image["common"].cast(pl.UInt64)).gather(pl.col("image")) * len(hashes)
                + pl.lit(of_question).gather(pl.col("question"))
            )
            .drop_nulls("key")
            .sort("question", maintain_order=True)
            .unique("key", keep="first", maintain_order=True)
            .select("key", name)
        )
    return sides[0].join(sides[1], on="key").select("new", "old").sort("new").collect()
