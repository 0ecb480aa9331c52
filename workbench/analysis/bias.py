"""Position bias: does the model prefer a place in the list of options, whatever stands there?

For each letter: how often it was answered, less how often it was right, over the same questions. A model that errs
without a preference gives each letter about as often as it is right. Detection is left out: its options are always
"Yes" and "No" in the same places, so a liking for "A" can't be told from overkill.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from warehouse.queries.truth import NONE_OF_THESE
from workbench import wording
from workbench.analysis import intervals, sign_flips

FLAGGED = 0.05  # of answers: a preference smaller than this is real, perhaps, and no matter
AVOIDED = 0.2  # of the answers that are right: a letter answered so much less often is avoided, however rare it is
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Bias:
    """What the table comes to."""

    flagged: bool
    sentence: str


def by_position(facts: pl.DataFrame) -> pl.DataFrame:
    """One row per letter that was right or answered somewhere.

    Returns:
        letter, n (questions that offer it), images, answered and truly (shares of n), excess (answered - truly), low,
        high (95 % of the excess), p (sign flips of the images' excesses), q (after Benjamini and Hochberg), hits and
        recall (accuracy where this letter is right; hits is how often it is).
    """
    rows = facts.filter(pl.col("right").is_not_null(), ~pl.col("detection"), pl.col("choices") > 1)
    named = {*rows["correct_answer"].drop_nulls(), *rows["answer"].drop_nulls()}
    letters = sorted(named - {NONE_OF_THESE})
    found = [_position(rows, letter) for letter in letters]
    table = pl.DataFrame(found, schema=_SCHEMA, orient="row")
    return table.with_columns(q=intervals.discoveries(table["p"]))


def verdict(positions: pl.DataFrame) -> Bias:
    """Flagged when a letter's q is below 5 %, and its excess is at least FLAGGED or its lack AVOIDED of its share.

    Args:
        positions: as `by_position` gives them.
    """
    sure = positions.filter(pl.col("q") < ALPHA, pl.col("excess") >= FLAGGED).sort("excess", descending=True)
    lack = (pl.col("excess") <= -FLAGGED) | (pl.col("excess") <= -AVOIDED * pl.col("truly"))
    avoided = positions.filter(pl.col("q") < ALPHA, pl.col("excess") < 0, lack).sort("excess")
    stated = [_stated(table, word) for table, word in ((sure, "preferred"), (avoided, "avoided")) if table.height]
    if not stated:
        return Bias(False, "No option's place is preferred or avoided beyond what the evidence and 5 points allow.")
    return Bias(True, " ".join(stated))


def _stated(positions: pl.DataFrame, word: str) -> str:
    row = positions.row(0, named=True)
    return (
        f"Option {row['letter']} is {word}: answered in {wording.percent(row['answered'])} of "
        f"{wording.counted(row['n'], 'question')} and right in {wording.percent(row['truly'])} "
        f"(excess {wording.points(row['low'])} to {wording.points(row['high'])} points)."
    )


_SCHEMA = {
    "letter": pl.String, "n": pl.Int64, "images": pl.Int64, "answered": pl.Float64, "truly": pl.Float64,
    "excess": pl.Float64, "low": pl.Float64, "high": pl.Float64, "p": pl.Float64, "hits": pl.Int64,
    "recall": pl.Float64,
}  # fmt: skip


def _position(rows: pl.DataFrame, letter: str) -> tuple[object, ...]:
    place = ord(letter) - ord("A")
    offered = rows.filter(pl.col("choices") > place).with_columns(
        answered=((pl.col("answer") == letter) & (pl.col("status") == "answered")).fill_null(False).cast(pl.Float64),
        truly=(pl.col("correct_answer") == letter).cast(pl.Float64),
    )
    images = intervals.per_cluster(offered.with_columns(excess=pl.col("answered") - pl.col("truly")), value="excess")
    flipped = sign_flips.of(images)
    right = offered.filter(pl.col("truly") == 1)
    recall = right["answered"].mean()
    shares = (offered["answered"].mean(), offered["truly"].mean(), flipped.difference)
    ends = flipped.interval(intervals.LEVEL)
    return (letter, offered.height, images.height, *shares, *ends, flipped.p, right.height, recall)
