"""Whether the model prefers a place in the list of options, whatever stands there.

For each letter: how often it was answered, less how often it was right, over the same questions. A model that errs
without a preference gives each letter about as often as it is right. Detection is left out: its options are always
"Yes" and "No" in the same places, so a liking for "A" can't be told from overkill.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from scipy import special

from warehouse.records import SUBTASKS
from workbench.analysis import intervals

FLAGGED = 0.05  # of answers: a preference smaller than this is real, perhaps, and no matter
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
        high (95 % of the excess, clustered by image), p (cluster-robust), q (after Benjamini and Hochberg), hits and
        recall (accuracy where this letter is right; hits is how often it is).
    """
    rows = facts.filter(pl.col("right").is_not_null(), pl.col("subtask") != SUBTASKS[0], pl.col("choices") > 1)
    letters = sorted({*rows["correct_answer"].drop_nulls(), *rows["answer"].drop_nulls()})
    found = [_position(rows, letter) for letter in letters]
    table = pl.DataFrame(found, schema=_SCHEMA, orient="row")
    return table.with_columns(q=intervals.discoveries(table["p"]))


def verdict(positions: pl.DataFrame) -> Bias:
    """Flagged when a letter's excess is at least FLAGGED and its q below 5 %.

    Args:
        positions: as `by_position` gives them.
    """
    sure = positions.filter(pl.col("q") < ALPHA, pl.col("excess") >= FLAGGED).sort("excess", descending=True)
    if sure.is_empty():
        return Bias(False, "No option's place is preferred beyond what the evidence and 5 points allow.")
    row = sure.row(0, named=True)
    return Bias(
        True,
        f"Option {row['letter']} is preferred: answered in {row['answered']:.0%} of {row['n']:,} questions and right "
        f"in {row['truly']:.0%} (excess {100 * row['low']:+.1f} to {100 * row['high']:+.1f} points).",
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
    images = offered.group_by("image_id").agg(
        n=pl.len().cast(pl.Float64), excess=(pl.col("answered") - pl.col("truly")).sum()
    )
    n, count = offered.height, images.height
    excess = float(images["excess"].sum()) / n
    right = offered.filter(pl.col("truly") == 1)
    recall = right["answered"].mean()
    shares = (offered["answered"].mean(), offered["truly"].mean(), excess)
    if count < 2:
        return (letter, n, count, *shares, -1.0, 1.0, None, right.height, recall)
    scatter = ((images["excess"] - excess * images["n"]) ** 2).sum() * count / (count - 1)
    se = float(scatter) ** 0.5 / n
    half = float(special.stdtrit(count - 1, 0.975)) * se
    t = pl.Series([excess / se if se > 0 else None], dtype=pl.Float64)
    p = intervals.two_sided(t, pl.Series([count - 1]))[0]
    return (letter, n, count, *shares, excess - half, excess + half, p, right.height, recall)
