"""Where a run is worse than elsewhere: accuracy over any combination of dimensions, against what was to be expected.

`table` compares each slice with all questions outside it, both measured against their subtask's accuracy, so that a
slice isn't called bad for asking hard questions; the test knows that an image's questions go together and that an
image can lie on both sides. `heat` is for two dimensions crossed. Everything is a few group-bys: a million predictions
take less than half a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from workbench.analysis import clusters, intervals

ENOUGH = 20  # images; a slice of fewer is shown grey and makes no claim
ADJUSTED = ("subtask",)

COLUMNS = {
    "n": "questions judged",
    "right": "of these answered rightly",
    "images": "images they are about",
    "rate": "right / n",
    "low": "95 % interval, clustered by image",
    "high": "95 % interval, clustered by image",
    "deff": "design effect: how many questions are worth one independent one",
    "expected": "the rate of all other questions, brought to this slice's mix of subtasks",
    "difference": "rate - expected; below 0 is worse",
    "p": "two-sided, of no difference; cluster-robust score test, t with images - 1 degrees of freedom",
    "q": "p after Benjamini and Hochberg over the slices with at least ENOUGH images",
    "detectable": "the loss that would be noticed at 5 % with a power of 80 %, in rate points",
    "enough": "at least ENOUGH images",
}


def table(facts: pl.DataFrame, by: Sequence[str], adjust: Sequence[str] = ADJUSTED) -> pl.DataFrame:
    """Accuracy of every slice beside what was to be expected, worst first.

    The difference is the slope of `statsmodels ols("residual ~ slice")`, where the residual is `right` less its
    subtask's rate. Its test is the cluster-robust score test: scatter is measured about no difference, because measured
    about the slice's own rate it is too small where by chance nearly all answers are right.

    Args:
        facts: see `facts.COLUMNS`; rows that aren't judged are left out.
        by: any of `facts.DIMENSIONS`; a null value is a slice of its own.
        adjust: what is allowed to differ in difficulty; not used where `by` names nothing else.

    Returns:
        `by` and COLUMNS.
    """
    by = list(by)
    rows = facts.filter(pl.col("right").is_not_null())
    right = rows["right"].cast(pl.Float64).to_numpy()
    kind = clusters.numbered(rows, [] if set(by) <= set(adjust) else adjust)
    residual = right - (np.bincount(kind, right) / np.maximum(np.bincount(kind), 1))[kind]
    found = clusters.by_image(rows, by)
    # m, r, e: an image's questions in the slice, the right ones, the sum of residuals; E: that of all its questions.
    m, r, e = found.per_pair(), found.per_pair(right), found.per_pair(residual)
    E = found.per_image(e)
    groups = found.table(n=m, right=r, e=e, nn=m * m, nr=m * r, rr=r * r, ee=e * e, eE=e * E[found.image])
    groups = groups.with_columns(images=pl.Series(found.per_group(), dtype=pl.Int64))
    totals = {"N": rows.height, "E": float(E.sum()), "EE": float((E * E).sum()), "G": found.images}
    n = pl.col("n")
    others = totals["N"] - n
    # An image moves the difference by e * a - E / others, where its e and E scatter about 0 if there is none; the last
    # term is there for images outside the slice too. The variance is the sum of its squares, multiplied out.
    a = 1 / n + 1 / others
    variance = a**2 * pl.col("ee") - 2 * a * pl.col("eE") / others + totals["EE"] / others**2
    variance *= totals["G"] / max(totals["G"] - 1, 1)
    groups = intervals.with_intervals(groups)
    groups = groups.with_columns(
        difference=pl.when(others > 0).then(pl.col("e") / n - (totals["E"] - pl.col("e")) / others),
        error=pl.when(others > 0, pl.col("images") > 1).then(variance.clip(0).sqrt()),
    ).with_columns(expected=pl.col("rate") - pl.col("difference"), enough=pl.col("images") >= ENOUGH)
    t = groups.select(pl.when(pl.col("error") > 0).then(pl.col("difference") / pl.col("error"))).to_series()
    groups = groups.with_columns(p=intervals.two_sided(t, groups["images"] - 1))
    return (
        groups.with_columns(
            q=intervals.discoveries(groups.select(pl.when("enough").then("p")).to_series()),
            detectable=intervals.detectable(pl.col("expected"), n / pl.col("deff"), (others / pl.col("deff")).clip(1)),
        )
        .select(*by, *(name if name not in ("n", "right") else pl.col(name).cast(pl.Int64) for name in COLUMNS))
        .sort("difference", *by, nulls_last=True)
    )


def heat(facts: pl.DataFrame, rows: str = "product", columns: str = "subtask") -> pl.DataFrame:
    """Two dimensions crossed: each cell's rate beside what its row and its column alone would lead one to expect.

    Returns:
        rows, columns, n, right, images, rate, low, high, expected (row's rate + column's rate - overall, within 0..1),
        difference (rate - expected), enough (at least ENOUGH images).
    """
    return against_margins(intervals.rates(facts, (rows, columns)), rows, columns)


def against_margins(cells: pl.DataFrame, rows: str, columns: str, *more: str) -> pl.DataFrame:
    """`heat` of cells that are counted already: `rows`, `columns`, `more` and n, right, images, rate, low, high."""
    overall = pl.col("right").sum() / pl.col("n").sum()
    row, column = (pl.col("right").sum().over(name) / pl.col("n").sum().over(name) for name in (rows, columns))
    return (
        cells.with_columns(expected=(row + column - overall).clip(0, 1))
        .with_columns(difference=pl.col("rate") - pl.col("expected"), enough=pl.col("images") >= ENOUGH)
        .select(
            *more, rows, columns, pl.col("n", "right").cast(pl.Int64), "images", "rate", "low", "high", "expected",
            "difference", "enough",
        )
        .sort(rows, columns)
    )  # fmt: skip
