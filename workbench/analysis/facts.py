"""Facts: one narrow row per prediction, with every dimension an error can be sliced by. All analysis starts from here.

`of` makes them from the warehouse's predictions; whoever makes them elsewhere (SQL, a notebook) keeps to COLUMNS.
A prediction is judged (`right` is not null) when its right answer is known and it was not failed by its image; one that
could not be read (`invalid`) is judged wrong, and is counted on its own as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise

import polars as pl

from workbench.analysis import metrics, shapes

COLUMNS: Mapping[str, str] = {
    "run_id": "the run",
    "image_id": "the entry asked about; what intervals are clustered by",
    "question_id": "hash of subtask, question, options and reference",
    "asked": "md5 of subtask, question and option texts, one a line, whatever the reference: runs pair by it",
    "image_path": "relative to the archive",
    "dataset": "data set",
    "product": "product",
    "label": "good, defective or null",
    "defect": "defect type; null for good or unknown",
    "line": "production line or null",
    "camera": "camera or null",
    "night": "the evening's date, YYYY-MM-DD: of capture, else of scoring, noon to noon UTC",
    "subtask": "one of MMAD's seven",
    "question": "the question's text",
    "status": "answered, invalid or failed",
    "outcome": "see look.Outcome",
    "right": "Boolean; null where not judged",
    "answer": "letter",
    "correct_answer": "letter or null",
    "answer_text": "the chosen option's text; its letter where nobody knows the options",
    "correct_text": "the right option's text; its letter where nobody knows the options",
    "choices": "options offered; 0 of an open question, and where an answer file doesn't tell them",
    "conditional": "only meaningful if the image has a defect",
    "confidence": "probability of the likeliest option, 0..1; null without option probabilities",
    "entropy": "nats, of the best iteration; null where nothing ran",
    "shape": "the entropy trace's shape, see shapes.py; null with fewer than three iterations",
    "description": "the first retrieved description's id; null without",
    "retrieval": "right, other entry, other product, none; null where the label is unknown",
    "letter": "the right option's letter: the position bias shows here",
    "confidence_band": "see CONFIDENCE_BANDS",
    "entropy_band": "see ENTROPY_BANDS",
    "claim": "what a detection answer says: defective, good, cannot say, unreadable; null where nothing tells",
}
DIMENSIONS = (
    "subtask", "dataset", "product", "defect", "label", "line", "camera", "night", "confidence_band", "entropy_band",
    "shape", "description", "retrieval", "letter",
)  # fmt: skip
"""What can be sliced by, in any combination."""
OF_THE_ARCHIVE = ("subtask", "dataset", "product", "defect", "line", "camera", "night", "retrieval", "letter")
"""Those known before the model answers: a slice found by them names a cause, not a symptom."""

# Fixed, so that a band means the same in every run and a link with it stays true.
CONFIDENCE_BANDS = (0.5, 0.7, 0.9, 0.99)
ENTROPY_BANDS = (0.25, 0.5, 1.0, 2.0, 4.0)  # nats

NEEDED = (
    "run_id", "image_id", "question_id", "image_path", "dataset", "product", "label", "defect", "line", "camera",
    "captured_at", "subtask", "question", "options", "conditional", "answer", "correct_answer", "status",
    "option_probabilities", "entropy", "best_iteration", "descriptions", "created_at", "claims",
)  # fmt: skip
"""The columns of `predictions` that `of` reads."""


def of(predictions: pl.DataFrame) -> pl.DataFrame:
    """The facts of predictions, in their order.

    Args:
        predictions: the columns NEEDED, as `Store.predictions` gives them; of one run or several.

    Returns:
        COLUMNS.
    """
    rows = predictions.join(_asked(predictions), on="question_id", how="left", maintain_order="left")
    texts = pl.col("options").list.eval(pl.element().struct.field("text"))
    place = {
        name: pl.col(name).replace_strict(metrics.LETTERS, default=None, return_dtype=pl.UInt32) for name in _LETTERED
    }
    known = pl.col("options").list.len() > 0
    noon = pl.coalesce("captured_at", "created_at").dt.convert_time_zone("UTC") - pl.duration(hours=12)
    rows = metrics.outcomes(rows).with_columns(
        night=noon.dt.strftime("%Y-%m-%d"),
        right=pl.when(pl.col("correct_answer").is_not_null(), pl.col("status") != "failed").then(
            pl.col("outcome") == "right"
        ),
        answer_text=pl.when(known)
        .then(texts.list.get(place["answer"], null_on_oob=True))
        .when(pl.col("answer").str.len_chars() == 1)
        .then("answer"),
        correct_text=pl.when(known)
        .then(texts.list.get(place["correct_answer"], null_on_oob=True))
        .otherwise("correct_answer"),
        choices=pl.col("options").list.len().cast(pl.Int64),
        confidence=pl.col("option_probabilities").map.values().list.max(),
        shape=shapes.shape(pl.col("entropy")),
        description=pl.col("descriptions").list.first().struct.field("description_id"),
        entropy=pl.col("entropy").list.get(pl.col("best_iteration"), null_on_oob=True),
        letter=pl.col("correct_answer"),
    )
    return rows.with_columns(
        retrieval=retrieval(),
        confidence_band=band("confidence", CONFIDENCE_BANDS),
        entropy_band=band("entropy", ENTROPY_BANDS),
    ).select(*COLUMNS)


def judged(facts: pl.DataFrame) -> pl.DataFrame:
    """The rows that are right or wrong."""
    return facts.filter(pl.col("right").is_not_null())


def band(column: str, edges: tuple[float, ...]) -> pl.Expr:
    """The band a value lies in as text, such as "0.5 to 0.7"; bands include their lower edge."""
    names = (f"below {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges)))
    found: pl.Expr = pl.lit(f"{edges[-1]:g} and above")
    for edge, name in reversed(list(zip(edges, names, strict=True))):
        found = pl.when(pl.col(column) < edge).then(pl.lit(name)).otherwise(found)
    return pl.when(pl.col(column).is_not_null()).then(found)


def retrieval() -> pl.Expr:
    """Whether the first retrieved description is the image's own: of its product, and of its defect or of `good`."""
    parts = pl.col("description").str.split("/").list.eval(pl.element().str.replace_all("%2F", "/", literal=True))
    entry = parts.list.last().str.to_lowercase()
    truth = pl.when(pl.col("label") == "good").then(pl.lit("good")).otherwise(pl.col("defect").str.to_lowercase())
    return (
        pl.when(truth.is_null())
        .then(None)
        .when(pl.col("description").is_null())
        .then(pl.lit("none"))
        .when(parts.list.get(-2, null_on_oob=True) != pl.col("product"))
        .then(pl.lit("other product"))
        .when(entry == truth)
        .then(pl.lit("right"))
        .otherwise(pl.lit("other entry"))
    )


_LETTERED = ("answer", "correct_answer")


def _asked(predictions: pl.DataFrame) -> pl.DataFrame:
    """question_id and asked, one row per distinct question."""
    questions = predictions.select("question_id", "subtask", "question", "options").unique("question_id", keep="first")
    lines = [
        "\n".join((subtask, question, *(option["text"] for option in options)))
        for _, subtask, question, options in questions.iter_rows()
    ]
    asked = [hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in lines]
    return pl.DataFrame({"question_id": questions["question_id"], "asked": pl.Series(asked, dtype=pl.String)})
