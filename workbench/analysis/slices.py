"""Slices: a run's accuracy over any combination of dimensions, against the accuracy to be expected there.

`table` compares each slice with all questions outside it, both measured against their subtask's accuracy, so that a
slice isn't called bad for asking hard questions; the test knows that an image's questions go together and that an
image can lie on both sides. `heat` is for two dimensions crossed. Everything is a few group-bys: a million predictions
take less than half a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from workbench.analysis import cluster_robust, image_groups, intervals

ENOUGH = 10  # effective images; a slice of fewer is shown grey and makes no claim
ADJUSTED = ("subtask",)

COLUMNS = {
    "n": "questions judged",
    "right": "of these answered rightly",
    "images": "images they are about",
    "effective": "images with one number of questions that would say as much",
    "rate": "right / n",
    "low": "95 % interval, clustered by image",
    "high": "95 % interval, clustered by image",
    "deff": "design effect: how many questions are worth one independent one",
    "expected": "the rate of all other questions, brought to this slice's mix of subtasks",
    "difference": "rate - expected; below 0 is worse",
    "p": "two-sided, of no difference; cluster-robust score test, t with effective - 1 degrees of freedom",
    "q": "p after Benjamini and Hochberg over the slices with at least ENOUGH effective images",
    "detectable": "the loss that would be noticed at 5 % with a power of 80 %, in rate points",
    "enough": "at least ENOUGH effective images",
}


def table(facts: pl.DataFrame, by: Sequence[str], adjust: Sequence[str] = ADJUSTED) -> pl.DataFrame:
    """Accuracy of every slice beside what was to be expected, worst first.

    The difference is the slope of `statsmodels ols("residual ~ slice")`, where the residual is `right` less its
    subtask's rate. Its test is the cluster-robust score test: scatter is measured about no difference, because measured
    about the slice's own rate it is too small where by chance nearly all answers are right. There even that is too
    small, so it is at least what answers with their subtasks' rates have that correlate within an image as all do.

    Args:
        facts: see `rollups.ANALYSED`; rows that do not count are left out.
        by: any of `rollups.FACETS`; a null value is a slice of its own.
        adjust: what is allowed to differ in difficulty; not used where `by` names nothing else.

    Returns:
        `by` and COLUMNS.
    """
    by = list(by)
    rows = facts.filter(pl.col("right").is_not_null())
    right = rows["right"].cast(pl.Float64).to_numpy()
    kind = image_groups.numbered(rows, [] if set(by) <= set(adjust) else adjust)
    share = (np.bincount(kind, right) / np.maximum(np.bincount(kind), 1))[kind]
    spread = np.sqrt(share * (1 - share))  # of one answer, if its slice is like the others
    found = image_groups.by_cluster(rows, by)
    # m, r, e, s, v: an image's questions in the slice, the right ones, sums of residuals, spreads and their squares;
    # E, S, V: those of all its questions.
    m, r, e, s, v = (found.per_pair(each) for each in (None, right, right - share, spread, spread**2))
    E, S, V = (found.per_cluster(each) for each in (e, s, v))
    groups = found.table(
        n=m, right=r, e=e, n_squared=m * m, n_right=m * r, right_squared=r * r, ee=e * e, eE=e * E[found.cluster],
        ss=s * s, sS=s * S[found.cluster], v=v,
    )  # fmt: skip
    groups = groups.with_columns(images=pl.Series(found.per_group(), dtype=pl.Int64))
    sizes = found.per_cluster(m)
    totals = {name: float(values.sum()) for name, values in (("E", E), ("EE", E * E), ("SS", S * S), ("V", V))}
    n, others = pl.col("n"), rows.height - pl.col("n")
    clusters = float(cluster_robust.effective(sizes.sum(), (sizes**2).sum()))
    grown = clusters / max(clusters - 1, 1e-9)
    # An image moves the difference by e * a - E / others, where its e and E scatter about 0 if there is none; the last
    # term is there for images outside the slice too. The variance is the sum of its squares, multiplied out.
    a = 1 / n + 1 / others
    seen = grown * (a**2 * pl.col("ee") - 2 * a * pl.col("eE") / others + totals["EE"] / others**2)
    # The same from all images, if answers of one image correlate by so much everywhere.
    together = max(totals["SS"] - totals["V"], 0.0)
    correlation = float(np.clip((grown * totals["EE"] - totals["V"]) / together, 0, 1)) if together > 0 else 0.0
    alone = a**2 * pl.col("v") - 2 * a * pl.col("v") / others + totals["V"] / others**2
    alike = a**2 * pl.col("ss") - 2 * a * pl.col("sS") / others + totals["SS"] / others**2
    expected_scatter = (1 - correlation) * alone + correlation * alike
    groups = intervals.with_intervals(groups)
    groups = groups.with_columns(
        difference=pl.when(others > 0).then(pl.col("e") / n - (totals["E"] - pl.col("e")) / others),
        error=pl.when(others > 0, pl.col("images") > 1).then(pl.max_horizontal(seen, expected_scatter).clip(0).sqrt()),
    ).with_columns(expected=pl.col("rate") - pl.col("difference"), enough=pl.col("effective") >= ENOUGH - 1e-9)
    t = groups.select(pl.when(pl.col("error") > 0).then(pl.col("difference") / pl.col("error"))).to_series()
    groups = groups.with_columns(p=intervals.two_sided(t, groups["effective"] - 1))
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
        rows, columns, n, right, images, effective, rate, low, high, expected (row's rate + column's rate - overall,
        within 0..1), difference (rate - expected), enough (at least ENOUGH effective images).
    """
    return against_margins(intervals.rates(facts, (rows, columns)), rows, columns)


def against_margins(cells: pl.DataFrame, rows: str, columns: str, *more: str) -> pl.DataFrame:
    """`heat` of cells that are counted already, as `intervals.rates` gives them by `rows`, `columns` and `more`."""
    overall = pl.col("right").sum() / pl.col("n").sum()
    row, column = (pl.col("right").sum().over(name) / pl.col("n").sum().over(name) for name in (rows, columns))
    return (
        cells.with_columns(expected=(row + column - overall).clip(0, 1))
        .with_columns(difference=pl.col("rate") - pl.col("expected"), enough=pl.col("effective") >= ENOUGH - 1e-9)
        .select(
            *more, rows, columns, pl.col("n", "right").cast(pl.Int64), "images", "effective", "rate", "low", "high",
            "expected", "difference", "enough",
        )
        .sort(rows, columns)
    )  # fmt: skip
