"""Where a run is worse than elsewhere: accuracy over any combination of dimensions, against what was to be expected.

`table` compares each slice with all questions outside it, both measured against their subtask's accuracy, so that a
slice isn't called bad for asking hard questions; the test knows that an image's questions go together and that an
image can lie on both sides. `heat` is for two dimensions crossed. Everything is a few group-bys: a million predictions
take less than half a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from workbench.analysis import intervals

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
    rows = _residuals(facts, by, [] if set(by) <= set(adjust) else adjust)
    # n, e: of an image's questions in the slice; N, E: of all its questions. Sums over images are taken over rows, each
    # of which stands for 1 / n of its image in the slice: ten times quicker than one row per slice and image.
    right, e, n, n_e, n_r = (pl.col(name) for name in ("right", "e", "n", "n_e", "n_r"))
    groups = (
        rows.group_by("slice")
        .agg(
            images=(1 / n).sum().round().cast(pl.Int64), nn=n.sum(), nr=n_r.sum(), rr=(n_r * n_r / n).sum(),
            ee=(n_e * n_e / n).sum(), eE=(e * pl.col("E")).sum(), right=right.sum(), e=e.sum(),
            n=pl.len().cast(pl.Float64),
        )
        .join(_names(facts, by), on="slice")
    )  # fmt: skip
    totals = rows.select(
        N=pl.len(), E=e.sum(), EE=(pl.col("E") ** 2 / pl.col("N")).sum(), G=(1 / pl.col("N")).sum().round()
    ).row(0, named=True)  # fmt: skip
    others = totals["N"] - n
    # An image moves the difference by e * a - E / others, where its e and E scatter about 0 if there is none; the last
    # term is there for images outside the slice too. The variance is the sum of its squares, multiplied out.
    a = 1 / n + 1 / others
    variance = a**2 * pl.col("ee") - 2 * a * pl.col("eE") / others + totals["EE"] / others**2
    variance *= totals["G"] / max(totals["G"] - 1, 1)
    groups = intervals.with_intervals(groups)
    groups = groups.with_columns(
        difference=pl.when(others > 0).then(e / n - (totals["E"] - e) / others),
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


def _residuals(facts: pl.DataFrame, by: Sequence[str], adjust: Sequence[str]) -> pl.DataFrame:
    """The judged rows as numbers: slice, right and e, `right` less the rate of its kind; N and E, questions and sum of
    e of the row's image; n, n_e and n_r, questions and sums of e and right of its image in its slice.

    Slices and images go by 64-bit hashes, which group four times quicker than texts.
    """
    right = pl.col("right").cast(pl.Float64)
    mean = right.mean().over(*adjust) if adjust else right.mean()
    return (
        facts.lazy()
        .filter(pl.col("right").is_not_null())
        .select(slice=_slice(by), image=pl.col("image_id").hash(), right=right, e=right - mean)
        .with_columns(pair=pl.struct("slice", "image").hash())
        .select(
            "slice", "right", "e",
            N=pl.len().over("image").cast(pl.Float64), E=pl.col("e").sum().over("image"),
            n=pl.len().over("pair").cast(pl.Float64), n_e=pl.col("e").sum().over("pair"),
            n_r=pl.col("right").sum().over("pair"),
        )
        .collect()
    )  # fmt: skip


def _names(facts: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    return facts.select(by).unique().with_columns(slice=_slice(by))


def _slice(by: Sequence[str]) -> pl.Expr:
    return pl.struct(by).hash()
